import { addressScript, encodeDraft } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { writeMessage } from 'sparkle-protocol/protocol/messages';
import type { Parts } from 'sparkle-protocol/trader/parts';
import type { Adversity } from './adversity.ts';
import { deeds } from './deeds.ts';
import { LyingSeller } from './liar-seller.ts';
import { greed, type Lie, untruths } from './lies.ts';
import { Meddler } from './meddler.ts';
import type { Trouble } from './trouble.ts';
import { anytime, anytimeAtRest, type Draw, drawBlocks, drawWho, said } from './when.ts';
import type { World } from './world.ts';

const bentMessages: Adversity = {
  name: 'messages',
  weight: 4,
  draw: ({ chance }, { blockSeconds }) => {
    const dice = chance.fork('post');
    const loss = chance.oneOf([0, 0.1, 0.4] as const);
    const late = (): number => Math.floor(dice.next() ** 3 * 4 * blockSeconds * 1000);
    const fate = (): readonly number[] => {
      if (dice.happens(loss)) return [];
      return Array.from({ length: dice.oneOf([1, 1, 2, 3] as const) }, late);
    };
    return {
      name: 'messages',
      told: `doubled, late, reordered, ${loss * 100} % lost`,
      prepare: (world) => {
        world.weather = fate;
      },
    };
  },
};

/** Deaths at checkpoints of the engine, one life after the other. What is told as `crash` is those that came to be. */
const fuse: Adversity = {
  name: 'fuse',
  weight: 5,
  draw: ({ chance }) => {
    const who = drawWho(chance);
    const fuses = Array.from({ length: chance.between(1, 3) }, () => ({
      checkpoints: chance.between(1, 40),
      awayBlocks: chance.oneOf([0, 0, 0, 1, 4] as const),
    }));
    return {
      name: 'fuse',
      costBlocks: fuses.reduce((sum, { awayBlocks }) => sum + awayBlocks + 1, 0),
      told: `the ${who}'s program will die ${fuses.length} times`,
      prepare: (world) => void world.party(who).fuses.push(...fuses),
    };
  },
};

export const pulledPlug: Adversity = {
  name: 'pulled plug',
  weight: 2,
  draw: (draw) => {
    const when = anytime(draw);
    const awayBlocks = drawBlocks(draw, { least: 1, most: 8 }) - 1;
    return {
      name: 'pulled plug',
      costBlocks: awayBlocks + 1,
      told: `the ${when.who} is away for ${awayBlocks} blocks, ${said(when)}`,
      when,
      begin: (world) => world.party(when.who).crash(awayBlocks),
    };
  },
};

const deafness: Adversity = {
  name: 'deafness',
  weight: 1,
  draw: ({ chance }) => {
    const who = drawWho(chance);
    const copies = chance.oneOf([0, 3] as const);
    return {
      name: 'deafness',
      told: `the ${who}'s node tells each thing ${copies} times, his chain source tells nothing`,
      prepare: (world) => world.party(who).node.setEventCopies(copies),
      tampers: { [who]: (parts: Parts) => ({ ...parts, chain: { ...parts.chain, subscribe: () => () => undefined } }) },
    };
  },
};

const walkAway: Adversity = {
  name: 'walk away',
  weight: 4,
  draw: (draw) => {
    const when = anytimeAtRest(draw);
    return {
      name: `${when.who} walks away`,
      told: said(when),
      when,
      begin: (world) => world.party(when.who).leave(),
    };
  },
};

const abort: Adversity = {
  name: 'abort',
  weight: 2,
  draw: (draw) => {
    const when = anytimeAtRest(draw);
    return {
      name: `${when.who} aborts`,
      told: said(when),
      when,
      begin: (world) => world.party(when.who).abort('changed_my_mind'),
    };
  },
};

const rival: Adversity = {
  name: 'rival',
  weight: 1,
  draw: () => ({
    name: 'rival',
    told: 'another buyer wants the same inscription',
    prepare: (world) => {
      world.party('rival').purchases.push(world.purchase(world.scenario.lot));
    },
  }),
};

/** He is no cheat: it is his inscription. But it is promised. */
const movesItself: Adversity = {
  name: 'seller moves it',
  weight: 1,
  draw: ({ chance, mode }) => {
    const holdFirst = ['invoiced', 'building', 'locking'] as const;
    const state = mode === 'hold-first' ? chance.oneOf(holdFirst) : chance.oneOf(['building', 'locking'] as const);
    const when = { who: 'seller', state, afterBlocks: chance.between(0, 1), amidCalls: 0 } as const;
    return {
      name: 'seller moves it',
      told: `he sends the inscription to himself with another program, ${said(when)}`,
      when,
      begin: (world) => void moveAway(world),
    };
  },
};

const MOVING_FEE_SATS = 60_000n;

async function moveAway(world: World): Promise<void> {
  const { lot } = world.scenario;
  const { wallet, network, chain } = world.partsOf('seller');
  const [coin] = (await wallet.coins()).filter(({ valueSats }) => valueSats > 2n * MOVING_FEE_SATS);
  if (coin === undefined) return;
  const spent = [{ outpoint: lot.outpoint, valueSats: lot.valueSats, script: wallet.scriptOf(lot.owner) }, coin];
  const outputs = [
    { script: addressScript(await wallet.address(), network), valueSats: lot.valueSats },
    { script: addressScript(await wallet.address(), network), valueSats: coin.valueSats - MOVING_FEE_SATS },
  ];
  const inputs = spent.map((input) => ({ ...input, sequence: 0xffff_fffd, witness: [] }));
  try {
    await chain.broadcast([wallet.signNow(encodeDraft({ lockHeight: 0, inputs, outputs }), spent)]);
  } catch (error) {
    // Too late: it is locked.
    if (!(error instanceof SparkleError)) throw error;
  }
}

/** Somebody who reads along and sends to both whatever comes to his mind: old letters, broken ones, his own. */
const meddler: Adversity = {
  name: 'meddler',
  weight: 2,
  draw: ({ chance }) => ({
    name: 'meddler',
    told: 'sends old letters to others, broken ones and forged ones',
    prepare: (world) => void world.actors.push(new Meddler(world, chance.fork('meddler'))),
  }),
};

/** His program is ours, but he says that he has left while he goes on. */
const falseAbort: Adversity = {
  name: 'false abort',
  weight: 2,
  draw: (draw) => {
    const by = drawWho(draw.chance);
    const when = anytimeAtRest(draw);
    return {
      name: `${by} says abort and goes on`,
      told: said(when),
      dishonest: by,
      when,
      prepare: (world) => {
        world.party(by).isHonest = false;
      },
      begin: (world) => void sayAbort(world, by),
    };
  },
};

async function sayAbort(world: World, by: 'buyer' | 'seller'): Promise<void> {
  const { market, clock, seed, network } = world.partsOf(by);
  const { public: from, secret } = identityKey({ seed, network });
  const to = world.party(by === 'buyer' ? 'seller' : 'buyer').id;
  for (const { tradeId } of world.party(by).trades()) {
    const signed = { tradeId, from, expiresAt: clock.nowSeconds() + 3600 };
    const { inscriptionId } = world.scenario.lot;
    const message = { op: 'trade_abort', inscriptionId, code: 'changed_my_mind', signed } as const;
    await market.send(to, { from, text: writeMessage(message, { secret, auxRand: clock.randomBytes(32) }) });
  }
}

/** A puppet takes the seller's place, with his keys, his coins and his node. */
export function lying(lie: Lie): Trouble {
  return {
    name: `seller ${lie.name}`,
    told: 'in everything else he tells the truth',
    dishonest: 'seller',
    prepare: (world) => {
      const party = world.party('seller');
      party.isHonest = false;
      party.runs = false;
      party.node.setHoldExpiryMargin(0);
      const note = (sentence: string): void => world.story.note(sentence);
      const puppet = new LyingSeller({
        parts: world.partsOf('seller'),
        offer: world.offer(world.scenario.lot),
        lie,
        note,
      });
      puppet.start();
      world.actors.push(puppet);
    },
  };
}

/** A seller who does all that a trade lets him do. */
export const greedySeller = ({ chance, mode }: Draw): Trouble => {
  const [first, ...others] = greed.filter(({ modes }) => modes.includes(mode));
  return lying(first === undefined ? { name: 'says nothing', modes: [] } : chance.oneOf([first, ...others]));
};

const lyingSeller: Adversity = {
  name: 'lying seller',
  weight: 4,
  draw: ({ chance, mode }) => {
    const lies = chance.happens(0.5) ? greed : untruths;
    const [first, ...others] = lies.filter(({ modes }) => modes.includes(mode));
    return lying(first === undefined ? { name: 'says nothing', modes: [] } : chance.oneOf([first, ...others]));
  },
};

const badBuyer: Adversity = {
  name: 'bad buyer',
  weight: 5,
  draw: ({ chance, mode }) => chance.oneOf(deeds(chance, mode))(),
};

export const peopleAdversities: readonly Adversity[] = [
  bentMessages,
  fuse,
  pulledPlug,
  deafness,
  walkAway,
  abort,
  rival,
  movesItself,
  meddler,
  falseAbort,
  lyingSeller,
  badBuyer,
];

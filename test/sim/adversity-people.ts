import type { Parts } from 'sparkle-protocol/trader/engine';
import type { Adversity } from './adversity.ts';
import { deeds } from './deeds.ts';
import { LyingSeller } from './liar-seller.ts';
import { lies, type Lie } from './lies.ts';
import type { Trouble } from './trouble.ts';
import { anytime, anytimeAtRest, drawWho, said } from './when.ts';

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

const pulledPlug: Adversity = {
  name: 'pulled plug',
  weight: 2,
  draw: (draw) => {
    const when = anytime(draw);
    const awayBlocks = draw.chance.between(0, 8);
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

const lyingSeller: Adversity = {
  name: 'lying seller',
  weight: 4,
  draw: ({ chance, mode }) => {
    const [first, ...others] = lies.filter(({ modes }) => modes.includes(mode));
    return lying(first === undefined ? { name: 'says nothing', modes: [] } : chance.oneOf([first, ...others]));
  },
};

const badBuyer: Adversity = {
  name: 'bad buyer',
  weight: 5,
  draw: ({ chance }, scenario) => chance.oneOf(deeds(chance, scenario))(),
};

export const peopleAdversities: readonly Adversity[] = [
  bentMessages,
  fuse,
  pulledPlug,
  deafness,
  walkAway,
  abort,
  rival,
  lyingSeller,
  badBuyer,
];

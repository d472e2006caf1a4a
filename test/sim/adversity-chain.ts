import type { Chain } from 'sparkle-protocol/chain/chain';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import type { Parts } from 'sparkle-protocol/trader/parts';
import type { Adversity } from './adversity.ts';
import type { Chance } from './chance.ts';
import type { Scenario } from './scenario.ts';
import { anytime, drawBlocks, drawWho, said } from './when.ts';
import type { World } from './world.ts';

export const reorg: Adversity = {
  name: 'reorg',
  weight: 4,
  draw: (draw) => {
    const { chance } = draw;
    const when = anytime(draw);
    const depth = chance.between(1, 6);
    // Six blocks are final for everybody: what was in the sixth comes back by itself or not at all.
    const mempool = chance.oneOf(
      depth < 6 ? (['mined', 'waiting', 'dropped'] as const) : (['mined', 'waiting'] as const),
    );
    return {
      name: 'reorg',
      depth,
      costBlocks: depth,
      told: `${depth} deep, transactions ${mempool}, ${said(when)}`,
      when,
      begin: (world) => world.reorg({ depth, mempool }),
    };
  },
};

/** What everybody can still pay: above that a claim is not lost by a mistake, but by the want of money. */
function mostSatVb({ buyerCoins, reserveSats, maxClaimFeeSats, maxRefundFeeSats }: Scenario): number {
  const least = maxClaimFeeSats < maxRefundFeeSats ? maxClaimFeeSats : maxRefundFeeSats;
  return Number(buyerCoins === 0 ? reserveSats / 160n : least / 700n);
}

export const feeSpike: Adversity = {
  name: 'fee spike',
  weight: 3,
  draw: (draw, scenario) => {
    const { chance } = draw;
    const when = anytime(draw);
    const { feerateSatVb } = scenario;
    const most = mostSatVb(scenario);
    const floorSatVb = Math.max(feerateSatVb, Math.min(most, feerateSatVb * chance.between(2, 40)));
    const estimateSatVb = Math.max(1, Math.min(most, floorSatVb * chance.oneOf([0.5, 1, 1, 1.2, 5] as const)));
    const lastsBlocks = drawBlocks(draw, { least: 1, most: 18 });
    return {
      name: 'fee spike',
      told: `floor ${floorSatVb}, estimate ${estimateSatVb} sat/vB for ${lastsBlocks} blocks, ${said(when)}`,
      when,
      lastsBlocks,
      costBlocks: lastsBlocks,
      begin: (world) => world.setFees({ floorSatVb, estimateSatVb }),
      end: (world) => world.setFees({ floorSatVb: 1, estimateSatVb: feerateSatVb }),
    };
  },
};

/** More than anybody here would pay. */
const NO_ROOM_SAT_VB = 100_000;

/** Gives the lock no room for so long that it must be taken back. */
export const ignoredLock: Adversity = {
  name: 'ignored lock',
  weight: 2,
  draw: ({ chance }, { feerateSatVb }) => {
    const lastsBlocks = chance.between(9, 24);
    return {
      name: 'ignored lock',
      told: `no miner takes anything for ${lastsBlocks} blocks once the lock is sent`,
      when: { who: 'seller', state: 'locking', afterBlocks: 0, amidCalls: 0 },
      lastsBlocks,
      begin: (world) => world.setFees({ floorSatVb: NO_ROOM_SAT_VB, estimateSatVb: feerateSatVb }),
      end: (world) => world.setFees({ floorSatVb: 1, estimateSatVb: feerateSatVb }),
    };
  },
};

export const eviction: Adversity = {
  name: 'eviction',
  weight: 2,
  draw: (draw) => {
    const when = anytime(draw);
    const lastsBlocks = drawBlocks(draw, { least: 1, most: 6 });
    const evict = ({ chain: { control } }: World): void => control.mempool().forEach((txid) => control.evict(txid));
    return {
      name: 'eviction',
      told: `mempools empty for ${lastsBlocks} blocks, ${said(when)}`,
      when,
      lastsBlocks,
      costBlocks: lastsBlocks,
      begin: evict,
      each: evict,
    };
  },
};

/** Miners who like one side: the other's spend of a lock is not taken for a while, and everything else is. */
export const ignoredSpend: Adversity = {
  name: 'ignored spend',
  weight: 2,
  draw: (draw) => {
    const { chance } = draw;
    const spend = draw.focus.who === 'seller' ? 'refund' : chance.oneOf(['claim', 'claim', 'refund'] as const);
    const who = spend === 'refund' ? 'seller' : 'buyer';
    const when = { who, state: spend === 'refund' ? 'refunding' : 'claiming', afterBlocks: 0, amidCalls: 0 } as const;
    const lastsBlocks = drawBlocks(draw, { least: 1, most: 12 });
    const forget = (world: World): void => evictSpends(world, spend);
    return {
      name: `ignored ${spend}`,
      told: `no miner takes a ${spend} for ${lastsBlocks} blocks`,
      when,
      lastsBlocks,
      costBlocks: lastsBlocks,
      begin: forget,
      each: forget,
    };
  },
};

function evictSpends(world: World, spend: 'claim' | 'refund'): void {
  const { everSeen } = world;
  const { control } = world.chain;
  const hashes = world.locks();
  for (const txid of control.mempool()) {
    const raw = everSeen.get(txid) ?? '';
    const hash = decodeTransaction(raw).inputs.flatMap(({ outpoint }) => hashes.get(outpoint) ?? [])[0];
    if (hash !== undefined && (findPreimage(raw, hash) === undefined) === (spend === 'refund')) control.evict(txid);
  }
}

/** What was replaced or thrown out of every mempool that we know of is not gone: any version may confirm (R5). */
export const oldVersion: Adversity = {
  name: 'old version',
  weight: 3,
  draw: (draw) => {
    const { chance } = draw;
    const when = anytime(draw);
    const dice = chance.fork('which');
    return { name: 'old version', told: said(when), when, begin: (world) => mineOld(world, dice) };
  },
};

function mineOld(world: World, dice: Chance): void {
  const waiting = new Set(world.chain.control.mempool());
  const old = [...world.everSeen].filter(([txid]) => !waiting.has(txid));
  for (let left = old.length; left > 0; left -= 1) {
    const [[txid, raw] = ['', '']] = old.splice(dice.between(0, old.length - 1), 1);
    try {
      world.mineExactly([raw]);
      world.story.note(`a miner takes ${txid}, which everybody else has forgotten`);
      return;
    } catch (error) {
      // Confirmed already, or no longer possible.
      if (!(error instanceof SparkleError)) throw error;
    }
  }
}

/** Sees blocks only: what is in the mempool, somebody else must tell him. */
const blindness: Adversity = {
  name: 'blindness',
  weight: 2,
  draw: ({ chance }) => {
    const who = drawWho(chance);
    return {
      name: 'blindness',
      told: `the ${who}'s chain source knows no mempool`,
      tampers: { [who]: (parts: Parts) => ({ ...parts, chain: blocksOnly(parts.chain) }) },
    };
  },
};

function blocksOnly(chain: Chain): Chain {
  const confirmed = async (txid: string) => {
    const found = await chain.transaction(txid);
    return found?.block === undefined ? undefined : found;
  };
  return {
    ...chain,
    transaction: confirmed,
    spender: async (outpoint, fromHeight) => {
      const found = await chain.spender(outpoint, fromHeight);
      return found?.block === undefined ? undefined : found;
    },
    unspent: async (outpoint) => {
      const [txid = '', vout] = outpoint.split(':');
      const known = await chain.unspent(outpoint);
      if (known !== undefined) return known.confirmations > 0 ? known : undefined;
      const spender = await chain.spender(outpoint, 0);
      const created = await confirmed(txid);
      if (spender === undefined || spender.block !== undefined || created?.block === undefined) return undefined;
      const output = decodeTransaction(created.raw).outputs[Number(vout)];
      const { height } = await chain.tip();
      return output === undefined ? undefined : { ...output, confirmations: height - created.block.height + 1 };
    },
    subscribe: (listener) =>
      chain.subscribe((event) => {
        if (event.type === 'tip' || event.type === 'reorg') listener(event);
      }),
  };
}

export const chainOutage: Adversity = {
  name: 'chain outage',
  weight: 3,
  draw: (draw) => {
    const when = anytime(draw);
    const lastsBlocks = drawBlocks(draw, { least: 1, most: 8 });
    return {
      name: 'chain outage',
      told: `the ${when.who} sees no chain for ${lastsBlocks} blocks, ${said(when)}`,
      when,
      lastsBlocks,
      costBlocks: lastsBlocks,
      begin: (world) => world.party(when.who).setChainDown(true),
      end: (world) => world.party(when.who).setChainDown(false),
    };
  },
};

export const chainAdversities: readonly Adversity[] = [
  reorg,
  feeSpike,
  ignoredLock,
  ignoredSpend,
  eviction,
  oldVersion,
  blindness,
  chainOutage,
];

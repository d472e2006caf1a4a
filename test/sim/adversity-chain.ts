import type { Adversity } from './adversity.ts';
import type { Scenario } from './scenario.ts';
import { anytime, said } from './when.ts';
import type { World } from './world.ts';

const reorg: Adversity = {
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

const feeSpike: Adversity = {
  name: 'fee spike',
  weight: 3,
  draw: (draw, scenario) => {
    const { chance } = draw;
    const when = anytime(draw);
    const { feerateSatVb } = scenario;
    const most = mostSatVb(scenario);
    const floorSatVb = Math.max(feerateSatVb, Math.min(most, feerateSatVb * chance.between(2, 40)));
    const estimateSatVb = Math.max(1, Math.min(most, floorSatVb * chance.oneOf([0.5, 1, 1, 1.2] as const)));
    const lastsBlocks = chance.between(1, 18);
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

const ignoredLock: Adversity = {
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

const eviction: Adversity = {
  name: 'eviction',
  weight: 2,
  draw: (draw) => {
    const when = anytime(draw);
    const lastsBlocks = draw.chance.between(1, 6);
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

const chainOutage: Adversity = {
  name: 'chain outage',
  weight: 3,
  draw: (draw) => {
    const when = anytime(draw);
    const lastsBlocks = draw.chance.between(1, 8);
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

export const chainAdversities: readonly Adversity[] = [reorg, feeSpike, ignoredLock, eviction, chainOutage];

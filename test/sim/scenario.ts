import type { ScriptVersion } from 'sparkle-protocol/protocol/lock';
import { lockFirstNeed } from 'sparkle-protocol/protocol/deadlines';
import type { InternalKey, TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Inscribed } from './base.ts';
import type { Chance } from './chance.ts';

/** Everything about one trade that is drawn before it begins, but for what goes wrong in it. Sats, blocks, seconds. */
export type Scenario = {
  mode: TradeMode;
  script: ScriptVersion;
  internalKey: InternalKey;
  priceSats: bigint;
  postageSats: bigint;
  reserveSats: bigint;
  /** Which of the seller's inscriptions is sold. */
  lot: Inscribed;
  /** Another one that is sold at the same time, out of the same purse, and who buys it. */
  second: { lot: Inscribed; who: 'buyer' | 'rival' } | undefined;
  confirmations: number;
  /** Lock-first: final CLTV of the invoice, the cap that the seller leaves room for, and the buyer's own. */
  finalCltv: number;
  routeCapBlocks: number;
  buyerRouteCapBlocks: number;
  /** What the route between the nodes really takes. */
  routeBlocks: number;
  routeFeeMsat: bigint;
  /** A fresh wallet has none, and the reserve of the lock must pay. */
  buyerCoins: number;
  sellerCoins: number;
  maxClaimFeeSats: bigint;
  maxRefundFeeSats: bigint;
  feerateSatVb: number;
  /** Mean time between blocks: 600 in the world, less where time shall not run out before blocks do. */
  blockSeconds: number;
  /** How far the clocks of the two are off. */
  skewSeconds: { seller: number; buyer: number };
  /** Blocks before the expiry of a held payment at which the seller's node gives it back: the rules allow for 18. */
  holdMarginBlocks: number;
};

const prices = [10_000n, 25_000n, 99_999n, 100_000n, 777_777n, 4_999_999n, 5_000_000n, 10_000_000n] as const;

function drawLock(chance: Chance, mode: TradeMode): Pick<Scenario, 'script' | 'internalKey'> {
  const script = mode === 'lock-first' ? chance.oneOf(['sip3', 'v1'] as const) : 'v1';
  return { script, internalKey: script === 'sip3' ? 'nums' : chance.oneOf(['nums', 'musig'] as const) };
}

function drawSats(chance: Chance, lots: readonly [Inscribed, ...Inscribed[]]) {
  const lot = chance.oneOf(lots);
  const other = chance.oneOf(lots);
  const who = chance.oneOf(['buyer', 'rival'] as const);
  const second = chance.happens(0.15) && other !== lot ? { lot: other, who } : undefined;
  const deepest = second === undefined || lot.offsetSats > other.offsetSats ? lot.offsetSats : other.offsetSats;
  const postages = [330n, 546n, 10_000n].filter((sats) => sats > deepest);
  const postageSats = postages[chance.between(0, postages.length - 1)] ?? deepest + 1n;
  const reserveSats = chance.oneOf([160n, 600n, 2_500n, 12_000n] as const);
  return { lot, second, postageSats, reserveSats };
}

function drawRoute(chance: Chance) {
  const finalCltv = chance.oneOf([18, 40, 80] as const);
  const routeCapBlocks = chance.oneOf([144, 144, 144, 288, 432] as const);
  const room = routeCapBlocks - finalCltv - 40;
  return {
    finalCltv,
    routeCapBlocks,
    buyerRouteCapBlocks: chance.happens(0.1) ? routeCapBlocks * 2 : routeCapBlocks,
    routeBlocks: chance.between(0, Math.max(0, Math.min(room, 120))),
    routeFeeMsat: BigInt(chance.between(0, 20_000)),
  };
}

/** Draws one trade. Nothing in it is a mistake of anybody: an honest pair can always trade like this. */
export function drawScenario(chance: Chance, lots: readonly [Inscribed, ...Inscribed[]]): Scenario {
  const mode = chance.oneOf(['hold-first', 'hold-first', 'lock-first'] as const);
  const feerateSatVb = chance.oneOf([1, 1, 2, 5, 12] as const);
  const sats = drawSats(chance, lots);
  return {
    mode,
    ...drawLock(chance, mode),
    priceSats: chance.oneOf(prices),
    ...sats,
    confirmations: chance.between(1, 3),
    ...drawRoute(chance),
    buyerCoins: chance.happens(0.3) && sats.reserveSats >= BigInt(feerateSatVb * 400) ? 0 : chance.between(2, 4),
    sellerCoins: chance.between(2, 4),
    maxClaimFeeSats: 150_000n,
    maxRefundFeeSats: 150_000n,
    feerateSatVb,
    blockSeconds: chance.oneOf([600, 600, 60, 5] as const),
    skewSeconds: { seller: chance.between(-120, 120), buyer: chance.between(-120, 120) },
    holdMarginBlocks: chance.oneOf([3, 12, 18, 18] as const),
  };
}

/** Blocks after which every trade of this kind must have ended, whatever happened. */
export function boundBlocks({ mode, routeCapBlocks }: Scenario): number {
  return mode === 'hold-first' ? 700 : lockFirstNeed(routeCapBlocks) + 800;
}

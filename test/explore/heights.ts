import {
  FINAL_CONFIRMATIONS,
  guardianHeight,
  invoiceCancelHeight,
  lastAcceptHeight,
  lastLockHeight,
  lastPayHeight,
  lastRevealHeight,
  lockGiveUpHeight,
} from 'sparkle-protocol/protocol/deadlines';
import type { Scene } from './scene.ts';

/**
 * What an honest party may count on, in blocks. The deadlines of the protocol are made for these numbers; with smaller
 * deadlines or larger numbers the explorer finds losses.
 */
export const ASSUMED = {
  /** An honest party is awake, has looked and has nothing left to do, at least this often. */
  awake: 6,
  /** A claim that it keeps in the mempool confirms within this many blocks of the first attempt. */
  claim: { 'hold-first': 30, 'lock-first': 72 },
  /** So does a refund, an abort, or whatever it has to compete with. */
  refund: 36,
  abort: 36,
  /** After a reorg, what was confirmed is confirmed again within this many blocks, if the time above is over. */
  again: 4,
  /** A node fails a held payment this many blocks before it expires (LND). */
  holdMargin: 18,
  /** From the expiry of an HTLC on, its payer knows within this many blocks how it ended (swaps 4.1.2, G). */
  learn: 36,
} as const;

/** The height at which a payment that is sent now expires at the payee, or at latest. */
export function expiryOf({ mode, terms, want }: Scene, height: number): number {
  return height + (mode === 'hold-first' ? terms.finalCltv : want.routeCapBlocks);
}

/** `fine`: one block before a deadline, the deadline, and one block after it; `coarse`: the deadline and one block after it. */
export type Pace = 'fine' | 'coarse';
const around = { fine: [-1, 0, 1], coarse: [0, 1] } as const;

function holdFirstDeadlines(scene: Scene): number[] {
  const { terms, startHeight } = scene;
  const lastAccept = lastAcceptHeight(terms);
  const expiry = expiryOf(scene, startHeight);
  return [
    lastAccept,
    lockGiveUpHeight({ acceptedHeight: lastAccept }),
    lastLockHeight(terms),
    lastRevealHeight(terms),
    lastRevealHeight(terms) + ASSUMED.awake + 1,
    terms.refundHeight,
    guardianHeight({ expiryHeight: expiry }),
    expiry - ASSUMED.holdMargin,
  ];
}

function lockFirstDeadlines(scene: Scene): number[] {
  const { terms, want } = scene;
  const { refundHeight } = terms;
  const { routeCapBlocks } = want;
  const lastPay = lastPayHeight({ refundHeight, routeCapBlocks });
  const lastExpiry = lastPay + routeCapBlocks;
  return [
    lastPay,
    invoiceCancelHeight({ refundHeight, routeCapBlocks }),
    lastExpiry,
    lastExpiry + ASSUMED.learn,
    refundHeight,
  ];
}

/** Every height that the explorer visits: what lies between two of them is one jump, in which nobody has a deadline. */
export function heightsOf(scene: Scene, pace: Pace): number[] {
  const { mode, startHeight: start, terms } = scene;
  const deadlines = mode === 'hold-first' ? holdFirstDeadlines(scene) : lockFirstDeadlines(scene);
  const { refundHeight } = terms;
  const lastExpiry = mode === 'hold-first' ? expiryOf(scene, lastAcceptHeight(terms) + 1) : refundHeight;
  const wakes = (ASSUMED.awake + ASSUMED.refund) / ASSUMED.awake + 1;
  const settles = Array.from({ length: wakes }, (_, wake) => refundHeight + (wake + 1) * ASSUMED.awake);
  const end = Math.max(lastExpiry, ...settles) + ASSUMED.learn;
  const ends = [1, 2, 3, 4].map((wake) => end + wake * (ASSUMED.awake + FINAL_CONFIRMATIONS));
  const beginning = Array.from(
    { length: terms.confirmations + (pace === 'fine' ? 2 : 1) },
    (_, block) => start + block,
  );
  const all = [
    ...beginning,
    ...deadlines.flatMap((height) => around[pace].map((blocks) => height + blocks)),
    ...settles,
    lastExpiry,
    end,
    ...ends,
  ];
  return [...new Set(all)].toSorted((a, b) => a - b);
}

/**
 * For each height, whether an honest party has surely been awake before the next one: it is, wherever it would otherwise
 * have slept longer than assumed. At all other heights it may act, in part or not at all.
 */
export function wakeUpsOf(heights: readonly number[]): boolean[] {
  let last = heights[0] ?? 0;
  return heights.map((height, at) => {
    const next = heights[at + 1];
    if (next === undefined || next - last <= ASSUMED.awake) return false;
    last = Math.max(height, next - 1);
    return true;
  });
}

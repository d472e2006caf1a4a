import { guardianHeight } from './deadlines.ts';
import { blocks, checkFeerate, checkPrice, refund } from './deadlines-rule.ts';
import type { FeePlan } from './trade/effect.ts';

// How urgent a transaction is at which height, and what a bond is.

/**
 * From `from` on (blocks after some start) a transaction aims at `targetBlocks` with this multiplier. The last step
 * that applies counts.
 */
type FeeStep = { from: number; targetBlocks: number; multiplierPercent: number };

/** Blocks relative to R (swaps 4.1.6): clamp((R - 6 - h) / 3, 6..12) is 12 wherever h < R - 72. */
const CLAIM_STEPS: readonly FeeStep[] = [
  { from: -72, targetBlocks: 6, multiplierPercent: 100 },
  { from: -36, targetBlocks: 3, multiplierPercent: 100 },
  { from: -18, targetBlocks: 2, multiplierPercent: 150 },
  { from: -6, targetBlocks: 1, multiplierPercent: 200 },
];

/** Blocks relative to the guardian height: buried, not just confirmed, must the refund be by then. */
const HELD_REFUND_STEPS: readonly FeeStep[] = [
  { from: -36, targetBlocks: 3, multiplierPercent: 100 },
  { from: -24, targetBlocks: 2, multiplierPercent: 150 },
  { from: -12, targetBlocks: 1, multiplierPercent: 200 },
];

/** Blocks relative to R: in lock-first nobody races a refund, it should only not linger. */
const PLAIN_REFUND_STEPS: readonly FeeStep[] = [
  { from: 72, targetBlocks: 6, multiplierPercent: 100 },
  { from: 144, targetBlocks: 3, multiplierPercent: 100 },
];

const LOCK_BUMP_BLOCKS = 3;
/** Blocks relative to the first broadcast: the lock has 12. */
const LOCK_STEPS: readonly FeeStep[] = [
  { from: LOCK_BUMP_BLOCKS, targetBlocks: 3, multiplierPercent: 100 },
  { from: 2 * LOCK_BUMP_BLOCKS, targetBlocks: 2, multiplierPercent: 150 },
  { from: 3 * LOCK_BUMP_BLOCKS, targetBlocks: 1, multiplierPercent: 200 },
];

type Bounds = { maxFeeSats: bigint; previousSatVb?: number };

/**
 * BIP 125 asks a replacement for more than the old fee and the relay fee of its own size: one sat/vB more, or a
 * tenth.
 */
function floorSatVb(previousSatVb: number | undefined): number {
  if (previousSatVb === undefined) return 1;
  checkFeerate('previousSatVb', previousSatVb);
  return Math.max(previousSatVb + 1, previousSatVb * 1.1);
}

function feePlan(at: Bounds & { steps: readonly FeeStep[]; firstTarget: number; position: number }): FeePlan {
  const step = at.steps.findLast(({ from }) => at.position >= from);
  return {
    targetBlocks: step?.targetBlocks ?? at.firstTarget,
    multiplierPercent: step?.multiplierPercent ?? 100,
    floorSatVb: floorSatVb(at.previousSatVb),
    maxFeeSats: at.maxFeeSats,
  };
}

/**
 * How urgent a claim is at this height; `previousSatVb` is the feerate it replaces. Throws `bad_amount` for a feerate
 * that is none.
 */
export function claimFeePlan({
  height,
  refundHeight,
  ...bounds
}: Bounds & { height: number; refundHeight: number }): FeePlan {
  const position = blocks('height', height) - refund(refundHeight);
  return feePlan({ ...bounds, steps: CLAIM_STEPS, firstTarget: 12, position });
}

/**
 * How urgent a refund is at this height. `expiryHeight` is the held payment's in hold-first, where the refund must be
 * buried before it; absent in lock-first. Throws `bad_amount` for a feerate that is none.
 */
export function refundFeePlan({
  height,
  refundHeight,
  expiryHeight,
  ...bounds
}: Bounds & { height: number; refundHeight: number; expiryHeight?: number }): FeePlan {
  const sinceRefund = blocks('height', height) - refund(refundHeight);
  if (expiryHeight === undefined)
    return feePlan({ ...bounds, steps: PLAIN_REFUND_STEPS, firstTarget: 12, position: sinceRefund });
  return feePlan({
    ...bounds,
    steps: HELD_REFUND_STEPS,
    firstTarget: 6,
    position: height - guardianHeight({ expiryHeight }),
  });
}

/**
 * How urgent a lock, its child or its abort is, `startedHeight` being that of the first broadcast. Throws
 * `bad_amount` for a feerate that is none.
 */
export function lockFeePlan({
  height,
  startedHeight,
  ...bounds
}: Bounds & { height: number; startedHeight: number }): FeePlan {
  const position = blocks('height', height) - blocks('startedHeight', startedHeight);
  return feePlan({ ...bounds, steps: LOCK_STEPS, firstTarget: 6, position });
}

/** Whether an unconfirmed lock has waited long enough since its last fee decision. */
export const lockBumpIsDue = ({ height, plannedAt }: { height: number; plannedAt: number }): boolean =>
  blocks('height', height) - blocks('plannedAt', plannedAt) >= LOCK_BUMP_BLOCKS;

/** Virtual bytes of a lock and its refund: what a buyer who walks away costs the seller. */
const WALK_AWAY_VBYTES = 350;

/**
 * The buyer's bond in lock-first, in sats: max(1 %, 1000, 350 vB at 1.2 times the feerate), rounded up. Throws
 * `bad_amount`.
 */
export function depositSats({ priceSats, feerateSatVb }: { priceSats: bigint; feerateSatVb: number }): bigint {
  checkPrice(priceSats);
  checkFeerate('feerateSatVb', feerateSatVb);
  const percent = (priceSats + 99n) / 100n;
  const cost = BigInt(Math.ceil((WALK_AWAY_VBYTES * 12 * feerateSatVb) / 10));
  return [percent, cost].reduce((most, sats) => (sats > most ? sats : most), 1000n);
}

import { FINAL_CONFIRMATIONS, lastLockHeight, lastPayHeight } from '../deadlines.ts';
import { lockBumpIsDue, lockFeePlan } from '../deadlines-fees.ts';
import type { KeyedEffect, OnlyWhile, Version } from './effect.ts';
import { keyed } from './machine.ts';
import type { LockVersion, Seller } from './state.ts';
import type { OutputView, View } from './view.ts';

type Underway = Extract<Seller, { state: 'locking' | 'aborting' }>;
type Planned = { tradeId: string; role: 'seller'; offer: Seller['offer']; terms: Seller['terms'] };

export function planLock(trade: Planned, height: number): KeyedEffect {
  const { terms, offer } = trade;
  const { fill, sourceOutpoint, maxRefundFeeSats: maxFeeSats } = offer;
  const plan = lockFeePlan({ height, startedHeight: height, maxFeeSats });
  if (fill !== undefined) return keyed(trade, 'lock', { do: 'fill_listing', terms, fill, plan });
  return keyed(trade, 'lock', { do: 'build_lock', terms, sourceOutpoint, plan });
}

/** The last height at which a lock of this trade may be sent, and in hold-first only while the payment is held. */
function whileWanted({ terms, offer }: Planned): OnlyWhile {
  const { paymentHash: heldHash, refundHeight } = terms;
  if (terms.mode === 'hold-first') return { untilHeight: lastLockHeight(terms), heldHash };
  return { untilHeight: lastPayHeight({ refundHeight, routeCapBlocks: offer.routeCapBlocks }) };
}

export const broadcastLock = (trade: Planned, lock: LockVersion, name: string): KeyedEffect =>
  keyed(trade, `${name}/${lock.txid}`, {
    do: 'broadcast',
    what: 'lock',
    txid: lock.txid,
    raw: lock.raw,
    only: whileWanted(trade),
  });

export const lockOutpoint = ({ txid, vout }: LockVersion): string => `${txid}:${vout}`;

/** The lock's fee is raised by a child on its change, never by replacement: the buyer knows the lock by its txid. */
function bumpLock(trade: Underway, height: number): KeyedEffect {
  return keyed(trade, `bump/${height}`, {
    do: 'bump_lock',
    terms: trade.terms,
    lock: trade.lock,
    replaces: trade.bumps.slice(-1),
    plan: lockFeePlan({
      height,
      startedHeight: trade.startedHeight,
      maxFeeSats: trade.offer.maxRefundFeeSats,
      previousSatVb: (trade.bumps.at(-1) ?? trade.lock).feerateSatVb,
    }),
  });
}

/**
 * While the lock is unconfirmed: brings it back when the mempool dropped it, and raises its fee when it lingers. Then it is
 * sent once more, too: a node that was killed has it back from its wallet, and tells nobody until it is handed over anew.
 */
export function pushLock(trade: Underway, lock: OutputView | undefined, height: number): KeyedEffect[] {
  if (height <= trade.plannedAt || lock === undefined || lock.state === 'spent') return [];
  const again = broadcastLock(trade, trade.lock, `relock/${height}`);
  if (lock.state === 'absent') return [again];
  if (lock.confirmations > 0 || !lockBumpIsDue({ height, plannedAt: trade.plannedAt })) return [];
  return [again, bumpLock(trade, height)];
}

/** Spends the lock's own inputs back to the seller, paying more than the lock and its child, or than the last attempt. */
export function planAbort(trade: Underway, height: number, previous: Version | undefined): KeyedEffect {
  return keyed(trade, `abort/${height}`, {
    do: trade.offer.fill === undefined ? 'build_abort' : 'abort_fill',
    terms: trade.terms,
    lock: trade.lock,
    replaces: previous === undefined ? [trade.lock, ...trade.bumps.slice(-1)] : [previous],
    plan: lockFeePlan({
      height,
      startedHeight: trade.startedHeight,
      maxFeeSats: trade.offer.maxRefundFeeSats,
      previousSatVb: (previous ?? trade.lock).feerateSatVb,
    }),
  });
}

/**
 * Once a block: the spend back is sent again, because the mempool may have dropped it, and built anew for more. The last
 * may fail, at the cap; what was sent before must be there all the same.
 */
export function pushAbort(trade: Extract<Seller, { state: 'aborting' }>, height: number): KeyedEffect[] {
  const previous = trade.aborts.at(-1);
  const again =
    previous === undefined
      ? []
      : [
          keyed(trade, `abort-broadcast/${previous.txid}/${height}`, {
            do: 'broadcast',
            what: 'abort',
            txid: previous.txid,
            raw: previous.raw,
          }),
        ];
  return [...again, planAbort(trade, height, previous)];
}

/** The lock can no longer come to be: another transaction has spent its input, six blocks deep. */
export function lockIsImpossible(trade: { lock: LockVersion }, { source, coin }: View): string | undefined {
  return [source, coin].map((input) => replacing(trade, input, FINAL_CONFIRMATIONS)).find((txid) => txid !== undefined);
}

/** A listing that its owner has spent elsewhere: the fill waits for a block that will not come. */
export const listingIsGone = (trade: { lock: LockVersion; offer: Seller['offer'] }, { source }: View): boolean =>
  trade.offer.fill !== undefined && replacing(trade, source, 0) !== undefined;

/** The transaction other than the lock that spends an input of it, when it is that deep. */
function replacing(
  { lock }: { lock: LockVersion },
  input: OutputView | undefined,
  leastConfirmations: number,
): string | undefined {
  if (input?.state !== 'spent') return undefined;
  const { txid, confirmations } = input.spender;
  return txid !== lock.txid && confirmations >= leastConfirmations ? txid : undefined;
}

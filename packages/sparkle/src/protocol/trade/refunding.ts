import { FINAL_CONFIRMATIONS, refundFeePlan } from '../deadlines.ts';
import { findPreimage } from '../spend.ts';
import type { KeyedEffect } from './effect.ts';
import { keyed } from './machine.ts';
import { broadcastLock, lockOutpoint } from './locking.ts';
import type { Seller } from './state.ts';
import type { OutputView } from './view.ts';

export type Refunding = Extract<Seller, { state: 'refunding' }>;

export function planRefund(trade: Refunding, height: number): KeyedEffect {
  const previous = trade.refunds.at(-1);
  return keyed(trade, `refund/${height}`, {
    do: 'build_refund',
    terms: trade.terms,
    keyIndex: trade.keyIndex,
    outpoint: lockOutpoint(trade.lock),
    ...(previous === undefined ? {} : { previous }),
    plan: refundFeePlan({
      height,
      refundHeight: trade.terms.refundHeight,
      maxFeeSats: trade.offer.maxRefundFeeSats,
      ...(trade.mode === 'hold-first' ? { expiryHeight: trade.expiryHeight } : {}),
      ...(previous === undefined ? {} : { previousSatVb: previous.feerateSatVb }),
    }),
  });
}

/** What a look at the lock says to a seller who wants it back. */
export type RefundNews =
  | { news: 'preimage'; preimage: string; txid: string }
  | { news: 'refunded'; txid: string }
  | { news: 'push'; effects: KeyedEffect[] }
  | { news: 'none' };

/** R7: the preimage is looked for in every spend, however shortly it is seen; the refund is sent again every block until it is buried. */
export function refundNews(trade: Refunding, lock: OutputView | undefined, height: number): RefundNews {
  if (lock?.state === 'spent') {
    const { txid, raw, confirmations } = lock.spender;
    const preimage = findPreimage(raw, trade.terms.paymentHash);
    if (preimage !== undefined) return { news: 'preimage', preimage, txid };
    if (confirmations >= FINAL_CONFIRMATIONS) return { news: 'refunded', txid };
    if (confirmations > 0) return { news: 'none' };
  }
  if (lock === undefined || height <= trade.plannedAt) return { news: 'none' };
  const latest = trade.refunds.at(-1);
  const relock = lock.state === 'absent' ? [broadcastLock(trade, trade.lock, `relock/${height}`)] : [];
  const rebroadcast = latest === undefined ? [] : [broadcastRefund(trade, latest, `/${height}`)];
  return { news: 'push', effects: [...relock, ...rebroadcast, planRefund(trade, height)] };
}

export const broadcastRefund = (
  trade: Refunding,
  { txid, raw }: { txid: string; raw: string },
  suffix: string,
): KeyedEffect => keyed(trade, `refund-broadcast/${txid}${suffix}`, { do: 'broadcast', what: 'refund', txid, raw });

import { FINAL_CONFIRMATIONS } from '../deadlines.ts';
import { refundFeePlan } from '../deadlines-fees.ts';
import { findPreimage } from '../spend.ts';
import type { KeyedEffect } from './effect.ts';
import { keyed } from './machine.ts';
import { lockOutpoint } from './locking.ts';
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
type RefundNews =
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
  // Lock-first: only we know the preimage, so a lock that a reorg took away may come back at any time.
  const relock = lock.state === 'absent' ? [broadcast(trade, 'lock', trade.lock, `relock/${height}`)] : [];
  const rebroadcast = latest === undefined ? [] : [broadcast(trade, 'refund', latest, `again/${height}`)];
  return { news: 'push', effects: [...relock, ...rebroadcast, planRefund(trade, height)] };
}

type Sendable = { txid: string; raw: string };

const broadcast = (trade: Refunding, what: 'lock' | 'refund', { txid, raw }: Sendable, name: string): KeyedEffect =>
  keyed(trade, `${name}/${txid}`, { do: 'broadcast', what, txid, raw });

export const broadcastRefund = (trade: Refunding, refund: Sendable): KeyedEffect =>
  broadcast(trade, 'refund', refund, 'refund-broadcast');

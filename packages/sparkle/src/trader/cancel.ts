import { SparkleError } from '../protocol/errors.ts';
import type { Effect } from '../protocol/trade/effect.ts';
import type { HoldSeller, LockVersion } from '../protocol/trade/state.ts';
import type { TradeEvent } from '../protocol/trade/event.ts';
import { forgottenLock } from './forgotten.ts';
import type { Parts } from './parts.ts';
import { freshHeight } from './tip.ts';

type Do<E extends Effect['do']> = Extract<Effect, { do: E }>;
type Found = Omit<Extract<TradeEvent, { type: 'lock_found' }>, 'at'>;
type Canceling = Extract<HoldSeller, { state: 'canceling' }>;

/**
 * Gives a held payment back. A forwarder's is not given back beside a payment that may yet be taken: the node is asked once
 * more. A seller's is not given back beside a lock that his store does not know of: the chain is, and what it shows is
 * answered.
 */
export async function cancel(
  parts: Parts,
  tradeId: string,
  { paymentHash }: Do<'cancel_invoice'>,
): Promise<Found | undefined> {
  const { lightning, store } = parts;
  const trade = await store.load(tradeId);
  // In lock-first no payment is held.
  if (trade?.role === 'seller' && trade.mode === 'hold-first') {
    // Each block orders it anew: an order that waited while the chain was away may stand behind a lock that was found.
    if (trade.state !== 'canceling') return undefined;
    // A transaction that has ended the trade spent a lock that was known, or what it would have spent.
    const lock = trade.txid === undefined ? await lockOnChain(parts, trade) : undefined;
    if (lock !== undefined) return found(parts, trade, lock);
  }
  if (trade?.role === 'forwarder') {
    const { state } = await lightning.payment(paymentHash);
    if (state === 'pending' || state === 'settled')
      throw new SparkleError('refused', `the payment to the seller must have failed; it is ${state}`, { state });
  }
  await lightning.cancel(paymentHash);
  return undefined;
}

async function lockOnChain(parts: Parts, { terms, offer }: Canceling): Promise<LockVersion | undefined> {
  // A node that is still fetching its blocks shows a source as unspent that a lock has spent long ago.
  await freshHeight(parts);
  return forgottenLock(parts, { terms, sourceOutpoint: offer.sourceOutpoint });
}

/** While the payment for it is held the trade goes on with its lock; of any other a human must know. */
async function found(parts: Parts, { tradeId, terms, invoice }: Canceling, lock: LockVersion): Promise<Found> {
  const outpoint = `${lock.txid}:${lock.vout}`;
  const held = await parts.lightning.invoice(terms.paymentHash);
  if (held.state === 'held' && invoice !== undefined) {
    parts.log.warn({ tradeId, outpoint }, 'a lock that the store did not know of is on the chain: its trade goes on');
    return { type: 'lock_found', lock, expiryHeight: held.expiryHeight };
  }
  const sentence = `the lock ${outpoint} is on the chain although the store knows of none: its payment is not given back`;
  parts.log.error({ tradeId, level: 'page', code: 'lock_forgotten' }, sentence);
  throw new SparkleError('refused', sentence, { outpoint });
}

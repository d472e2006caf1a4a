import type { CheckoutStatus } from 'sparkle-protocol/market/checkout-wire';
import { agreedTerms, type Sold } from './sold.ts';

/** The transaction that brings the inscription to the buyer, or to the lock that he may claim; 0 confirmations is the mempool. */
export type Transfer = { txid: string; vout: number; confirmations: number };

/** What the chain says about the two transactions of a trade; absent when neither it nor the mempool knows one. */
export type Seen = { lock: Transfer | undefined; delivery: Transfer | undefined };

/** Where a trade is, in the words of the published API. `transfer` is the delivery where there is one, else the lock. */
export type Stage = { status: CheckoutStatus; transfer?: Transfer; reason?: string };

/**
 * `paid` is a payment that is held, not one that is taken; `broadcast`: the lock, then the claim, is in the mempool or
 * too young; `confirmed`: the inscription is the buyer's, as deep as the trade asks for.
 */
export function stageOf(trade: Sold, { lock, delivery }: Seen): Stage {
  switch (trade.state) {
    case 'asking':
    case 'quoting':
    case 'invoiced':
      return { status: 'pending_payment' };
    case 'building':
    case 'paying':
      return { status: 'paid' };
    case 'locking':
    case 'aborting':
    case 'locked':
    case 'refunding':
    case 'announced':
    case 'unsent':
      return lock === undefined ? { status: 'paid' } : { status: 'broadcast', transfer: lock };
    case 'settling':
      return delivered(trade, { lock, delivery });
    case 'canceling':
    case 'returning':
      return over(trade);
    case 'ended':
      return trade.outcome === 'traded' ? delivered(trade, { lock: undefined, delivery }) : over(trade);
  }
}

function delivered(trade: Sold, { lock, delivery }: Seen): Stage {
  const transfer = delivery ?? lock;
  if (transfer === undefined) return { status: 'broadcast' };
  const needed = agreedTerms(trade)?.confirmations;
  const isDeep = needed !== undefined && delivery !== undefined && delivery.confirmations >= needed;
  return { status: isDeep ? 'confirmed' : 'broadcast', transfer };
}

const over = ({ outcome, codes }: { outcome: string; codes: readonly string[] }): Stage => ({
  status: outcome === 'expired' ? 'expired' : 'failed',
  reason: [outcome, ...codes].join(': '),
});

import type { CheckoutStatus } from 'sparkle-protocol/market/checkout-wire';
import type { HoldSeller } from 'sparkle-protocol/protocol/trade/state';

/** The transaction that brings the inscription to the buyer, or to the lock that he may claim; 0 confirmations is the mempool. */
export type Transfer = { txid: string; vout: number; confirmations: number };

/** What the chain says about the two transactions of a trade; absent when neither it nor the mempool knows one. */
export type Seen = { lock: Transfer | undefined; delivery: Transfer | undefined };

/** Where a trade is, in the words of the published API. `transfer` is the delivery where there is one, else the lock. */
export type Stage = { status: CheckoutStatus; transfer?: Transfer; reason?: string };

/** Which transactions to look for: the lock once there is one, the delivery once the buyer has claimed. */
export function transactionsOf(trade: HoldSeller): { lockTxid?: string; lockVout?: number; deliveryTxid?: string } {
  const lock = 'lock' in trade ? { lockTxid: trade.lock.txid, lockVout: trade.lock.vout } : {};
  if (trade.state === 'settling') return { ...lock, deliveryTxid: trade.claimTxid };
  if (trade.state === 'ended' && trade.outcome === 'traded' && trade.txid !== undefined)
    return { deliveryTxid: trade.txid };
  return lock;
}

/**
 * `paid` is a payment that is held, not one that is taken; `broadcast`: the lock, then the claim, is in the mempool or
 * too young; `confirmed`: the inscription is the buyer's, as deep as the trade asks for.
 */
export function stageOf(trade: HoldSeller, { lock, delivery }: Seen): Stage {
  switch (trade.state) {
    case 'quoting':
    case 'invoiced':
      return { status: 'pending_payment' };
    case 'building':
      return { status: 'paid' };
    case 'locking':
    case 'aborting':
    case 'locked':
    case 'refunding':
      return lock === undefined ? { status: 'paid' } : { status: 'broadcast', transfer: lock };
    case 'settling':
      return delivered(trade.terms.confirmations, delivery ?? lock);
    case 'canceling':
      return over(trade.outcome, trade.codes);
    case 'ended':
      return trade.outcome === 'traded'
        ? delivered(trade.terms.confirmations, delivery)
        : over(trade.outcome, trade.codes);
  }
}

function delivered(needed: number, transfer: Transfer | undefined): Stage {
  if (transfer === undefined) return { status: 'broadcast' };
  return { status: transfer.confirmations >= needed ? 'confirmed' : 'broadcast', transfer };
}

const over = (outcome: string, codes: readonly string[]): Stage => ({
  status: outcome === 'expired' ? 'expired' : 'failed',
  reason: [outcome, ...codes].join(': '),
});

import { stepHoldBuyer } from './buyer-hold.ts';
import { stepLockBuyer } from './buyer-lock.ts';
import type { TradeEvent } from './event.ts';
import { stepForwarder } from './forward.ts';
import { lockOutpoint } from './locking.ts';
import type { Change } from './machine.ts';
import { stepHoldSeller } from './seller-hold.ts';
import { stepLockSeller } from './seller-lock.ts';
import type { Trade } from './state.ts';

export type { Trade } from './state.ts';

/**
 * Decides: what a trade becomes by an event, and what shall be done because of it. Pure and total: an event that means
 * nothing in a state changes nothing. The caller writes the answer down first and acts second.
 */
export function step(trade: Trade, event: TradeEvent): Change<Trade> {
  if (trade.role === 'forwarder') return stepForwarder(trade, event);
  if (trade.role === 'buyer')
    return trade.mode === 'hold-first' ? stepHoldBuyer(trade, event) : stepLockBuyer(trade, event);
  return trade.mode === 'hold-first' ? stepHoldSeller(trade, event) : stepLockSeller(trade, event);
}

export const isEnded = (trade: Trade): boolean => trade.state === 'ended';

const UNPAID: readonly Trade['state'][] = ['asking', 'quoting', 'invoiced'];

/** Whether money may be bound in a live trade. A sale or a forward that waits for its payment has built nothing and holds nothing. */
export function isCommitted(trade: Trade): boolean {
  if (isEnded(trade)) return false;
  const isPaidFirst = trade.role === 'forwarder' || (trade.role === 'seller' && trade.mode === 'hold-first');
  return !isPaidFirst || !UNPAID.includes(trade.state);
}

/** The very same state and nothing to do: there is nothing to write. Most looks end so, and each block brings one for every trade. */
export const isUnchanged = (current: Trade, { trade, effects }: Change<Trade>): boolean =>
  trade === current && effects.length === 0;

/** The payment hash once it is fixed: from the start, but for a buyer in lock-first, who is told it. */
export function paymentHashOf(trade: Trade): string | undefined {
  if ('terms' in trade && trade.terms !== undefined) return trade.terms.paymentHash;
  if (trade.role === 'seller' || trade.want.mode !== 'hold-first') return undefined;
  return trade.want.paymentHash;
}

/** The outpoint of the lock once this side knows it. */
export function lockOutpointOf(trade: Trade): string | undefined {
  if (trade.role === 'buyer') return 'outpoint' in trade ? trade.outpoint : undefined;
  // A forwarder has only the seller's word for it, and no trade may claim what is another's on a word.
  if (trade.role === 'forwarder') return undefined;
  return 'lock' in trade ? lockOutpoint(trade.lock) : undefined;
}

/** Who the messages of a trade may come from. */
export function counterpartiesOf(trade: Trade): string[] {
  if (trade.role === 'forwarder') return [trade.buyerId, trade.want.sellerId];
  return [trade.role === 'buyer' ? trade.want.sellerId : trade.terms.buyerId];
}

import {
  forwardExpiryLimit,
  guardianHeight,
  invoiceCancelHeight,
  lastAcceptHeight,
  lastLockHeight,
  lastPayHeight,
  lastRevealHeight,
  lockGiveUpHeight,
} from 'sparkle-protocol/protocol/deadlines';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';

/** The next height by which something must have happened, and what. */
export type Deadline = { height: number; what: DeadlineName };

export type DeadlineName =
  | 'payment accepted'
  | 'lock sent'
  | 'lock confirmed'
  | 'claim or refund'
  | 'refund buried'
  | 'spend back buried'
  | 'payment passed on'
  | 'payment settled'
  | 'preimage shown'
  | 'claim confirmed'
  | 'payment started'
  | 'invoice canceled'
  | 'refund';

type Of<Role extends Trade['role'], Mode extends Trade['mode']> = Extract<Trade, { role: Role; mode: Mode }>;

function ofHoldSeller(trade: Of<'seller', 'hold-first'>): Deadline | undefined {
  switch (trade.state) {
    case 'quoting':
    case 'invoiced':
      return { height: lastAcceptHeight(trade.terms), what: 'payment accepted' };
    case 'building':
      return { height: Math.min(lastLockHeight(trade.terms), lockGiveUpHeight(trade)), what: 'lock sent' };
    case 'locking':
      return { height: lockGiveUpHeight(trade), what: 'lock confirmed' };
    case 'locked':
      return { height: trade.terms.refundHeight, what: 'claim or refund' };
    case 'aborting':
      return { height: guardianHeight(trade), what: 'spend back buried' };
    case 'refunding':
      return { height: guardianHeight(trade), what: 'refund buried' };
    case 'settling':
      return { height: guardianHeight(trade), what: 'payment settled' };
    case 'canceling':
    case 'ended':
      return undefined;
  }
}

function ofLockSeller(trade: Of<'seller', 'lock-first'>): Deadline | undefined {
  const { refundHeight } = trade.terms;
  const at = { refundHeight, routeCapBlocks: trade.offer.routeCapBlocks };
  switch (trade.state) {
    case 'building':
    case 'locking':
      return { height: lastPayHeight(at), what: 'lock confirmed' };
    case 'invoicing':
    case 'invoiced':
    case 'withdrawing':
      return { height: invoiceCancelHeight(at), what: 'invoice canceled' };
    case 'waiting':
      return { height: refundHeight, what: 'refund' };
    // Nobody races these: they end when they end.
    case 'aborting':
    case 'refunding':
    case 'ended':
      return undefined;
  }
}

function ofHoldBuyer(trade: Of<'buyer', 'hold-first'>): Deadline | undefined {
  switch (trade.state) {
    case 'paying':
    case 'verifying':
      return { height: lastRevealHeight(trade.terms), what: 'preimage shown' };
    case 'claiming':
      return trade.revealed
        ? { height: trade.terms.refundHeight, what: 'claim confirmed' }
        : { height: lastRevealHeight(trade.terms), what: 'preimage shown' };
    case 'requested':
    case 'withdrawn':
    case 'ended':
      return undefined;
  }
}

function ofLockBuyer(trade: Of<'buyer', 'lock-first'>): Deadline | undefined {
  switch (trade.state) {
    case 'verifying':
    case 'arming': {
      const { refundHeight } = trade.terms;
      const { routeCapBlocks } = trade.want;
      return { height: lastPayHeight({ refundHeight, routeCapBlocks }), what: 'payment started' };
    }
    case 'paying':
    case 'claiming':
      return { height: trade.terms.refundHeight, what: 'claim confirmed' };
    case 'requested':
    case 'ended':
      return undefined;
  }
}

function ofForwarder(trade: Of<'forwarder', 'hold-first'>): Deadline | undefined {
  switch (trade.state) {
    case 'quoting':
    case 'invoiced':
      return { height: lastAcceptHeight(trade.front), what: 'payment accepted' };
    case 'paying':
    case 'announced':
    case 'unsent':
    case 'returning':
      return { height: forwardExpiryLimit(trade), what: 'payment passed on' };
    case 'settling':
      return { height: guardianHeight(trade), what: 'payment settled' };
    case 'asking':
    case 'canceling':
    case 'ended':
      return undefined;
  }
}

/** The next deadline of a trade; `undefined` where nothing is at stake any more, or not yet. Source: swaps 4.3 R14. */
export function nextDeadline(trade: Trade): Deadline | undefined {
  if (trade.role === 'forwarder') return ofForwarder(trade);
  if (trade.role === 'seller') return trade.mode === 'hold-first' ? ofHoldSeller(trade) : ofLockSeller(trade);
  return trade.mode === 'hold-first' ? ofHoldBuyer(trade) : ofLockBuyer(trade);
}

/**
 * The heights from which a human is told, and from which he is called: twice and once what an action needs before money is
 * lost. `undefined` while there is none to lose.
 */
function lossOf(trade: Trade): { alert: number; page: number } | undefined {
  if (trade.role !== 'buyer') {
    if (!('expiryHeight' in trade)) return undefined;
    const page = guardianHeight(trade);
    return { page, alert: guardianHeight({ expiryHeight: page }) };
  }
  const isOut = trade.state === 'claiming' && (trade.mode === 'lock-first' || trade.revealed);
  if (!isOut) return undefined;
  const page = lastRevealHeight(trade.terms);
  return { page, alert: lastRevealHeight({ refundHeight: page }) };
}

export type Urgency = 'none' | 'alert' | 'page';

/** How much a human is needed at this height. What is overdue should have been done by the machine itself: that is told. */
export function urgencyOf(trade: Trade, height: number): Urgency {
  const loss = lossOf(trade);
  if (loss !== undefined && height >= loss.page) return 'page';
  const deadline = nextDeadline(trade);
  const isOverdue = deadline !== undefined && height > deadline.height;
  return isOverdue || (loss !== undefined && height >= loss.alert) ? 'alert' : 'none';
}

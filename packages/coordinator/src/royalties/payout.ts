import type { Payment } from 'sparkle-protocol/lightning/lightning';

type State =
  | { state: 'owed' }
  /** Nothing of it is under way, and nothing is begun any more unless a human asks for it. It is still owed. */
  | { state: 'given_up' }
  /** Noted before the node is told: from here on money may leave. `expiresAt` is the invoice's, Unix seconds. */
  | { state: 'paying'; bolt11: string; paymentHash: string; expiresAt: number }
  | { state: 'paid'; paymentHash: string; preimage: string; feeMsat: bigint };

/** What is owed to a Lightning address for a sale that was paid. Times are Unix seconds. */
export type Payout = {
  payoutId: string;
  tradeId: string;
  /** `name@domain`, or `$name@domain`. */
  to: string;
  amountSats: bigint;
  /** Most that the way to him may cost. */
  maxFeeMsat: bigint;
  owedAt: number;
  /** How often an invoice could not be had, or a payment was ordered. */
  attempts: number;
  /** Nothing is begun before; what is under way may be looked at any time. */
  dueAt: number;
  /** Why it is not paid yet, for a human; empty where nothing went wrong. */
  why: string;
} & State;

export type PayoutEvent =
  /** An invoice that was checked came from the address. */
  | { type: 'invoiced'; bolt11: string; paymentHash: string; expiresAt: number }
  | { type: 'uninvoiced'; why: string }
  /** What the node says of the payment; `why` is what it said when it was ordered. */
  | { type: 'looked'; payment: Payment; why?: string }
  /** The operator wants what was given up to be tried anew. */
  | { type: 'asked_again' };

/** `order`: once `payout` is written, the node is to be told to pay its invoice. */
export type Step = { payout: Payout; order: boolean };

type In<Name extends State['state']> = Extract<Payout, { state: Name }>;

const FIRST_WAIT_SECONDS = 30;
const MOST_WAIT_SECONDS = 6 * 3600;
const POLL_SECONDS = 30;
/** An order that leaves later may find the invoice expired on its way. */
const LAST_ORDER_SECONDS = 30;
/** As for a payment that is passed on: whoever stood still with the order in his hand has long been refused by the node. */
const GRACE_SECONDS = 600;
const UNDER_WAY = 'its payment is under way';
/** After so many attempts, or so long, a human looks. */
const MANY_ATTEMPTS = 10;
const LONG_SECONDS = 24 * 3600;
/** After both nobody is expected to answer any more. A program that was away for a month has not tried. */
const MOST_ATTEMPTS = 20;
const MOST_SECONDS = 30 * 24 * 3600;

const waitFor = (attempts: number): number => Math.min(MOST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempts - 1));

const stay = (payout: Payout): Step => ({ payout, order: false });

const retryAt = (payout: Payout, nowSeconds: number): Pick<Payout, 'attempts' | 'dueAt'> => {
  const attempts = payout.attempts + 1;
  return { attempts, dueAt: nowSeconds + waitFor(attempts) };
};

/** Whether a human must look: what goes on by itself has gone on for too long. */
export const isStuck = ({ state, attempts, owedAt }: Payout, nowSeconds: number): boolean =>
  (state === 'owed' || state === 'paying') && (attempts >= MANY_ATTEMPTS || nowSeconds - owedAt >= LONG_SECONDS);

const isHopeless = ({ attempts, owedAt }: Payout, nowSeconds: number): boolean =>
  attempts >= MOST_ATTEMPTS && nowSeconds - owedAt >= MOST_SECONDS;

/** Owed as before, or given up: only where no invoice is noted that could still be paid. */
const owedOrGivenUp = (payout: In<'owed'>, nowSeconds: number): Payout =>
  isHopeless(payout, nowSeconds) ? { ...payout, state: 'given_up' } : payout;

/**
 * A payout goes from `owed` over `paying` to `paid`, and back to `owed` only when the invoice that was noted can never be paid
 * any more: the node calls its payment failed, or has never heard of it, and it has been expired for longer than anybody
 * may still hold the order in his hand. Until then the same invoice is ordered again, which a node pays once at most. What
 * was tried twenty times and for a month is `given_up`: a service that never answers is not asked for ever.
 */
export function step(payout: Payout, event: PayoutEvent, nowSeconds: number): Step {
  switch (payout.state) {
    case 'owed':
      return asked(payout, event, nowSeconds);
    case 'paying':
      return event.type === 'looked' ? looked(payout, event, nowSeconds) : stay(payout);
    case 'given_up':
      return event.type === 'asked_again'
        ? stay({ ...payout, state: 'owed', attempts: 0, dueAt: nowSeconds })
        : stay(payout);
    case 'paid':
      return stay(payout);
  }
}

function asked(payout: In<'owed'>, event: PayoutEvent, nowSeconds: number): Step {
  if (nowSeconds < payout.dueAt) return stay(payout);
  switch (event.type) {
    case 'uninvoiced':
      return stay(owedOrGivenUp({ ...payout, ...retryAt(payout, nowSeconds), why: event.why }, nowSeconds));
    case 'invoiced': {
      const { bolt11, paymentHash, expiresAt } = event;
      return stay({ ...payout, state: 'paying', bolt11, paymentHash, expiresAt, dueAt: nowSeconds });
    }
    case 'looked':
    case 'asked_again':
      return stay(payout);
  }
}

type Looked = Extract<PayoutEvent, { type: 'looked' }>;

function looked(payout: In<'paying'>, { payment, why }: Looked, nowSeconds: number): Step {
  switch (payment.state) {
    case 'settled': {
      const { bolt11: _bolt11, expiresAt: _expiresAt, ...kept } = payout;
      const { preimage, feeMsat } = payment;
      return stay({ ...kept, state: 'paid', preimage, feeMsat, why: '' });
    }
    case 'pending':
      if (nowSeconds < payout.dueAt && payout.why === UNDER_WAY) return stay(payout);
      return stay({ ...payout, dueAt: nowSeconds + POLL_SECONDS, why: UNDER_WAY });
    case 'failed':
      return unpaid(payout, why ?? payment.reason, nowSeconds);
    case 'unknown':
      return unpaid(payout, why ?? payout.why, nowSeconds);
  }
}

function unpaid(payout: In<'paying'>, why: string, nowSeconds: number): Step {
  if (nowSeconds < payout.dueAt) return stay(why === payout.why ? payout : { ...payout, why });
  const { expiresAt } = payout;
  if (nowSeconds <= expiresAt - LAST_ORDER_SECONDS)
    return { payout: { ...payout, ...retryAt(payout, nowSeconds), why }, order: true };
  if (nowSeconds < expiresAt + GRACE_SECONDS) return stay({ ...payout, dueAt: expiresAt + GRACE_SECONDS, why });
  const { bolt11: _bolt11, paymentHash: _paymentHash, expiresAt: _expiresAt, ...kept } = payout;
  return stay(owedOrGivenUp({ ...kept, state: 'owed', dueAt: nowSeconds, why }, nowSeconds));
}

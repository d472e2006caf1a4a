import { billFailures, invoiceFailures } from './checks-invoice.ts';
import { broken, type CheckCode, type Failure, priceRule, type Rule, same } from './checks-rule.ts';
import {
  answerRules,
  buildRule,
  keyRule,
  lockRules,
  repeatRules,
  scriptRule,
  termsOfAccept,
  termsOfQuote,
} from './checks-terms.ts';
import {
  areHoldFirstHeights,
  confirmationsFor,
  holdGapIsSafe,
  holdRouteCapBlocks,
  isNotAhead,
  lastAcceptHeight,
  lastLockHeight,
  lastPayHeight,
  lastRevealHeight,
  lockFirstRefundHeight,
  maxRefundDistance,
  mayReveal,
  quoteIsCurrent,
  refundIsNear,
  tipIsFresh,
  tradeLimits,
} from './deadlines.ts';
import type { TradeAccept, TradeQuote, TradeRequest } from './messages.ts';
import type { Offer, Terms, TradeMode, Want } from './trade/terms.ts';

export { checkLock } from './checks-lock.ts';
export type { CheckCode, Failure } from './checks-rule.ts';
export { termsOfAccept, termsOfQuote } from './checks-terms.ts';

/** Header time of the best block. */
type TipTime = { timeSeconds: number };

/** In hold-first a payer may round up by a hundredth; more is a mistake that nobody should have to pay back. */
const MOST_PERCENT = 101n;

type Asked = Pick<
  Offer,
  'inscriptionId' | 'priceSats' | 'network' | 'modes' | 'sellerId' | 'expiresAt' | 'confirmations' | 'routeCapBlocks'
>;
type RequestCheck = { request: TradeRequest; offer: Asked; height: number; nowSeconds: number };
type SignedRequest = NonNullable<TradeRequest['signed']>;

/** The seller, before he does anything: is this request one that the offer answers? Returns all failures. */
export function checkRequest({ request, offer, height, nowSeconds }: RequestCheck): Failure[] {
  const { signed } = request;
  if (signed === undefined) return [unsigned(request.op)];
  const { inscriptionId, offerSats } = request;
  return broken([
    same({ code: 'wrong_inscription', field: 'inscription_id', expected: offer.inscriptionId, came: inscriptionId }),
    same({ code: 'wrong_price', field: 'offer_sats', expected: offer.priceSats, came: offerSats }),
    priceRule(offer.priceSats, tradeLimits),
    same({ code: 'wrong_network', field: 'network', expected: offer.network, came: signed.network }),
    ...modeRules(signed, offer.modes),
    scriptRule(signed),
    ...partyRules({ claimKey: request.claimKey, buyerId: signed.from, sellerId: offer.sellerId }),
    notExpired({ code: 'offer_expired', what: 'the offer', expiresAt: offer.expiresAt, nowSeconds }),
    notExpired({ code: 'request_expired', what: 'the request', expiresAt: signed.expiresAt, nowSeconds }),
    ...(signed.mode === 'lock-first' ? [distanceRule(offer, height)] : []),
  ]);
}

function modeRules({ mode, paymentHash }: SignedRequest, offered: readonly TradeMode[]): Rule[] {
  return [
    {
      code: 'mode_not_offered',
      holds: offered.includes(mode),
      sentence: `mode must be one of ${offered.join(', ')}; got ${mode}`,
      detail: { offered, mode },
    },
    {
      code: 'payment_hash_missing',
      holds: mode !== 'hold-first' || paymentHash !== undefined,
      sentence: 'a hold-first request must have a payment_hash; got none',
    },
    {
      code: 'payment_hash_unexpected',
      holds: mode !== 'lock-first' || paymentHash === undefined,
      sentence: 'a lock-first request must not have a payment_hash, the seller makes it; got one',
    },
  ];
}

function partyRules({ claimKey, buyerId, sellerId }: { claimKey: string; buyerId: string; sellerId: string }): Rule[] {
  return [
    keyRule('bad_claim_key', claimKey),
    {
      code: 'own_key',
      holds: claimKey !== sellerId,
      sentence: `the claim key must not be the seller's own; it is ${claimKey}`,
      detail: { claimKey },
    },
    {
      code: 'self_trade',
      holds: buyerId !== sellerId,
      sentence: `the buyer must not be the seller; both are ${buyerId}`,
      detail: { buyerId },
    },
  ];
}

/** The refund height that the seller's own route cap leads to must be one that a buyer accepts. */
function distanceRule({ confirmations, priceSats, routeCapBlocks }: Asked, height: number): Rule {
  const depth = Math.max(confirmations, priceSats > 0n ? confirmationsFor(priceSats) : 1);
  return farRule(lockFirstRefundHeight({ height, confirmations: depth, routeCapBlocks }), height);
}

const farRule = (refundHeight: number, height: number): Rule => ({
  code: 'refund_too_far',
  holds: refundIsNear({ refundHeight, height }),
  sentence: `the refund must open within ${maxRefundDistance} blocks of ${height}; it opens at ${refundHeight}`,
  detail: { refundHeight, height },
});

/**
 * The buyer in hold-first, before he pays: every term against what he wants, and the invoice. With `tip`, also that
 * the best block is not an old one. Returns all failures.
 */
export function checkQuote(check: {
  want: Want;
  quote: TradeQuote;
  height: number;
  nowSeconds: number;
  tip?: TipTime;
}): Failure[] {
  const { want, quote, nowSeconds } = check;
  const terms = termsOfQuote(want, quote);
  const failures = broken([
    ...saidRules(want, quote),
    currentRule(terms, check.height),
    ...heightRules(want, terms),
    notExpired({ code: 'quote_expired', what: 'the quote', expiresAt: quote.signed.expiresAt, nowSeconds }),
    notExpired({ code: 'want_expired', what: 'the wish to buy', expiresAt: want.expiresAt, nowSeconds }),
    ...tipRules(terms, check),
  ]);
  const routeCapBlocks = holdRouteCapBlocks(terms);
  const invoice = invoiceFailures({ text: quote.invoice, terms, routeCapBlocks, nowSeconds });
  return [...failures, ...builds(terms, failures), ...invoice];
}

/**
 * The same of a quote that was paid: what it says, whenever that was. Whether there is time left is for `checkReveal`.
 * Returns all failures.
 */
export function checkPaidQuote({ want, quote }: { want: Want; quote: TradeQuote }): Failure[] {
  const terms = termsOfQuote(want, quote);
  const failures = broken([...saidRules(want, quote), ...heightRules(want, terms)]);
  const bill = billFailures({ text: quote.invoice, terms, routeCapBlocks: holdRouteCapBlocks(terms) });
  return [...failures, ...builds(terms, failures), ...bill];
}

function saidRules(want: Want, quote: TradeQuote): Rule[] {
  const expected = want.mode === 'hold-first' ? want.paymentHash : undefined;
  return [
    ...answerRules({ want, offered: quote, mode: 'hold-first' }),
    same({ code: 'wrong_payment_hash', field: 'payment_hash', expected, came: quote.paymentHash }),
    ...lockRules(want, termsOfQuote(want, quote)),
  ];
}

const currentRule = ({ quoteHeight }: Terms, height: number): Rule => ({
  code: 'quote_height',
  holds: quoteIsCurrent({ quoteHeight, height }),
  sentence: `quote_height must be the best height ${height}, one more or two less; got ${quoteHeight}`,
  detail: { quoteHeight, height },
});

function heightRules({ forwarded }: Want, terms: Terms): Rule[] {
  const { quoteHeight, refundHeight, finalCltv, confirmations } = terms;
  const lastLock = lastLockHeight(terms);
  return [
    {
      code: 'wrong_heights',
      holds: areHoldFirstHeights({ ...terms, isForwarded: forwarded === true }),
      sentence: `refund_locktime and final_cltv must follow from quote_height ${quoteHeight}; got ${refundHeight} and ${finalCltv}`,
      detail: { quoteHeight, refundHeight, finalCltv },
    },
    {
      code: 'too_many_confirmations',
      holds: lastLock >= lastAcceptHeight(terms),
      sentence: `a payment accepted in time must leave time for ${confirmations} confirmations; a lock must start by ${lastLock}`,
      detail: { confirmations, lastLock },
    },
  ];
}

/**
 * The buyer in lock-first, when the seller says that the lock is there. Returns all failures; the lock itself is for
 * `checkLock`.
 */
export function checkAccept(check: {
  want: Want;
  accept: TradeAccept;
  height: number;
  nowSeconds: number;
  tip?: TipTime;
}): Failure[] {
  const { want, accept, height, nowSeconds } = check;
  const { signed } = accept;
  if (signed === undefined) return [unsigned(accept.op)];
  const terms = termsOfAccept(want, accept);
  const failures = broken([
    ...answerRules({ want, offered: { ...accept, signed }, mode: 'lock-first' }),
    ...lockRules(want, terms),
    startRule(terms, height),
    farRule(terms.refundHeight, height),
    notExpired({ code: 'want_expired', what: 'the wish to buy', expiresAt: want.expiresAt, nowSeconds }),
  ]);
  return [...failures, ...builds(terms, failures), ...checkPay({ ...check, terms, invoice: accept.invoice })];
}

/** Blocks are searched for the lock's spender from this height on. */
const startRule = ({ quoteHeight, refundHeight }: Terms, height: number): Rule => ({
  code: 'quote_height',
  holds: isNotAhead({ quoteHeight, height }) && refundIsNear({ refundHeight, height: quoteHeight }),
  sentence: `quote_height must be near the best height ${height} and the refund height ${refundHeight}; got ${quoteHeight}`,
  detail: { quoteHeight, height, refundHeight },
});

/** The lock is built only of terms that have no other failure: each of them is a better reason. */
const builds = (terms: Terms, failures: Failure[]): Failure[] =>
  failures.some(({ code }) => unbuildable.has(code)) ? [] : broken([buildRule(terms)]);

const unbuildable: ReadonlySet<CheckCode> = new Set(['bad_refund_key', 'own_key', 'script_not_allowed']);

/**
 * The buyer in hold-first, when the seller says that the lock is there: nothing may differ from the quote. Returns
 * all failures.
 */
export function checkAnnouncement({ terms, accept }: { terms: Terms; accept: TradeAccept }): Failure[] {
  const { signed } = accept;
  return signed === undefined ? [unsigned(accept.op)] : broken(repeatRules(terms, { ...accept, signed }));
}

/**
 * The buyer in lock-first, right before the payment leaves. With `tip`, also that the best block is not an old one.
 * Returns all failures.
 */
export function checkPay(check: {
  terms: Terms;
  invoice: string;
  want: Want;
  height: number;
  nowSeconds: number;
  tip?: TipTime;
}): Failure[] {
  const { terms, invoice, want, height, nowSeconds } = check;
  const { routeCapBlocks } = want;
  const lastPay = lastPayHeight({ refundHeight: terms.refundHeight, routeCapBlocks });
  const inTime: Rule = {
    code: 'pay_too_late',
    holds: height <= lastPay,
    sentence: `a payment over ${routeCapBlocks} blocks must leave by height ${lastPay}; it is ${height}`,
    detail: { height, lastPay, routeCapBlocks },
  };
  const failures = broken([inTime, ...tipRules(terms, check)]);
  return [...failures, ...invoiceFailures({ text: invoice, terms, routeCapBlocks, nowSeconds })];
}

/** The buyer in hold-first, right before the preimage is shown for the first time. Returns all failures. */
export function checkReveal(check: { terms: Terms; height: number; tip: TipTime; nowSeconds: number }): Failure[] {
  const { terms, height } = check;
  const { refundHeight } = terms;
  const lastReveal = lastRevealHeight(terms);
  return broken([
    {
      code: 'reveal_too_late',
      holds: mayReveal({ height, refundHeight }),
      sentence: `the preimage must be shown by height ${lastReveal}; it is ${height}`,
      detail: { height, lastReveal },
    },
    ...tipRules(terms, check),
  ]);
}

type Held = { amountMsat: bigint; expiryHeight: number };
type HeldCheck = { terms: Terms; held: Held; height: number };

/**
 * The seller in hold-first, when a payment is held: is it enough, in time, and held for long enough? Returns all
 * failures.
 */
export function checkHeld({ terms, held, height }: HeldCheck): Failure[] {
  const { refundHeight } = terms;
  const { expiryHeight } = held;
  const lastAccept = lastAcceptHeight(terms);
  const lastLock = lastLockHeight(terms);
  return broken([
    {
      code: 'accepted_late',
      holds: height <= lastAccept,
      sentence: `the payment must arrive by height ${lastAccept}; it is ${height}`,
      detail: { height, lastAccept },
    },
    {
      code: 'hold_gap',
      holds: holdGapIsSafe({ expiryHeight, refundHeight }),
      sentence: `the payment must be held for long after the refund height ${refundHeight}; it expires at ${expiryHeight}`,
      detail: { expiryHeight, refundHeight },
    },
    ...amountRules(terms, held),
    {
      code: 'lock_too_late',
      holds: height <= lastLock,
      sentence: `the lock must start by height ${lastLock}; it is ${height}`,
      detail: { height, lastLock },
    },
  ]);
}

const leastHeldMsat = ({ priceSats }: Terms): bigint => priceSats * 1000n;

/** Whether a payment that was accepted is still there, all of it. */
export const isHeldInFull = ({ terms, held }: { terms: Terms; held: Pick<Held, 'amountMsat'> }): boolean =>
  held.amountMsat >= leastHeldMsat(terms);

function amountRules(terms: Terms, { amountMsat }: Held): Rule[] {
  const least = leastHeldMsat(terms);
  const most = (least * MOST_PERCENT) / 100n;
  return [
    {
      code: 'underpaid',
      holds: amountMsat >= least,
      sentence: `at least ${least} msat must be held; got ${amountMsat}`,
      detail: { least, amountMsat },
    },
    {
      code: 'overpaid',
      holds: amountMsat <= most,
      sentence: `at most ${most} msat may be held; got ${amountMsat}`,
      detail: { most, amountMsat },
    },
  ];
}

function unsigned(op: string): Failure {
  const sentence = `a ${op} must have signed fields to trade on; a plain SIP-3 message names no network and no sender`;
  return { code: 'unsigned', sentence, detail: { op }, wait: false };
}

function notExpired(rule: { code: Rule['code']; what: string; expiresAt: number; nowSeconds: number }): Rule {
  const { code, what, expiresAt, nowSeconds } = rule;
  const sentence = `${what} must last beyond second ${nowSeconds}; it expired at ${expiresAt}`;
  return { code, holds: nowSeconds < expiresAt, sentence, detail: { expiresAt, nowSeconds } };
}

/** R3: a node that hears of no blocks may be cut off, and then every height it names is too low. */
function tipRules({ network }: Terms, { tip, nowSeconds }: { tip?: TipTime; nowSeconds: number }): Rule[] {
  if (tip === undefined) return [];
  const tipTimeSeconds = tip.timeSeconds;
  const sentence = `the best block must be less than an hour old; it is of second ${tipTimeSeconds} and it is ${nowSeconds}`;
  const holds = tipIsFresh({ tipTimeSeconds, nowSeconds, network });
  return [{ code: 'tip_stale', holds, sentence, detail: { tipTimeSeconds, nowSeconds }, wait: true }];
}

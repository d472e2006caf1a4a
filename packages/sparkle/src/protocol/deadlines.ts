import { blocks, checkPrice, refund } from './deadlines-rule.ts';
import type { NetworkName } from './network.ts';
import type { Terms } from './trade/terms.ts';

// Every rule in blocks or seconds, and nobody else does arithmetic on heights. Heights are absolute, all else is blocks
// unless the name says so; each function throws `bad_height` for what is not a height, naming the argument.

/** From this many confirmations on, a claim, a refund or an abort is taken for final (R1). */
export const FINAL_CONFIRMATIONS = 6;

/** Twice what is taken for final: a deeper reorg breaks other promises than ours. */
const DEEPEST_REORG_BLOCKS = 12;

/** Hold-first: blocks that the buyer has for paying, counted from the quote. */
const PAY_WINDOW_BLOCKS = 12;
/** Blocks within which a lock must confirm, counted from the accepted payment. */
const LOCK_CONFIRM_BLOCKS = 12;
/** Hold-first: the lock's confirmation and three on top. */
const LOCKED_BLOCKS = 15;
const CLAIM_WINDOW_BLOCKS = 72;
const MAX_CLAIM_WINDOW_BLOCKS = 144;
/** 36 to confirm a refund, 6 against a reorg, 18 because nodes fail a held HTLC before it expires, and slack. */
const HOLD_GAP_BLOCKS = 72;
/**
 * What the gap leaves for a node that fails a held HTLC before it expires: less 36 to confirm a refund, 6 against a
 * reorg and 6 of slack. LND takes 18, LDK 21.
 */
export const mostHoldExpiryMarginBlocks = 24;
/**
 * A forwarder may learn the preimage as late as its payee's last block, and then needs a gap of its own (swaps
 * 4.2.3).
 */
const FORWARD_GAP_BLOCKS = 80;
/** What a forwarder's own way to the payee may take: a hop or two at 34 to 144 blocks, padding, a block in between. */
const FORWARD_ROUTE_BLOCKS = 144;
/** A claim first sent later than this before R may lose to the refund and yet have shown the preimage. */
const REVEAL_MARGIN_BLOCKS = 36;
const GUARDIAN_BLOCKS = 24;

/** Lock-first: 36 to bury an HTLC timeout, 72 to confirm a claim, 6 against a reorg, 30 of slack (swaps 4.1.2). */
const LIGHTNING_MARGIN_BLOCKS = 144;
/** Lock-first: more than 18 blocks come within an invoice's 3600 s about once in 16,000 hours. */
const LOCK_PAY_WINDOW_BLOCKS = 18;

/** A route of three or four hops at the usual 34 to 144 blocks each. */
const HOLD_ROUTE_BLOCKS = 432;
/**
 * LDK adds this many blocks to the final CLTV of the invoices it makes; senders add as many against a block in
 * between.
 */
const FINAL_CLTV_SLACK_BLOCKS = 3;
const HOP_BLOCKS = 40;

export const holdInvoiceExpirySeconds = 900;
export const lockInvoiceExpirySeconds = 3600;
/** An invoice with less than this left may expire while the payment is on its way. */
export const invoiceMarginSeconds = 60;
/** An order to pay whose answer was lost may still reach the node, but surely not longer than this after its invoice. */
export const paymentLagSeconds = 600;
/** How far the clocks of two traders may differ before an invoice seems to live longer than it was asked to. */
const CLOCK_TOLERANCE_SECONDS = 300;
/** Blocks above the tip beyond which no refund height makes sense (swaps 4.1.3, item 2). */
export const maxRefundDistance = 4100;

/**
 * Default bounds of a price, in sats: HTLCs far below are promises rather than escrow; above, caps wait for an audit.
 */
export const tradeLimits = { minSats: 10_000n, maxSats: 10_000_000n } as const;

const LOCKED_PRICE_STEPS = [
  { belowSats: 100_000n, confirmations: 1 },
  { belowSats: 5_000_000n, confirmations: 3 },
] as const;

const TIP_FRESH_SECONDS = 60 * 60;
/** Bitcoin Core accepts a block up to two hours ahead of its clock; one further ahead means that our clock is wrong. */
const TIP_AHEAD_SECONDS = 2 * 60 * 60;

/**
 * R and F of a hold-first trade quoted at height q: R = q + 12 + 15 + W, F = (R - q) + 72 (design 2).
 * `claimWindowBlocks` W is 72 unless given, 72..144.
 */
export function holdFirstHeights({
  quoteHeight,
  claimWindowBlocks = CLAIM_WINDOW_BLOCKS,
}: {
  quoteHeight: number;
  claimWindowBlocks?: number;
}): { refundHeight: number; finalCltv: number } {
  blocks('claimWindowBlocks', claimWindowBlocks, { least: CLAIM_WINDOW_BLOCKS, most: MAX_CLAIM_WINDOW_BLOCKS });
  const distance = PAY_WINDOW_BLOCKS + LOCKED_BLOCKS + claimWindowBlocks;
  return {
    refundHeight: blocks('refundHeight', blocks('quoteHeight', quoteHeight) + distance),
    finalCltv: distance + HOLD_GAP_BLOCKS,
  };
}

/** The least claim window W with which R is `leastDistance` blocks or more from the quote. Throws `bad_height`. */
export function claimWindowFor({ leastDistance }: { leastDistance: number }): number {
  const before = PAY_WINDOW_BLOCKS + LOCKED_BLOCKS;
  const most = before + MAX_CLAIM_WINDOW_BLOCKS;
  return Math.max(CLAIM_WINDOW_BLOCKS, blocks('leastDistance', leastDistance, { most }) - before);
}

/**
 * Whether R and F are what `holdFirstHeights` makes of q, for any claim window that it allows. F may be a forwarder's for
 * who asked one, and for nobody else: it keeps his sats for more than twice as long.
 */
export function areHoldFirstHeights({
  quoteHeight,
  refundHeight,
  finalCltv,
  isForwarded = false,
}: Pick<Terms, 'quoteHeight' | 'refundHeight' | 'finalCltv'> & { isForwarded?: boolean }): boolean {
  const distance = refund(refundHeight) - blocks('quoteHeight', quoteHeight);
  const window = distance - PAY_WINDOW_BLOCKS - LOCKED_BLOCKS;
  const allowed = window >= CLAIM_WINDOW_BLOCKS && window <= MAX_CLAIM_WINDOW_BLOCKS;
  const direct = distance + HOLD_GAP_BLOCKS;
  const asked = blocks('finalCltv', finalCltv);
  return allowed && (asked === direct || (isForwarded && asked === forwardFinalCltv({ finalCltv: direct })));
}

/** Whether an invoice asks for exactly F, or for the few blocks more that a node adds by itself. */
export function finalCltvMatches({ asked, finalCltv }: { asked: number; finalCltv: number }): boolean {
  const extra = blocks('asked', asked) - blocks('finalCltv', finalCltv);
  return extra >= 0 && extra <= FINAL_CLTV_SLACK_BLOCKS;
}

/** F of the invoice that a forwarder puts in front of one that asks for `finalCltv`: the gap, and his way to the payee. */
export const forwardFinalCltv = ({ finalCltv }: { finalCltv: number }): number =>
  blocks('finalCltv', finalCltv) + FORWARD_GAP_BLOCKS + FORWARD_ROUTE_BLOCKS;

/** The last height at which what a forwarder pays out may expire: later he could pay and not be paid. */
export const forwardExpiryLimit = ({ expiryHeight }: { expiryHeight: number }): number =>
  blocks('expiryHeight', expiryHeight) - FORWARD_GAP_BLOCKS;

/** The cap on a forwarder's route, 0 when none is safe; his node may have seen three blocks that we have not. */
export const forwardRouteCapBlocks = ({ expiryHeight, height }: { expiryHeight: number; height: number }): number =>
  Math.max(0, forwardExpiryLimit({ expiryHeight }) - blocks('height', height) - FINAL_CLTV_SLACK_BLOCKS);

/** Whether a forwarder's incoming HTLC outlives the outgoing one by enough. */
export const forwardGapIsSafe = (at: { incomingExpiryHeight: number; outgoingExpiryHeight: number }): boolean =>
  blocks('incomingExpiryHeight', at.incomingExpiryHeight) - blocks('outgoingExpiryHeight', at.outgoingExpiryHeight) >=
  FORWARD_GAP_BLOCKS;

/** Whether a height that a seller names can be his best one: he may see the next block before us. */
export const isNotAhead = ({ quoteHeight, height }: { quoteHeight: number; height: number }): boolean =>
  blocks('quoteHeight', quoteHeight) <= blocks('height', height) + 1;

/** Whether a quote is of now: a message travels, and a quote that is two blocks old has spent some of its 12. */
export const quoteIsCurrent = (at: { quoteHeight: number; height: number }): boolean =>
  isNotAhead(at) && at.quoteHeight >= at.height - 2;

/** Hold-first: the last height at which the payee takes an arriving payment, q + 12. */
export const lastAcceptHeight = ({ quoteHeight }: Pick<Terms, 'quoteHeight'>): number =>
  blocks('quoteHeight', quoteHeight) + PAY_WINDOW_BLOCKS;

/**
 * Where the search for a spend begins: below the quote, because a reorg may confirm again, in a lower block, what was
 * sent after it. Throws `bad_height`.
 */
export const searchFromHeight = ({ quoteHeight }: Pick<Terms, 'quoteHeight'>): number =>
  Math.max(0, blocks('quoteHeight', quoteHeight) - DEEPEST_REORG_BLOCKS);

/** Whether the held payment outlives the refund by enough, E - R >= 72. */
export const holdGapIsSafe = (at: { expiryHeight: number; refundHeight: number }): boolean =>
  blocks('expiryHeight', at.expiryHeight) - refund(at.refundHeight) >= HOLD_GAP_BLOCKS;

/**
 * Hold-first: the last height at which the payee starts a lock: it still gets its n confirmations before the last
 * reveal.
 */
export const lastLockHeight = (at: Pick<Terms, 'refundHeight' | 'confirmations'>): number =>
  lastRevealHeight(at) - blocks('confirmations', at.confirmations, { least: 1 }) - LOCK_CONFIRM_BLOCKS;

/** Hold-first: the height at which a lock that is still unconfirmed is spent back. */
export const lockGiveUpHeight = ({ acceptedHeight }: { acceptedHeight: number }): number =>
  blocks('acceptedHeight', acceptedHeight) + LOCK_CONFIRM_BLOCKS;

/** Hold-first: the last height at which the buyer shows his preimage for the first time, R - 36. */
export const lastRevealHeight = ({ refundHeight }: Pick<Terms, 'refundHeight'>): number =>
  refund(refundHeight) - REVEAL_MARGIN_BLOCKS;

/** Whether the preimage may be shown for the first time at this height. */
export const mayReveal = ({ height, refundHeight }: { height: number; refundHeight: number }): boolean =>
  blocks('height', height) <= lastRevealHeight({ refundHeight });

/** A transaction with locktime R is final in block R + 1, so the mempool takes it when the best height is R. */
export const refundIsOpen = ({ height, refundHeight }: { height: number; refundHeight: number }): boolean =>
  blocks('height', height) >= refund(refundHeight);

/** Hold-first: from here on a refund that is not buried is an emergency for a human, E - 24. */
export const guardianHeight = ({ expiryHeight }: { expiryHeight: number }): number =>
  blocks('expiryHeight', expiryHeight) - GUARDIAN_BLOCKS;

/** Hold-first: the cap on the buyer's route; it bounds how long a payment can be stuck, not who gets what. */
export const holdRouteCapBlocks = ({ finalCltv }: { finalCltv: number }): number =>
  blocks('finalCltv', finalCltv) + HOLD_ROUTE_BLOCKS;

/** Lock-first: blocks that must be left before R at dispatch for a route of at most T blocks, max(2T, T + 144). */
export const lockFirstNeed = (routeCapBlocks: number): number =>
  blocks('routeCapBlocks', routeCapBlocks) + Math.max(routeCapBlocks, LIGHTNING_MARGIN_BLOCKS);

/** Lock-first: the longest route that R leaves room for; 0 when no payment is safe any more. */
export function routeCapFor({ height, refundHeight }: { height: number; refundHeight: number }): number {
  const left = refund(refundHeight) - blocks('height', height);
  return Math.max(0, Math.min(Math.floor(left / 2), left - LIGHTNING_MARGIN_BLOCKS));
}

/** Lock-first: R of a lock that is built at `height`: 12 to confirm, n on top, 18 to pay, then the need. */
export function lockFirstRefundHeight(at: { height: number; confirmations: number; routeCapBlocks: number }): number {
  const lockedHeight =
    blocks('height', at.height) + LOCK_CONFIRM_BLOCKS + blocks('confirmations', at.confirmations, { least: 1 });
  return blocks('refundHeight', lockedHeight + LOCK_PAY_WINDOW_BLOCKS + lockFirstNeed(at.routeCapBlocks));
}

type PayBy = { refundHeight: number; routeCapBlocks: number };

/** Lock-first: the last height at which the buyer may start his payment. */
export const lastPayHeight = ({ refundHeight, routeCapBlocks }: PayBy): number =>
  refund(refundHeight) - lockFirstNeed(routeCapBlocks);

/** Lock-first: from here on the seller cancels his unpaid invoice, so that he never takes money too late. */
export const invoiceCancelHeight = (at: PayBy): number => lastPayHeight(at) + 1;

/** Whether R is near enough to make sense, seen from this height. */
export const refundIsNear = ({ height, refundHeight }: { height: number; refundHeight: number }): boolean =>
  refund(refundHeight) - blocks('height', height) <= maxRefundDistance;

/**
 * Lock-first: the least route cap with which an invoice can be paid; `hintBlocks` is the sum of its route hint's
 * deltas.
 */
export const leastRouteCap = ({ minFinalCltv, hintBlocks }: { minFinalCltv: number; hintBlocks: number }): number =>
  blocks('minFinalCltv', minFinalCltv) + FINAL_CLTV_SLACK_BLOCKS + HOP_BLOCKS + blocks('hintBlocks', hintBlocks);

/** Whether an invoice lasts no longer than it was asked to, give or take what two clocks may differ. */
export const invoiceWindowIsRight = (at: { secondsLeft: number; windowSeconds: number }): boolean =>
  at.secondsLeft <= at.windowSeconds + CLOCK_TOLERANCE_SECONDS;

/**
 * Confirmations that a lock needs before the buyer pays or reveals, by price in sats (swaps 4.1.3, item 4); never 0.
 * Throws `bad_amount`.
 */
export function confirmationsFor(priceSats: bigint): number {
  checkPrice(priceSats);
  return LOCKED_PRICE_STEPS.find(({ belowSats }) => priceSats < belowSats)?.confirmations ?? FINAL_CONFIRMATIONS;
}

/**
 * Whether the best block is young enough to act upon (R3): its own time is less than 60 minutes old. Regtest has
 * blocks only when somebody asks for one, so there age says nothing. A block more than two hours ahead is refused
 * everywhere: the clock is wrong.
 */
export function tipIsFresh(at: { tipTimeSeconds: number; nowSeconds: number; network: NetworkName }): boolean {
  const age = at.nowSeconds - at.tipTimeSeconds;
  return age >= -TIP_AHEAD_SECONDS && (at.network === 'regtest' || age < TIP_FRESH_SECONDS);
}

import { lastPayHeight, lastRevealHeight } from 'sparkle-protocol/protocol/deadlines';
import {
  accept,
  after,
  announcement,
  at,
  claimFor,
  factsFor,
  heard,
  HEIGHT,
  holdBuyer,
  holdTerms,
  inscriptionId,
  lockBuyer,
  lockTerms,
  looked,
  NOW,
  presignedFor,
  quote,
  R,
  refundFor,
  sellerKeys,
  spentBy,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import type { Effect } from 'sparkle-protocol/protocol/trade/effect';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import type { Trade } from 'sparkle-protocol/protocol/trade/state';
import type { Terms } from 'sparkle-protocol/protocol/trade/terms';
import type { PaymentView } from 'sparkle-protocol/protocol/trade/view';
import type { Samples } from './diagram.ts';

const failed = (effect: Effect['do'], code: string): TradeEvent => ({
  type: 'effect_failed',
  attempts: 0,
  at: at(HEIGHT + 1),
  effect,
  code,
  sentence: '',
});

const pending: PaymentView = { state: 'pending' };
const returned: PaymentView = { state: 'failed', reason: 'RecipientRejected' };
const settledBy = (preimage: string): PaymentView => ({ state: 'settled', preimage, feeMsat: 0n });
const abortRequested: TradeEvent = { type: 'abort_requested', at: at(HEIGHT + 1), reason: 'asked for' };
const refusal = heard({
  op: 'trade_abort',
  inscriptionId,
  code: 'not_for_sale',
  signed: { tradeId: lockTerms.tradeId, from: lockTerms.sellerId, expiresAt: NOW + 60 },
});

const wrongFacts = (terms: Terms) => ({ ...factsFor(terms), satpoint: `${'dd'.repeat(32)}:0:0` });

/** What a buyer sees of his claim, in both trades. */
function claimEvents(terms: Terms, paid: PaymentView): Record<string, TradeEvent> {
  const claim = claimFor(terms);
  const refund = refundFor(terms);
  const next = HEIGHT + 2;
  const late = terms.refundHeight + 6;
  return {
    'claim built': { type: 'claim_built', at: at(HEIGHT + 1), claim: claimFor(terms, 3) },
    'claim sent': { type: 'broadcast_done', at: at(HEIGHT + 1), what: 'claim', txid: claim.txid },
    'block, claim unconfirmed': looked(next, { payment: pending, lock: spentBy(claim, 0) }),
    'block, claim dropped': looked(next, { payment: pending, lock: { state: 'unspent', confirmations: 2 } }),
    'block, lock gone': looked(next, { payment: pending, lock: { state: 'absent' } }),
    'block, refund unconfirmed': looked(late, { payment: pending, lock: spentBy(refund, 0) }),
    'claim buried': looked(HEIGHT + 9, { payment: paid, lock: spentBy(claim, 6) }),
    'refund buried, paid': looked(late, { payment: paid, lock: spentBy(refund, 6) }),
    'refund buried, not paid': looked(late, { payment: returned, lock: spentBy(refund, 6) }),
  };
}

const lastReveal = lastRevealHeight(holdTerms);
const leaked = settledBy('00'.repeat(32));
const sent: TradeEvent = { type: 'broadcast_done', at: at(HEIGHT + 1), what: 'claim', txid: claimFor(holdTerms).txid };

export const holdBuyerSamples: Samples<Trade, TradeEvent> = {
  states: [
    holdBuyer.requested,
    holdBuyer.paying,
    holdBuyer.verifying,
    holdBuyer.claimed,
    after(holdBuyer.claimed, sent),
    after(holdBuyer.verifying, abortRequested),
    after(holdBuyer.requested, abortRequested),
  ],
  events: {
    requested: {
      quote: heard(quote),
      'wrong quote': heard({ ...quote, signed: { ...quote.signed, priceSats: 90_001n } }),
      'no quote in time': looked(HEIGHT, {}, NOW + 3601),
      refusal,
    },
    alive: { 'abort requested': abortRequested },
    paying: {
      'lock announced': heard(announcement),
      'wrong lock announced': heard({ ...announcement, refundHeight: announcement.refundHeight + 1 }),
      'payment settled unasked': looked(HEIGHT + 1, { payment: leaked }),
    },
    'paying verifying withdrawn': {
      'payment impossible': failed('pay', 'no_route'),
      'payment returned': looked(HEIGHT + 1, { payment: returned }),
    },
    verifying: {
      'lock good': looked(HEIGHT + 1, { payment: pending, facts: factsFor(holdTerms) }),
      'lock wrong': looked(HEIGHT + 1, { payment: pending, facts: wrongFacts(holdTerms) }),
      'too late to reveal': looked(lastReveal + 1, { payment: pending, facts: factsFor(holdTerms) }),
    },
    claiming: {
      'claim built too late': { type: 'claim_built', at: at(lastReveal + 1), claim: claimFor(holdTerms, 3) },
      'too late to send a first claim': failed('broadcast', 'too_late'),
      ...claimEvents(holdTerms, leaked),
    },
  },
};

const lastPay = lastPayHeight({ refundHeight: lockTerms.refundHeight, routeCapBlocks: 144 });
const paid = settledBy(sellerKeys.preimage);
const presigned = (height: number): TradeEvent => ({
  type: 'claim_presigned',
  at: at(height),
  presigned: presignedFor(lockTerms),
});

export const lockBuyerSamples: Samples<Trade, TradeEvent> = {
  states: [
    lockBuyer.requested,
    lockBuyer.verifying,
    lockBuyer.arming,
    lockBuyer.paying,
    lockBuyer.claiming,
    after(lockBuyer.requested, abortRequested),
  ],
  events: {
    requested: {
      'lock and invoice announced': heard(accept, HEIGHT + 1),
      'wrong lock announced': heard({ ...accept, refundHeight: R + 1_000_000 }, HEIGHT + 1),
      'no accept in time': looked(HEIGHT, {}, NOW + 3601),
      refusal,
    },
    alive: { 'abort requested': abortRequested },
    verifying: {
      'lock good': looked(HEIGHT + 1, { facts: factsFor(lockTerms) }),
      'lock wrong': looked(HEIGHT + 1, { facts: wrongFacts(lockTerms) }),
    },
    'verifying arming': { 'too late to pay': looked(lastPay + 1, { facts: factsFor(lockTerms) }) },
    arming: {
      'claim signed': presigned(HEIGHT + 1),
      'claim signed too late': presigned(lastPay + 1),
      'claim cannot be signed': failed('presign_claim', 'fee_too_high'),
    },
    paying: {
      'payment impossible': failed('pay', 'no_route'),
      'payment failed': looked(HEIGHT + 1, { payment: returned }),
      'payment settled': looked(HEIGHT + 1, { payment: paid }),
      'preimage told': heard({
        op: 'trade_complete',
        inscriptionId,
        claimTxid: claimFor(lockTerms).txid,
        preimage: sellerKeys.preimage,
      }),
    },
    claiming: claimEvents(lockTerms, paid),
  },
};

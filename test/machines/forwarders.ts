import { forwardExpiryLimit, lastAcceptHeight } from 'sparkle-protocol/protocol/deadlines';
import {
  announcement,
  at,
  claimFor,
  heard,
  HEIGHT,
  holdTerms,
  invoiceFor,
  looked,
  NOW,
  offer,
  quote,
  ready,
  spentBy,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import {
  abortBy,
  buyerId,
  completeBy,
  failed,
  forwarder,
  front,
  incoming,
  preimage,
  told,
} from 'sparkle-protocol/protocol/trade/forward.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/state';
import type { InvoiceView, PaymentView } from 'sparkle-protocol/protocol/trade/view';
import type { Samples } from './diagram.ts';

const pending: PaymentView = { state: 'pending' };
const settled: PaymentView = { state: 'settled', preimage, feeMsat: 0n };
const gone: PaymentView = { state: 'failed', reason: 'no_route' };
const unknown: PaymentView = { state: 'unknown' };
const canceled: InvoiceView = { state: 'canceled' };
const collected: InvoiceView = { state: 'settled', amountMsat: incoming.amountMsat };
const late = forwardExpiryLimit(incoming) + 1;
const see = (payment: PaymentView, invoice: InvoiceView = incoming, height = HEIGHT): TradeEvent =>
  looked(height, { invoice, payment });
const asked: TradeEvent = { type: 'abort_requested', at: at(HEIGHT), reason: 'asked for' };

/** The forwarder in all his states; what is given back remembers how the trade will have ended. */
export const forwarderSamples: Samples<Trade, TradeEvent> = {
  states: [
    forwarder.asking,
    forwarder.quoting,
    forwarder.invoiced,
    forwarder.paying,
    forwarder.announced,
    forwarder.unsent,
    forwarder.returning,
    told(forwarder.unsent, see(unknown)),
    forwarder.settling,
    told(forwarder.invoiced, abortBy(buyerId)),
    told(forwarder.invoiced, looked(lastAcceptHeight(front) + 1, { invoice: { state: 'open' } })),
    told(forwarder.invoiced, looked(HEIGHT, { invoice: { ...incoming, amountMsat: 1n } })),
  ],
  events: {
    'asking quoting invoiced': { 'asked to end': asked },
    asking: {
      'quote of the seller': heard(quote),
      'quote is refused': heard({ ...quote, signed: { ...quote.signed, priceSats: 1n } }),
      'abort of either side': abortBy(buyerId),
      'no quote in time': looked(HEIGHT, {}, NOW + 3601),
    },
    'quoting invoiced': { 'abort of either side': abortBy(buyerId) },
    quoting: {
      'invoice made': ready(invoiceFor(front)),
      'invoice cannot be made': failed('create_hold_invoice', 'invoice_exists'),
      'too late': looked(lastAcceptHeight(front) + 1, {}),
    },
    invoiced: {
      'payment held': looked(HEIGHT, { invoice: incoming }),
      'payment held, not as agreed': looked(HEIGHT, { invoice: { ...incoming, amountMsat: 1n } }),
      'not paid in time': looked(lastAcceptHeight(front) + 1, { invoice: { state: 'open' } }),
    },
    'paying announced unsent': {
      'payment to the seller failed': see(gone),
      'payment to the seller settled': see(settled),
      'preimage told by the buyer': completeBy(buyerId),
      'abort of the buyer': abortBy(buyerId),
      'out of time': see(pending, incoming, late),
      'hold gone': see(pending, canceled),
      'lock announced by the seller': heard(announcement, HEIGHT + 1),
    },
    'paying announced': {
      'node refuses to pay': failed('forward_payment', 'no_route'),
    },
    'announced unsent': {
      'claim seen': looked(HEIGHT + 1, { invoice: incoming, lock: spentBy(claimFor(holdTerms), 0) }),
    },
    unsent: { 'surely not sent': see(unknown) },
    returning: {
      'payment to the seller settled after all': see(settled),
      'payment to the seller under way after all': see(pending),
    },
    settling: {
      'block, still held': see(settled, incoming, HEIGHT + 1),
      'both settled': see(settled, collected),
      'seller not paid': see(gone, collected),
      'hold gone, seller paid': see(settled, canceled),
      'hold gone, seller not paid': see(gone, canceled),
    },
    'canceling returning': {
      'block, not given back yet': looked(HEIGHT + 1, { invoice: incoming, payment: gone }),
      'given back': looked(HEIGHT + 1, { invoice: canceled, payment: gone }),
      'settled meanwhile': looked(HEIGHT + 1, { invoice: collected, payment: gone }),
    },
    alive: {
      restarted: { type: 'restarted', at: at(HEIGHT) },
      'quote of another': heard({ ...quote, signed: { ...quote.signed, from: offer.sellerId.replaceAll('a', 'b') } }),
    },
  },
};

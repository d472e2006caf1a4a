import { decodeInvoice, invoiceExpiresAt } from '../bolt11.ts';
import { checkAnnouncement, checkQuote, termsOfQuote } from '../checks.ts';
import type { Failure } from '../checks.ts';
import { checkForward } from '../checks-forward.ts';
import {
  confirmationsFor,
  forwardExpiryLimit,
  forwardFinalCltv,
  forwardGapIsSafe,
  holdInvoiceExpirySeconds,
  lastAcceptHeight,
  paymentLagSeconds,
} from '../deadlines.ts';
import type { TradeMessage } from '../messages.ts';
import { isPreimageOf } from '../preimage.ts';
import { findPreimage } from '../spend.ts';
import type { KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { type Change, go, keyed, type Machine, run, stay } from './machine.ts';
import { passedOn, quoteOf } from './quoting.ts';
import type { Forwarder, Outcome } from './state.ts';
import type { Terms } from './terms.ts';
import type { View } from './view.ts';

type In<S extends Forwarder['state']> = Extract<Forwarder, { state: S }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<Forwarder>;
/** The outgoing payment may be in flight, or about to be. */
type Out = In<'paying' | 'announced' | 'unsent'>;

const machine: Machine<Forwarder> = {
  asking: {
    message: (trade, event) => answered(trade, event),
    looked: (trade, { at }) =>
      at.nowSeconds > trade.quoteBySeconds
        ? refuse(trade, { outcome: 'expired', codes: ['no_quote'] }, tellBuyer(trade, 'no_quote'))
        : stay(trade),
    abort_requested: (trade) => leave(trade, 'abort_requested'),
  },
  quoting: {
    invoice_ready: (trade, { bolt11 }) =>
      go(
        { ...base(trade), ...between(trade), state: 'invoiced', invoice: bolt11 },
        keyed(trade, 'quote', { do: 'send', to: trade.buyerId, message: quoteOf(trade.front, trade.want, bolt11) }),
      ),
    looked: (trade, { at }) =>
      at.height > lastAcceptHeight(trade.front) ? cancel(trade, 'expired', ['quote_too_late']) : stay(trade),
    effect_failed: (trade, { effect, code }) => (effect === 'create_hold_invoice' ? leave(trade, code) : stay(trade)),
    message: left,
    abort_requested: (trade) => cancel(trade, 'canceled', ['abort_requested']),
  },
  invoiced: {
    looked: accepted,
    message: left,
    abort_requested: (trade) => cancel(trade, 'canceled', ['abort_requested']),
  },
  paying: { looked: forwarded, message: heard, effect_failed: refused },
  announced: { looked: forwarded, message: heard, effect_failed: refused },
  unsent: { looked: forwarded, message: heard },
  settling: { looked: settled },
  returning: { looked: returned },
  canceling: { looked: canceled },
  ended: {},
};

export const stepForwarder = (trade: Forwarder, event: TradeEvent): After => run(machine, trade, event);

/** The seller's quote is checked as a buyer would, and then put to the buyer at our price and with our own invoice. */
function answered(trade: In<'asking'>, { message, at }: Event<'message'>): After {
  if (message.op === 'trade_abort') return leave(trade, message.code);
  if (message.op !== 'trade_quote' || !isFromSeller(trade, message)) return stay(trade);
  const failures = checkQuote({ want: trade.want, quote: message, height: at.height, nowSeconds: at.nowSeconds });
  const [first] = codesOf(failures);
  if (first !== undefined)
    return refuse(trade, { outcome: 'refused', codes: codesOf(failures) }, ...parting(trade, first));
  const terms = termsOfQuote(trade.want, message);
  const front = frontOf(trade, terms);
  return go(
    { ...base(trade), state: 'quoting', terms, front, sellerInvoice: message.invoice },
    keyed(trade, 'invoice', { do: 'create_hold_invoice', terms: front, expirySeconds: holdInvoiceExpirySeconds }),
  );
}

/** The same lock for the same hash: only the payment, its price and its expiry are another. */
function frontOf({ want, buyerId, totalSats }: In<'asking'>, terms: Terms): Terms {
  return {
    ...terms,
    priceSats: totalSats,
    finalCltv: forwardFinalCltv(terms),
    confirmations: Math.max(terms.confirmations, confirmationsFor(totalSats)),
    buyerId,
    sellerId: want.buyerId,
  };
}

function accepted(trade: In<'invoiced'>, { view, at }: Event<'looked'>): After {
  const held = view.invoice;
  if (held?.state === 'canceled') return cancel(trade, 'expired', ['invoice_canceled']);
  if (held?.state !== 'held') {
    const late = at.height > lastAcceptHeight(trade.front) || at.nowSeconds > expiresAt(trade.invoice);
    return late ? cancel(trade, 'expired', ['not_paid']) : stay(trade);
  }
  const { front, sellerInvoice, invoice } = trade;
  const failures = checkForward({ front, sellerInvoice, held, ...at });
  if (failures.length > 0) return cancel(trade, 'refused', codesOf(failures));
  return go(
    { ...base(trade), ...between(trade), state: 'paying', invoice, expiryHeight: held.expiryHeight },
    keyed(trade, 'forward', {
      ...{ do: 'forward_payment', front, bolt11: sellerInvoice, maxFeeMsat: trade.want.maxFeeMsat },
    }),
  );
}

/**
 * Like a routing node: with the preimage, from wherever, the incoming payment is ours; without it, it goes back only when
 * the outgoing one has surely failed. An outcome that is not known is waited for, however long.
 */
function forwarded(trade: Out, { view, at }: Event<'looked'>): After {
  const preimage = shown(trade, view);
  if (preimage !== undefined) return settle(trade, preimage, claimSeen(trade, view));
  const { payment } = view;
  if (payment?.state === 'failed') return giveBack(trade, 'canceled', ['payment_failed']);
  if (payment?.state === 'unknown' && trade.state === 'unsent' && at.nowSeconds >= trade.sureAtSeconds)
    return giveBack(trade, 'refused', trade.codes);
  return go(trade, ...worries(trade, view, at.height));
}

function shown(trade: Forwarder, view: View): string | undefined {
  const { paymentHash } = trade.want;
  const { payment } = view;
  if (payment?.state === 'settled' && isPreimageOf(payment.preimage, paymentHash)) return payment.preimage;
  return claimIn(trade, view)?.preimage;
}

/** The claim, if that is what spends the lock: a refund shows no preimage. */
function claimIn({ want }: Forwarder, { lock }: View): { txid: string; preimage: string } | undefined {
  if (lock?.state !== 'spent') return undefined;
  const preimage = findPreimage(lock.spender.raw, want.paymentHash);
  return preimage === undefined ? undefined : { txid: lock.spender.txid, preimage };
}

const claimSeen = (trade: Forwarder, view: View): { claimTxid?: string } => {
  const claim = claimIn(trade, view);
  return claim === undefined ? {} : { claimTxid: claim.txid };
};

/** What should not be, and what a human can still mend: each is said once. */
function worries(trade: Out, { payment, invoice }: View, height: number): KeyedEffect[] {
  const { expiryHeight } = trade;
  const outgoing = payment?.state === 'pending' ? payment.expiryHeight : undefined;
  const isLong =
    outgoing !== undefined && !forwardGapIsSafe({ incomingExpiryHeight: expiryHeight, outgoingExpiryHeight: outgoing });
  const isGone = invoice?.state === 'canceled' || invoice?.state === 'unknown';
  const page = (code: string, sentence: string) => [keyed(trade, code, { do: 'alert', level: 'page', code, sentence })];
  return [
    ...(isLong ? page('forward_gap', `what was paid out may last until ${outgoing}, too near to ${expiryHeight}`) : []),
    ...(isGone ? page('forward_hold_gone', 'what was held is gone while what was paid out is still under way') : []),
    ...(height > forwardExpiryLimit(trade)
      ? page('forward_overdue', `what was paid out has not ended; what is held expires at height ${expiryHeight}`)
      : []),
  ];
}

function heard(trade: Out, { message, at }: Event<'message'>): After {
  switch (message.op) {
    case 'trade_accept':
      return isFromSeller(trade, message) ? announce(trade, message, at.height) : stay(trade);
    case 'trade_complete':
      // Sent once the claim is public; its hash is proof enough, whoever sends it.
      return isPreimageOf(message.preimage, trade.want.paymentHash) ? settle(trade, message.preimage) : stay(trade);
    case 'trade_abort':
      // Whether it can still be called off is for the seller to say: he may have locked already.
      return isFromSeller(trade, message) ? stay(trade) : go(trade, tellSeller(trade, message.code));
    case 'trade_request':
    case 'trade_quote':
      return stay(trade);
  }
}

type Accept = Extract<TradeMessage, { op: 'trade_accept' }>;

/**
 * Where the lock is: the buyer looks at it himself, so only what nobody could have agreed to is kept from him. What a seller
 * says proves no payment: of one that was refused, the node alone says whether it left before.
 */
function announce(trade: Out, accept: Accept, height: number): After {
  if (checkAnnouncement({ terms: trade.terms, accept }).length > 0) return stay(trade);
  const { front, invoice, want } = trade;
  const message = passedOn(accept, { front, invoice, expiresAt: want.expiresAt });
  const next: Out =
    trade.state === 'unsent'
      ? { ...trade, accept }
      : { ...base(trade), ...between(trade), ...incoming(trade), state: 'announced', accept };
  return go(next, keyed(trade, `announce/${height}`, { do: 'send', to: trade.buyerId, message }));
}

/** A refusal says that nothing leaves now; whether something left before, when an answer was lost, the next looks must say. */
function refused(trade: In<'paying' | 'announced'>, { effect, code, attempts }: Event<'effect_failed'>): After {
  if (effect !== 'forward_payment') return stay(trade);
  const sureAtSeconds = attempts === 0 ? 0 : expiresAt(trade.sellerInvoice) + paymentLagSeconds;
  const next = { ...base(trade), ...between(trade), ...incoming(trade), ...told(trade) };
  return stay({ ...next, state: 'unsent', codes: [code], sureAtSeconds });
}

/** The preimage goes into the store first and to the node second. */
function settle(trade: Out | In<'returning'>, preimage: string, claim: { claimTxid?: string } = {}): After {
  const next = { ...base(trade), ...between(trade), ...incoming(trade), ...told(trade), ...claim };
  return go(
    { ...next, state: 'settling', preimage, plannedAt: 0 },
    keyed(trade, 'settle', { do: 'settle', paymentHash: trade.want.paymentHash, preimage }),
  );
}

/** It ends when both payments have: what is held is ours, what was paid out is the seller's, or he has not taken it. */
function settled(before: In<'settling'>, { view, at }: Event<'looked'>): After {
  const trade = { ...before, ...claimSeen(before, view) };
  const { invoice, payment } = view;
  if (invoice?.state === 'held') {
    if (at.height <= trade.plannedAt) return stay(trade);
    const again = { do: 'settle', paymentHash: trade.want.paymentHash, preimage: trade.preimage } as const;
    return go({ ...trade, plannedAt: at.height }, keyed(trade, `settle/${at.height}`, again));
  }
  const isOver = payment !== undefined && payment.state !== 'pending';
  if (!isOver || invoice === undefined || invoice.state === 'open') return stay(trade);
  const isPaid = invoice.state === 'settled';
  if (payment.state === 'settled')
    return isPaid
      ? ended(trade, { outcome: 'traded', codes: [], ...moved(trade) })
      : ended(trade, { outcome: 'lost', codes: ['forwarded_unpaid'] }, page(trade, 'forwarded_unpaid', UNPAID));
  return isPaid
    ? ended(trade, { outcome: 'traded', codes: ['seller_unpaid'], ...moved(trade) }, page(trade, 'seller_unpaid', OWED))
    : ended(trade, { outcome: 'canceled', codes: ['hold_gone'] });
}

const moved = ({ claimTxid }: In<'settling'>) => (claimTxid === undefined ? {} : { txid: claimTxid });

const UNPAID = 'the seller was paid, and what was held for it is gone';
const OWED =
  'the buyer has paid and shown the preimage, and the seller has not taken his payment: one of the two is owed it';

const page = (trade: Forwarder, code: string, sentence: string): KeyedEffect =>
  keyed(trade, code, { do: 'alert', level: 'page', code, sentence });

/** Either side leaves before anything was paid out. */
function left(trade: In<'quoting' | 'invoiced'>, { message }: Event<'message'>): After {
  return message.op === 'trade_abort' ? cancel(trade, 'canceled', [message.code]) : stay(trade);
}

/** A node that says `failed` and then something else is broken; what it says last still decides. */
function returned(trade: In<'returning'>, event: Event<'looked'>): After {
  const preimage = shown(trade, event.view);
  if (preimage !== undefined) return settle(trade, preimage);
  if (event.view.payment?.state === 'pending') return go(trade, page(trade, 'forward_revived', REVIVED));
  return canceled(trade, event);
}

const REVIVED = 'a payment to the seller that had failed is under way after all';

function canceled(trade: In<'canceling' | 'returning'>, { view, at }: Event<'looked'>): After {
  const { outcome, codes } = trade;
  switch (view.invoice?.state) {
    case 'canceled':
    case 'unknown':
      return ended(trade, { outcome, codes });
    case 'settled':
      return ended(trade, { outcome: 'traded', codes: ['settled_while_canceling'] });
    case 'open':
    case 'held': {
      const again = { do: 'cancel_invoice', paymentHash: trade.want.paymentHash } as const;
      return go(trade, keyed(trade, `cancel/${at.height}`, again));
    }
    case undefined:
      return stay(trade);
  }
}

function giveBack(trade: Out, outcome: Outcome, codes: string[]): After {
  return go(
    { ...base(trade), ...between(trade), ...incoming(trade), ...told(trade), state: 'returning', outcome, codes },
    keyed(trade, 'cancel', { do: 'cancel_invoice', paymentHash: trade.want.paymentHash }),
    ...parting(trade, codes[0] ?? outcome),
  );
}

/** The invoice is taken back, and both sides hear of it. */
function cancel(trade: In<'quoting' | 'invoiced'>, outcome: Outcome, codes: string[]): After {
  return go(
    { ...base(trade), ...between(trade), state: 'canceling', outcome, codes },
    keyed(trade, 'cancel', { do: 'cancel_invoice', paymentHash: trade.want.paymentHash }),
    ...parting(trade, codes[0] ?? outcome),
  );
}

/** There is no invoice yet: nothing to take back. */
const leave = (trade: In<'asking' | 'quoting'>, code: string): After =>
  refuse(trade, { outcome: 'refused', codes: [code] }, ...parting(trade, code));

type How = { outcome: Outcome; codes: string[]; txid?: string };

const refuse = (trade: Forwarder, how: How, ...letters: KeyedEffect[]): After => ended(trade, how, ...letters);

function ended(trade: Forwarder, how: How, ...effects: KeyedEffect[]): After {
  const agreed = 'front' in trade && trade.front !== undefined ? { front: trade.front } : {};
  return go({ ...base(trade), ...agreed, ...place(trade), state: 'ended', ...how }, ...effects);
}

const parting = (trade: Forwarder, code: string): KeyedEffect[] => [tellSeller(trade, code), tellBuyer(trade, code)];

const tellSeller = (trade: Forwarder, code: string): KeyedEffect =>
  keyed(trade, 'abort-seller', { do: 'send', to: trade.want.sellerId, message: abortOf(trade, code) });

const tellBuyer = (trade: Forwarder, code: string): KeyedEffect =>
  keyed(trade, 'abort-buyer', { do: 'send', to: trade.buyerId, message: abortOf(trade, code) });

const abortOf = ({ tradeId, want }: Forwarder, code: string): TradeMessage => ({
  op: 'trade_abort',
  inscriptionId: want.inscriptionId,
  code,
  signed: { tradeId, from: want.buyerId, expiresAt: want.expiresAt },
});

const isFromSeller = ({ want }: Forwarder, { signed }: TradeMessage): boolean => signed?.from === want.sellerId;
const codesOf = (failures: Failure[]): string[] => failures.map(({ code }) => code);
const expiresAt = (invoice: string): number => invoiceExpiresAt(decodeInvoice(invoice));
const incoming = ({ invoice, expiryHeight }: Out | In<'returning'>) => ({ invoice, expiryHeight });
const told = (trade: Forwarder) => ('accept' in trade && trade.accept !== undefined ? { accept: trade.accept } : {});
const place = (trade: Forwarder) => {
  const { accept } = told(trade);
  return accept === undefined ? {} : { outpoint: `${accept.fundingTxid}:${accept.fundingVout}` };
};
const between = ({ terms, front, sellerInvoice }: { terms: Terms; front: Terms; sellerInvoice: string }) => ({
  terms,
  front,
  sellerInvoice,
});
const base = ({ role, mode, tradeId, want, buyerId, totalSats }: Forwarder) => ({
  role,
  mode,
  tradeId,
  want,
  buyerId,
  totalSats,
});

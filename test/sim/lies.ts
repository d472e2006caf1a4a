import type { HoldInvoiceRequest } from 'sparkle-protocol/lightning/lightning';
import type { TradeAccept, TradeQuote } from 'sparkle-protocol/protocol/messages';
import type { Terms, TradeMode } from 'sparkle-protocol/protocol/trade/terms';

/** What a liar has at hand: a key, a hash and a preimage that nobody agreed on. */
export type Own = { key: string; otherKey: string; paymentHash: string };

export type Offered = TradeQuote | TradeAccept;

/**
 * One thing that a lying seller does differently from what he says. `lock`: the terms he locks by. `place`: where he puts
 * the inscription. `invoice`: the invoice he makes. `quote`, `accept`: what he writes.
 */
export type Lie = {
  name: string;
  modes: readonly TradeMode[];
  lock?: (terms: Terms, own: Own) => Terms;
  /** Hold-first: at which height he locks, when not at once. */
  lockHeight?: (terms: Terms) => number;
  place?: 'behind a coin' | 'elsewhere' | 'nowhere' | 'taken back';
  invoice?: (asked: HoldInvoiceRequest, own: Own) => HoldInvoiceRequest;
  quote?: (quote: TradeQuote, own: Own) => TradeQuote;
  accept?: (accept: TradeAccept, own: Own) => TradeAccept;
  /** sat/vB by which he raises his refund with each block. */
  greedSatVb?: number;
};

const both: readonly TradeMode[] = ['hold-first', 'lock-first'];
const holdFirst: readonly TradeMode[] = ['hold-first'];

type SignedOffer = NonNullable<TradeAccept['signed']>;

/** The same change in whichever message carries the terms first. */
const said = (change: (signed: SignedOffer, own: Own) => Partial<SignedOffer>): Pick<Lie, 'quote' | 'accept'> => ({
  quote: (quote, own) => ({ ...quote, signed: { ...quote.signed, ...change(quote.signed, own) } }),
  accept: (accept, own) =>
    accept.signed === undefined ? accept : { ...accept, signed: { ...accept.signed, ...change(accept.signed, own) } },
});

const refundHeightSaid = (by: number): Pick<Lie, 'quote' | 'accept'> => ({
  quote: (quote) => ({ ...quote, refundHeight: quote.refundHeight + by }),
  accept: (accept) => ({ ...accept, refundHeight: accept.refundHeight + by }),
});

const locks: readonly Lie[] = [
  { name: 'locks to his own claim key', modes: both, lock: (terms, { key }) => ({ ...terms, claimKey: key }) },
  { name: 'locks to another refund key', modes: both, lock: (terms, { key }) => ({ ...terms, refundKey: key }) },
  { name: 'locks to his own hash', modes: both, lock: (terms, { paymentHash }) => ({ ...terms, paymentHash }) },
  {
    name: 'locks for a shorter time',
    modes: both,
    lock: (terms) => ({ ...terms, refundHeight: terms.refundHeight - 60 }),
  },
  {
    name: 'locks with another script',
    modes: holdFirst,
    lock: (terms) => ({ ...terms, script: 'sip3', internalKey: 'nums' }),
  },
  {
    name: 'locks with another internal key',
    modes: both,
    lock: (terms) => ({ ...terms, script: 'v1', internalKey: terms.internalKey === 'musig' ? 'nums' : 'musig' }),
  },
  {
    name: 'locks fewer sats',
    modes: both,
    lock: (terms) => ({ ...terms, reserveSats: terms.reserveSats - 1n }),
  },
  { name: 'puts a coin before the inscription', modes: both, place: 'behind a coin' },
  { name: 'locks a coin instead of the inscription', modes: both, place: 'elsewhere' },
  { name: 'locks nothing', modes: both, place: 'nowhere' },
  { name: 'takes the lock back before it confirms', modes: both, place: 'taken back' },
];

const invoices: readonly Lie[] = [
  { name: 'asks a msat more', modes: both, invoice: (asked) => ({ ...asked, amountMsat: asked.amountMsat + 1n }) },
  { name: 'asks for double', modes: both, invoice: (asked) => ({ ...asked, amountMsat: asked.amountMsat * 2n }) },
  {
    name: 'makes the invoice for his own hash',
    modes: both,
    invoice: (asked, { paymentHash }) => ({ ...asked, paymentHash }),
  },
  { name: 'makes an invoice that lasts a day', modes: both, invoice: (asked) => ({ ...asked, expirySeconds: 86_400 }) },
  {
    name: 'makes an invoice that is over at once',
    modes: both,
    invoice: (asked) => ({ ...asked, expirySeconds: 1 }),
  },
  {
    name: 'makes an invoice with a long final CLTV',
    modes: both,
    invoice: (asked) => ({ ...asked, finalCltv: asked.finalCltv + 500 }),
  },
  {
    name: 'makes an invoice with a short final CLTV',
    modes: holdFirst,
    invoice: (asked) => ({ ...asked, finalCltv: 9 }),
  },
  { name: 'describes another trade', modes: both, invoice: (asked) => ({ ...asked, description: 'Sparkle trade' }) },
];

const words: readonly Lie[] = [
  { name: 'says a later refund height', modes: both, ...refundHeightSaid(1) },
  { name: 'says an earlier refund height', modes: both, ...refundHeightSaid(-60) },
  {
    name: 'says another hash',
    modes: both,
    quote: (quote, { paymentHash }) => ({ ...quote, paymentHash }),
    accept: (accept, { paymentHash }) => ({ ...accept, paymentHash }),
  },
  {
    name: 'says another output',
    modes: both,
    accept: (accept) => ({ ...accept, fundingVout: accept.fundingVout + 1 }),
  },
  {
    name: 'says another transaction',
    modes: both,
    accept: (accept, { paymentHash }) => ({ ...accept, fundingTxid: paymentHash }),
  },
  {
    name: 'says another inscription',
    modes: both,
    quote: (quote) => ({ ...quote, inscriptionId: `${'ab'.repeat(32)}i0` }),
    accept: (accept) => ({ ...accept, inscriptionId: `${'ab'.repeat(32)}i0` }),
  },
  { name: 'says another refund key', modes: both, ...said((_signed, { otherKey }) => ({ refundKey: otherKey })) },
  { name: 'says a higher price', modes: both, ...said(({ priceSats }) => ({ priceSats: priceSats + 1n })) },
  { name: 'says less postage', modes: both, ...said(() => ({ postageSats: 330n })) },
  { name: 'says another offset', modes: both, ...said(({ offsetSats }) => ({ offsetSats: offsetSats + 1n })) },
  { name: 'says no reserve', modes: both, ...said(() => ({ reserveSats: 0n })) },
  { name: 'says another final CLTV', modes: both, ...said(({ finalCltv }) => ({ finalCltv: finalCltv + 100 })) },
  { name: 'says an old quote height', modes: both, ...said(({ quoteHeight }) => ({ quoteHeight: quoteHeight - 50 })) },
  { name: 'says another network', modes: both, ...said(() => ({ network: 'mainnet' })) },
  { name: 'says another trade', modes: both, ...said(() => ({ tradeId: '00'.repeat(16) })) },
];

/**
 * He says the truth in everything, and tries to get both: holds the payment to its last block, refunds at R for whatever
 * it costs, and locks as late as the buyer bears.
 */
export const greed: readonly Lie[] = [
  { name: 'takes what he can', modes: both },
  { name: 'takes what he can for any fee', modes: both, greedSatVb: 40 },
  ...[60, 50, 42, 39, 38, 37, 36, 30, 20, 10, 4].map((blocks): Lie => ({
    name: `locks ${blocks} blocks before the refund`,
    modes: holdFirst,
    lockHeight: ({ refundHeight }) => refundHeight - blocks,
    greedSatVb: 40,
  })),
];

/** What he says or does is not what he should; he takes what he can besides. */
export const untruths: readonly Lie[] = [...locks, ...invoices, ...words];

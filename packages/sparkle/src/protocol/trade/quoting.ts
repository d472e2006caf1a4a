import { buildLock } from '../lock.ts';
import type { AcceptTerms, Signed, TradeAccept, TradeMessage, TradeQuote } from '../messages.ts';
import { lockOutpoint } from './locking.ts';
import type { Forwarder, HoldSeller, LockVersion } from './state.ts';
import type { Offer, Terms } from './terms.ts';

function signedTerms(terms: Terms, offer: Pick<Offer, 'expiresAt'>): Signed & AcceptTerms {
  const { tradeId, mode, network, script, internalKey, refundKey, priceSats, quoteHeight } = terms;
  const { finalCltv, confirmations, postageSats, reserveSats, offsetSats } = terms;
  return {
    tradeId,
    from: terms.sellerId,
    expiresAt: offer.expiresAt,
    mode,
    network,
    script,
    internalKey,
    refundKey,
    priceSats,
    quoteHeight,
    finalCltv,
    confirmations,
    postageSats,
    reserveSats,
    offsetSats,
  };
}

export function quoteOf(terms: Terms, offer: Pick<Offer, 'expiresAt'>, invoice: string): TradeQuote {
  const { inscriptionId, paymentHash, refundHeight } = terms;
  return { op: 'trade_quote', inscriptionId, paymentHash, invoice, refundHeight, signed: signedTerms(terms, offer) };
}

/** SIP-3 3.2: in hold-first it announces the lock, in lock-first it also brings the invoice. */
export function acceptOf(at: { terms: Terms; offer: Offer; invoice: string; lock: LockVersion }): TradeAccept {
  const { terms, offer, invoice, lock } = at;
  const { claimLeaf, refundLeaf } = buildLock(terms);
  const [fundingTxid = ''] = lockOutpoint(lock).split(':');
  return {
    op: 'trade_accept',
    inscriptionId: terms.inscriptionId,
    fundingTxid,
    fundingVout: lock.vout,
    paymentHash: terms.paymentHash,
    invoice,
    refundHeight: terms.refundHeight,
    witnessScript: claimLeaf + refundLeaf,
    signed: signedTerms(terms, offer),
  };
}

/** The seller's lock as a forwarder tells it to the buyer: in his own name, at his own price. */
export const passedOn = (
  accept: TradeAccept,
  at: { front: Terms; invoice: string; expiresAt: number },
): TradeAccept => ({
  ...accept,
  invoice: at.invoice,
  signed: signedTerms(at.front, at),
});

/** All that a forwarder has told the buyer so far and that still stands. */
export function forwardedBy(trade: Forwarder): TradeMessage[] {
  if (!('invoice' in trade)) return [];
  const { front, invoice, want } = trade;
  const quote = quoteOf(front, want, invoice);
  const accept = 'accept' in trade ? trade.accept : undefined;
  return accept === undefined ? [quote] : [quote, passedOn(accept, { front, invoice, expiresAt: want.expiresAt })];
}

/** All that a seller in hold-first has told the buyer so far and that still stands; whoever lost it may have it again. */
export function saidBy(trade: HoldSeller): TradeMessage[] {
  if (!('invoice' in trade)) return [];
  const { terms, offer, invoice } = trade;
  const quote = quoteOf(terms, offer, invoice);
  return 'lock' in trade ? [quote, acceptOf({ terms, offer, invoice, lock: trade.lock })] : [quote];
}

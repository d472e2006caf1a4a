import { checkRequest, type Failure } from '../checks.ts';
import { confirmationsFor, holdFirstHeights, holdInvoiceExpirySeconds, lockFirstRefundHeight } from '../deadlines.ts';
import type { TradeRequest } from '../messages.ts';
import type { Moment } from './event.ts';
import { type Change, go, keyed } from './machine.ts';
import { planLock } from './locking.ts';
import type { Buyer, LockSeller, Seller } from './state.ts';
import type { Offer, Terms, Want } from './terms.ts';

/** A buyer begins: he asks. `keyIndex` names the keys of this trade for ever. */
export function openBuyer({ want, keyIndex }: { want: Want; keyIndex: number }): Change<Buyer> {
  const base = { role: 'buyer', tradeId: want.tradeId, keyIndex, want, state: 'requested' } as const;
  const trade: Buyer = want.mode === 'hold-first' ? { ...base, mode: want.mode } : { ...base, mode: want.mode };
  return go(trade, keyed(trade, 'request', { do: 'send', to: want.sellerId, message: requestOf(want) }));
}

function requestOf(want: Want): TradeRequest {
  const { inscriptionId, claimKey, tradeId, network, script, internalKey, expiresAt, mode } = want;
  const hash = want.mode === 'hold-first' ? { paymentHash: want.paymentHash } : {};
  return {
    op: 'trade_request',
    inscriptionId,
    claimKey,
    offerSats: want.priceSats,
    signed: { tradeId, from: want.buyerId, expiresAt, mode, network, script, internalKey, ...hash },
  };
}

/** The seller's own part of a new trade: keys of `keyIndex`, and in lock-first the hash of his preimage. */
export type SellerKeys = { keyIndex: number; refundKey: string; paymentHash: string };

/** A seller answers a request: every failure, or the first state with what shall be done. */
export function openSeller(asked: {
  request: TradeRequest;
  offer: Offer;
  keys: SellerKeys;
  at: Moment;
}): { failures: Failure[] } | Change<Seller> {
  const { request, offer, keys, at } = asked;
  const failures = checkRequest({ request, offer, height: at.height, nowSeconds: at.nowSeconds });
  const { signed } = request;
  if (failures.length > 0 || signed === undefined) return { failures };
  const common = { role: 'seller', tradeId: signed.tradeId, keyIndex: keys.keyIndex, offer } as const;
  const terms = termsFor({ request, signed, offer, keys, height: at.height });
  if (terms.mode === 'hold-first') {
    const trade: Seller = { ...common, mode: 'hold-first', terms, state: 'quoting' };
    const expirySeconds = holdInvoiceExpirySeconds;
    return go(trade, keyed(trade, 'invoice', { do: 'create_hold_invoice', terms, expirySeconds }));
  }
  const trade: LockSeller = { ...common, mode: 'lock-first', terms, state: 'building', startedHeight: at.height };
  return go<Seller>(trade, planLock(trade, at.height));
}

function termsFor(made: {
  request: TradeRequest;
  signed: NonNullable<TradeRequest['signed']>;
  offer: Offer;
  keys: SellerKeys;
  height: number;
}): Terms {
  const { request, signed, offer, keys, height } = made;
  const confirmations = Math.max(offer.confirmations, confirmationsFor(offer.priceSats));
  const holdFirst = signed.mode === 'hold-first';
  const heights = holdFirst
    ? holdFirstHeights({ quoteHeight: height })
    : {
        refundHeight: lockFirstRefundHeight({ height, confirmations, routeCapBlocks: offer.routeCapBlocks }),
        finalCltv: offer.finalCltv,
      };
  return {
    tradeId: signed.tradeId,
    mode: signed.mode,
    network: offer.network,
    script: signed.script,
    internalKey: signed.internalKey,
    inscriptionId: offer.inscriptionId,
    priceSats: offer.priceSats,
    paymentHash: holdFirst && signed.paymentHash !== undefined ? signed.paymentHash : keys.paymentHash,
    claimKey: request.claimKey,
    refundKey: keys.refundKey,
    ...heights,
    quoteHeight: height,
    confirmations,
    postageSats: offer.postageSats,
    reserveSats: offer.reserveSats,
    offsetSats: offer.offsetSats,
    buyerId: signed.from,
    sellerId: offer.sellerId,
  };
}

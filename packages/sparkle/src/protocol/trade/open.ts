import { checkRequest, type Failure } from '../checks.ts';
import { confirmationsFor, holdFirstHeights, holdInvoiceExpirySeconds, lockFirstRefundHeight } from '../deadlines.ts';
import { SparkleError } from '../errors.ts';
import type { TradeKeys } from '../keys.ts';
import type { TradeRequest } from '../messages.ts';
import type { NetworkName } from '../network.ts';
import type { Moment } from './event.ts';
import { type Change, go, keyed } from './machine.ts';
import { planLock } from './locking.ts';
import type { Buyer, Forwarder, LockSeller, Seller } from './state.ts';
import type { Forward, Offer, Terms, Want } from './terms.ts';

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

/** Our own hash is made when it is asked for: in hold-first the buyer brings his. */
export const sellerKeys = (keyIndex: number, keys: TradeKeys): SellerKeys => ({
  ...{ keyIndex, refundKey: keys.refund.public },
  get paymentHash() {
    return keys.paymentHash;
  },
});

/** What a seller is asked, what he offers, and when. */
export type Asking = { request: TradeRequest; offer: Offer; at: Moment };

/** A request that may be answered: with the seller's part of it there is a trade. */
export type Answerable = { withKeys(keys: SellerKeys): Change<Seller> };

/** A seller answers a request: every failure, or the first state with what shall be done. */
export function openSeller({
  keys,
  ...asking
}: Asking & { keys: SellerKeys }): { failures: Failure[] } | Change<Seller> {
  const answer = answerRequest(asking);
  return 'failures' in answer ? answer : answer.withKeys(keys);
}

/** The same for a seller who spends a key index only on what he can answer: whoever restores searches through all of them. */
export function answerRequest(asking: Asking): { failures: Failure[] } | Answerable {
  const { request, offer, at } = asking;
  const failures = checkRequest({ request, offer, height: at.height, nowSeconds: at.nowSeconds });
  const { signed } = request;
  if (failures.length > 0 || signed === undefined) return { failures };
  return { withKeys: (keys) => begun({ ...asking, signed, keys }) };
}

type Begun = Asking & { signed: NonNullable<TradeRequest['signed']>; keys: SellerKeys };

function begun({ request, signed, offer, keys, at }: Begun): Change<Seller> {
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

/** A seller who sells through a forwarder is there, or he is not: his program answers by itself. */
const QUOTE_WITHIN_SECONDS = 120;

/** What a forwarder asks of the seller; who he is himself stands in `forwarderId`. */
type Passing = { request: TradeRequest; forward: Forward; network: NetworkName; forwarderId: string; at: Moment };

/**
 * A forwarder answers a buyer's request: every failure, or the request that he makes of the seller in his own name, for the
 * buyer's payment hash and claim key. Throws `bad_config` when the seller and the way to him could cost more than is paid.
 */
export function openForwarder(asked: Passing): { failures: Failure[] } | Change<Forwarder> {
  const { request, forward, network, forwarderId, at } = asked;
  const { inscriptionId, sellerId, sellerSats, totalSats, maxFeeMsat, expiresAt } = forward;
  if (maxFeeMsat < 0n || sellerSats * 1000n + maxFeeMsat > totalSats * 1000n)
    throw new SparkleError('bad_config', `a forwarder may pay out ${totalSats} sats at most; it would be more`);
  const failures = checkRequest({
    request,
    offer: {
      ...{ inscriptionId, network, expiresAt, priceSats: totalSats, modes: ['hold-first'], sellerId: forwarderId },
      ...{ confirmations: confirmationsFor(totalSats), routeCapBlocks: 0 },
    },
    height: at.height,
    nowSeconds: at.nowSeconds,
  });
  const { signed, claimKey } = request;
  if (failures.length > 0 || signed?.paymentHash === undefined) return { failures };
  const { tradeId, script, internalKey, paymentHash, from: buyerId } = signed;
  const want: Forwarder['want'] = {
    ...{ tradeId, mode: 'hold-first', network, script, internalKey, inscriptionId, paymentHash, claimKey },
    ...{ priceSats: sellerSats, buyerId: forwarderId, sellerId, maxFeeMsat, expiresAt: signed.expiresAt },
    // Of the lock only the buyer has anything, and he looks at all of it himself.
    ...{ minConfirmations: 1, minPostageSats: 0n, routeCapBlocks: 0, maxClaimFeeSats: 0n },
  };
  const trade: Forwarder = {
    role: 'forwarder',
    mode: 'hold-first',
    tradeId,
    want,
    buyerId,
    totalSats,
    state: 'asking',
    quoteBySeconds: Math.min(signed.expiresAt, at.nowSeconds + QUOTE_WITHIN_SECONDS),
  };
  return go(trade, keyed(trade, 'request', { do: 'send', to: sellerId, message: requestOf(want) }));
}

const windowOf = ({ claimWindowBlocks }: Offer) => (claimWindowBlocks === undefined ? {} : { claimWindowBlocks });

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
    ? holdFirstHeights({ quoteHeight: height, ...windowOf(offer) })
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

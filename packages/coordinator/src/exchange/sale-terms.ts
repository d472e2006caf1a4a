import { confirmationsFor } from 'sparkle-protocol/protocol/deadlines';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeRequest } from 'sparkle-protocol/protocol/messages';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { OwnOffer } from 'sparkle-protocol/trader/trader';
import type { Caller } from '../access/auth.ts';
import type { Checkout } from './checkouts.ts';
import type { Item } from './listings.ts';
import type { Price } from './quotes.ts';

/** Most of our own fees for one lock and its refund. */
const MOST_FEE_SATS = 50_000n;

/** What a buyer has named; with the id of the trade where he has signed for it. */
export type Keys = { paymentHash: string; claimKey: string; from: string; tradeId?: string };

/** An item that names its collection is of no other; of one that names none the buyer may believe what he likes. */
export function assertCollection(named: string | undefined, { declared }: Item): void {
  if (named === undefined || declared === undefined || named === declared.collectionId) return;
  const field = 'collection_ref';
  const sentence = `${field} must be the collection that the item names, ${declared.collectionId}; got ${named}`;
  throw new SparkleError('bad_message', sentence, { field });
}

export const keyName = (key: string): string => `key ${key}`;

/** Whose places a trade takes: those of the key that signed for it, of the key that asks, or of the address. */
export function buyerOf({ tradeId, from }: Keys, { key, address }: Caller): string {
  if (tradeId !== undefined) return keyName(from);
  return key === undefined ? `address ${address}` : keyName(key);
}

export function requestOf(of: { checkout: Checkout; keys: Keys; network: NetworkName }): TradeRequest {
  const { checkout, keys, network } = of;
  const { tradeId, inscriptionId, totalSats, expiresAt } = checkout;
  const { paymentHash, claimKey, from } = keys;
  return {
    ...{ op: 'trade_request', inscriptionId, claimKey, offerSats: totalSats },
    signed: { tradeId, from, expiresAt, mode: 'hold-first', network, script: 'v1', internalKey: 'nums', paymentHash },
  };
}

/** The terms of one sale. What the buyer pays beyond what this costs us is the market fee. */
export function offerOf(of: { item: Item; price: Price; expiresAt: number; claimWindowBlocks: number }): OwnOffer {
  const { item, price, expiresAt, claimWindowBlocks } = of;
  const { listing, inscriptionId, outpoint, valueSats, offsetSats } = item;
  return {
    ...{ inscriptionId, priceSats: price.totalSats, modes: ['hold-first'], expiresAt },
    ...{ sourceOutpoint: outpoint, sourceValueSats: valueSats, offsetSats },
    // The buyer gets the output as the seller had it.
    ...{ postageSats: valueSats, reserveSats: price.reserveSats, maxRefundFeeSats: MOST_FEE_SATS },
    confirmations: confirmationsFor(price.totalSats),
    ...{ finalCltv: 40, routeCapBlocks: 144, claimWindowBlocks },
    ...(listing === undefined ? {} : { fill: { listing, payouts: price.payouts } }),
  };
}

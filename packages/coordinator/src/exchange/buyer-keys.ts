import type { InvoiceRequestWire } from 'sparkle-protocol/market/checkout-wire';
import { isHeldKey } from 'sparkle-protocol/protocol/checks-terms';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { readMessage } from 'sparkle-protocol/protocol/messages';
import type { Item } from './listings.ts';
import type { Keys } from './sale-terms.ts';

/** Where the buyer's fields stand in the body of the request: a refusal names their path. */
export type BuyerPath = 'buyer.' | '';

/** What a signed request must be for. */
export type SaleAsked = {
  item: Pick<Item, 'inscriptionId'>;
  totalSats: bigint;
  nowSeconds: number;
  path: BuyerPath;
};

/**
 * Who buys, as far as he has said. A signed request is taken at its word, the two fields speak for the claim key alone.
 * Throws `bad_message` or `bad_signature`, and `bad_amount` for a request that is signed for something else.
 */
export function keysIn(buyer: InvoiceRequestWire, asked: SaleAsked): Keys | undefined {
  if (buyer.trade_request !== undefined) return signedKeys(buyer.trade_request, asked);
  const { payment_hash: paymentHash, claim_key: claimKey } = buyer;
  if (paymentHash === undefined && claimKey === undefined) return undefined;
  if (paymentHash !== undefined && claimKey !== undefined) return { paymentHash, claimKey, from: claimKey };
  const { path } = asked;
  const field = `${path}${paymentHash === undefined ? 'payment_hash' : 'claim_key'}`;
  const sentence = `${path}payment_hash and ${path}claim_key must be given together; ${field} is missing`;
  throw new SparkleError('bad_message', sentence, { field });
}

function signedKeys(text: string, { item, totalSats, nowSeconds, path }: SaleAsked): Keys & { tradeId: string } {
  const field = `${path}trade_request`;
  const { message, signedBy } = readRequest(text, { nowSeconds, field });
  const { signed } = message;
  const isRequest = message.op === 'trade_request' && signed !== undefined && signedBy === signed.from;
  if (!isRequest || message.signed?.paymentHash === undefined)
    throw new SparkleError('bad_message', `${field} must be a signed request with a payment hash; it is not`, {
      field,
    });
  if (message.inscriptionId !== item.inscriptionId || message.offerSats !== totalSats) {
    const sentence = `${field} must be for ${item.inscriptionId} at ${totalSats} sats; it is not`;
    throw new SparkleError('bad_amount', sentence, { field });
  }
  if (!isHeldKey(message.claimKey)) {
    const sentence = `${field} must have a claim_key that is a point of the curve and somebody can hold; got ${message.claimKey}`;
    throw new SparkleError('bad_message', sentence, { field });
  }
  const { tradeId, from, paymentHash } = message.signed;
  return { tradeId, from, paymentHash, claimKey: message.claimKey };
}

/** What is wrong within the message is said by its own names; the field of the request is the whole message. */
function readRequest(text: string, { nowSeconds, field }: { nowSeconds: number; field: string }) {
  try {
    return readMessage(text, { nowSeconds });
  } catch (cause) {
    if (!(cause instanceof SparkleError)) throw cause;
    throw new SparkleError(
      cause.code,
      `${field} must be a signed trade_request: ${cause.message}`,
      { field },
      { cause },
    );
  }
}

export const keysMissing = (): SparkleError =>
  new SparkleError('bad_message', 'payment_hash and claim_key of this trade must be given; they are not', {
    field: 'payment_hash',
  });

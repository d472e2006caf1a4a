import type { PrepareWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import type { TradeKeys } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeQuote } from 'sparkle-protocol/protocol/messages';

type Claim = Parameters<typeof buildClaim>[0];
type Listing = { inscriptionId: string; priceSats: bigint; payoutAddress: string; psbt: string };
type Buyer = { address: string; paymentHash: string; claimKey: string };

/** The body with which an owner lists. */
export const listingBody = ({ inscriptionId, priceSats, payoutAddress, psbt }: Listing) => ({
  ...{ inscription_id: inscriptionId, price_sats: Number(priceSats), seller_address: payoutAddress, psbt },
});

/** A checkout as the published document has it, of a buyer who takes the quote as it is. */
export const checkoutBody = (quote: QuoteWire, { address, paymentHash, claimKey }: Buyer): PrepareWire => ({
  ...{ p: 'sparkle', op: 'checkout', version: 1, inscription_id: quote.inscription_id, network: 'ln-mainnet' },
  buyer: { ord_address: address, payment_hash: paymentHash, claim_key: claimKey },
  ...{ max_total_sats: quote.max_total_sats, pricing: quote.pricing },
});

/** The same buyer with the keys of a trade. */
export const buyerWith = ({ paymentHash, claim }: TradeKeys, address: string): Buyer => ({
  ...{ address, paymentHash, claimKey: claim.public },
});

/** What the lock of a proof is built from: the seller's quote, and what only this buyer can know. Undefined before there is a quote. */
export function termsIn(
  { messages }: ProofWire,
  { paymentHash, claim }: Pick<TradeKeys, 'paymentHash' | 'claim'>,
): Claim['terms'] | undefined {
  const [first] = messages;
  if (first === undefined) return undefined;
  const { signed, refundHeight } = readMessage(first, { nowSeconds: 0 }).message as TradeQuote;
  return { ...signed, refundHeight, paymentHash, claimKey: claim.public };
}

/** The claim that its owner hands over with his preimage. */
export const claimOf = (
  { keys, address }: { keys: TradeKeys; address: string },
  { terms, lockOutpoint }: Pick<Claim, 'terms' | 'lockOutpoint'>,
): string =>
  buildClaim({
    ...{ terms, lockOutpoint, destination: address, claimSecret: keys.claim.secret, preimage: keys.preimage },
    ...{ auxRand: new Uint8Array(32), feerateSatVb: 2, maxFeeSats: 10_000n },
  }).raw;

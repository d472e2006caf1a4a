import * as z from 'zod/mini';
import {
  blockHeight,
  heldKey,
  hex32,
  inscriptionId,
  integer,
  oneOf,
  sats,
  shortText,
  text,
  unixSeconds,
} from './wire-fields.ts';

/**
 * What the checkout API and `/v1/trade` carry, with the field names, numbers and status words of the published documents
 * (coordinator API; SIP-3 v0.1). One schema for server, client and OpenAPI. Whoever speaks the published documents alone
 * may leave out every field that is ours: `payment_hash`, `claim_key`, `trade_request`, `claim`.
 */

const address = text(/^[a-zA-Z0-9]{8,120}$/, 'a Bitcoin address, 8 to 120 letters and digits');
const paymentHash = hex32('the SHA-256 of a preimage that only the buyer knows');
const claimKey = hex32('an x-only key of the buyer, to which the lock pays');
const confirmations = integer({ min: 0, max: 10_000_000, unit: 'blocks' });
const signedMessage = shortText(20_000);

const pricingShape = z.strictObject({
  seller_sats: sats,
  creator_royalty_sats: sats,
  market_fee_sats: sats,
  estimated_l1_fee_sats: sats,
});

/** The rails of the published document, and our own name for the BOLT 11 invoice that all of them can pay. */
const rail = oneOf(['spark', 'ln-mainnet', 'lightning']);

export const prepareSchema = z.strictObject({
  p: oneOf(['sparkle']),
  op: oneOf(['checkout']),
  version: integer({ min: 1, max: 1, unit: 'versions' }),
  inscription_id: inscriptionId,
  collection_ref: z.optional(inscriptionId),
  buyer: z.strictObject({
    ord_address: address.check(
      z.describe('Where the buyer wants the inscription; of the network that the coordinator is on'),
    ),
    lightning_address: z.optional(shortText(320)),
    ln_node_pubkey: z.optional(text(/^0[23][0-9a-f]{64}$/, 'a compressed key of 66 lowercase hex characters')),
    payment_hash: z.optional(paymentHash),
    claim_key: z.optional(heldKey),
    trade_request: z.optional(signedMessage),
  }),
  network: rail.check(z.describe("The payment's kind, not the chain: each is a BOLT 11 invoice")),
  max_total_sats: sats,
  pricing: pricingShape,
  market: z.optional(z.strictObject({ id: shortText(253), name: shortText(100) })),
  expiry_block: z.optional(
    blockHeight(1).check(z.describe('The checkout is refused unless the best block is below this height')),
  ),
});

/** The six words of the published document. */
const checkoutStatus = oneOf(['pending_payment', 'paid', 'broadcast', 'confirmed', 'failed', 'expired']);

export const preparedSchema = z.strictObject({
  checkout_id: z.string(),
  status: checkoutStatus,
  /**
   * Null until the buyer has named his payment hash and claim key: only he may know what is behind them; and of what
   * somebody else sells through the coordinator until he has answered, which `checkout/status` tells.
   */
  invoice: z.nullable(z.string()),
  expires_at: unixSeconds,
  payment_request: z.strictObject({ type: rail, amount_sats: sats, memo: z.string() }),
  trade_id: z.string(),
  token: z.string(),
  needed: z.optional(z.strictObject({ fields: z.array(z.string()), post_to: z.string() })),
});

export const checkoutIdSchema = z.strictObject({
  checkout_id: text(/^chk_[0-9a-f]{32}$/, 'a checkout id: chk_ and 32 lowercase hex characters'),
});

const transfer = z.strictObject({
  txid: hex32('a txid'),
  vout: integer({ min: 0, max: 0xffff_ffff, unit: 'outputs' }),
  confirmations,
});

export const checkoutStateSchema = z.strictObject({
  checkout_id: z.string(),
  status: checkoutStatus,
  inscription_id: inscriptionId,
  payment: z.optional(z.strictObject({ received_sats: sats, confirmed_at: unixSeconds })),
  /** Of what somebody else sells through the coordinator, which has an invoice when he has answered. */
  invoice: z.optional(z.string()),
  transfer: z.optional(transfer),
  reason: z.optional(z.string()),
});

/** 16 random bytes: written as a UUID, with none of its version bits. */
const tradeId = text(
  /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/,
  'a trade id, as 00000000-0000-0000-0000-000000000000',
);
export const tradeParamsSchema = z.strictObject({ id: tradeId });

export const createTradeSchema = z.strictObject({
  inscription_id: inscriptionId,
  price_sats: sats,
  seller_address: address,
  /** The seller's listing: one input, one output, signed SINGLE|ANYONECANPAY. */
  psbt: shortText(700_000),
});

const tradeStatus = oneOf(['pending', 'pending_payment', 'paid', 'broadcast', 'confirmed', 'failed', 'expired']);
export const createdTradeSchema = z.strictObject({ trade_id: tradeId, status: tradeStatus, token: z.string() });

export const tradeStateSchema = z.strictObject({
  trade_id: tradeId,
  status: tradeStatus,
  inscription_id: inscriptionId,
  price_sats: sats,
  transfer: z.optional(transfer),
  reason: z.optional(z.string()),
});

export const invoiceRequestSchema = z.strictObject({
  payment_hash: z.optional(paymentHash),
  claim_key: z.optional(heldKey),
  trade_request: z.optional(signedMessage),
});

/** `trade_id` and `token` when a trade of the buyer's own began with this request. */
export const tradeInvoiceSchema = z.strictObject({
  payment_request: z.string(),
  payment_hash: paymentHash,
  expires_at: unixSeconds,
  trade_id: z.optional(tradeId),
  token: z.optional(z.string()),
});

export const finalizeSchema = z.strictObject({
  payment_preimage: hex32('a preimage'),
  /** The buyer's claim, signed for everything but the preimage: without it nobody but he can deliver. */
  claim: z.optional(text(/^(?:[0-9a-f]{2}){60,5000}$/, 'a raw transaction of 60 to 5000 bytes in lowercase hex')),
});
export const finalizedSchema = z.strictObject({ txid: hex32('a txid'), confirmations });

export const quoteRequestSchema = z.strictObject({ inscription_id: inscriptionId });
export const quoteSchema = z.strictObject({
  inscription_id: inscriptionId,
  pricing: pricingShape,
  max_total_sats: sats,
  expires_at: unixSeconds,
  /** Somebody else sells it through the coordinator: the payment may be held for longer, and who buys must have agreed. */
  forward: z.optional(z.literal(true, 'must be true, or absent')),
});

const hexText = (mostBytes: number) => z.string().check(z.maxLength(2 * mostBytes), z.regex(/^(?:[0-9a-f]{2})*$/));
/** The most that a block has room for; all transactions of a proof together are bounded by whoever reads it. */
const rawTransaction = hexText(4_000_000);

const proofFields = {
  trade_id: tradeId,
  /** What the seller side has said, signed: the quote, and the lock once there is one. */
  messages: z.array(signedMessage).check(z.maxLength(2)),
  lock: z.optional(
    z.strictObject({
      outpoint: shortText(80),
      address: shortText(120),
      descriptor: shortText(2_000),
      raw: rawTransaction,
      confirmations,
    }),
  ),
  /** The way of the inscription into the lock; with `from` only its end, from where it lay before it was sold. */
  sat_proof: z.optional(
    z.strictObject({
      inscription_id: inscriptionId,
      from: z.optional(shortText(100)),
      satpoint: shortText(100),
      transactions: z.array(rawTransaction).check(z.maxLength(4_096)),
    }),
  ),
};

/** Everything by which a buyer sees for himself that the lock is his to claim. Nothing in it needs to be believed. */
export const proofSchema = z.strictObject(proofFields);

/**
 * With that, what he or any descriptor wallet needs to end the trade without the coordinator: what the lock is made of, and
 * the leaf by which it is claimed. He can rebuild each of it from the signed quote and his own key.
 */
export const rescueSchema = z.strictObject({
  ...proofFields,
  terms: z.optional(
    z.strictObject({
      ...{ inscription_id: inscriptionId, payment_hash: paymentHash, claim_key: claimKey },
      refund_key: hex32('the x-only key that may take the lock back'),
      refund_height: blockHeight(1),
      last_reveal_height: blockHeight(0),
      ...{ postage_sats: sats, reserve_sats: sats, offset_sats: sats },
      ...{ claim_leaf: hexText(1_000), claim_control_block: hexText(200) },
    }),
  ),
});

export type PrepareWire = z.infer<typeof prepareSchema>;
export type PreparedWire = z.infer<typeof preparedSchema>;
export type PricingWire = z.infer<typeof pricingShape>;
export type CheckoutStatus = z.infer<typeof checkoutStatus>;
export type CheckoutStateWire = z.infer<typeof checkoutStateSchema>;
export type CreateTradeWire = z.infer<typeof createTradeSchema>;
export type TradeStatus = z.infer<typeof tradeStatus>;
export type TradeStateWire = z.infer<typeof tradeStateSchema>;
export type InvoiceRequestWire = z.infer<typeof invoiceRequestSchema>;
export type TradeInvoiceWire = z.infer<typeof tradeInvoiceSchema>;
export type FinalizeWire = z.infer<typeof finalizeSchema>;
export type FinalizedWire = z.infer<typeof finalizedSchema>;
export type QuoteWire = z.infer<typeof quoteSchema>;
export type ProofWire = z.infer<typeof proofSchema>;
export type RescueWire = z.infer<typeof rescueSchema>;

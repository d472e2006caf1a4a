import type { NetworkName } from '../protocol/network.ts';

/** What a node can promise, as its driver states it. `trader/needs` refuses a trade that needs more. */
export type LightningCapabilities = {
  /** It can pay invoices. */
  pay: boolean;
  /** `pay` honours `maxCltvBlocks` over the whole route. */
  routeCap: boolean;
  /** `pay` honours `maxFeeMsat`; else the wallet's own budget is the only cap. */
  feeCap: boolean;
  /** Hold invoices for a payment hash the caller chose, settled by its preimage. */
  hold: boolean;
  /** An open or held invoice can be given back before it expires. */
  cancel: boolean;
  /** It tells the height at which a held payment ends. Where not, `expiryHeight` of a held invoice is 0: over already. */
  holdDeadline: boolean;
  /** The caller may choose min_final_cltv_expiry. */
  finalCltv: boolean;
  /** Plain invoices for a preimage the caller chose. */
  ownPreimage: boolean;
  /** Blocks before the expiry of a held HTLC at which the node itself cancels it. */
  holdExpiryMarginBlocks: number;
};

/**
 * An outgoing payment. `unknown`: nothing is in flight and nothing is decided; the node has never heard of it, or could not
 * begin it yet. `expiryHeight`: the largest of any of its HTLCs, where known.
 */
export type Payment =
  | { state: 'unknown' }
  | { state: 'pending'; expiryHeight?: number }
  | { state: 'settled'; preimage: string; feeMsat: bigint }
  | { state: 'failed'; reason: string };

/** An incoming payment. `held.expiryHeight` is the SMALLEST expiry over all accepted parts, `amountMsat` their sum. */
export type Invoice =
  | { state: 'unknown' }
  | { state: 'open' }
  | { state: 'held'; amountMsat: bigint; expiryHeight: number; parts: number }
  | { state: 'settled'; amountMsat: bigint }
  | { state: 'canceled' };

/** Only a hint to look again: what counts is what `payment` and `invoice` answer. */
export type LightningEvent = { type: 'payment' | 'invoice'; paymentHash: string };

export type HoldInvoiceRequest = {
  paymentHash: string;
  amountMsat: bigint;
  /** min_final_cltv_expiry written into the invoice, in blocks. */
  finalCltv: number;
  expirySeconds: number;
  description: string;
};

export type InvoiceRequest = Omit<HoldInvoiceRequest, 'paymentHash'> & { preimage: string };

export type PayRequest = {
  bolt11: string;
  maxFeeMsat: bigint;
  /** Cap on the expiry of the first HTLC, in blocks above the tip, over the whole route. */
  maxCltvBlocks: number;
  timeoutSeconds: number;
};

/**
 * A view of one Lightning node. Hashes and preimages are 32-byte lowercase hex. A method whose outcome is not known
 * (a lost connection) throws `lightning_unavailable`; the caller then looks, and never treats that as a failure.
 */
export interface Lightning {
  readonly capabilities: LightningCapabilities;
  network(): Promise<NetworkName>;
  /** Public key of the node, 33-byte hex: the payee of its invoices. */
  nodeId(): Promise<string>;
  /** Idempotent: the same request again returns the same invoice. Another request for a known hash throws `invoice_exists`. */
  createHoldInvoice(request: HoldInvoiceRequest): Promise<{ bolt11: string }>;
  /** A plain invoice that the node settles by itself on arrival. Idempotent as above. */
  createInvoice(request: InvoiceRequest): Promise<{ bolt11: string }>;
  /**
   * Starts a payment and returns once it is under way or has ended; `payment` tells the outcome. Idempotent by payment hash: never a second
   * payment while one is pending or settled. Throws `no_route`/`payment_failed`/`too_late` only when surely nothing is in flight.
   */
  pay(request: PayRequest): Promise<void>;
  payment(paymentHash: string): Promise<Payment>;
  invoice(paymentHash: string): Promise<Invoice>;
  /** Settles a held invoice. Idempotent; throws `invoice_not_held` when it is neither held nor settled. */
  settle(preimage: string): Promise<void>;
  /** Cancels an open or held invoice. Idempotent; throws `invoice_not_held` when it is settled. A canceled or settled invoice can never be paid again. */
  cancel(paymentHash: string): Promise<void>;
  /** What the node could send now over its channels, and what it owns in them, in msat. */
  balance(): Promise<{ spendableMsat: bigint; ownedMsat: bigint }>;
  subscribe(listener: (event: LightningEvent) => void): () => void;
  close(): Promise<void>;
}

/**
 * A payee whose invoices have a preimage that only the payee's side knows: a Lightning address, a phoenixd. Whoever
 * asks checks what comes: amount, network, expiry and signature of the invoice.
 */
export interface PlainPayee {
  /** Throws `bad_invoice` for an invoice that is not what was asked for, `lightning_unavailable` when nobody answers. */
  requestInvoice(request: {
    amountMsat: bigint;
    description: string;
  }): Promise<{ bolt11: string; paymentHash: string }>;
  /** `unknown` where the payee gives no way to ask. */
  settlement(paymentHash: string): Promise<'open' | 'settled' | 'unknown'>;
  close(): Promise<void>;
}

import type { NetworkName } from './network.ts';
import type { ScriptVersion } from './lock.ts';
import type { InternalKey, TradeMode } from './trade/terms.ts';

/** What every message of ours carries besides SIP-3's own fields; absent as a whole in a plain SIP-3 v0.2 message. */
export type Signed = { tradeId: string; from: string; expiresAt: number };

/** SIP-3 v0.2 section 3.1. `claimKey` is `buyer_pubkey` without its prefix byte. */
export type TradeRequest = {
  op: 'trade_request';
  inscriptionId: string;
  claimKey: string;
  offerSats: bigint;
  depositInvoice?: string;
  signed?: Signed & {
    mode: TradeMode;
    network: NetworkName;
    script: ScriptVersion;
    internalKey: InternalKey;
    paymentHash?: string;
  };
};

/** Ours, hold-first: the terms and the hold invoice, before anything is locked. */
export type TradeQuote = {
  op: 'trade_quote';
  inscriptionId: string;
  paymentHash: string;
  invoice: string;
  refundHeight: number;
  signed: Signed & AcceptTerms;
};

/** SIP-3 v0.2 section 3.2; in hold-first it announces the lock to which the quote led. */
export type TradeAccept = {
  op: 'trade_accept';
  inscriptionId: string;
  fundingTxid: string;
  fundingVout: number;
  paymentHash: string;
  invoice: string;
  refundHeight: number;
  witnessScript: string;
  signed?: Signed & AcceptTerms;
};

export type AcceptTerms = {
  mode: TradeMode;
  network: NetworkName;
  script: ScriptVersion;
  internalKey: InternalKey;
  refundKey: string;
  priceSats: bigint;
  quoteHeight: number;
  finalCltv: number;
  confirmations: number;
  postageSats: bigint;
  reserveSats: bigint;
  offsetSats: bigint;
};

/** SIP-3 v0.2 section 3.3. Carries the preimage: sent only once the claim is in the mempool or the block, where it is public anyway. */
export type TradeComplete = {
  op: 'trade_complete';
  inscriptionId: string;
  claimTxid: string;
  preimage: string;
  signed?: Signed;
};

/** Ours: this side has left the trade; `code` says why. Changes nothing by itself for who has money at stake. */
export type TradeAbort = { op: 'trade_abort'; inscriptionId: string; code: string; signed: Signed };

export type TradeMessage = TradeRequest | TradeQuote | TradeAccept | TradeComplete | TradeAbort;

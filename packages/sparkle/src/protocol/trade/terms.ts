import type { Output } from '../draft.ts';
import type { Listing } from '../listing.ts';
import type { NetworkName } from '../network.ts';
import type { ScriptVersion } from '../lock.ts';

/** Who moves first: see docs/spec/trades.md. */
export type TradeMode = 'hold-first' | 'lock-first';

/** `nums`: nobody can spend by key path; `musig`: MuSig2 of (refund key, claim key), in that order, unsorted. */
export type InternalKey = 'nums' | 'musig';

/**
 * What both sides agreed on; never changes in a trade. Keys and hashes are 32-byte lowercase hex (x-only keys),
 * heights are absolute block heights, amounts are sats.
 */
export type Terms = {
  tradeId: string;
  mode: TradeMode;
  network: NetworkName;
  script: ScriptVersion;
  internalKey: InternalKey;
  inscriptionId: string;
  priceSats: bigint;
  paymentHash: string;
  claimKey: string;
  refundKey: string;
  /** R: from this height on the seller may take the inscription back. */
  refundHeight: number;
  /** q: best height when the terms were made. */
  quoteHeight: number;
  /** F in hold-first: min_final_cltv_expiry of the hold invoice; in lock-first: that of the plain invoice. */
  finalCltv: number;
  /** n: confirmations the lock must have before the buyer pays or reveals. */
  confirmations: number;
  /** Sats that stay with the inscription, and sats in the lock that pay for the claim; their sum is the lock's value. */
  postageSats: bigint;
  reserveSats: bigint;
  /** Offset of the inscription's sat within its output; must be below the postage. */
  offsetSats: bigint;
  /** x-only keys that sign the messages of each side. */
  buyerId: string;
  sellerId: string;
};

export const lockValueSats = (terms: Pick<Terms, 'postageSats' | 'reserveSats'>): bigint =>
  terms.postageSats + terms.reserveSats;

/** What a buyer asks for. `priceSats` is what he pays, exactly; `routeCapBlocks` his cap on the whole outgoing route. */
export type Want = {
  tradeId: string;
  network: NetworkName;
  script: ScriptVersion;
  internalKey: InternalKey;
  inscriptionId: string;
  priceSats: bigint;
  claimKey: string;
  buyerId: string;
  sellerId: string;
  /** Fewest confirmations the buyer accepts for the lock. */
  minConfirmations: number;
  /** Most sats of the lock that may be reserve or more postage than needed do not matter to the buyer; less postage does. */
  minPostageSats: bigint;
  routeCapBlocks: number;
  maxFeeMsat: bigint;
  /** Most sats the buyer spends on getting his claim confirmed. */
  maxClaimFeeSats: bigint;
  expiresAt: number;
  /**
   * Whoever is asked stands between the buyer and the seller (`Forward`): the buyer has chosen that, and with it that his
   * sats may be held for the way to the seller too. Nobody's quote makes it so.
   */
  forwarded?: true;
} & ({ mode: 'hold-first'; paymentHash: string } | { mode: 'lock-first' });

/**
 * What a principal fills to make the lock: an input that its owner signed away for what he asks, and whatever else the
 * transaction pays (royalty, market fee). The owner never hears of Lightning; the principal is the seller of the trade.
 */
export type Fill = { listing: Listing; payouts: readonly Output[] };

/**
 * A sale that is passed on: whose it is, and what he gets of what the buyer pays. `maxFeeMsat` is the most that the way to
 * him may cost; what is left is the forwarder's.
 */
export type Forward = {
  inscriptionId: string;
  sellerId: string;
  sellerSats: bigint;
  totalSats: bigint;
  maxFeeMsat: bigint;
  expiresAt: number;
};

/** What a seller sells: the standing offer plus what only he knows. `fill` when it is not his yet; hold-first alone. */
export type Offer = {
  inscriptionId: string;
  priceSats: bigint;
  modes: TradeMode[];
  network: NetworkName;
  /** Output that holds the inscription, `txid:vout`, its value, and the sat's offset in it. */
  sourceOutpoint: string;
  sourceValueSats: bigint;
  offsetSats: bigint;
  postageSats: bigint;
  reserveSats: bigint;
  confirmations: number;
  /** Lock-first: the route cap that the refund height leaves room for, and the final CLTV of the plain invoice. */
  finalCltv: number;
  routeCapBlocks: number;
  /** Hold-first: W of `holdFirstHeights`, its least unless given. */
  claimWindowBlocks?: number;
  maxRefundFeeSats: bigint;
  sellerId: string;
  expiresAt: number;
  fill?: Fill;
};

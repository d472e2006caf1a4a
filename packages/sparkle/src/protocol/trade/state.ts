import type { PresignedClaim } from '../claim.ts';
import type { Prevout } from '../draft.ts';
import type { TradeAccept } from '../messages.ts';
import type { Version } from './effect.ts';
import type { Offer, Terms, Want } from './terms.ts';

/** How a trade ended. `lost` is the outcome that must not happen to a party that keeps its deadlines. */
export type Outcome = 'traded' | 'refunded' | 'abandoned' | 'refused' | 'expired' | 'canceled' | 'lost';

/** The end of every machine; `codes` say why, `txid` names the transaction that moved the inscription last. */
export type Ended = { state: 'ended'; outcome: Outcome; codes: string[]; txid?: string };

/** The lock as it was built, with what its inputs spend: whoever wants to replace it must know what it paid. */
export type LockVersion = Version & { vout: number; spent: readonly Prevout[] };

type BuyerBase = { role: 'buyer'; tradeId: string; keyIndex: number; want: Want };
type Agreed = { terms: Terms; invoice: string };

/** The lock's outpoint, and its raw transaction to bring it back after a reorg. */
type Known = Agreed & { outpoint: string; lockRaw: string };

/**
 * `versions`: every claim ever built, kept because any may confirm. `revealed`: one of them has left this machine, so
 * the preimage must be taken for known. `plannedAt`: height of the last fee decision.
 */
type Claim = Known & { preimage?: string; versions: Version[]; revealed: boolean; plannedAt: number };

/** The buyer in hold-first: pays a hold invoice for his own preimage, then claims what was locked for it. */
export type HoldBuyer = BuyerBase & { mode: 'hold-first' } & (
    | { state: 'requested' }
    /** The payment is under way or held; the lock has not been announced. */
    | ({ state: 'paying' } & Agreed)
    /** A lock was announced; the buyer looks at it until every check passes. */
    | ({ state: 'verifying' } & Agreed & { outpoint: string })
    | ({ state: 'claiming' } & Claim)
    /** The buyer will never reveal; he waits for his payment to come back. */
    | ({ state: 'withdrawn' } & Agreed & { codes: string[] })
    | (Ended & { terms?: Terms; outpoint?: string })
  );

/** The buyer in lock-first: checks the lock, pays a plain invoice, learns the preimage, claims. */
export type LockBuyer = BuyerBase & { mode: 'lock-first' } & (
    | { state: 'requested' }
    | ({ state: 'verifying' } & Agreed & { outpoint: string })
    /** Everything passed; a claim is signed before a sat leaves. */
    | ({ state: 'arming' } & Known)
    | ({ state: 'paying' } & Known & { presigned: PresignedClaim })
    | ({ state: 'claiming' } & Claim & { preimage: string })
    | (Ended & { terms?: Terms; outpoint?: string })
  );

type SellerBase = { role: 'seller'; tradeId: string; keyIndex: number; terms: Terms; offer: Offer };

/** A lock of ours on its way; `plannedAt` is the height of the last fee decision, `startedHeight` of the first. */
type Locking = { lock: LockVersion; bumps: Version[]; startedHeight: number; plannedAt: number };

type Refunding = { lock: LockVersion; refunds: Version[]; plannedAt: number };

/** The held payment: `expiryHeight` is the smallest over its parts. */
type Held = { invoice: string; acceptedHeight: number; expiryHeight: number };

/** The seller in hold-first: holds the payment, locks, learns the preimage from the claim, settles; or refunds. */
export type HoldSeller = SellerBase & { mode: 'hold-first' } & (
    | { state: 'quoting' }
    | { state: 'invoiced'; invoice: string }
    | ({ state: 'building' } & Held)
    | ({ state: 'locking' } & Held & Locking)
    /** The lock shall not come to be: its input is spent back to the seller. */
    | ({ state: 'aborting' } & Held & Locking & { aborts: Version[] })
    | ({ state: 'locked' } & Held & { lock: LockVersion; announcedAt: number })
    | ({ state: 'refunding' } & Held & Refunding)
    /** The preimage is known and stored: the payment is settled whatever happens on the chain. */
    | ({ state: 'settling' } & Held & { lock: LockVersion; preimage: string; claimTxid: string; plannedAt: number })
    | { state: 'canceling'; outcome: Outcome; codes: string[]; txid?: string; invoice?: string }
    | Ended
  );

/** The seller in lock-first: locks, issues a plain invoice for his own preimage, is paid; or cancels it and refunds. */
export type LockSeller = SellerBase & { mode: 'lock-first' } & (
    | { state: 'building'; startedHeight: number }
    | ({ state: 'locking' } & Locking)
    | ({ state: 'aborting' } & Locking & { aborts: Version[] })
    | { state: 'invoicing'; lock: LockVersion }
    | { state: 'invoiced'; lock: LockVersion; invoice: string; accept: TradeAccept; announcedAt: number }
    /** The invoice is being canceled; only when it surely is may the refund be signed. */
    | { state: 'withdrawing'; lock: LockVersion; plannedAt: number }
    | { state: 'waiting'; lock: LockVersion }
    | ({ state: 'refunding' } & Refunding)
    | Ended
  );

/** `want` is what a forwarder asks of the seller, in his own name and for the buyer's hash and claim key. */
type ForwarderBase = {
  role: 'forwarder';
  mode: 'hold-first';
  tradeId: string;
  want: Extract<Want, { mode: 'hold-first' }>;
  buyerId: string;
  totalSats: bigint;
};

/** `terms` are the seller's with the forwarder, `front` the forwarder's with the buyer: one lock, one hash, two payments. */
type Between = { terms: Terms; front: Terms; sellerInvoice: string };

/** `invoice` is the forwarder's own; `expiryHeight` that of the payment held for it, the smallest over its parts. */
type Incoming = { invoice: string; expiryHeight: number };

/** Where the seller says that the lock is, once he has. */
type Told = { accept?: TradeAccept };

/** Who stands between buyer and seller on Lightning: holds a payment, pays the seller for the same hash, learns the preimage. */
export type Forwarder = ForwarderBase &
  /** Until `quoteBySeconds` the seller may answer: what a buyer says of his request would let him bind a place for years. */
  (
    | { state: 'asking'; quoteBySeconds: number }
    | ({ state: 'quoting' } & Between)
    | ({ state: 'invoiced' } & Between & { invoice: string })
    /** The outgoing payment may be in flight: nothing is given back before it has surely failed. */
    | ({ state: 'paying' } & Between & Incoming)
    /** The seller has named his lock, and the buyer has been told. */
    | ({ state: 'announced' } & Between & Incoming & { accept: TradeAccept })
    /**
     * The node refused to pay; what is held goes back once it is sure that nothing is in flight: `unknown` is that from a time
     * on. An order whose answer was lost may have left all the same: then the seller names his lock here too.
     */
    | ({ state: 'unsent' } & Between & Incoming & Told & { codes: string[]; sureAtSeconds: number })
    /** The outgoing payment has surely failed: the incoming one is given back. */
    | ({ state: 'returning' } & Between & Incoming & Told & { outcome: Outcome; codes: string[] })
    /**
     * The preimage is known and stored: the incoming payment is settled whatever becomes of the outgoing one. `claimTxid` once
     * the claim was seen: it moved the inscription, not the payment.
     */
    | ({ state: 'settling' } & Between & Incoming & Told & { preimage: string; plannedAt: number; claimTxid?: string })
    /** Nothing was ever paid out. */
    | ({ state: 'canceling' } & Between & { outcome: Outcome; codes: string[] })
    /** What the buyer had agreed to, and where the lock was said to be: he may ask what became of it. */
    | (Ended & { front?: Terms; outpoint?: string })
  );

export type Trade = HoldBuyer | LockBuyer | HoldSeller | LockSeller | Forwarder;
export type Seller = HoldSeller | LockSeller;
export type Buyer = HoldBuyer | LockBuyer;

import type { TradeMessage } from '../messages.ts';
import type { LockVersion } from './state.ts';
import type { Fill, Terms } from './terms.ts';

/** How urgent a transaction is: feerate = max(estimate(targetBlocks) * multiplierPercent / 100, floorSatVb), capped by `maxFeeSats`. */
export type FeePlan = { targetBlocks: number; multiplierPercent: number; floorSatVb: number; maxFeeSats: bigint };

/**
 * What shall be done, as plain data. Stored with the state in one transaction, then run; each is safe to repeat.
 * A result comes back as an event. `firstRunUntilHeight`: a claim that was surely never sent may not be sent any more
 * above this height, because sending it reveals the preimage.
 */
export type Effect =
  | { do: 'send'; to: string; message: TradeMessage }
  | { do: 'create_hold_invoice'; terms: Terms; expirySeconds: number }
  | { do: 'create_invoice'; terms: Terms; keyIndex: number; expirySeconds: number }
  | {
      do: 'pay';
      terms: Terms;
      bolt11: string;
      maxFeeMsat: bigint;
      maxCltvBlocks: number;
      notAfterHeight: number;
      notAfterSeconds: number;
    }
  /** A forwarder pays the seller while all of the buyer's payment is held for `front`; the cap on the route follows from that. */
  | { do: 'forward_payment'; front: Terms; bolt11: string; maxFeeMsat: bigint }
  | { do: 'settle'; paymentHash: string; preimage: string }
  | { do: 'cancel_invoice'; paymentHash: string }
  | { do: 'build_lock'; terms: Terms; sourceOutpoint: string; plan: FeePlan }
  | { do: 'fill_listing'; terms: Terms; fill: Fill; plan: FeePlan }
  | { do: 'build_abort'; terms: Terms; lock: LockVersion; replaces: Version[]; plan: FeePlan }
  | { do: 'abort_fill'; terms: Terms; lock: LockVersion; replaces: Version[]; plan: FeePlan }
  | { do: 'bump_lock'; terms: Terms; lock: LockVersion; replaces: Version[]; plan: FeePlan }
  | { do: 'presign_claim'; terms: Terms; keyIndex: number; outpoint: string; plan: FeePlan }
  | {
      do: 'build_claim';
      terms: Terms;
      keyIndex: number;
      outpoint: string;
      preimage?: string;
      plan: FeePlan;
      previous?: Version;
      /** The first to show the preimage: at the planned feerate or not at all, since a claim that lingers till R loses both. */
      isReveal?: true;
    }
  | { do: 'build_refund'; terms: Terms; keyIndex: number; outpoint: string; plan: FeePlan; previous?: Version }
  | { do: 'broadcast'; what: Broadcast; txid: string; raw: string; firstRunUntilHeight?: number; only?: OnlyWhile }
  | { do: 'alert'; level: 'warn' | 'page'; code: string; sentence: string };

/** A lock may leave only while its time lasts and, in hold-first, while the payment for it is held: after a long sleep neither may be so. */
export type OnlyWhile = { untilHeight: number; heldHash?: string };

/** What a broadcast transaction is for. */
export type Broadcast = 'lock' | 'claim' | 'refund' | 'abort' | 'bump';

/** An effect and its name: the same key is the same deed, done once however often it is decided. */
export type KeyedEffect = { key: string; effect: Effect };

/** A built transaction of ours: all versions are kept, because any of them may confirm (R5). */
export type Version = { txid: string; raw: string; feeSats: bigint; feerateSatVb: number };

import type { PresignedClaim } from '../claim.ts';
import type { TradeMessage } from '../messages.ts';
import type { Broadcast, Effect, Version } from './effect.ts';
import type { LockVersion } from './state.ts';
import type { View } from './view.ts';

/** Best height and wall clock when the event happened. */
export type Moment = { height: number; nowSeconds: number };

/** Everything that can happen to a trade. Messages are read, and their signature is checked, before they get here. */
export type TradeEvent =
  | { type: 'restarted'; at: Moment }
  | { type: 'looked'; at: Moment; view: View }
  /** R7: a transaction that spends the lock has shown the preimage, if only for a moment that no look could catch. */
  | { type: 'preimage_seen'; at: Moment; preimage: string; txid: string }
  | { type: 'message'; at: Moment; message: TradeMessage }
  | { type: 'abort_requested'; at: Moment; reason: string }
  | { type: 'invoice_ready'; at: Moment; bolt11: string }
  | { type: 'lock_built'; at: Moment; lock: LockVersion }
  /** The chain has a lock that this trade does not know of, from before its store went back in time; `expiryHeight` is that of the held payment. */
  | { type: 'lock_found'; at: Moment; lock: LockVersion; expiryHeight: number }
  | { type: 'claim_presigned'; at: Moment; presigned: PresignedClaim }
  | { type: 'claim_built'; at: Moment; claim: Version }
  | { type: 'refund_built'; at: Moment; refund: Version }
  | { type: 'abort_built'; at: Moment; abort: Version }
  | { type: 'bump_built'; at: Moment; bump: Version }
  | { type: 'broadcast_done'; at: Moment; what: Broadcast; txid: string }
  /** `attempts`: how often it was begun before; 0 means that surely nothing of it has left this machine. */
  | { type: 'effect_failed'; at: Moment; effect: Effect['do']; code: string; sentence: string; attempts: number };

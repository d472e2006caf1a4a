import type { LightningCapabilities } from '../lightning/lightning.ts';
import { mostHoldExpiryMarginBlocks } from '../protocol/deadlines.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { TradeMode } from '../protocol/trade/terms.ts';

type Promised = Exclude<keyof LightningCapabilities, 'holdExpiryMarginBlocks'>;
export type Deed = `${'buy' | 'sell'} ${TradeMode}` | 'forward hold-first';

/**
 * What a Lightning node must promise before a trade may be run with it. A payment without a cap on its route may outlive
 * the refund (R5); a held payment of which nobody knows the end cannot be set against a lock (R6); a hold that cannot be
 * given back ties up the buyer's money for a trade that never came to be; a node that gives it back too early leaves no
 * time between the refund and that; an invoice for a hash not ours opens no lock.
 */
const NEEDS: Readonly<Record<Deed, readonly Promised[]>> = {
  'buy hold-first': ['pay'],
  'buy lock-first': ['pay', 'routeCap'],
  'sell hold-first': ['hold', 'cancel', 'holdDeadline', 'finalCltv'],
  'sell lock-first': ['ownPreimage', 'finalCltv'],
  // A way that cannot be capped may outlast what is held, and one whose cost cannot be may cost more than it brings.
  'forward hold-first': ['hold', 'cancel', 'holdDeadline', 'finalCltv', 'pay', 'routeCap', 'feeCap'],
};

const HOLDS: readonly Deed[] = ['sell hold-first', 'forward hold-first'];

/** What a node lacks for a deed, in words; nothing when it may be run with it. */
export function lacking(deed: Deed, capabilities: LightningCapabilities): string[] {
  const missing: string[] = NEEDS[deed].filter((capability) => !capabilities[capability]);
  const { holdExpiryMarginBlocks } = capabilities;
  if (!HOLDS.includes(deed) || holdExpiryMarginBlocks <= mostHoldExpiryMarginBlocks) return missing;
  const limit = `a hold expiry margin of at most ${mostHoldExpiryMarginBlocks} blocks, not ${holdExpiryMarginBlocks}`;
  return [...missing, limit];
}

/** Throws `refused` with what is missing. */
export function assertNodeCan(deed: Deed, capabilities: LightningCapabilities): void {
  const missing = lacking(deed, capabilities);
  if (missing.length === 0) return;
  throw new SparkleError('refused', `to ${deed} the Lightning node must have: ${missing.join(', ')}`, { missing });
}

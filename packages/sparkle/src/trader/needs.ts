import type { LightningCapabilities } from '../lightning/lightning.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { TradeMode } from '../protocol/trade/terms.ts';

type Promised = Exclude<keyof LightningCapabilities, 'holdExpiryMarginBlocks'>;
type Deed = `${'buy' | 'sell'} ${TradeMode}`;

/**
 * What a Lightning node must promise before a trade may be run with it. A payment without a cap on its route may outlive
 * the refund (R5); a held payment of which nobody knows the end cannot be set against a lock (R6); a hold that cannot be
 * given back ties up the buyer's money for a trade that never came to be; an invoice for a hash not ours opens no lock.
 */
const NEEDS: Readonly<Record<Deed, readonly Promised[]>> = {
  'buy hold-first': ['pay'],
  'buy lock-first': ['pay', 'routeCap'],
  'sell hold-first': ['hold', 'cancel', 'holdDeadline', 'finalCltv'],
  'sell lock-first': ['ownPreimage', 'finalCltv'],
};

/** What a node lacks for a deed; nothing when it may be run with it. */
export const lacking = (deed: Deed, capabilities: LightningCapabilities): Promised[] =>
  NEEDS[deed].filter((capability) => !capabilities[capability]);

/** Throws `refused` with the names of what is missing. */
export function assertNodeCan(deed: Deed, capabilities: LightningCapabilities): void {
  const missing = lacking(deed, capabilities);
  if (missing.length === 0) return;
  throw new SparkleError('refused', `to ${deed} the Lightning node must have: ${missing.join(', ')}`, { missing });
}

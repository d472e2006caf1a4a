import { SparkleError } from '../protocol/errors.ts';
import type { Change } from './store.ts';
import { isEnded, lockOutpointOf, paymentHashOf, type Trade } from '../protocol/trade/step.ts';

/** What a trade claims for itself alone: the hash for ever, the outpoint while it lives. */
export type Claims = {
  ended: boolean;
  committed: boolean;
  paymentHash: string | undefined;
  lockOutpoint: string | undefined;
};

export function claimsOf(trade: Trade): Claims {
  const ended = isEnded(trade);
  const lockOutpoint = ended ? undefined : lockOutpointOf(trade);
  return { ended, committed: isCommitted(trade), paymentHash: paymentHashOf(trade), lockOutpoint };
}

const UNPAID: readonly Trade['state'][] = ['asking', 'quoting', 'invoiced'];

/** Whether money may be bound in a live trade. A sale or a forward that waits for its payment has built nothing and holds nothing. */
function isCommitted(trade: Trade): boolean {
  if (isEnded(trade)) return false;
  const isPaidFirst = trade.role === 'forwarder' || (trade.role === 'seller' && trade.mode === 'hold-first');
  return !isPaidFirst || !UNPAID.includes(trade.state);
}

/** Two trades on one hash would settle each other; two on one lock would fight for the same output. */
export function duplicateTrade(taken: {
  what: 'trade id' | 'payment hash' | 'lock outpoint' | 'coin';
  value: string;
  tradeId: string;
  holder: string;
}): SparkleError {
  const { what, value, tradeId, holder } = taken;
  const sentence = `${what} of trade ${tradeId} must be unused; ${value} is that of ${holder}`;
  return new SparkleError('duplicate_trade', sentence, { ...taken });
}

/** The very same state and nothing to do: there is nothing to write. Most looks end so, and each block brings one for every trade. */
export const isUnchanged = (current: Trade, { trade, effects }: Change): boolean =>
  trade === current && effects.length === 0;

export const unknownTrade = (tradeId: string): SparkleError =>
  new SparkleError('unknown_trade', `a trade with this id must exist; got ${tradeId}`, { tradeId });

export const unknownEffect = (key: string): SparkleError =>
  new SparkleError('bad_state', `an effect with this key must have been decided; got ${key}`, { key });

/** It would be kept for ever: nothing frees it any more. */
export const endedTrade = (tradeId: string): SparkleError =>
  new SparkleError('bad_state', `a trade must live to have coins kept for it; ${tradeId} has ended`, { tradeId });

/** A change that answers with another trade would overwrite it. */
export function assertSameTrade(tradeId: string, changed: Trade): void {
  if (changed.tradeId === tradeId) return;
  throw new SparkleError('bad_state', `a change of trade ${tradeId} must keep its id; got ${changed.tradeId}`, {
    tradeId,
    changed: changed.tradeId,
  });
}

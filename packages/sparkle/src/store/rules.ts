import { SparkleError } from '../protocol/errors.ts';
import { isCommitted, isEnded, lockOutpointOf, paymentHashOf, type Trade } from '../protocol/trade/step.ts';

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

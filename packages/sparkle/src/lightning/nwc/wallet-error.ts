import { SparkleError, type ErrorCode } from '../../protocol/errors.ts';

/** Why nothing certain is known of a wallet, in `detail.reason` of `lightning_unavailable`. */
export type Reason =
  | 'timeout_unknown'
  | 'unauthorized'
  | 'rate_limited'
  | 'unreachable'
  | 'garbage'
  | 'wallet_error'
  | 'ambiguous'
  | 'wrong_preimage'
  | 'not_cancelable'
  | 'closed';

export const unavailable = (reason: Reason, sentence: string): SparkleError =>
  new SparkleError('lightning_unavailable', sentence, { reason });

type Meaning = { code: ErrorCode; reason: string };

const MEANINGS: Readonly<Record<string, Meaning>> = {
  RATE_LIMITED: { code: 'lightning_unavailable', reason: 'rate_limited' },
  NOT_IMPLEMENTED: { code: 'not_supported', reason: 'not_implemented' },
  INSUFFICIENT_BALANCE: { code: 'no_route', reason: 'budget' },
  QUOTA_EXCEEDED: { code: 'no_route', reason: 'budget' },
  RESTRICTED: { code: 'lightning_unavailable', reason: 'unauthorized' },
  UNAUTHORIZED: { code: 'lightning_unavailable', reason: 'unauthorized' },
  // Not in the NIP; what Alby Hub answers once a connection's time is over.
  EXPIRED: { code: 'lightning_unavailable', reason: 'unauthorized' },
  PAYMENT_FAILED: { code: 'payment_failed', reason: 'wallet' },
  NOT_FOUND: { code: 'unknown_invoice', reason: 'not_found' },
  UNSUPPORTED_ENCRYPTION: { code: 'not_supported', reason: 'encryption' },
};

/** What a wallet's error answer means to us. An error that it does not explain says nothing of the outcome. */
export function walletError(of: { method: string; code: string; message: string }): SparkleError {
  const { method, code } = of;
  const meaning = MEANINGS[code] ?? { code: 'lightning_unavailable', reason: 'wallet_error' };
  return new SparkleError(
    meaning.code,
    `the wallet answers ${method} with ${shownWords(code)}: ${shownWords(of.message)}`,
    {
      reason: meaning.reason,
      walletCode: shownWords(code),
    },
  );
}

/** A wallet's words, short and without long codes: one could be a preimage that it was just given. */
const shownWords = (words: string): string =>
  words
    .replaceAll(/[^ -~]/g, ' ')
    .replaceAll(/[0-9A-Za-z+/=_-]{24,}/g, '[...]')
    .slice(0, 120);

/** Whether an error is the wallet's own answer and not the want of one. */
export const isAnswer = (error: unknown): error is SparkleError =>
  error instanceof SparkleError && error.detail['walletCode'] !== undefined;

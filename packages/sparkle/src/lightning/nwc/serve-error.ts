import { SparkleError, type ErrorCode } from '../../protocol/errors.ts';
import type { WalletErrorCode } from './wire.ts';

/** What a wallet service refuses, in NIP-47's words. */
export class Refusal extends Error {
  readonly code: WalletErrorCode;

  constructor(code: WalletErrorCode, words: string) {
    super(words);
    this.code = code;
  }
}

const CODES: Partial<Record<ErrorCode, WalletErrorCode>> = {
  no_route: 'PAYMENT_FAILED',
  payment_failed: 'PAYMENT_FAILED',
  too_late: 'PAYMENT_FAILED',
  unknown_invoice: 'NOT_FOUND',
  not_supported: 'NOT_IMPLEMENTED',
  lightning_unavailable: 'INTERNAL',
};

/** The answer to a client for whatever went wrong. Our own sentences hold no secrets; foreign words are kept back. */
export function refusalOf(error: unknown): { code: WalletErrorCode; message: string } {
  if (error instanceof Refusal) return { code: error.code, message: error.message };
  if (error instanceof SparkleError) return { code: CODES[error.code] ?? 'OTHER', message: error.message };
  return { code: 'INTERNAL', message: 'the wallet has failed' };
}

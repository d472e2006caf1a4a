/** Every code a SparkleError can carry. A code is part of the public surface: it may be added to, never reused. */
export type ErrorCode =
  // readers of text and numbers
  | 'bad_amount'
  | 'bad_hex'
  | 'bad_key'
  | 'bad_address'
  | 'bad_network'
  | 'bad_inscription_id'
  | 'bad_outpoint'
  | 'bad_satpoint'
  | 'bad_height'
  | 'bad_message'
  | 'bad_signature'
  | 'bad_phrase'
  | 'bad_config'
  | 'bad_state'
  // BOLT 11
  | 'bad_invoice'
  // scripts and transactions
  | 'bad_script'
  | 'bad_transaction'
  | 'bad_preimage'
  | 'bad_proof'
  | 'sat_lost'
  | 'dust'
  | 'fee_too_high'
  | 'nonce_reused'
  | 'insufficient_funds'
  // the world outside
  | 'broadcast_refused'
  | 'chain_unavailable'
  | 'sources_disagree'
  | 'dishonest_source'
  | 'wrong_network'
  | 'lightning_unavailable'
  | 'not_supported'
  | 'no_route'
  | 'payment_failed'
  | 'unknown_invoice'
  | 'invoice_exists'
  | 'invoice_not_held'
  | 'too_late'
  | 'not_indexed'
  | 'unknown_inscription'
  | 'market_unavailable'
  // store and trader
  | 'duplicate_trade'
  | 'unknown_trade'
  | 'schema_mismatch'
  | 'store_in_use'
  | 'store_unavailable'
  | 'elsewhere'
  | 'refused'
  // a service
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'in_progress'
  | 'key_reused'
  | 'rate_limited'
  | 'too_many_holds'
  | 'busy';

/**
 * The one error this project throws. The sentence says what was expected and what came; `detail` carries the numbers.
 * Secrets (preimages, seeds, credentials) are never put in either.
 */
export class SparkleError extends Error {
  readonly code: ErrorCode;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, sentence: string, detail: Record<string, unknown> = {}, options?: { cause?: unknown }) {
    super(sentence, options);
    this.name = 'SparkleError';
    this.code = code;
    this.detail = detail;
  }
}

/** What a failure is called in a log: the code of an error of ours, `internal` for a defect. */
export const errorCodeOf = (error: unknown): ErrorCode | 'internal' =>
  error instanceof SparkleError ? error.code : 'internal';

const CHAIN_IS_UNCERTAIN: readonly ErrorCode[] = ['chain_unavailable', 'sources_disagree', 'dishonest_source'];

const PASSING: readonly ErrorCode[] = [
  ...CHAIN_IS_UNCERTAIN,
  ...(['lightning_unavailable', 'market_unavailable', 'store_unavailable', 'not_indexed', 'elsewhere'] as const),
];

/** Whether what failed may succeed the next time it is tried, because a part was away or behind. */
export const mayPass = (error: SparkleError): boolean => PASSING.includes(error.code);

/** Whether a chain answered nothing certain: away, contradicted by another source, or caught in a lie. Nothing is decided on it. */
export const chainIsUncertain = (error: unknown): boolean =>
  error instanceof SparkleError && CHAIN_IS_UNCERTAIN.includes(error.code);

import { SparkleError } from './errors.ts';

/** The rule an invoice broke: `detail.rule` of a `bad_invoice` error. Part of the public surface, like the codes. */
export type InvoiceRule =
  // the text: BIP 173
  | 'too_long'
  | 'characters'
  | 'mixed_case'
  | 'separator'
  | 'checksum'
  | 'too_short'
  // the human-readable part
  | 'prefix'
  | 'network'
  | 'amount'
  | 'multiplier'
  | 'leading_zero'
  | 'sub_msat'
  | 'amount_overflow'
  // tagged fields
  | 'field_overrun'
  | 'padding'
  | 'utf8'
  | 'minimal'
  | 'expiry_overflow'
  | 'cltv_overflow'
  | 'fallback'
  | 'route_hint'
  | 'missing_payment_hash'
  | 'missing_payment_secret'
  | 'missing_description'
  | 'two_descriptions'
  | 'unknown_feature'
  | 'feature_dependency'
  // the signature
  | 'recovery_id'
  | 'high_s'
  | 'payee_key'
  | 'signature'
  // a writer's argument that no invoice can carry
  | 'not_writable';

/** Throws `bad_invoice`. The text itself never goes into the error: its payment secret lets the holder probe the payee. */
export function refuse(rule: InvoiceRule, sentence: string, detail: Record<string, unknown> = {}): never {
  const { cause, ...facts } = detail;
  throw new SparkleError('bad_invoice', sentence, { rule, ...facts }, cause === undefined ? undefined : { cause });
}

import { SparkleError } from './errors.ts';

/** BIP 65: from 500,000,000 on a locktime is Unix seconds. */
const LAST_HEIGHT = 499_999_999;

/** Returns a height or a number of blocks as it is. Throws `bad_height`, naming the argument. */
export function blocks(field: string, value: number, { least = 0, most = LAST_HEIGHT } = {}): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  const sentence = `${field} must be an integer from ${least} to ${most}; got ${value}`;
  throw new SparkleError('bad_height', sentence, { field, value });
}

/** BIP 65: a locktime of 0 locks nothing. */
export const refund = (refundHeight: number): number => blocks('refundHeight', refundHeight, { least: 1 });

/** Throws `bad_amount` for a price of nothing. */
export function checkPrice(value: bigint): void {
  if (value > 0n) return;
  throw new SparkleError('bad_amount', `priceSats must be above 0; got ${value}`, { field: 'priceSats', value });
}

/** Throws `bad_amount`, naming the argument. */
export function checkFeerate(field: string, value: number): void {
  if (Number.isFinite(value) && value >= 0) return;
  throw new SparkleError('bad_amount', `${field} must be a feerate of 0 or more; got ${value}`, { field, value });
}

import { SparkleError } from './errors.ts';
import { shown } from './json.ts';

/** All bitcoin there can ever be, in sats: 21,000,000 BTC. The bound that consensus puts on a value (MAX_MONEY). */
export const MAX_SATS = 2_100_000_000_000_000n;

export const MAX_MSAT = MAX_SATS * 1000n;

const BPS_PER_WHOLE = 10_000;

/**
 * Reads an amount of sats from JSON: a decimal string or a safe integer, without sign, fraction, exponent or leading
 * zero, at most 21,000,000 BTC; 0 is an amount. Throws `bad_amount` naming `field`.
 */
export function readSats(value: unknown, field: string): bigint {
  return readAmount({ value, field, max: MAX_SATS });
}

/** Reads an amount of millisats, in the same forms as `readSats`. Throws `bad_amount` naming `field`. */
export function readMsat(value: unknown, field: string): bigint {
  return readAmount({ value, field, max: MAX_MSAT });
}

function readAmount({ value, field, max }: { value: unknown; field: string; max: bigint }): bigint {
  const amount = decimal(value);
  if (amount !== undefined && amount <= max) return amount;
  const sentence = `${field} must be a whole number from 0 to ${max}, as a decimal string or a safe integer; got ${shown(value)}`;
  throw new SparkleError('bad_amount', sentence, { field, came: shown(value) });
}

function decimal(value: unknown): bigint | undefined {
  // The length keeps a megabyte of digits from being turned into a number first.
  if (typeof value === 'string') return /^(?:0|[1-9][0-9]{0,20})$/.test(value) ? BigInt(value) : undefined;
  if (Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= 0) return BigInt(value as number);
  return undefined;
}

/** The same amount in millisats. Throws `bad_amount` when it is not an amount of sats at all. */
export function satsToMsat(sats: bigint): bigint {
  return checked(sats, 'sats') * 1000n;
}

/** The same amount in sats. Throws `bad_amount` when it is not a whole number of them: money is never rounded away. */
export function msatToSatsExact(msat: bigint): bigint {
  if (msat % 1000n !== 0n)
    throw new SparkleError('bad_amount', `${msat} msat is not a whole number of sats`, { msat: String(msat) });
  return checked(msat / 1000n, 'sats');
}

/**
 * A share of `sats` in basis points (hundredths of a percent, 0..10,000), rounded down, so that a royalty never exceeds
 * what was agreed. Throws `bad_amount`.
 */
export function partsFloor({ sats, bps }: { sats: bigint; bps: number }): bigint {
  if (!Number.isInteger(bps) || bps < 0 || bps > BPS_PER_WHOLE)
    throw new SparkleError('bad_amount', `basis points must be a whole number from 0 to 10000; got ${bps}`, { bps });
  return (checked(sats, 'sats') * BigInt(bps)) / BigInt(BPS_PER_WHOLE);
}

/** Adds amounts of sats. Throws `bad_amount` when a part is negative or the sum is more bitcoin than there is. */
export function sumSats(parts: readonly bigint[]): bigint {
  return parts.reduce((sum, part) => checked(sum + checked(part, 'sats'), 'sum of sats'), 0n);
}

/** `from` less `minus`. Throws `bad_amount` when less than nothing would be left. */
export function minusSats({ from, minus }: { from: bigint; minus: bigint }): bigint {
  return checked(checked(from, 'sats') - checked(minus, 'sats'), 'sats left');
}

function checked(sats: bigint, what: string): bigint {
  if (sats >= 0n && sats <= MAX_SATS) return sats;
  throw new SparkleError('bad_amount', `${what} must be from 0 to ${MAX_SATS}; got ${sats}`, { sats: String(sats) });
}

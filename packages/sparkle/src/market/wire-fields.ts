import * as z from 'zod/mini';
import { MAX_SATS } from '../protocol/amount.ts';
import { isHeldKey } from '../protocol/checks-terms.ts';
import { FIRST_UNIX_LOCKTIME } from '../protocol/json.ts';

/** Fields that stand in more than one schema of the wire. Each says, in place of an error text, what it must be. */

export const text = (pattern: RegExp, expected: string) =>
  z.string(`must be ${expected}`).check(z.regex(pattern, `must be ${expected}`));

export const shortText = (mostCharacters: number) => {
  const expected = `must be text of at most ${mostCharacters} characters`;
  return z.string(expected).check(z.maxLength(mostCharacters, expected));
};

export const integer = ({ min, max, unit }: { min: number; max: number; unit: string }) => {
  const expected = min === max ? `must be ${min}` : `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.int(expected).check(z.gte(min, expected), z.lte(max, expected));
};

export const oneOf = <const Words extends readonly string[]>(words: Words) =>
  z.enum(words, `must be ${words.length === 1 ? '' : 'one of '}${words.join(', ')}`);

/** The height of a block, which can be a locktime (BIP 65). */
export const blockHeight = (least: 0 | 1) => {
  const expected = `must be a block height from ${least} to ${FIRST_UNIX_LOCKTIME - 1}`;
  return z.int(expected).check(z.gte(least, expected), z.lte(FIRST_UNIX_LOCKTIME - 1, expected));
};

const INSCRIPTION = 'must be an inscription id: 64 lowercase hex characters, i, index';
export const inscriptionId = z.string(INSCRIPTION).check(
  z.regex(/^[0-9a-f]{64}i(?:0|[1-9][0-9]{0,9})$/, INSCRIPTION),
  z.refine((id) => Number(id.slice(65)) <= 0xffff_ffff, INSCRIPTION),
);

export const sats = integer({ min: 0, max: Number(MAX_SATS), unit: 'sats' });
export const unixSeconds = integer({ min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'Unix seconds' });
const KEY =
  'must be an x-only key of 64 lowercase hex characters, a point of the curve that somebody can hold (BIP 340)';
/** Half of all 32 bytes are no point (BIP 340 lift_x): for keys that come in. What was let in is not looked at again. */
export const heldKey = z.string(KEY).check(z.regex(/^[0-9a-f]{64}$/, KEY), z.refine(isHeldKey, KEY));
export const hex32 = (what: string) => text(/^[0-9a-f]{64}$/, `${what}: 64 lowercase hex characters`);

import { SparkleError, type ErrorCode } from './errors.ts';

/** BIP 65: from this number on a locktime is Unix seconds, not a height. */
export const FIRST_UNIX_LOCKTIME = 500_000_000;

// Deeper nesting is nobody's message, only an attempt to overflow the stack of whoever reads it.
const MAX_DEPTH = 64;

/** Renders what came for an error sentence: short, quoted, one line. Never give it a secret. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}...` : value);
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

// Preimages are hex too: what came is described by its length and never repeated.
const shownHex = (value: unknown): string =>
  typeof value === 'string' ? `${value.length} characters` : typeof value === 'object' ? 'an object' : typeof value;

/** Reads 32 bytes as 64 lowercase hex characters. Throws `bad_hex` naming `field`, without repeating the text. */
export function readHex32(value: unknown, field: string): string {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value;
  throw new SparkleError('bad_hex', `${field} must be 64 lowercase hex characters; got ${shownHex(value)}`, { field });
}

/** Reads a block height that can be a locktime: a JSON number 1..499,999,999 (BIP 65). Throws `bad_height` naming `field`. */
export function readHeight(value: unknown, field: string): number {
  return readIntegerIn({ value, field, min: 1, max: FIRST_UNIX_LOCKTIME - 1, code: 'bad_height' });
}

/** Reads a JSON number that is a whole number within `min` and `max`, both allowed. Throws `code` naming `field`. */
export function readIntegerIn(wanted: {
  value: unknown;
  field: string;
  min: number;
  max: number;
  code: ErrorCode;
}): number {
  const { value, field, min, max, code } = wanted;
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    const number = value as number;
    if (number >= min && number <= max) return number;
  }
  const sentence = `${field} must be a whole number from ${min} to ${max}; got ${shown(value)}`;
  throw new SparkleError(code, sentence, { field, min, max, came: shown(value) });
}

/**
 * The one text of a JSON value, for hashing and signing: RFC 8785 (JCS) restricted to null, booleans, safe integers,
 * well-formed strings, arrays and plain objects. Anything else throws `bad_message`: it would be dropped, rounded or
 * rendered differently elsewhere, and then two sides sign different things.
 */
export function canonicalJson(value: unknown): string {
  return canonical(value, 'value', 0);
}

function canonical(value: unknown, path: string, depth: number): string {
  if (depth > MAX_DEPTH) throw unwritable(path, `nested deeper than ${MAX_DEPTH}`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return canonicalString(value, path);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
    throw unwritable(path, `${shown(value)}, not a safe integer`);
  }
  if (Array.isArray(value)) {
    // Array.from visits holes, which map would skip.
    return `[${Array.from(value, (item: unknown, index) => canonical(item, `${path}[${index}]`, depth + 1)).join(',')}]`;
  }
  const object = plainObject(value);
  if (object === undefined) throw unwritable(path, shown(value));
  // RFC 8785 3.2.3 orders by UTF-16 code units, which is what sort does without a comparator.
  const members = Object.keys(object)
    .sort()
    .map((key) => {
      const name = canonicalString(key, path);
      return `${name}:${canonical(object[key], `${path}.${key}`, depth + 1)}`;
    });
  return `{${members.join(',')}}`;
}

function canonicalString(text: string, path: string): string {
  // RFC 8785 3.2.2.2: a lone surrogate has no UTF-8 and must be refused.
  if (/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/.test(text))
    throw unwritable(path, 'text with a lone surrogate');
  return JSON.stringify(text);
}

const unwritable = (path: string, came: string): SparkleError =>
  new SparkleError('bad_message', `canonical JSON cannot hold ${came} at ${shown(path)}`, { path });

/** The value as an object with only own, enumerable, string-named members, or `undefined` when it is anything else. */
function plainObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  // A member named __proto__ changes the prototype of whatever it is copied into.
  if (Object.hasOwn(value, '__proto__') || Object.getOwnPropertySymbols(value).length > 0) return undefined;
  return value as Record<string, unknown>;
}

/**
 * Writes a trade's state as JSON text without losing anything: bigints become `{"$int":"123"}`. Members whose own name
 * starts with `$` get another `$`, so nothing a counterparty says can ever be read back as a bigint. Throws `bad_state`
 * on what JSON cannot hold (undefined, NaN, -0, class instances, `__proto__`).
 */
export function encodeState(state: unknown): string {
  return JSON.stringify(walk(state, { replace: tagOfBigint, rename: escapedKey }, 0));
}

/** Reads what `encodeState` wrote; the members may stand in another order, as after a JSON column. Throws `bad_state`. */
export function decodeState(text: string): unknown {
  return walk(parsedState(text), { replace: bigintOfTag, rename: originalKey }, 0);
}

/** `replace` answers `undefined` for a value that stays what it is. */
type Walk = { replace: (value: unknown) => unknown; rename: (key: string) => string };

function walk(value: unknown, step: Walk, depth: number): unknown {
  const replaced = step.replace(value);
  if (replaced !== undefined) return replaced;
  if (depth > MAX_DEPTH) throw new SparkleError('bad_state', `state must not be nested deeper than ${MAX_DEPTH}`);
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  // JSON writes -0 as 0 and NaN as null.
  if (typeof value === 'number' && Number.isFinite(value) && !Object.is(value, -0)) return value;
  if (Array.isArray(value)) return Array.from(value, (item: unknown) => walk(item, step, depth + 1));
  const object = plainObject(value);
  if (object === undefined) throw new SparkleError('bad_state', `state cannot hold ${shown(value)}`);
  return Object.fromEntries(Object.keys(object).map((key) => [step.rename(key), walk(object[key], step, depth + 1)]));
}

function parsedState(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's own words quote the text, and a state can hold a preimage.
    if (cause instanceof SyntaxError) throw new SparkleError('bad_state', 'stored state must be JSON text');
    throw cause;
  }
}

const tagOfBigint = (value: unknown): unknown => (typeof value === 'bigint' ? { $int: String(value) } : undefined);

function bigintOfTag(value: unknown): unknown {
  const tag = plainObject(value);
  if (tag === undefined || !Object.hasOwn(tag, '$int')) return undefined;
  const digits = tag['$int'];
  if (Object.keys(tag).length === 1 && typeof digits === 'string' && /^(?:0|-?[1-9][0-9]*)$/.test(digits))
    return BigInt(digits);
  throw new SparkleError('bad_state', '$int in stored state must stand alone and hold a canonical decimal number');
}

const escapedKey = (key: string): string => (key.startsWith('$') ? `$${key}` : key);

function originalKey(key: string): string {
  if (!key.startsWith('$')) return key;
  if (key.startsWith('$$')) return key.slice(1);
  throw new SparkleError('bad_state', `stored state has the unknown tag ${shown(key)}`, { tag: shown(key) });
}

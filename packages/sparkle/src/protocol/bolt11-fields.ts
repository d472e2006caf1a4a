import { bech32, hex, utf8 } from '@scure/base';
import { refuse } from './bolt11-rule.ts';

/** One channel of a private route, from the node that owns it towards the payee. */
export type RouteHint = {
  /** Node at the start of the channel, 33-byte hex. Whether it is a point on the curve is left to the node that routes. */
  nodeId: string;
  /** `block x transaction x output`, as BOLT 7 prints it: `589390x3312x1`. */
  shortChannelId: string;
  feeBaseMsat: bigint;
  /** Proportional fee in millionths. */
  feePpm: number;
  cltvDelta: number;
};

/** An on-chain address to pay instead. Version 0 to 16: witness program; 17: P2PKH hash; 18: P2SH hash. Program in hex. */
export type Fallback = { version: number; program: string };

/** A field this reader passes over: unknown type, unknown fallback version, wrong length, or a second one of its kind. */
export type SkippedField = { tag: number; words: readonly number[] };

/** The text itself, or the SHA256 of a text that travels elsewhere: exactly one of the two. */
export type Purpose =
  | { description: string; descriptionHash?: never }
  | { description?: never; descriptionHash: string };

/** The tagged fields of an invoice, save purpose and payee. Hashes and bytes are lowercase hex. */
export type InvoiceBody = {
  /** 32 bytes. */
  paymentHash: string;
  /** 32 bytes. */
  paymentSecret: string;
  expirySeconds: number;
  /** Blocks. */
  minFinalCltv: number;
  /** Bits that are set, ascending (BOLT 9). */
  features: readonly number[];
  metadata?: string;
  routeHints: readonly (readonly RouteHint[])[];
  fallbacks: readonly Fallback[];
  skippedFields: readonly SkippedField[];
};

export type InvoiceFields = InvoiceBody & Purpose & { payeeField?: string };

/** BOLT 11, tagged fields: the five-bit types. */
export const TAG = {
  paymentHash: 1,
  routeHint: 3,
  features: 5,
  expiry: 6,
  fallback: 9,
  description: 13,
  paymentSecret: 16,
  payee: 19,
  descriptionHash: 23,
  minFinalCltv: 24,
  metadata: 27,
} as const;

const DEFAULT_EXPIRY_SECONDS = 3600;
const DEFAULT_MIN_FINAL_CLTV = 18;
/** Added to any 35-bit timestamp it is still a safe integer. */
export const MAX_EXPIRY_SECONDS = 2 ** 50 - 1;
/** BIP 65: from 500,000,000 on a locktime is no longer a height. */
export const MAX_CLTV_BLOCKS = 499_999_999;
/** Node id 33, short channel id 8, base fee 4, proportional fee 4, CLTV delta 2. */
export const HINT_BYTES = 51;

/**
 * BOLT 9, context 9 (2026-03): var_onion_optin, payment_secret, basic_mpp, option_route_blinding, option_attribution_data,
 * option_payment_metadata. Any other even bit demands something this reader does not know.
 */
const KNOWN_FEATURES: ReadonlySet<number> = new Set([8, 14, 16, 24, 36, 48]);
/** BOLT 9, column Dependencies, for the features above; even bits name the pair. */
const FEATURE_DEPENDENCIES: readonly (readonly [feature: number, needs: number])[] = [[16, 14]];

type Draft = {
  paymentHash?: string;
  paymentSecret?: string;
  /** The `n` field as it stands there: 33 bytes. */
  payeeField?: string;
  description?: string;
  descriptionHash?: string;
  expirySeconds?: number;
  minFinalCltv?: number;
  features?: readonly number[];
  metadata?: string;
  routeHints: RouteHint[][];
  fallbacks: Fallback[];
  skippedFields: SkippedField[];
};

/** Reads one field into the draft; false: the field is to be skipped. */
type FieldReader = (draft: Draft, words: readonly number[]) => boolean;

/**
 * The first field of a kind counts, being the most preferred one (BOLT 11, writer), and a later one is skipped.
 * p, h, s, n of another length are skipped: the document's prose says "fail" since 2025-06, its own valid example says "ignored".
 */
function first<Key extends keyof Draft>(
  key: Key,
  length: number | 'any',
  read: (words: readonly number[]) => Draft[Key],
) {
  return (draft: Draft, words: readonly number[]): boolean => {
    if (draft[key] !== undefined || (length !== 'any' && words.length !== length)) return false;
    draft[key] = read(words);
    return true;
  };
}

const readers: ReadonlyMap<number, FieldReader> = new Map<number, FieldReader>([
  [TAG.paymentHash, first('paymentHash', 52, hexOf)],
  [TAG.paymentSecret, first('paymentSecret', 52, hexOf)],
  [TAG.descriptionHash, first('descriptionHash', 52, hexOf)],
  [TAG.payee, first('payeeField', 53, hexOf)],
  [TAG.description, first('description', 'any', readDescription)],
  [TAG.metadata, first('metadata', 'any', hexOf)],
  [TAG.expiry, first('expirySeconds', 'any', readExpiry)],
  [TAG.minFinalCltv, first('minFinalCltv', 'any', readMinFinalCltv)],
  [TAG.features, first('features', 'any', readFeatures)],
  [TAG.routeHint, readRouteHint],
  [TAG.fallback, readFallback],
]);

/** Reads the tagged fields: `words` is the data part without timestamp and signature. */
export function readInvoiceFields(words: readonly number[]): InvoiceFields {
  const draft: Draft = { routeHints: [], fallbacks: [], skippedFields: [] };
  for (let at = 0; at < words.length;) {
    const tag = words[at] ?? 0;
    const start = at + 3;
    const end = start + numberOf(words.slice(at + 1, start));
    if (start > words.length || end > words.length)
      refuse('field_overrun', `field ${tag} reaches past the end of the data part`, { tag });
    const field = words.slice(start, end);
    if (readers.get(tag)?.(draft, field) !== true) draft.skippedFields.push({ tag, words: field });
    at = end;
  }
  return complete(draft);
}

function complete(draft: Draft): InvoiceFields {
  const { paymentHash, paymentSecret, payeeField, metadata } = draft;
  if (paymentHash === undefined) refuse('missing_payment_hash', 'the invoice has no valid p field (payment hash)');
  if (paymentSecret === undefined)
    refuse('missing_payment_secret', 'the invoice has no valid s field (payment secret)');
  return {
    ...purposeOf(draft),
    paymentHash,
    paymentSecret,
    expirySeconds: draft.expirySeconds ?? DEFAULT_EXPIRY_SECONDS,
    minFinalCltv: draft.minFinalCltv ?? DEFAULT_MIN_FINAL_CLTV,
    features: draft.features ?? [],
    ...(metadata === undefined ? {} : { metadata }),
    routeHints: draft.routeHints,
    fallbacks: draft.fallbacks,
    skippedFields: draft.skippedFields,
    ...(payeeField === undefined ? {} : { payeeField }),
  };
}

function purposeOf({ description, descriptionHash }: Draft): Purpose {
  if (description !== undefined && descriptionHash !== undefined)
    refuse('two_descriptions', 'the invoice has both a d field (description) and an h field (its hash)');
  if (description !== undefined) return { description };
  if (descriptionHash !== undefined) return { descriptionHash };
  return refuse('missing_description', 'the invoice has neither a d field (description) nor an h field (its hash)');
}

function numberOf(words: readonly number[]): number {
  let value = 0;
  for (const word of words) value = value * 32 + word;
  return value;
}

function bytesOf(words: readonly number[]): Uint8Array {
  // BOLT 11: a writer pads with zero bits, fewer than five of them.
  const bytes = bech32.fromWordsUnsafe(words as number[]);
  return bytes instanceof Uint8Array ? bytes : refuse('padding', 'the padding of a field is not zero, or too long');
}

function hexOf(words: readonly number[]): string {
  return hex.encode(bytesOf(words));
}

function readDescription(words: readonly number[]): string {
  const bytes = bytesOf(words);
  try {
    return utf8.encode(bytes);
  } catch (cause) {
    return refuse('utf8', 'the description is not valid UTF-8', { cause });
  }
}

/** BOLT 11: x, c and 9 must not begin with a zero word; so an empty field is the number 0. */
function requireMinimal(words: readonly number[], name: string): void {
  if (words[0] === 0) refuse('minimal', `the ${name} field begins with a zero word`, { field: name });
}

function readExpiry(words: readonly number[]): number {
  requireMinimal(words, 'x');
  const seconds = numberOf(words);
  if (seconds > MAX_EXPIRY_SECONDS) refuse('expiry_overflow', `the expiry is more than ${MAX_EXPIRY_SECONDS} seconds`);
  return seconds;
}

function readMinFinalCltv(words: readonly number[]): number {
  requireMinimal(words, 'c');
  const blocks = numberOf(words);
  if (blocks > MAX_CLTV_BLOCKS) refuse('cltv_overflow', `the final CLTV delta is more than ${MAX_CLTV_BLOCKS} blocks`);
  return blocks;
}

function readFeatures(words: readonly number[]): number[] {
  requireMinimal(words, '9');
  const bits: number[] = [];
  for (let bit = 0; bit < words.length * 5; bit++) {
    const word = words[words.length - 1 - Math.floor(bit / 5)] ?? 0;
    if ((word >> (bit % 5)) & 1) bits.push(bit);
  }
  requirePayable(bits);
  return bits;
}

function requirePayable(bits: readonly number[]): void {
  const unknown = bits.find((bit) => bit % 2 === 0 && !KNOWN_FEATURES.has(bit));
  if (unknown !== undefined)
    refuse('unknown_feature', `the invoice demands the unknown feature ${unknown}`, { feature: unknown });
  const has = (feature: number): boolean => bits.includes(feature) || bits.includes(feature + 1);
  for (const [feature, needs] of FEATURE_DEPENDENCIES)
    if (has(feature) && !has(needs))
      refuse('feature_dependency', `feature ${feature} is set without feature ${needs}`, { feature, needs });
}

function readRouteHint(draft: Draft, words: readonly number[]): boolean {
  const bytes = bytesOf(words);
  if (bytes.length === 0 || bytes.length % HINT_BYTES !== 0)
    refuse('route_hint', `an r field holds entries of ${HINT_BYTES} bytes; it has ${bytes.length} bytes`);
  const hints: RouteHint[] = [];
  for (let at = 0; at < bytes.length; at += HINT_BYTES) hints.push(readHint(bytes.subarray(at, at + HINT_BYTES)));
  draft.routeHints.push(hints);
  return true;
}

function readHint(bytes: Uint8Array): RouteHint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 2 && bytes[0] !== 3) refuse('route_hint', 'a node id in an r field does not start with 02 or 03');
  const block = view.getUint32(33) >>> 8;
  const transaction = view.getUint32(36) >>> 8;
  return {
    nodeId: hex.encode(bytes.subarray(0, 33)),
    shortChannelId: `${block}x${transaction}x${view.getUint16(39)}`,
    feeBaseMsat: BigInt(view.getUint32(41)),
    feePpm: view.getUint32(45),
    cltvDelta: view.getUint16(49),
  };
}

function readFallback(draft: Draft, words: readonly number[]): boolean {
  const [version] = words;
  if (version === undefined) return refuse('fallback', 'an f field is empty');
  if (version > 18) return false;
  const program = bytesOf(words.slice(1));
  if (!isProgramLength(version, program.length))
    refuse('fallback', `a fallback of version ${version} cannot have ${program.length} bytes`, { version });
  draft.fallbacks.push({ version, program: hex.encode(program) });
  return true;
}

/** BIP 141: a witness program has 2 to 40 bytes, of version 0 only 20 or 32. */
export function isProgramLength(version: number, length: number): boolean {
  if (version >= 17) return length === 20;
  return version === 0 ? length === 20 || length === 32 : length >= 2 && length <= 40;
}

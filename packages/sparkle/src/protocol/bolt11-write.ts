import { bech32, hex, utf8 } from '@scure/base';
import {
  type Fallback,
  HINT_BYTES,
  type InvoiceBody,
  isProgramLength,
  MAX_CLTV_BLOCKS,
  MAX_EXPIRY_SECONDS,
  type Purpose,
  type RouteHint,
  TAG,
} from './bolt11-fields.ts';
import { refuse } from './bolt11-rule.ts';

/** What a writer puts into the tagged fields. An expiry or final CLTV that is absent is not written: the reader's default holds. */
export type WritableBody = Omit<InvoiceBody, 'expirySeconds' | 'minFinalCltv' | 'skippedFields'> & {
  expirySeconds?: number;
  minFinalCltv?: number;
};

/** `data_length` has ten bits. */
const MAX_FIELD_WORDS = 1023;
const MAX_FEATURE = MAX_FIELD_WORDS * 5 - 1;

/** Writes the tagged fields in the order of the document's first examples: s, p, d or h, n, x, c, f, r, m, 9. */
export function writeInvoiceFields(fields: WritableBody & Purpose & { payeeField?: string }): number[] {
  const { payeeField, expirySeconds, minFinalCltv, metadata, features } = fields;
  const words = [
    ...field(TAG.paymentSecret, wordsOfHex({ name: 'paymentSecret', text: fields.paymentSecret, bytes: 32 })),
    ...field(TAG.paymentHash, wordsOfHex({ name: 'paymentHash', text: fields.paymentHash, bytes: 32 })),
    ...purposeField(fields),
  ];
  if (payeeField !== undefined)
    words.push(...field(TAG.payee, wordsOfHex({ name: 'payeeField', text: payeeField, bytes: 33 })));
  if (expirySeconds !== undefined)
    words.push(
      ...field(TAG.expiry, wordsOfNumber({ name: 'expirySeconds', value: expirySeconds, max: MAX_EXPIRY_SECONDS })),
    );
  if (minFinalCltv !== undefined)
    words.push(
      ...field(TAG.minFinalCltv, wordsOfNumber({ name: 'minFinalCltv', value: minFinalCltv, max: MAX_CLTV_BLOCKS })),
    );
  for (const fallback of fields.fallbacks) words.push(...field(TAG.fallback, wordsOfFallback(fallback)));
  for (const route of fields.routeHints) words.push(...field(TAG.routeHint, wordsOfRoute(route)));
  if (metadata !== undefined)
    words.push(...field(TAG.metadata, wordsOfHex({ name: 'metadata', text: metadata, bytes: 'any' })));
  // BOLT 11: a writer omits the 9 field when no bit is set.
  if (features.length > 0) words.push(...field(TAG.features, wordsOfFeatures(features)));
  return words;
}

function field(tag: number, words: readonly number[]): number[] {
  if (words.length > MAX_FIELD_WORDS)
    refuse('not_writable', `field ${tag} holds at most ${MAX_FIELD_WORDS * 5} bits; got ${words.length * 5}`, { tag });
  return [tag, words.length >>> 5, words.length & 31, ...words];
}

function purposeField({ description, descriptionHash }: Purpose): number[] {
  if (descriptionHash !== undefined)
    return field(TAG.descriptionHash, wordsOfHex({ name: 'descriptionHash', text: descriptionHash, bytes: 32 }));
  return field(TAG.description, bech32.toWords(utf8Of(description)));
}

function utf8Of(description: string): Uint8Array {
  try {
    return utf8.decode(description);
  } catch (cause) {
    return refuse('not_writable', 'the description holds half of a surrogate pair', { field: 'description', cause });
  }
}

function wordsOfHex({ name, text, bytes }: { name: string; text: string; bytes: number | 'any' }): number[] {
  const wanted = bytes === 'any' ? 'bytes' : `${bytes} bytes`;
  if (!/^(?:[0-9a-f]{2})*$/.test(text) || (bytes !== 'any' && text.length !== bytes * 2))
    refuse('not_writable', `${name} must be ${wanted} in lowercase hex`, { field: name });
  return bech32.toWords(hex.decode(text));
}

/** Big-endian without leading zero words, as x and c must be; and so nothing at all for 0. */
function wordsOfNumber({ name, value, max }: { name: string; value: number; max: number }): number[] {
  requireInteger({ name, value, max });
  const words: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32);
  return words;
}

/** Throws `bad_invoice` unless `value` is an integer from 0 to `max`. */
export function requireInteger({ name, value, max }: { name: string; value: number; max: number }): void {
  if (!Number.isInteger(value) || value < 0 || value > max)
    refuse('not_writable', `${name} must be an integer from 0 to ${max}; got ${value}`, { field: name });
}

function wordsOfFallback({ version, program }: Fallback): number[] {
  requireInteger({ name: 'fallback version', value: version, max: 18 });
  const words = wordsOfHex({ name: 'fallback program', text: program, bytes: 'any' });
  if (!isProgramLength(version, program.length / 2))
    refuse('not_writable', `a fallback of version ${version} cannot have ${program.length / 2} bytes`, {
      field: 'fallbacks',
    });
  return [version, ...words];
}

function wordsOfRoute(route: readonly RouteHint[]): number[] {
  if (route.length === 0) refuse('not_writable', 'a route hint has at least one channel', { field: 'routeHints' });
  const bytes = new Uint8Array(route.length * HINT_BYTES);
  for (const [index, hint] of route.entries()) bytes.set(bytesOfHint(hint), index * HINT_BYTES);
  return bech32.toWords(bytes);
}

function bytesOfHint({ nodeId, shortChannelId, feeBaseMsat, feePpm, cltvDelta }: RouteHint): Uint8Array {
  if (!/^0[23][0-9a-f]{64}$/.test(nodeId))
    refuse('not_writable', 'nodeId must be 33 bytes in lowercase hex', { field: 'nodeId' });
  if (feeBaseMsat < 0n || feeBaseMsat > 0xffffffffn)
    refuse('not_writable', `feeBaseMsat must be 0 to 4294967295; got ${feeBaseMsat}`, { field: 'feeBaseMsat' });
  requireInteger({ name: 'feePpm', value: feePpm, max: 0xffffffff });
  requireInteger({ name: 'cltvDelta', value: cltvDelta, max: 0xffff });
  const [block, transaction, output] = partsOfChannelId(shortChannelId);
  const bytes = new Uint8Array(HINT_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(hex.decode(nodeId));
  view.setUint32(33, block * 256);
  view.setUint32(36, transaction * 256);
  view.setUint16(39, output);
  view.setUint32(41, Number(feeBaseMsat));
  view.setUint32(45, feePpm);
  view.setUint16(49, cltvDelta);
  return bytes;
}

function partsOfChannelId(text: string): [block: number, transaction: number, output: number] {
  const parts = /^(0|[1-9][0-9]{0,7})x(0|[1-9][0-9]{0,7})x(0|[1-9][0-9]{0,4})$/.exec(text)?.slice(1).map(Number);
  const [block = -1, transaction = -1, output = -1] = parts ?? [];
  if (parts === undefined || block > 0xffffff || transaction > 0xffffff || output > 0xffff)
    refuse('not_writable', 'shortChannelId must be block x transaction x output, like 589390x3312x1', {
      field: 'shortChannelId',
    });
  return [block, transaction, output];
}

function wordsOfFeatures(features: readonly number[]): number[] {
  for (const bit of features) requireInteger({ name: 'feature', value: bit, max: MAX_FEATURE });
  const words = new Array<number>(Math.floor(Math.max(...features) / 5) + 1).fill(0);
  for (const bit of features) {
    const at = words.length - 1 - Math.floor(bit / 5);
    words[at] = (words[at] ?? 0) | (1 << (bit % 5));
  }
  return words;
}

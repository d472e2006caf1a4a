import { SparkleError, type ErrorCode } from './errors.ts';
import { MAX_SATS } from './amount.ts';
import { shown } from './json.ts';
import { hex } from '@scure/base';

/** An inscription's name: the transaction that revealed it (display order) and its number among the envelopes in there. */
export type InscriptionId = { txid: string; index: number };

/** An output of a transaction; `txid` in display order. */
export type Outpoint = { txid: string; vout: number };

/** One sat: an output and how many sats of it lie in front. */
export type SatPoint = Outpoint & { offsetSats: bigint };

const MAX_U32 = 0xffff_ffff;
const TXID_BYTES = 32;

// Only the form that ord prints: lowercase, decimal without leading zeros. One name has one text, so texts can be compared.
const INSCRIPTION_ID = /^([0-9a-f]{64})i(0|[1-9][0-9]{0,9})$/;
const OUTPOINT = /^([0-9a-f]{64}):(0|[1-9][0-9]{0,9})$/;
const SATPOINT = /^([0-9a-f]{64}):(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,15})$/;

/** Reads `<txid>i<index>`. Throws `bad_inscription_id`. */
export function readInscriptionId(text: unknown): InscriptionId {
  const wanted = {
    text,
    code: 'bad_inscription_id',
    expected: 'an inscription id: 64 lowercase hex, i, index',
  } as const;
  const [txid, index] = readParts({ ...wanted, pattern: INSCRIPTION_ID });
  return { txid, index: readU32({ ...wanted, digits: index }) };
}

/** Reads `<txid>:<vout>`. Throws `bad_outpoint`. */
export function readOutpoint(text: unknown): Outpoint {
  const wanted = {
    text,
    code: 'bad_outpoint',
    expected: 'an outpoint: 64 lowercase hex, colon, output number',
  } as const;
  const [txid, vout] = readParts({ ...wanted, pattern: OUTPOINT });
  return { txid, vout: readU32({ ...wanted, digits: vout }) };
}

/** Reads `<txid>:<vout>:<offset>`. Throws `bad_satpoint`. */
export function readSatPoint(text: unknown): SatPoint {
  const expected = 'a satpoint: 64 lowercase hex, colon, output number, colon, offset below 21,000,000 BTC';
  const wanted = { text, code: 'bad_satpoint', expected } as const;
  const [txid, vout, offset] = readParts({ ...wanted, pattern: SATPOINT });
  const offsetSats = BigInt(offset);
  if (offsetSats >= MAX_SATS) throw unreadable(wanted);
  return { txid, vout: readU32({ ...wanted, digits: vout }), offsetSats };
}

type Wanted = { text: unknown; code: ErrorCode; expected: string };

function readParts({ pattern, ...wanted }: Wanted & { pattern: RegExp }): [string, string, string] {
  const match = typeof wanted.text === 'string' ? pattern.exec(wanted.text) : null;
  if (match === null) throw unreadable(wanted);
  return [match[1] ?? '', match[2] ?? '', match[3] ?? ''];
}

function readU32({ digits, ...wanted }: Wanted & { digits: string }): number {
  const number = Number(digits);
  if (number > MAX_U32) throw unreadable(wanted);
  return number;
}

function unreadable({ text, code, expected }: Wanted): SparkleError {
  return new SparkleError(code, `expected ${expected}; got ${shown(text)}`, { came: shown(text) });
}

/** Prints an inscription id as `<txid>i<index>`. */
export const inscriptionIdText = ({ txid, index }: InscriptionId): string => `${txid}i${index}`;

/** Prints an outpoint as `<txid>:<vout>`. */
export const outpointText = ({ txid, vout }: Outpoint): string => `${txid}:${vout}`;

/** Prints a satpoint as `<txid>:<vout>:<offset>`. */
export const satPointText = ({ txid, vout, offsetSats }: SatPoint): string => `${txid}:${vout}:${offsetSats}`;

/** Order of inscription ids, for sorting: by txid, then by index as a number. */
export function compareInscriptionIds(a: InscriptionId, b: InscriptionId): -1 | 0 | 1 {
  return compare(a.txid, b.txid) || compare(a.index, b.index);
}

/** Order of outpoints, for sorting: by txid, then by output number. */
export function compareOutpoints(a: Outpoint, b: Outpoint): -1 | 0 | 1 {
  return compare(a.txid, b.txid) || compare(a.vout, b.vout);
}

/** Order of satpoints, for sorting: by outpoint, then by offset. */
export function compareSatPoints(a: SatPoint, b: SatPoint): -1 | 0 | 1 {
  return compareOutpoints(a, b) || compare(a.offsetSats, b.offsetSats);
}

function compare<T extends string | number | bigint>(a: T, b: T): -1 | 0 | 1 {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** An id as envelopes carry it (tags 3 and 11): txid in wire order, index little-endian without trailing zeros. Source: ord. */
export function inscriptionIdBytes({ txid, index }: InscriptionId): Uint8Array {
  const bytes = new Uint8Array(TXID_BYTES + 4);
  bytes.set(hex.decode(txid).reverse());
  new DataView(bytes.buffer).setUint32(TXID_BYTES, index, true);
  let length = bytes.length;
  while (length > TXID_BYTES && bytes[length - 1] === 0) length -= 1;
  return bytes.slice(0, length);
}

/**
 * Reads an id from an envelope exactly as widely as ord does: trailing zeros are dropped or all four index bytes are
 * there. Throws `bad_inscription_id`.
 */
export function readInscriptionIdBytes(bytes: Uint8Array): InscriptionId {
  const index = bytes.slice(TXID_BYTES);
  const isReadable = bytes.length >= TXID_BYTES && index.length <= 4 && (index.length === 4 || index.at(-1) !== 0);
  if (!isReadable) {
    const sentence = 'an inscription id must be 32 bytes and at most 4 index bytes without trailing zeros';
    throw new SparkleError('bad_inscription_id', `${sentence}; got ${hex.encode(bytes.slice(0, 40))}`);
  }
  return {
    txid: hex.encode(bytes.slice(0, TXID_BYTES).reverse()),
    index: index.reduce((sum, byte, position) => sum + byte * 256 ** position, 0),
  };
}

import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { readHeader } from '../protocol/header.ts';

/** Where a transaction lies in its block, and the outpoints it spends as 36 bytes each, as they are on the wire. */
type Span = { start: number; end: number; prevouts: number[] };

/** A block as far as looking for spends needs it. `hash` is recomputed, `previous` the hash before it; display order. */
export type RawBlock = { hash: string; previous: string; bytes: Uint8Array; transactions: Span[] };

const HEADER_BYTES = 80;

class Cursor {
  at = 0;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  skip(count: number): void {
    this.at += count;
    if (this.at > this.view.byteLength) throw new RangeError('past the end');
  }

  /** CompactSize, as far as a block of 4 MB can need it. */
  count(): number {
    const first = this.view.getUint8(this.at);
    this.skip(1);
    if (first < 0xfd) return first;
    const start = this.at;
    this.skip(first === 0xfd ? 2 : 4);
    if (first === 0xff) throw new RangeError('a count of 64 bits');
    return first === 0xfd ? this.view.getUint16(start, true) : this.view.getUint32(start, true);
  }

  skipBytes(): void {
    this.skip(this.count());
  }
}

function readSpan(cursor: Cursor): Span {
  const start = cursor.at;
  cursor.skip(4);
  // BIP 144: a zero where the number of inputs would be is the marker; the flag follows it.
  const segwit = cursor.view.getUint8(cursor.at) === 0;
  if (segwit) cursor.skip(2);
  const inputs = cursor.count();
  const prevouts: number[] = [];
  for (let input = 0; input < inputs; input += 1) {
    prevouts.push(cursor.at);
    cursor.skip(36);
    cursor.skipBytes();
    cursor.skip(4);
  }
  const outputs = cursor.count();
  for (let output = 0; output < outputs; output += 1) {
    cursor.skip(8);
    cursor.skipBytes();
  }
  for (let input = 0; segwit && input < inputs; input += 1)
    for (let items = cursor.count(); items > 0; items -= 1) cursor.skipBytes();
  cursor.skip(4);
  return { start, end: cursor.at, prevouts };
}

/** Reads a block's bytes without understanding its scripts. Throws `chain_unavailable`: no sane node sends another. */
export function readRawBlock(raw: string): RawBlock {
  const bytes = Uint8Array.from(Buffer.from(raw, 'hex'));
  const cursor = new Cursor(bytes);
  try {
    cursor.skip(HEADER_BYTES);
    const transactions = Array.from({ length: cursor.count() }, () => readSpan(cursor));
    if (cursor.at !== bytes.length) throw new RangeError('bytes after the last transaction');
    const { hash, previous } = readHeader(hex.encode(bytes.subarray(0, HEADER_BYTES)));
    return { hash, previous, bytes, transactions };
  } catch (cause) {
    throw new SparkleError(
      'chain_unavailable',
      'a block was expected from the node; its bytes are none',
      {},
      { cause },
    );
  }
}

/** The raw transactions (hex) in the order of the block; the first is the coinbase. */
export const transactionsIn = ({ bytes, transactions }: RawBlock): string[] =>
  transactions.map(({ start, end }) => Buffer.from(bytes.subarray(start, end)).toString('hex'));

/** `txid:vout` as it is on the wire: 36 bytes. */
export function wireOutpoint({ txid, vout }: { txid: string; vout: number }): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes.set(hex.decode(txid).reverse());
  new DataView(bytes.buffer).setUint32(32, vout, true);
  return bytes;
}

/**
 * 32 bits of an outpoint: txids are random, so two outpoints of one block rarely share them. Sorted, they say in
 * 4 bytes each which outpoints a block surely does not spend.
 */
const fingerprint = (bytes: Uint8Array, at: number): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 36);
  return (view.getUint32(0, true) ^ Math.imul(view.getUint32(32, true), 0x9e3779b1)) >>> 0;
};

/** The fingerprints of all outpoints that the block spends, ascending. */
export function fingerprintsOf({ bytes, transactions }: RawBlock): Uint32Array {
  return Uint32Array.from(transactions.flatMap(({ prevouts }) => prevouts.map((at) => fingerprint(bytes, at)))).sort();
}

/** Whether these fingerprints allow that `outpoint` (on the wire) is spent in their block; `false` is certain. */
export function mayHold(fingerprints: Uint32Array, outpoint: Uint8Array): boolean {
  const wanted = fingerprint(outpoint, 0);
  let low = 0;
  let high = fingerprints.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((fingerprints[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return fingerprints[low] === wanted;
}

/** The raw transaction (hex) of the block that spends `outpoint` (on the wire), `undefined` when none does. */
export function spenderIn({ bytes, transactions }: RawBlock, outpoint: Uint8Array): string | undefined {
  const found = transactions.find(({ prevouts }) =>
    prevouts.some((at) => outpoint.every((byte, index) => bytes[at + index] === byte)),
  );
  return found === undefined ? undefined : Buffer.from(bytes.subarray(found.start, found.end)).toString('hex');
}

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from './errors.ts';

/** The 80 bytes that stand for a block. Hashes are in display order; `hash` is recomputed, never what somebody said. */
export type Header = {
  hash: string;
  version: number;
  previous: string;
  merkleRoot: string;
  timeSeconds: number;
  /** The target in the compact form of the header, as a number. */
  bits: number;
};

/** Why a header is refused; `detail.reason` of a `bad_proof`. */
export type HeaderFault = 'unreadable' | 'bad_target' | 'bad_work' | 'bad_difficulty' | 'broken_linkage' | 'bad_time';

const HEADER_HEX = 160;

export const badHeader = (
  reason: HeaderFault,
  sentence: string,
  detail: Readonly<Record<string, unknown>> = {},
): SparkleError => new SparkleError('bad_proof', sentence, { reason, ...detail });

/** Reads the 80 bytes (hex) of a block's header. Nothing is checked but its form. Throws `bad_proof`. */
export function readHeader(raw: string): Header {
  if (raw.length !== HEADER_HEX || /[^0-9a-f]/.test(raw))
    throw badHeader('unreadable', `a block header must be ${HEADER_HEX} lowercase hex characters; got ${raw.length}`);
  const bytes = hex.decode(raw);
  const view = new DataView(bytes.buffer);
  return {
    hash: hex.encode(sha256(sha256(bytes)).reverse()),
    version: view.getInt32(0, true),
    previous: hex.encode(bytes.slice(4, 36).reverse()),
    merkleRoot: hex.encode(bytes.slice(36, 68).reverse()),
    timeSeconds: view.getUint32(68, true),
    bits: view.getUint32(72, true),
  };
}

/** The 80 bytes (hex) of a block's header, the reverse of `readHeader`. */
export function writeHeader(header: Omit<Header, 'hash'> & { nonce: number }): string {
  const bytes = new Uint8Array(HEADER_HEX / 2);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, header.version, true);
  bytes.set(hex.decode(header.previous).reverse(), 4);
  bytes.set(hex.decode(header.merkleRoot).reverse(), 36);
  view.setUint32(68, header.timeSeconds, true);
  view.setUint32(72, header.bits, true);
  view.setUint32(76, header.nonce, true);
  return hex.encode(bytes);
}

/**
 * The number that a block's hash must not exceed, out of its compact form. Throws `bad_proof` for a form that means no
 * positive 256-bit number. Source: arith_uint256::SetCompact of Bitcoin Core.
 */
export function targetOf(bits: number): bigint {
  const size = bits >>> 24;
  const word = BigInt(bits & 0x007f_ffff);
  const target = size <= 3 ? word >> BigInt(8 * (3 - size)) : word << BigInt(8 * (size - 3));
  const isNegative = (bits & 0x0080_0000) !== 0;
  if (target > 0n && !isNegative && target < 1n << 256n) return target;
  throw badHeader('bad_target', `bits must mean a number of 1 to 256 bits; got ${bits.toString(16)}`, { bits });
}

/** The compact form of a target, rounded down as every node rounds it. Source: arith_uint256::GetCompact. */
export function bitsOf(target: bigint): number {
  let size = Math.ceil(target.toString(16).length / 2);
  let word = Number(size <= 3 ? target << BigInt(8 * (3 - size)) : target >> BigInt(8 * (size - 3)));
  // The highest bit of the word is a sign.
  if ((word & 0x0080_0000) !== 0) {
    word >>= 8;
    size += 1;
  }
  return size * 0x100_0000 + word;
}

/** How many hashes it takes on average to find a block with these bits. Throws `bad_proof`. */
export const workOf = (bits: number): bigint => (1n << 256n) / (targetOf(bits) + 1n);

/** Throws `bad_proof` unless the header's hash is at most the target that the header itself names. */
export function checkWork({ hash, bits }: Pick<Header, 'hash' | 'bits'>): void {
  if (BigInt(`0x${hash}`) <= targetOf(bits)) return;
  throw badHeader('bad_work', `block ${hash} must have a hash of at most its target ${bits.toString(16)}`, { hash });
}

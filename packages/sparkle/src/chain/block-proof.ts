import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import { isCoinbase, readTransaction } from '../protocol/transaction.ts';

/** What 80 bytes of header say; hashes are lowercase hex in display order. */
export type BlockHeader = {
  hash: string;
  previous: string;
  merkleRoot: string;
  timeSeconds: number;
  /** The target that the hash must not exceed, in the compact form of consensus. */
  bits: number;
};

/** A way from a transaction up to the root of its block; `merkle` are display-order hashes, the lowest first. */
export type MerkleProof = { txid: string; pos: number; merkle: readonly string[] };

const HEADER_BYTES = 80;
/** A block of 4,000,000 weight units has fewer than 2^16 transactions; a longer way up is no proof. */
const MAX_DEPTH = 16;
/** The target of difficulty 1. */
const UNIT_TARGET = 0xffffn << 208n;

/**
 * The easiest target that a block of each network may have. Mainnet: difficulty 10^13, below which it has not been since
 * autumn 2019. Without it a liar mines blocks of difficulty 1 on a laptop; with it each false block costs about as much
 * as a true one earns. The others: their limit by consensus, because their coins are worth nothing.
 */
const EASIEST_TARGET: Readonly<Record<NetworkName, bigint>> = {
  mainnet: UNIT_TARGET / 10n ** 13n,
  testnet: UNIT_TARGET,
  testnet4: UNIT_TARGET,
  signet: 0x0377aen << 216n,
  regtest: 0x7fffffn << 232n,
};

const bad = (sentence: string): SparkleError => new SparkleError('bad_proof', sentence);

const doubleHash = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

const displayed = (bytes: Uint8Array): string => hex.encode(bytes.slice().reverse());

/** Reads a header (hex); its hash is computed, never what somebody said. Throws `bad_proof`. */
export function readBlockHeader(raw: string): BlockHeader {
  if (raw.length !== 2 * HEADER_BYTES || /[^0-9a-f]/.test(raw))
    throw bad(`a block header must be ${HEADER_BYTES} bytes of lowercase hex; got ${raw.length} characters`);
  const bytes = hex.decode(raw);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    hash: displayed(doubleHash(bytes)),
    previous: displayed(bytes.subarray(4, 36)),
    merkleRoot: displayed(bytes.subarray(36, 68)),
    timeSeconds: view.getUint32(68, true),
    bits: view.getUint32(72, true),
  };
}

/** The target in full; negative, so that no hash can meet it, for a compact form with that bit. */
function targetOf(bits: number): bigint {
  const exponent = bits >>> 24;
  const mantissa = BigInt(bits & 0x7f_ffff);
  if ((bits & 0x80_0000) !== 0) return -1n;
  return exponent <= 3 ? mantissa >> BigInt(8 * (3 - exponent)) : mantissa << BigInt(8 * (exponent - 3));
}

/** Whether the work that a header claims was done. */
export const hasWork = ({ hash, bits }: Pick<BlockHeader, 'hash' | 'bits'>): boolean =>
  BigInt(`0x${hash}`) <= targetOf(bits);

/** Whether a header claims so much work that lying with it is dear; see `EASIEST_TARGET`. */
export const isHardEnough = ({ bits }: Pick<BlockHeader, 'bits'>, network: NetworkName): boolean =>
  targetOf(bits) <= EASIEST_TARGET[network];

function looksLikeTransaction(bytes: Uint8Array): boolean {
  try {
    readTransaction(hex.encode(bytes));
    return true;
  } catch (error) {
    if (error instanceof SparkleError) return false;
    throw error;
  }
}

/** The root that a proof leads to. Throws `bad_proof` for a way that cannot be one. */
export function merkleRootOf({ txid, pos, merkle }: MerkleProof): string {
  if (merkle.length > MAX_DEPTH) throw bad(`a merkle proof has at most ${MAX_DEPTH} steps; got ${merkle.length}`);
  if (!Number.isSafeInteger(pos) || pos < 0 || pos >= 2 ** merkle.length)
    throw bad(`a transaction in a tree ${merkle.length} high has a place below ${2 ** merkle.length}; got ${pos}`);
  let node = hex.decode(txid).reverse();
  for (const [level, sibling] of merkle.entries()) {
    const other = hex.decode(sibling).reverse();
    const pair = (pos >>> level) % 2 === 0 ? [...node, ...other] : [...other, ...node];
    const bytes = Uint8Array.from(pair);
    // CVE-2017-12842: a transaction of 64 bytes can pass for a node of the tree, and then "contain" any other.
    if (looksLikeTransaction(bytes)) throw bad('a node of a merkle proof must not be a transaction itself');
    node = doubleHash(bytes);
  }
  return displayed(node);
}

/** BIP 34: the height that a block's coinbase begins with; `undefined` for another transaction or an older block. */
export function coinbaseHeight(raw: string): number | undefined {
  const transaction = readTransaction(raw);
  const script = transaction.inputs[0]?.scriptSig;
  const first = script?.[0];
  if (!isCoinbase(transaction) || script === undefined || first === undefined) return undefined;
  // Numbers up to 16 have an opcode each: OP_1 is 0x51.
  if (first >= 0x51 && first <= 0x60) return first - 0x50;
  const bytes = script.subarray(1, 1 + first);
  if (first < 1 || first > 4 || bytes.length !== first) return undefined;
  return bytes.reduceRight((height, byte) => height * 256 + byte, 0);
}

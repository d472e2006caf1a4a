import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { hex } from '@scure/base';
import { SparkleError } from './errors.ts';
import { readTransaction, writeTransaction } from './transaction.ts';

/** Why a merkle branch is refused; `detail.reason` of a `bad_proof`. */
export type MerkleFault = 'too_deep' | 'bad_position' | 'node_is_transaction' | 'transaction_is_node' | 'bad_branch';

/**
 * Where a transaction lies in its block: the hashes beside its way to the root, lowest first, display order, and its
 * number in the block.
 */
export type MerkleBranch = { hashes: readonly string[]; position: number };

// A transaction weighs at least 240 (BIP 141), so a block of 4,000,000 holds fewer than 2^15.
const MOST_DEPTH = 15;
const NODE_BYTES = 64;

const doubleHash = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
const displayed = (bytes: Uint8Array): string => hex.encode(bytes.slice().reverse());
const onTheWire = (hash: string): Uint8Array => hex.decode(hash).reverse();

const bad = (reason: MerkleFault, sentence: string): SparkleError =>
  new SparkleError('bad_proof', sentence, { reason });

function isTransaction(bytes: Uint8Array): boolean {
  try {
    readTransaction(hex.encode(bytes));
    return true;
  } catch (error) {
    if (error instanceof SparkleError) return false;
    throw error;
  }
}

function checkForm(raw: string, { hashes, position }: MerkleBranch): void {
  if (hashes.length > MOST_DEPTH)
    throw bad('too_deep', `a merkle branch must have at most ${MOST_DEPTH} hashes; got ${hashes.length}`);
  if (!Number.isSafeInteger(position) || position < 0 || position >= 2 ** hashes.length)
    throw bad('bad_position', `position ${position} is not in a tree of depth ${hashes.length}`);
  const transaction = readTransaction(raw);
  const inputs = transaction.inputs.map((input) => ({ ...input, witness: [] }));
  // CVE-2017-12842: 64 bytes can be an inner node of the tree and a transaction at once.
  if (writeTransaction({ ...transaction, inputs }).length === 2 * NODE_BYTES)
    throw bad('transaction_is_node', 'a transaction of 64 bytes cannot be shown to be in a block');
}

/**
 * Checks that the block with this merkle root holds the transaction. Throws `bad_transaction` for bytes that are none,
 * `bad_proof` for a branch that does not lead to the root, or that leads through what could be a transaction itself.
 */
export function checkMerkleBranch(proof: { raw: string; branch: MerkleBranch; merkleRoot: string }): void {
  const { raw, branch, merkleRoot } = proof;
  checkForm(raw, branch);
  let node = onTheWire(readTransaction(raw).txid);
  let { position } = branch;
  for (const hash of branch.hashes) {
    const beside = onTheWire(hash);
    const both = position % 2 === 0 ? concatBytes(node, beside) : concatBytes(beside, node);
    // CVE-2017-12842, the other way round: below a true transaction of 64 bytes anything could hang.
    if (isTransaction(both)) throw bad('node_is_transaction', 'an inner node of the merkle tree is a transaction');
    node = doubleHash(both);
    position = Math.floor(position / 2);
  }
  if (displayed(node) !== merkleRoot)
    throw bad('bad_branch', `the merkle branch must lead to ${merkleRoot}; it leads elsewhere`);
}

/** The row above: an odd node at the end is paired with itself. */
const rowAbove = (row: readonly Uint8Array[]): Uint8Array[] =>
  row.flatMap((left, at) => (at % 2 === 0 ? [doubleHash(concatBytes(left, row[at + 1] ?? left))] : []));

function rowsOver(leaves: readonly string[]): Uint8Array[][] {
  const rows = [leaves.map(onTheWire)];
  for (let row = rows[0] ?? []; row.length > 1;) {
    row = rowAbove(row);
    rows.push(row);
  }
  return rows;
}

/** The root over a block's txids, the coinbase first, as its header names it. Throws `RangeError` for no txid at all. */
export function merkleRootOf(txids: readonly string[]): string {
  const root = rowsOver(txids).at(-1)?.[0];
  if (root === undefined) throw new RangeError('a block holds one transaction at least');
  return displayed(root);
}

/** What `checkMerkleBranch` wants for the txid at a place of its block. Throws `RangeError` for a place outside it. */
export function merkleBranchOf({ txids, position }: { txids: readonly string[]; position: number }): MerkleBranch {
  if (txids[position] === undefined)
    throw new RangeError(`a place in a block of ${txids.length} transactions was expected; got ${position}`);
  const rows = rowsOver(txids).slice(0, -1);
  const hashes = rows.flatMap((row, level) => {
    const at = Math.floor(position / 2 ** level);
    const beside = row[at % 2 === 0 ? at + 1 : at - 1] ?? row[at];
    return beside === undefined ? [] : [displayed(beside)];
  });
  return { hashes, position };
}

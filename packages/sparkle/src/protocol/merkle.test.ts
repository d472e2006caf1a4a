import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from './errors.ts';
import { checkMerkleBranch, merkleBranchOf, merkleRootOf, type MerkleBranch, type MerkleFault } from './merkle.ts';
import { txidOf, writeTransaction } from './transaction.ts';
import vectors from './merkle.vectors.json' with { type: 'json' };

const faulty =
  (reason: MerkleFault) =>
  (error: unknown): boolean =>
    error instanceof SparkleError && error.code === 'bad_proof' && error.detail['reason'] === reason;

const { raw, branch, branches, merkleRoot, txids } = vectors;

/** One transaction of 64 bytes without witnesses, as it may stand in a block since 2009. */
const short = writeTransaction({
  version: 2,
  inputs: [{ txid: '11'.repeat(32), vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
  outputs: [{ valueSats: 1_000n, script: Uint8Array.of(0x51, 0x52, 0x53, 0x54) }],
  lockTime: 0,
});

const swapped = (text: string): string => hex.encode(hex.decode(text).reverse());
const doubleHash = (text: string): string => hex.encode(sha256(sha256(hex.decode(text))));

test('the coinbase of block 100,000 is shown to be in it', () => {
  checkMerkleBranch({ raw, branch, merkleRoot });
});

test('the only transaction of a block is its root', () => {
  checkMerkleBranch({ raw, branch: { hashes: [], position: 0 }, merkleRoot: txidOf(raw) });
});

test('a branch with another hash, another order or another root is refused', () => {
  const wrong: { branch: MerkleBranch; merkleRoot: string }[] = [
    { branch: { ...branch, hashes: ['00'.repeat(32), branch.hashes[1] ?? ''] }, merkleRoot },
    { branch: { ...branch, hashes: branch.hashes.toReversed() }, merkleRoot },
    { branch: { ...branch, position: 1 }, merkleRoot },
    { branch: { hashes: branch.hashes.slice(1), position: 0 }, merkleRoot },
    { branch, merkleRoot: '00'.repeat(32) },
  ];
  for (const proof of wrong) assert.throws(() => checkMerkleBranch({ raw, ...proof }), faulty('bad_branch'));
});

test('a position outside the tree is refused', () => {
  for (const position of [4, -1, 0.5, Number.NaN])
    assert.throws(
      () => checkMerkleBranch({ raw, merkleRoot, branch: { ...branch, position } }),
      faulty('bad_position'),
    );
});

test('a branch deeper than any block is refused', () => {
  const hashes = Array<string>(16).fill('00'.repeat(32));
  assert.throws(() => checkMerkleBranch({ raw, merkleRoot, branch: { hashes, position: 0 } }), faulty('too_deep'));
});

test('a transaction of 64 bytes is never shown to be in a block (CVE-2017-12842)', () => {
  assert.equal(short.length, 128);
  const proof = { raw: short, branch: { hashes: [], position: 0 }, merkleRoot: txidOf(short) };
  assert.throws(() => checkMerkleBranch(proof), faulty('transaction_is_node'));
});

/** Longer by a byte, each another one. */
const longer = (lockTime: number): string =>
  writeTransaction({
    version: 2,
    inputs: [{ txid: '22'.repeat(32), vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
    outputs: [{ valueSats: 1_000n, script: Uint8Array.of(0x51, 0x52, 0x53, 0x54, 0x55) }],
    lockTime,
  });

/** A transaction whose txid, on the wire, could be the first half of a transaction of 64 bytes with one input. */
function firstHalf(): string {
  for (let lockTime = 0; ; lockTime += 1) {
    const tried = longer(lockTime);
    if (hex.decode(txidOf(tried))[31 - 4] === 1) return tried;
  }
}

test('what hangs below a true transaction of 64 bytes is not in its block (CVE-2017-12842)', () => {
  const hung = firstHalf();
  const below = (tail: string) => ({
    raw: hung,
    branch: { hashes: [swapped(tail)], position: 0 },
    merkleRoot: swapped(doubleHash(swapped(txidOf(hung)) + tail)),
  });
  const honest = 'ff'.repeat(32);
  checkMerkleBranch(below(honest));
  assert.throws(() => checkMerkleBranch(below(short.slice(64))), faulty('node_is_transaction'));
});

test('the root and the branches of a whole block are those that everybody knows', () => {
  assert.equal(merkleRootOf(txids), merkleRoot);
  for (const [position, known] of branches.entries()) assert.deepEqual(merkleBranchOf({ txids, position }), known);
});

test('whatever a block holds, each of its transactions is shown to be in it', () => {
  for (let count = 1; count <= 9; count += 1) {
    const raws = Array.from({ length: count }, (_, lockTime) => longer(lockTime));
    const held = raws.map(txidOf);
    for (const [position, one] of raws.entries())
      checkMerkleBranch({
        raw: one,
        branch: merkleBranchOf({ txids: held, position }),
        merkleRoot: merkleRootOf(held),
      });
  }
});

test('a block without transactions has no root, and no branch to a place outside it', () => {
  assert.throws(() => merkleRootOf([]), RangeError);
  for (const position of [-1, 4, 0.5]) assert.throws(() => merkleBranchOf({ txids, position }), RangeError);
});

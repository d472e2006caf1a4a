import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { coinbaseHeight, hasWork, isHardEnough, merkleRootOf, readBlockHeader } from './block-proof.ts';
import vectors from './block-proof.vectors.json' with { type: 'json' };
import { refusedWith } from './suite-hands.ts';

const { header, hash, previous, merkleRoot, timeSeconds, proofs, bip34 } = vectors;

describe('block proof', () => {
  test('a header is read and hashed as everybody knows it', () => {
    const read = readBlockHeader(header);
    assert.deepEqual(read, { hash, previous, merkleRoot, timeSeconds, bits: 0x1b04864c });
    assert.ok(hasWork(read));
  });

  test('another nonce leaves the work undone', () => {
    assert.ok(!hasWork(readBlockHeader(`${header.slice(0, 152)}00000000`)));
  });

  test('a header of another length or another alphabet is refused', () => {
    for (const raw of ['', header.slice(2), `${header}00`, header.toUpperCase()])
      assert.throws(() => readBlockHeader(raw), refusedWith('bad_proof'));
  });

  test('a target that is negative is met by no hash', () => {
    assert.ok(!hasWork({ hash: '00'.repeat(32), bits: 0x0380_0001 }));
    assert.ok(!hasWork({ hash, bits: 0x1b84_864c }));
  });

  test('a target of few bytes is shifted the other way', () => {
    assert.ok(hasWork({ hash: '12'.padStart(64, '0'), bits: 0x0112_3456 }));
    assert.ok(!hasWork({ hash: '13'.padStart(64, '0'), bits: 0x0112_3456 }));
  });

  test('on mainnet a block as easy as in 2010 says nothing; where coins are worth nothing it does', () => {
    assert.ok(!isHardEnough({ bits: 0x1b04864c }, 'mainnet'));
    // Block 840,000, April 2024.
    assert.ok(isHardEnough({ bits: 0x17034219 }, 'mainnet'));
    assert.ok(isHardEnough({ bits: 0x1d00ffff }, 'testnet'));
    assert.ok(!isHardEnough({ bits: 0x207fffff }, 'signet'));
    assert.ok(isHardEnough({ bits: 0x1e0377ae }, 'signet'));
    assert.ok(isHardEnough({ bits: 0x207fffff }, 'regtest'));
  });

  for (const { txid, pos, merkle } of proofs)
    test(`transaction ${pos} of block 100,000 is proven`, () => {
      assert.equal(merkleRootOf({ txid, pos, merkle }), merkleRoot);
      assert.notEqual(merkleRootOf({ txid, pos: pos ^ 1, merkle }), merkleRoot);
    });

  test('a place outside the tree is refused', () => {
    const [first] = proofs;
    assert.ok(first !== undefined);
    for (const pos of [-1, 0.5, 4]) assert.throws(() => merkleRootOf({ ...first, pos }), refusedWith('bad_proof'));
  });

  test('a way higher than any block is refused', () => {
    const merkle = Array.from({ length: 17 }, () => hash);
    assert.throws(() => merkleRootOf({ txid: hash, pos: 0, merkle }), refusedWith('bad_proof'));
  });

  test('a node that is a transaction itself is refused (CVE-2017-12842)', () => {
    // 64 bytes that are a whole transaction: one input without script, one output with a script of 4 bytes.
    const raw = `01000000${'01'}${'11'.repeat(36)}00ffffffff01${'0100000000000000'}04${'51515151'}00000000`;
    assert.equal(raw.length, 128);
    const shown = (half: string) => half.match(/../g)?.reverse().join('') ?? '';
    const proof = { txid: shown(raw.slice(0, 64)), pos: 0, merkle: [shown(raw.slice(64))] };
    assert.throws(() => merkleRootOf(proof), refusedWith('bad_proof'));
  });

  for (const { height, raw } of bip34)
    test(`a coinbase tells its height ${height} (BIP 34)`, () => assert.equal(coinbaseHeight(raw), height));

  test('what is no coinbase tells no height', () => {
    const [first] = bip34;
    assert.ok(first !== undefined);
    assert.equal(coinbaseHeight(first.raw.replace('0'.repeat(64), '11'.repeat(32))), undefined);
  });
});

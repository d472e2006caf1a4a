import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { txidOf } from '../protocol/transaction.ts';
import { fingerprintsOf, mayHold, readRawBlock, spenderIn, transactionsIn, wireOutpoint } from './raw-block.ts';
import vectors from './raw-block.vectors.json' with { type: 'json' };
import { refusedWith } from './suite-hands.ts';

const { raw, hash, previous, txids, spends } = vectors.block;

describe('raw block', () => {
  test('hash, link and transactions are those that the node tells', () => {
    const block = readRawBlock(raw);
    assert.equal(block.hash, hash);
    assert.equal(block.previous, previous);
    assert.deepEqual(transactionsIn(block).map(txidOf), txids);
  });

  test('every spent outpoint is found with the transaction that spends it', () => {
    const block = readRawBlock(raw);
    const fingerprints = fingerprintsOf(block);
    for (const { txid, vout, by } of spends) {
      const outpoint = wireOutpoint({ txid, vout });
      assert.ok(mayHold(fingerprints, outpoint));
      assert.equal(txidOf(spenderIn(block, outpoint) ?? ''), by);
    }
  });

  test('an outpoint that the block does not spend is not found, also beside one that it spends', () => {
    const block = readRawBlock(raw);
    for (const { txid, vout } of spends) {
      const beside = wireOutpoint({ txid, vout: vout + 1_000 });
      assert.ok(!mayHold(fingerprintsOf(block), beside));
      assert.equal(spenderIn(block, beside), undefined);
    }
    assert.equal(spenderIn(block, wireOutpoint({ txid: 'f'.repeat(64), vout: 0 })), undefined);
  });

  test('bytes that are cut, or go on after the last transaction, are no block', () => {
    for (const bad of [raw.slice(0, -2), `${raw}00`, raw.slice(0, 100), ''])
      assert.throws(() => readRawBlock(bad), refusedWith('chain_unavailable'));
  });
});

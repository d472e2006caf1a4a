import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCoinbase, readTransaction } from '../protocol/transaction.ts';
import { MemoryBlocks } from './memory-blocks.ts';
import { ownScript } from './suite-keys.ts';

const TIME_SECONDS = 1_750_000_000;

test('a coinbase is a transaction that reads back as what the chain holds', () => {
  const blocks = new MemoryBlocks({ network: 'regtest', timeSeconds: TIME_SECONDS });
  const block = blocks.connect({ transactions: [], feesSats: 1234n, payTo: ownScript, timeSeconds: TIME_SECONDS });
  const [coinbase] = block.transactions;
  assert.ok(coinbase !== undefined);
  assert.deepEqual(readTransaction(coinbase.raw), coinbase.transaction);
  assert.equal(isCoinbase(coinbase.transaction), true);
  assert.equal(coinbase.transaction.outputs[0]?.valueSats, 5_000_001_234n);
});

test('two blocks of one height have two coinbases', () => {
  const blocks = new MemoryBlocks({ network: 'regtest', timeSeconds: TIME_SECONDS });
  const block = () => blocks.connect({ transactions: [], feesSats: 0n, payTo: ownScript, timeSeconds: TIME_SECONDS });
  const first = block().transactions[0]?.transaction.txid;
  blocks.disconnect();
  assert.notEqual(block().transactions[0]?.transaction.txid, first);
});

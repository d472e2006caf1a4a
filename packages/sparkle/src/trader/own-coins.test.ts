import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Chain, ChainTransaction } from '../chain/chain.ts';
import { abortFor, holdTerms, lockFor, sourceOutpoint } from '../protocol/trade/fixtures.suite.ts';
import { coinsOf, takeable } from './own-coins.ts';

const lock = lockFor(holdTerms);
const rival = abortFor(holdTerms);
const [, coin = ''] = lock.spent.map(({ outpoint }) => outpoint);
const contest = { contested: sourceOutpoint, fromHeight: 0 };
const stranger = { txid: 'ee'.repeat(32), raw: lockFor({ ...holdTerms, refundHeight: 1 }).raw };

/** A chain on which one coin is spent by one transaction, or by none. */
const chainWith = (spender: ChainTransaction | undefined): { chain: Chain } => ({
  chain: {
    unspent: async () => (spender === undefined ? { valueSats: 1n, script: '', confirmations: 1 } : undefined),
    spender: async () => spender,
    transaction: async () => undefined,
  } as unknown as Chain,
});
const taken = (spender: ChainTransaction | undefined) =>
  takeable(chainWith(spender), { outpoints: [coin], ...contest });

test('a coin that nothing spends may be taken', async () => {
  assert.deepEqual(await taken(undefined), [coin]);
});

test('a coin of a version that waits in the mempool may be taken again, because the next version replaces it', async () => {
  assert.deepEqual(await taken({ txid: lock.txid, raw: lock.raw }), [coin]);
  assert.deepEqual(await taken({ txid: rival.txid, raw: rival.raw }), [coin]);
});

test('a coin whose spender is in a block is lost', async () => {
  assert.deepEqual(await taken({ txid: lock.txid, raw: lock.raw, block: { height: 1, hash: '00' } }), []);
});

test('a coin that another transaction spends, which the next version would not replace, is lost', async () => {
  const other = { outpoints: [coin], contested: `${'dd'.repeat(32)}:0`, fromHeight: 0 };
  assert.deepEqual(await takeable(chainWith(stranger), other), []);
});

test('a coin whose own transaction is gone is left out', async () => {
  assert.deepEqual(await coinsOf(chainWith(undefined), { versions: [lock], ...contest }), []);
});

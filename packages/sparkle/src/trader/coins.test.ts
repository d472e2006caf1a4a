import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { holdSeller, holdTerms, lockFor, sourceOutpoint } from '../protocol/trade/fixtures.suite.ts';
import { createPurse } from './coins.ts';

const coin = (outpoint: string) => ({ outpoint, valueSats: 1000n, script: '', confirmations: 1 });
const outpoint = (byte: string) => `${byte.repeat(32)}:0`;
const [free, carrying, unknown] = [outpoint('01'), outpoint('02'), outpoint('03')];
const lock = lockFor(holdTerms);
const [, lockedCoin = ''] = lock.spent.map((spent) => spent.outpoint);

const purseOf = (outpoints: string[]) =>
  createPurse({
    wallet: { coins: async () => outpoints.map(coin) },
    ordinals: {
      inscriptionsIn: async (of: string) => {
        if (of === unknown) throw new SparkleError('not_indexed', 'not yet');
        return of === carrying ? [`${'aa'.repeat(32)}i0`] : [];
      },
    },
    store: { live: async () => [holdSeller.locking] },
  } as unknown as Parameters<typeof createPurse>[0]);

const spendable = async (outpoints: string[], source?: string) =>
  (await purseOf(outpoints).cardinals(source)).map((each) => each.outpoint);

test('coins that carry an inscription, or of which the index cannot speak yet, pay no fee', async () => {
  assert.deepEqual(await spendable([free, carrying, unknown]), [free]);
});

test('what is being sold and what other trades have taken is left alone', async () => {
  assert.deepEqual(await spendable([free, sourceOutpoint, lockedCoin]), [free]);
  assert.deepEqual(await spendable([free, outpoint('04')], outpoint('04')), [free]);
});

test('inputs of a transaction that was built are kept for it', async () => {
  const purse = purseOf([free, lockedCoin]);
  purse.reserve(lock.raw);
  assert.deepEqual(
    (await purse.cardinals()).map((each) => each.outpoint),
    [free],
  );
});

test('builders come one after the other, also after one that failed', async () => {
  const purse = purseOf([]);
  const order: string[] = [];
  const first = purse.alone(async () => {
    await Promise.resolve();
    order.push('first');
    throw new Error('no');
  });
  const second = purse.alone(async () => void order.push('second'));
  await assert.rejects(first, /no/);
  await second;
  assert.deepEqual(order, ['first', 'second']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Chain, Tip } from '../chain/chain.ts';
import type { Lightning } from '../lightning/lightning.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { SparkleError } from '../protocol/errors.ts';
import { type Eyes, lookAt } from './watch.ts';

const tipAt = (height: number, hash = 'aa'): Tip => ({ height, hash: hash.repeat(32), timeSeconds: 0 });
const lock = { outpoint: `${'bb'.repeat(32)}:0`, fromHeight: 1 };
const raw = '00';

/** Sources that answer as told; everything else they are asked throws. */
const eyes = (answers: {
  chain?: Partial<Chain>;
  lightning?: Partial<Lightning>;
  ordinals?: Partial<Ordinals>;
}): Eyes =>
  ({
    chain: { tip: async () => tipAt(10), ...answers.chain },
    lightning: answers.lightning,
    ordinals: answers.ordinals,
  }) as Eyes;

const found = (height?: number) => ({
  txid: 'cc'.repeat(32),
  raw,
  ...(height === undefined ? {} : { block: { height, hash: 'aa'.repeat(32) } }),
});

test('only what was asked for is looked at', async () => {
  assert.deepEqual(await lookAt(eyes({}), {}, 7), { tip: tipAt(10), nowSeconds: 7 });
});

test('an output is unspent, spent with its confirmations, or absent', async () => {
  const unspent = async () => ({ valueSats: 1n, script: '', confirmations: 3 });
  const none = async () => undefined;
  const see = async (chain: Partial<Chain>) => (await lookAt(eyes({ chain }), { lock }, 0)).lock;
  assert.deepEqual(await see({ unspent }), { state: 'unspent', confirmations: 3 });
  assert.deepEqual(await see({ unspent: none, spender: none }), { state: 'absent' });
  const confirmations = async (spender: ReturnType<typeof found>) => {
    const seen = await see({ unspent: none, spender: async () => spender });
    return seen?.state === 'spent' ? seen.spender.confirmations : undefined;
  };
  assert.equal(await confirmations(found()), 0);
  assert.equal(await confirmations(found(10)), 1);
  assert.equal(await confirmations(found(5)), 6);
});

test('a height of 0 or below is never a confirmation', async () => {
  for (const height of [0, -1]) {
    const chain = { unspent: async () => undefined, spender: async () => found(height) };
    const { lock: seen } = await lookAt(eyes({ chain }), { lock }, 0);
    assert.equal(seen?.state === 'spent' && seen.spender.confirmations, 0);
  }
});

test('a block that comes while looking makes it look again, and one picture belongs to one block', async () => {
  const tips = [tipAt(10), tipAt(11, 'dd'), tipAt(11, 'dd'), tipAt(11, 'dd')];
  const view = await lookAt(eyes({ chain: { tip: async () => tips.shift() ?? tipAt(11, 'dd') } }), {}, 0);
  assert.equal(view.tip.height, 11);
});

test('a chain that never stands still is reported, not guessed', async () => {
  let height = 0;
  const restless = eyes({ chain: { tip: async () => tipAt(height, String(10 + (height++ % 80))) } });
  await assert.rejects(
    lookAt(restless, {}, 0),
    (error) => error instanceof SparkleError && error.code === 'chain_unavailable',
  );
});

test('a Lightning node that is away hides nothing of the chain; alone, it fails the look', async () => {
  const away = () => Promise.reject(new SparkleError('lightning_unavailable', 'away'));
  const lightning = { payment: away, invoice: away };
  const chain = { unspent: async () => ({ valueSats: 1n, script: '', confirmations: 3 }) };
  const hash = 'ff'.repeat(32);
  for (const asked of [{ invoice: hash }, { payment: hash }]) {
    const view = await lookAt(eyes({ chain, lightning }), { lock, ...asked }, 7);
    assert.deepEqual(view, { tip: tipAt(10), nowSeconds: 7, lock: { state: 'unspent', confirmations: 3 } });
    await assert.rejects(lookAt(eyes({ chain, lightning }), asked, 0), /away/);
  }
});

test('a Lightning node that fails otherwise fails the look', async () => {
  const lightning = { invoice: () => Promise.reject(new SparkleError('bad_config', 'broken')) };
  const chain = { unspent: async () => ({ valueSats: 1n, script: '', confirmations: 3 }) };
  await assert.rejects(lookAt(eyes({ chain, lightning }), { lock, invoice: 'ff'.repeat(32) }, 0), /broken/);
});

const facts = { outpoint: lock.outpoint, inscriptionId: `${'ee'.repeat(32)}i0` };
const confirmed: Partial<Chain> = {
  transaction: async () => found(10),
  unspent: async () => ({ valueSats: 1n, script: '', confirmations: 1 }),
};

test('an index that cannot say yet, is of the wrong kind, or contradicts another is an answer of its own', async () => {
  for (const code of [
    'not_indexed',
    'unknown_inscription',
    'sources_disagree',
    'bad_config',
    'wrong_network',
  ] as const) {
    const ordinals = { locate: () => Promise.reject(new SparkleError(code, 'not yet')) };
    const view = await lookAt(eyes({ chain: confirmed, ordinals }), { facts }, 0);
    assert.equal(view.facts?.indexProblem, code);
    assert.equal(view.facts?.satpoint, undefined);
  }
});

test('what lies in the lock is told with its place, runes too', async () => {
  const ordinals: Partial<Ordinals> = {
    locate: async () => ({ satpoint: `${lock.outpoint}:5`, atBlock: { height: 10, hash: 'aa'.repeat(32) } }),
    assets: async () => ({ inscriptions: [{ id: facts.inscriptionId, offsetSats: 5n }], runes: 'some', marks: [] }),
  };
  const seen = (await lookAt(eyes({ chain: confirmed, ordinals }), { facts }, 0)).facts;
  assert.equal(seen?.satpoint, `${lock.outpoint}:5`);
  assert.deepEqual(seen?.inscriptions, [facts.inscriptionId]);
  assert.equal(seen?.runes, 'some');
});

test('an index that cannot ask the chain fails the look', async () => {
  const ordinals = { locate: () => Promise.reject(new SparkleError('chain_unavailable', 'away')) };
  await assert.rejects(lookAt(eyes({ chain: confirmed, ordinals }), { facts }, 0), /away/);
});

test('an unconfirmed lock is not looked up in the index, and an unknown one has no bytes', async () => {
  const chain = { ...confirmed, transaction: async () => found() };
  assert.deepEqual((await lookAt(eyes({ chain }), { facts }, 0)).facts, {
    outpoint: lock.outpoint,
    confirmations: 0,
    unspent: true,
    raw,
  });
  const nothing = { transaction: async () => undefined, unspent: async () => undefined };
  assert.deepEqual((await lookAt(eyes({ chain: nothing }), { facts }, 0)).facts, {
    outpoint: lock.outpoint,
    confirmations: 0,
    unspent: false,
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import type { OutputAssets, RunePolicy } from '../protocol/guard.ts';
import { claimFor, holdSeller, holdTerms, lockFor, sourceOutpoint } from '../protocol/trade/fixtures.suite.ts';
import type { Trade } from '../protocol/trade/step.ts';
import { createPurse } from './coins.ts';

const P2TR = `5120${'07'.repeat(32)}`;
const P2PKH = `76a914${'07'.repeat(20)}88ac`;
const coin = (outpoint: string) => ({ outpoint, valueSats: 1000n, script: P2TR, confirmations: 1 });
const outpoint = (byte: string) => `${byte.repeat(32)}:0`;
const [free, carrying, unknown, disputed] = [outpoint('01'), outpoint('02'), outpoint('03'), outpoint('04')];
const [misconfigured, unseen] = [outpoint('06'), outpoint('07')];
const onRegtest: Policy = { network: 'regtest' };
const lock = lockFor(holdTerms);
const MINE = '0e'.repeat(16);
const [, lockedCoin = ''] = lock.spent.map((spent) => spent.outpoint);

type Policy = { network: 'mainnet' | 'regtest'; runes?: RunePolicy };
type Known = Partial<OutputAssets>;

/** A store of one trade, with what is kept in it: as far as a purse looks into one. */
const storeWith = (live: Trade, kept: Map<string, string>) => ({
  committed: async () => [live],
  reserved: async () => kept,
  reserve: async (tradeId: string, outpoints: readonly string[]) => {
    for (const value of outpoints)
      if ((kept.get(value) ?? tradeId) !== tradeId) throw new SparkleError('duplicate_trade', 'another has it');
    for (const value of outpoints) kept.set(value, tradeId);
  },
});

const purseOf = (
  outpoints: string[],
  coins = outpoints.map(coin),
  known: Known = {},
  policy: Policy = onRegtest,
  live: Trade = holdSeller.locking,
  kept = new Map<string, string>(),
) =>
  createPurse({
    wallet: { coins: async () => coins },
    ordinals: {
      assets: async (of: string) => {
        if (of === unknown) throw new SparkleError('not_indexed', 'not yet');
        if (of === disputed) throw new SparkleError('sources_disagree', 'one says so, one says otherwise');
        if (of === misconfigured) throw new SparkleError('bad_config', 'its inscription index is off');
        if (of === unseen) throw new SparkleError('chain_unavailable', 'the node is away');
        const inscriptions = of === carrying ? [{ id: `${'aa'.repeat(32)}i0`, offsetSats: 0n }] : [];
        return { inscriptions, runes: 'none', marks: [], ...known };
      },
    },
    store: storeWith(live, kept),
    ...policy,
  } as unknown as Parameters<typeof createPurse>[0]);

const spendable = async (outpoints: string[], source?: string) =>
  (await purseOf(outpoints).cardinals({ tradeId: MINE, ...(source === undefined ? {} : { source }) })).map(
    (each) => each.outpoint,
  );

test('coins that carry an inscription, or of which the index cannot speak yet, pay no fee', async () => {
  assert.deepEqual(await spendable([free, carrying, unknown]), [free]);
});

test('a coin about which two indexes disagree pays no fee, and the others do', async () => {
  assert.deepEqual(await spendable([disputed, free]), [free]);
});

test('an index of another kind or network than it must be keeps no claim and no refund from being built', async () => {
  assert.deepEqual(await spendable([misconfigured, free]), [free]);
  assert.deepEqual(await spendable([misconfigured]), []);
});

test('while the chain itself is away, nothing is chosen', async () => {
  await assert.rejects(
    spendable([unseen, free]),
    (error: unknown) => error instanceof SparkleError && error.code === 'chain_unavailable',
  );
});

test('a coin with runes pays no fee; one of which nobody knows does where the wallet is trusted, as on networks of tests', async () => {
  const pays = async (known: Known, policy: Policy) =>
    (await purseOf([free], [coin(free)], known, policy).cardinals({ tradeId: MINE })).length === 1;
  assert.equal(await pays({ runes: 'some' }, { network: 'regtest', runes: 'trust wallet' }), false);
  assert.equal(await pays({ runes: 'none' }, { network: 'mainnet' }), true);
  assert.equal(await pays({ runes: 'unknown' }, { network: 'mainnet' }), false);
  assert.equal(await pays({ runes: 'unknown' }, { network: 'mainnet', runes: 'trust wallet' }), true);
  assert.equal(await pays({ runes: 'unknown' }, { network: 'regtest' }), true);
  assert.equal(await pays({ runes: 'unknown' }, { network: 'regtest', runes: 'must know' }), false);
});

test('what is being sold and what other trades have taken is left alone', async () => {
  assert.deepEqual(await spendable([free, sourceOutpoint, lockedCoin]), [free]);
  assert.deepEqual(await spendable([free, outpoint('05')], outpoint('05')), [free]);
});

test('the largest coin comes first: dust that somebody sent us would cost more than it pays, and stop a claim', async () => {
  const worth = [330n, 50_000n, 330n, 9_000n].map((valueSats, index) => ({
    ...coin(outpoint(`1${index}`)),
    valueSats,
  }));
  const found = await purseOf([], worth).cardinals({ tradeId: MINE });
  assert.deepEqual(
    found.map(({ valueSats }) => valueSats),
    [50_000n, 9_000n, 330n, 330n],
  );
});

test('of a thousand coins, forty are offered: to weigh all would stop everything else for minutes', async () => {
  const many = Array.from({ length: 1000 }, (_, index) => coin(`${index.toString(16).padStart(64, '0')}:0`));
  assert.equal((await purseOf([], many).cardinals({ tradeId: MINE })).length, 40);
});

test('a coin that no builder can spend, as one sent to an old address, does not stop them', async () => {
  const odd = { ...coin(outpoint('05')), valueSats: 90_000n, script: P2PKH };
  assert.deepEqual(await purseOf([], [odd, coin(free)]).cardinals({ tradeId: MINE }), [coin(free)]);
});

test('inputs of a transaction that was built are kept for its trade, and that one may try again with them', async () => {
  const purse = purseOf([free, lockedCoin], undefined, {}, onRegtest, holdSeller.building);
  const { tradeId } = holdSeller.building;
  await purse.reserve(lock.raw, tradeId);
  const found = async (of: string) => (await purse.cardinals({ tradeId: of })).map((each) => each.outpoint);
  assert.deepEqual(await found(MINE), [free]);
  assert.deepEqual(await found(tradeId), [free, lockedCoin]);
});

test('a coin that another instance has just kept is no reason to give a trade up', async () => {
  const purse = purseOf([lockedCoin], undefined, {}, onRegtest, holdSeller.building, new Map([[lockedCoin, MINE]]));
  await assert.rejects(purse.reserve(lock.raw, holdSeller.building.tradeId), { code: 'elsewhere' });
});

test('inputs of a bump, an abort and a refund are kept as long as their trade lives, also after a restart', async () => {
  const { locking } = holdSeller;
  const version = { txid: lock.txid, raw: lock.raw, feeSats: 0n, feerateSatVb: 1 };
  // Another lock than the one whose inputs are looked for.
  const elsewhere = { ...locking, lock: { raw: claimFor(holdTerms).raw } };
  for (const trade of [
    { ...elsewhere, bumps: [version] },
    { ...elsewhere, state: 'aborting', aborts: [version] },
    { ...elsewhere, state: 'refunding', refunds: [version] },
  ])
    assert.deepEqual(
      (await purseOf([free, lockedCoin], undefined, {}, onRegtest, trade as Trade).cardinals({ tradeId: MINE })).map(
        (each) => each.outpoint,
      ),
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

test('a lock that is built but not written down yet keeps its inscription from being sold twice', async () => {
  const purse = createPurse({
    wallet: { coins: async () => [] },
    ordinals: {},
    store: storeWith(holdSeller.building, new Map()),
  } as unknown as Parameters<typeof createPurse>[0]);
  assert.equal(await purse.holder(sourceOutpoint), undefined);
  await purse.reserve(lock.raw, holdSeller.building.tradeId);
  assert.equal(await purse.holder(sourceOutpoint), holdSeller.building.tradeId);
});

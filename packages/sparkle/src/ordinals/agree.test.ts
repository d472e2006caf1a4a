import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryChain } from '../chain/memory.ts';
import { refusedWith } from '../chain/suite-hands.ts';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import type { OutputAssets } from '../protocol/guard.ts';
import { agreeingOrdinals } from './agree.ts';
import { localOrdinals } from './local.ts';
import { memoryOrdinals } from './memory.ts';
import { ordinalsSuite } from './ordinals.suite.ts';
import type { InscriptionPlace, Ordinals } from './ordinals.ts';

ordinalsSuite('a trace and an index in memory, agreeing', async () => {
  const chain = memoryChain({ network: 'regtest', seed: 4, nowSeconds: () => 1_750_000_000 });
  const { control } = chain;
  const local = localOrdinals({ chain, blocks: chain, maxTransactions: 20_000 });
  return {
    ...{ chain, blocks: chain, network: 'regtest', sees: 'mempool' },
    ordinals: agreeingOrdinals([local, memoryOrdinals({ chain })]),
    mine: async (blocks) => control.mine(blocks),
    mineExactly: async (raws) => control.mineExactly(raws),
    reorg: async (options) => control.reorg(options),
    pay: async (payment) => control.pay(payment),
    stop: async () => undefined,
  };
});

const ID = `${'ab'.repeat(32)}i0`;
const OTHER = `${'cd'.repeat(32)}i0`;
const OUTPOINT = `${'ef'.repeat(32)}:0`;
const block = { height: 7, hash: '07'.repeat(32) };
const there: InscriptionPlace = { satpoint: `${OUTPOINT}:0`, atBlock: block };
const assets: OutputAssets = { inscriptions: [{ id: ID, offsetSats: 0n }], runes: 'unknown', marks: [] };

/** An index that always says this, or always refuses. */
const saying = (said: { place?: InscriptionPlace; assets?: OutputAssets } | ErrorCode): Ordinals => {
  const answer = async <T>(value: (of: Exclude<typeof said, string>) => T): Promise<T> => {
    if (typeof said === 'string') throw new SparkleError(said, said);
    return value(said);
  };
  const held = (of: { assets?: OutputAssets }): OutputAssets => of.assets ?? assets;
  return {
    locate: () => answer(({ place = there }) => place),
    inscriptionsIn: () => answer((of) => held(of).inscriptions.map(({ id }) => id)),
    assets: () => answer(held),
  };
};

const both = (one: Parameters<typeof saying>[0], other: Parameters<typeof saying>[0]) =>
  agreeingOrdinals([saying(one), saying(other)]);

const refusesAll = async (ordinals: Ordinals, code: ErrorCode) => {
  await assert.rejects(ordinals.locate(ID), refusedWith(code));
  await assert.rejects(ordinals.inscriptionsIn(OUTPOINT), refusedWith(code));
  await assert.rejects(ordinals.assets(OUTPOINT), refusedWith(code));
};

test('what two indexes say alike is the answer', async () => {
  assert.deepEqual(await both({}, {}).locate(ID), there);
  assert.deepEqual(await both({}, {}).inscriptionsIn(OUTPOINT), [ID]);
  assert.deepEqual(await both({}, {}).assets(OUTPOINT), assets);
});

test('two places of one inscription are an answer of neither, and both are told', async () => {
  const elsewhere = { ...there, satpoint: `${OUTPOINT}:1` };
  await assert.rejects(both({}, { place: elsewhere }).locate(ID), (error: SparkleError) => {
    assert.equal(error.code, 'sources_disagree');
    assert.deepEqual(error.detail, { about: ID, said: [there, elsewhere] });
    return true;
  });
});

test('an inscription that only one of them knows is in dispute', async () => {
  await assert.rejects(both({}, 'unknown_inscription').locate(ID), refusedWith('sources_disagree'));
  await assert.rejects(both('unknown_inscription', {}).locate(ID), refusedWith('sources_disagree'));
  await assert.rejects(
    both('unknown_inscription', 'unknown_inscription').locate(ID),
    refusedWith('unknown_inscription'),
  );
});

test('what one of them cannot say yet, both cannot', async () => {
  await refusesAll(both({}, 'not_indexed'), 'not_indexed');
  await refusesAll(both('not_indexed', {}), 'not_indexed');
  await refusesAll(both('not_indexed', 'unknown_inscription'), 'not_indexed');
});

test('an index that fails otherwise is not outvoted', async () => {
  await refusesAll(both({}, 'chain_unavailable'), 'chain_unavailable');
  await refusesAll(both('bad_config', 'not_indexed'), 'bad_config');
});

test('places as of two blocks are not compared', async () => {
  const later = { satpoint: `${OUTPOINT}:1`, atBlock: { height: 8, hash: '08'.repeat(32) } };
  await assert.rejects(both({}, { place: later }).locate(ID), refusedWith('not_indexed'));
});

test('one inscription more, another order or another offset is a dispute', async () => {
  const held = (...inscriptions: OutputAssets['inscriptions']) => ({ assets: { ...assets, inscriptions } });
  const [one, two] = [
    { id: ID, offsetSats: 0n },
    { id: OTHER, offsetSats: 0n },
  ];
  for (const other of [held(), held(one, two), held({ ...one, offsetSats: 1n })])
    await assert.rejects(both({}, other).assets(OUTPOINT), refusedWith('sources_disagree'));
  await assert.rejects(both(held(one, two), held(two, one)).inscriptionsIn(OUTPOINT), refusedWith('sources_disagree'));
  await assert.rejects(both({}, held(one, two)).inscriptionsIn(OUTPOINT), refusedWith('sources_disagree'));
});

test('what only one of them knows is taken from it: runes, charms, ranges of sats', async () => {
  const satRanges = [{ from: 1n, to: 2n }];
  const knowing: OutputAssets = {
    ...{ inscriptions: [{ id: ID, offsetSats: 0n, charms: ['vindicated'] }], satRanges },
    ...{ runes: 'some', marks: [] },
  };
  assert.deepEqual(await both({}, { assets: knowing }).assets(OUTPOINT), knowing);
  assert.deepEqual(await both({ assets: knowing }, {}).assets(OUTPOINT), knowing);
  const none = { assets: { ...assets, runes: 'none' as const } };
  await assert.rejects(both(none, { assets: knowing }).assets(OUTPOINT), refusedWith('sources_disagree'));
  const marked = { assets: { ...assets, marks: ['runestone' as const] } };
  await assert.rejects(both({}, marked).assets(OUTPOINT), refusedWith('sources_disagree'));
});

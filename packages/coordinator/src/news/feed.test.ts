import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Feed, type Update } from './feed.ts';
import { handClock, person, Service } from '../hub/hub.suite.ts';

const NOW = 1_800_000_000;
const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')];

async function start(context: TestContext) {
  const clock = handClock(NOW);
  const service = await Service.start({ clock });
  const feed = new Feed({ database: service.database, clock, keptSeconds: 60, log: silentLog });
  context.after(async () => {
    feed.close();
    await service.remove();
  });
  const record = (status: string, change: Partial<Update> = {}) =>
    feed.record({
      tradeId: 't1',
      shownId: 'T-1',
      status,
      sides: { buyer: alice.public, seller: bob.public },
      ...change,
    });
  const statuses = async (who: Parameters<Feed['after']>[0]['who'], since = 0) =>
    (await feed.after({ who, since, limit: 10 })).map(({ status }) => status);
  return { service, clock, feed, record, statuses };
}

const tokenOf = (tradeId: string) => ({ tradeToken: { tradeId, role: 'buyer' as const } });

test('each side and each token of a trade hear of it in order, strangers of nothing', async (context) => {
  const { feed, record, statuses } = await start(context);
  await record('pending_payment');
  await record('paid');
  await record('paid', { tradeId: 't2', shownId: 'T-2', sides: {} });
  for (const who of [{ party: alice.public }, { party: bob.public }, tokenOf('t1')])
    assert.deepEqual(await statuses(who), ['pending_payment', 'paid']);
  assert.deepEqual(await statuses(tokenOf('t2')), ['paid']);
  assert.deepEqual(await statuses({ party: carol.public }), []);
  const [first, second] = await feed.after({ who: { party: alice.public }, since: 0, limit: 10 });
  assert.deepEqual(await feed.after({ who: { party: alice.public }, since: first?.seq ?? 0, limit: 10 }), [second]);
  assert.equal(second?.trade_id, 'T-1');
});

test('what is told again after a restart is no change', async (context) => {
  const { record, statuses } = await start(context);
  for (const status of ['paid', 'paid', 'broadcast', 'paid']) await record(status);
  assert.deepEqual(await statuses(tokenOf('t1')), ['paid', 'broadcast', 'paid']);
});

test('changes that come at once are each told, in order, and what comes twice among them is no change', async (context) => {
  const { feed, record, statuses } = await start(context);
  const woken: string[] = [];
  const stop = feed.onUpdate(tokenOf('t2'), () => woken.push('t2'));
  const others = { tradeId: 't2', shownId: 'T-2', sides: {} };
  await Promise.all([
    record('pending_payment'),
    record('paid'),
    record('pending_payment', others),
    record('paid'),
    record('paid', others),
    record('broadcast'),
  ]);
  stop();
  assert.deepEqual(await statuses(tokenOf('t1')), ['pending_payment', 'paid', 'broadcast']);
  assert.deepEqual(await statuses(tokenOf('t2')), ['pending_payment', 'paid']);
  assert.deepEqual(woken, ['t2', 't2']);
});

test('a change that could not be written is told to whom it came from, and keeps no other from being written', async (context) => {
  const { record, statuses } = await start(context);
  const lost = assert.rejects(record('paid', { tradeId: 't2', status: null as never }));
  await Promise.all([lost, record('paid')]);
  assert.deepEqual(await statuses(tokenOf('t1')), ['paid']);
});

test('only those whom a change concerns are woken', async (context) => {
  const { feed, record } = await start(context);
  const woken: string[] = [];
  const stops = [
    feed.onUpdate({ party: alice.public }, () => woken.push('alice')),
    feed.onUpdate({ party: carol.public }, () => woken.push('carol')),
    feed.onUpdate(tokenOf('t1'), () => woken.push('token')),
  ];
  await record('paid');
  await record('paid');
  for (const stop of stops) stop();
  await record('broadcast');
  assert.deepEqual(woken.toSorted(), ['alice', 'token']);
});

test('a change is kept for its time, and then forgotten by itself', async (context) => {
  const { clock, feed, record, statuses } = await start(context);
  await record('paid');
  clock.now += 61;
  await record('broadcast');
  await feed.prune();
  assert.deepEqual(await statuses(tokenOf('t1')), ['broadcast']);
  clock.now += 3_600;
  await record('confirmed');
  assert.deepEqual(await statuses(tokenOf('t1')), ['confirmed']);
});

import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { FlakyLink } from '../../../../test/regtest/flaky-link.ts';
import { until } from '../../../../test/regtest/kept-process.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { SparkleError } from '../protocol/errors.ts';
import { postgresStore } from './postgres.ts';
import type { Store } from './store.ts';
import { alert, countedUp, countOf, locked, quoting } from './samples.suite.ts';

const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
const lockTxid = '10'.repeat(32);
const withCode =
  (code: string, words = /./) =>
  (error: unknown) =>
    error instanceof SparkleError && error.code === code && words.test(error.message);

/** Waits until the store answers again, and refuses any other complaint than that it is away. */
const recovered = (store: Store): Promise<void> =>
  until('the store to answer again', () =>
    store.all().then(
      () => true,
      (error: unknown) => {
        assert.ok(withCode('store_unavailable')(error), String(error));
        return false;
      },
    ),
  );

describe('postgres that goes away', { skip: withoutPostgres }, () => {
  let server: Postgres;
  before(async () => void (server = await startPostgres({ writes: 'durable' })));
  after(() => server.stop());

  const opened = async (context: TestContext, url: string, options = {}): Promise<Store> => {
    const store = await postgresStore({ url, network: 'regtest', ...options });
    context.after(() => store.close());
    return store;
  };
  const statement = async (url: string, text: string): Promise<void> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };

  test('postgres: killed and started again it has what was committed, and a call meanwhile says that it is away', async (context) => {
    const store = await opened(context, await server.newDatabase());
    await store.create({ trade: quoting(name), effects: [alert('a')] });
    await store.update('t1', () => ({ trade: locked(name, lockTxid), effects: [alert('b')] }));
    await store.done('a');
    await server.kill();
    for (const call of [
      () => store.load('t1'),
      () => store.live(),
      () => store.due(),
      () => store.done('b'),
      () => store.update('t1', (trade) => ({ trade, effects: [] })),
      () => store.nextKeyIndex(),
    ])
      await assert.rejects(call(), withCode('store_unavailable'));
    await server.up();
    await recovered(store);
    assert.deepEqual(await store.live(), [locked(name, lockTxid)]);
    assert.deepEqual(
      (await store.due()).map(({ key }) => key),
      ['b'],
    );
    await store.done('b');
  });

  test('postgres: killed among many changes, each that was answered is there, with its effect', async (context) => {
    const store = await opened(context, await server.newDatabase());
    await store.create({ trade: quoting(name), effects: [] });
    const answered: number[] = [];
    const add = async (): Promise<void> => {
      const { trade } = await store.update('t1', (before) => ({
        trade: countedUp(before),
        effects: [alert(`e${countOf(before) + 1}`)],
      }));
      answered.push(countOf(trade));
    };
    const adding = (async () => {
      for (;;) await add();
    })();
    await until('some changes', () => answered.length >= 20);
    await Promise.all([server.kill(), assert.rejects(adding, withCode('store_unavailable'))]);
    await server.up();
    await recovered(store);
    const kept = countOf(await store.load('t1'));
    const due = (await store.due()).map(({ key }) => key);
    // The last one may have been written although its answer was lost; then its effect was, too.
    assert.ok(kept === answered.length || kept === answered.length + 1, `${kept} of ${answered.length}`);
    assert.deepEqual(
      due,
      Array.from({ length: kept }, (_, at) => `e${at + 1}`),
    );
  });

  for (const table of ['trade', 'payment_hash', 'effect'])
    test(`postgres: a connection that is lost when the ${table} of a change is written leaves nothing of it`, async (context) => {
      const url = await server.newDatabase();
      const store = await opened(context, url);
      await store.create({ trade: quoting(name), effects: [alert('a')] });
      await statement(
        url,
        `create function sparkle.lose() returns trigger language plpgsql as
           $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
         create trigger lose before insert or update on sparkle.${table} for each row execute function sparkle.lose()`,
      );
      const renewed = { ...name, paymentHash: 'a2'.repeat(32) };
      const change = () => ({ trade: locked(renewed, lockTxid), effects: [alert('b')] });
      await assert.rejects(store.update('t1', change), withCode('store_unavailable'));
      await statement(url, `drop trigger lose on sparkle.${table}`);
      await recovered(store);
      assert.deepEqual(await store.all(), [quoting(name)]);
      assert.deepEqual(
        (await store.due()).map(({ key }) => key),
        ['a'],
      );
      assert.deepEqual((await store.update('t1', change)).trade, change().trade);
    });

  test('postgres: a network that falls silent within a change leaves nothing of it, also for the next user of the connection', async (context) => {
    const link = await FlakyLink.open(server.port);
    context.after(() => link.close());
    const url = new URL(await server.newDatabase());
    url.host = link.socket;
    const store = await opened(context, url.href, { patienceMilliseconds: 300, connections: 1 });
    await store.create({ trade: quoting(name), effects: [alert('a')] });
    const change = () => {
      link.silence('answers');
      return { trade: locked(name, lockTxid), effects: [alert('b')] };
    };
    await assert.rejects(store.update('t1', change), withCode('store_unavailable'));
    link.heal();
    await recovered(store);
    assert.deepEqual(await store.all(), [quoting(name)]);
    assert.deepEqual(
      (await store.due()).map(({ key }) => key),
      ['a'],
    );
  });

  test('postgres: an instance that was cut off hears and renews again', async (context) => {
    const link = await FlakyLink.open(server.port);
    context.after(() => link.close());
    const url = new URL(await server.newDatabase());
    const direct = url.href;
    url.host = link.socket;
    const store = await opened(context, url.href, { renewMilliseconds: 50 });
    const other = await postgresStore({ url: direct, network: 'regtest', renewMilliseconds: 50 });
    await other.create({ trade: quoting(name), effects: [] });
    let woken = 0;
    store.subscribe?.(() => (woken += 1));
    link.cut();
    await until('the look after the connection is back', () => woken > 0);
    await other.close();
    await until('the trade to be taken', async () => (await store.live().catch(() => [])).length === 1);
  });

  test('postgres: closing while the database is away ends', async (context) => {
    const store = await opened(context, await server.newDatabase());
    await server.kill();
    await store.close();
    await server.up();
  });

  test('postgres: closing while the network is silent ends', async (context) => {
    const link = await FlakyLink.open(server.port);
    context.after(() => link.close());
    const url = new URL(await server.newDatabase());
    url.host = link.socket;
    const impatient = { patienceMilliseconds: 200, leaseMilliseconds: 200, renewMilliseconds: 100 };
    const store = await opened(context, url.href, impatient);
    await store.create({ trade: quoting(name), effects: [] });
    link.silence('both');
    await store.close();
  });

  test('postgres: a server that is not there is a store that is away', async () => {
    const nobody = postgresStore({ url: 'postgres://sparkle:hunter2@127.0.0.1:1/d', network: 'regtest' });
    await assert.rejects(
      nobody,
      (error: Error) => withCode('store_unavailable', /ECONNREFUSED/)(error) && !error.message.includes('hunter2'),
    );
  });
});

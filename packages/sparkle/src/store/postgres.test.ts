import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { until } from '../../../../test/regtest/kept-process.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { SparkleError } from '../protocol/errors.ts';
import { postgresStore } from './postgres.ts';
import { alert, quoting } from './samples.suite.ts';
import type { Store, StoreNews } from './store.ts';
import { type Disk, storeSuite } from './store.suite.ts';

let server: Postgres;
before(async () => {
  if (withoutPostgres === false) server = await startPostgres({ writes: 'fast' });
});
after(() => server?.stop());

const withCode = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof SparkleError && error.code === code && words.test(error.message);

async function statement(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return (await client.query(text).finally(() => client.end())).rows as Record<string, unknown>[];
}

const newDisk = async (): Promise<Disk> => {
  const url = await server.newDatabase();
  const opened: Store[] = [];
  return {
    open: async () => {
      const store = await postgresStore({ url, network: 'regtest' });
      opened.push(store);
      return store;
    },
    remove: async () => void (await Promise.all(opened.map((store) => store.close()))),
  };
};

storeSuite('postgres', newDisk, { skip: withoutPostgres });

const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };

describe('postgres as a store', { skip: withoutPostgres }, () => {
  const opened = async (context: TestContext, url: string): Promise<Store> => {
    const store = await postgresStore({ url, network: 'regtest' });
    context.after(() => store.close());
    return store;
  };
  test('postgres: a text that it cannot keep is refused as a bad message, and nothing is written', async (context) => {
    const store = await opened(context, await server.newDatabase());
    const unstorable = { ...name, tradeId: 't\u0000' };
    await assert.rejects(store.create({ trade: quoting(unstorable), effects: [] }), withCode('bad_message', /U\+0000/));
    assert.deepEqual(await store.all(), []);
  });

  test('postgres: a database of another network is refused and left as it was', async (context) => {
    const url = await server.newDatabase();
    await (await postgresStore({ url, network: 'regtest' })).close();
    const opening = postgresStore({ url, network: 'mainnet' });
    await assert.rejects(opening, withCode('schema_mismatch', /of network mainnet; it is of regtest/));
    assert.deepEqual(await (await opened(context, url)).all(), []);
  });

  test('postgres: a database of a newer program is refused and left as it was', async (context) => {
    const url = await server.newDatabase();
    await (await postgresStore({ url, network: 'regtest' })).close();
    await statement(url, `insert into sparkle.trade_migration (name, timestamp) values ('9999_later', '2030-01-01')`);
    await assert.rejects(postgresStore({ url, network: 'regtest' }), withCode('schema_mismatch', /newer: 9999_later/));
    await statement(url, `delete from sparkle.trade_migration where name = '9999_later'`);
    assert.deepEqual(await (await opened(context, url)).all(), []);
  });

  test('postgres: a commit is on disk before it is answered, also where the server’s settings say otherwise', async (context) => {
    const url = await server.newDatabase();
    await statement(url, `alter database ${new URL(url).pathname.slice(1)} set synchronous_commit = off`);
    const store = await opened(context, url);
    await statement(
      url,
      `create table sparkle.seen (setting text);
       create function sparkle.see() returns trigger language plpgsql as
         $$ begin insert into sparkle.seen values (current_setting('synchronous_commit')); return new; end $$;
       create trigger see before insert on sparkle.trade for each row execute function sparkle.see()`,
    );
    await store.create({ trade: quoting(name), effects: [] });
    assert.deepEqual(await statement(url, 'select setting from sparkle.seen'), [{ setting: 'local' }]);
  });

  test('postgres: a database that does not exist is a fault of the configuration', async () => {
    const url = new URL(await server.newDatabase());
    url.pathname = '/nowhere';
    url.password = 'hunter2';
    await assert.rejects(
      postgresStore({ url: url.href, network: 'regtest' }),
      (error: Error) => withCode('bad_config', /"nowhere" does not exist/)(error) && !error.message.includes('hunter2'),
    );
  });

  test('postgres: a user without rights is a fault of the configuration', async () => {
    const url = new URL(await server.newDatabase());
    await statement(url.href, 'drop role if exists nobody; create role nobody login');
    url.username = 'nobody';
    await assert.rejects(
      postgresStore({ url: url.href, network: 'regtest' }),
      withCode('bad_config', /permission denied/),
    );
  });

  test('postgres: a user who may use our schema needs no right to create one', async (context) => {
    const url = new URL(await server.newDatabase());
    await statement(
      url.href,
      'drop role if exists guest; create role guest login; create schema sparkle authorization guest',
    );
    url.username = 'guest';
    assert.deepEqual(await (await opened(context, url.href)).all(), []);
  });

  test('postgres: a number that JavaScript cannot hold is refused, not rounded', async (context) => {
    const url = await server.newDatabase();
    const store = await opened(context, url);
    await store.create({ trade: quoting(name), effects: [alert('a')] });
    await statement(url, `update sparkle.effect set not_before = 9007199254740993`);
    await assert.rejects(store.due(), withCode('bad_amount', /9007199254740993/));
  });

  test('postgres: what others say on its channel is not heard', async (context) => {
    const url = await server.newDatabase();
    const store = await opened(context, url);
    const heard: StoreNews[] = [];
    store.subscribe?.((news) => heard.push(news));
    for (const text of ['', '{', '7', '{"from":99}', '{"from":99,"notices":[{"changed":1}]}', '[]'])
      await statement(url, `select pg_notify('sparkle_store', '${text}')`);
    await statement(url, `select pg_notify('sparkle_store', '{"from":99,"notices":[{"changed":"t1"}]}')`);
    await until('the one that is a notice', () => heard.length > 0);
    assert.deepEqual(heard, [{ type: 'changed', tradeId: 't1' }]);
  });
});

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { until } from '../../../test/regtest/kept-process.ts';
import { program, withoutPostgres } from '../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../test/regtest/postgres.ts';
import { databaseSuite, letter, name, open, withCode } from './database.suite.ts';

let server: Postgres;
before(async () => {
  if (withoutPostgres === false) server = await startPostgres({ writes: 'fast' });
});
after(() => server?.stop());

databaseSuite('postgres', () => server.newDatabase(), { skip: withoutPostgres });

describe('database on a server', { skip: withoutPostgres }, () => {
  test('database: several instances share it, and a word of one reaches the others', async (context) => {
    const url = await server.newDatabase();
    const [anna, bert] = [await open(url), await open(url)];
    context.after(() => Promise.all([anna.close(), bert.close()]));
    const heard: string[] = [];
    bert.listen((word) => heard.push(word));
    await anna.append((session) => session.insertInto('mailbox').values(letter).execute());
    await until('the word to arrive', () => {
      anna.announce('mail anna');
      return heard.includes('mail anna');
    });
    assert.equal((await bert.tables.selectFrom('mailbox').selectAll().execute()).length, 1);
  });

  test('database: instances that start at once on an empty database all have their tables', async (context) => {
    const url = await server.newDatabase();
    const all = await Promise.all([open(url), open(url), open(url)]);
    context.after(() => Promise.all(all.map((each) => each.close())));
    for (const { tables } of all) assert.deepEqual(await tables.selectFrom('offer').selectAll().execute(), []);
  });

  test('database: a row is not seen while one with a smaller number is still being written', async (context) => {
    const url = await server.newDatabase();
    const [anna, bert] = [await open(url), await open(url)];
    context.after(() => Promise.all([anna.close(), bert.close()]));
    const order: string[] = [];
    let finish: (() => void) | undefined;
    const slow = anna.append(async (session) => {
      await session.insertInto('mailbox').values(letter).execute();
      await new Promise<void>((resolve) => (finish = resolve));
      order.push('first');
    });
    const quick = (): Promise<unknown> =>
      bert.append((session) => session.insertInto('mailbox').values(letter).execute()).then(() => order.push('second'));
    const waits = sql`select 1 from pg_locks where locktype = 'advisory' and not granted`;
    const isWaiting = async (): Promise<boolean> => (await waits.execute(bert.tables)).rows.length > 0;
    await until('the first to have written', () => finish !== undefined);
    const waiting = quick();
    await until('the second to come', async () => order.length > 0 || (await isWaiting()));
    finish?.();
    await Promise.all([slow, waiting]);
    assert.deepEqual(order, ['first', 'second']);
  });

  test('database: tables of a newer coordinator are refused', async () => {
    const url = await server.newDatabase();
    const database = await open(url);
    await database.tables
      .insertInto('coordinator_migration' as never)
      .values({ name: '9999_later', timestamp: '2030-01-01' } as never)
      .execute();
    await database.close();
    await assert.rejects(open(url), withCode('schema_mismatch', /newer: 9999_later/));
  });

  test('database: a backup is left to the server’s own program, whose command copies and restores everything', async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'sparkle-dump-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const url = await server.newDatabase();
    const database = await open(url);
    await database.store.create({ trade: quoting(name), effects: [alert('a')] });
    await database.append((session) => session.insertInto('mailbox').values(letter).execute());
    const path = join(folder, "anna's copy");
    const refusal: unknown = await database.backup(path).catch((error: unknown) => error);
    assert.ok(refusal instanceof SparkleError && refusal.code === 'not_supported', String(refusal));
    const [, command = ''] = /(pg_dump .*)$/.exec(refusal.message) ?? [];
    const { dir = '' } = await program('postgres');
    execFileSync('/bin/sh', ['-c', `"${dir}"/${command}`]);
    await database.close();

    const other = await server.newDatabase();
    execFileSync(join(dir, 'pg_restore'), ['--no-owner', `--dbname=${other}`, path]);
    const restored = await open(other);
    context.after(() => restored.close());
    // The copy still says that the first one holds the trade, for as long as a lease lasts.
    await until('the trade to be free', async () => (await restored.store.live()).length === 1);
    assert.deepEqual(await restored.store.live(), [quoting(name)]);
    assert.equal((await restored.store.due()).length, 1);
    assert.equal((await restored.tables.selectFrom('mailbox').selectAll().execute()).length, 1);
  });

  test('database: the command for a backup does not repeat the password', async () => {
    const url = new URL(await server.newDatabase());
    url.password = 'hunter2';
    const database = await open(url.href);
    await assert.rejects(
      database.backup('copy'),
      (error: Error) => withCode('not_supported', /pg_dump .*--file='copy'/)(error) && !/hunter2/.test(error.message),
    );
    await database.close();
  });

  test('database: a server that goes away is said to be away by every table, and is there again afterwards', async (context) => {
    const database = await open(await server.newDatabase());
    context.after(() => database.close());
    const read = () => database.tables.selectFrom('mailbox').selectAll().execute();
    await read();
    await server.kill();
    await assert.rejects(read(), withCode('store_unavailable', /must answer/));
    const putting = database.append((session) => session.insertInto('mailbox').values(letter).execute());
    await assert.rejects(putting, withCode('store_unavailable', /must answer/));
    await server.up();
    await until('the database to answer', () =>
      read().then(
        () => true,
        () => false,
      ),
    );
  });
});

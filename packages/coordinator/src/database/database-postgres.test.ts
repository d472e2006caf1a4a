import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test, type TestContext } from 'node:test';
import { sql } from 'kysely';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { until } from '../../../../test/regtest/kept-process.ts';
import { program, withoutPostgres } from '../../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { backup } from '../operate/backup.ts';
import type { Config } from '../config/config.ts';
import { Checkouts } from '../exchange/checkouts.ts';
import { checkoutOf, databaseSuite, letter, name, open, withCode } from './database.suite.ts';

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

  test('database: letters that are posted in a rush leave connections to the trades', async (context) => {
    const database = await open(await server.newDatabase());
    context.after(() => database.close());
    await database.store.create({ trade: quoting(name), effects: [] });
    let posted = 0;
    const post = () => database.append((session) => session.insertInto('mailbox').values(letter).execute());
    const rush = Array.from({ length: 300 }, () => post().then(() => (posted += 1)));
    await database.store.load(name.tradeId);
    assert.ok(posted < 100, `${posted} letters came first`);
    await Promise.all(rush);
    assert.equal(posted, 300);
  });

  test('database: of many payments of one buyer that begin at once at two instances so many have a place as he has', async (context) => {
    const url = await server.newDatabase();
    const [anna, bert] = [await open(url), await open(url)];
    context.after(() => Promise.all([anna.close(), bert.close()]));
    const [one, other] = [new Checkouts(anna.tables), new Checkouts(bert.tables)];
    for (const buyer of ['first', 'second', 'third']) {
      const ids = Array.from({ length: 24 }, (_, index) => `${buyer}${index}`);
      for (const id of ids) await one.add(checkoutOf(id));
      const taken = await Promise.all(
        ids.map((checkoutId, index) => (index % 2 === 0 ? one : other).takePlace({ checkoutId, buyer, most: 3 })),
      );
      assert.equal(taken.filter(Boolean).length, 3);
    }
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

  describe('backups', () => {
    let path: string | undefined;
    // The programs that belong to the server, where an operator has installed them.
    before(async () => {
      path = process.env['PATH'];
      process.env['PATH'] = `${(await program('postgres')).dir}:${path}`;
    });
    after(() => (process.env['PATH'] = path));

    /** `coordinator backup FILE`; what it says. */
    async function run(url: string, file: string): Promise<string> {
      let said = '';
      const terminal = { out: (text: string) => (said += text), err: () => {} };
      await backup({ config: () => ({ databaseUrl: url }) as Config, terminal }, { file });
      return said;
    }

    function newFolder(context: TestContext): string {
      const folder = mkdtempSync(join(tmpdir(), 'sparkle-dump-'));
      context.after(() => rmSync(folder, { recursive: true }));
      return folder;
    }

    test('database: a backup is taken while the coordinator runs, for its owner alone, and pg_restore brings back everything', async (context) => {
      const url = await server.newDatabase();
      const database = await open(url);
      context.after(() => database.close());
      await database.store.create({ trade: quoting(name), effects: [alert('a')] });
      await database.append((session) => session.insertInto('mailbox').values(letter).execute());
      const file = join(newFolder(context), "anna's copy");
      assert.match(await run(url, file), /holds [0-9]+ tables and was read back.* rescue phrase is not in it/);
      assert.equal(statSync(file).mode & 0o777, 0o600);

      const other = await server.newDatabase();
      execFileSync('pg_restore', ['--no-owner', `--dbname=${other}`, file]);
      const restored = await open(other);
      context.after(() => restored.close());
      // The copy still says that the first one holds the trade, for as long as a lease lasts.
      await until('the trade to be free', async () => (await restored.store.live()).length === 1);
      assert.deepEqual(await restored.store.live(), [quoting(name)]);
      assert.equal((await restored.store.due()).length, 1);
      assert.equal((await restored.tables.selectFrom('mailbox').selectAll().execute()).length, 1);
    });

    test('database: a backup overwrites nothing, and leaves nothing behind that is none', async (context) => {
      const folder = newFolder(context);
      const empty = await server.newDatabase();
      await assert.rejects(run(empty, join(folder, 'copy')), withCode('store_unavailable', /pg_dump must end well/));
      assert.deepEqual(readdirSync(folder), []);
      writeFileSync(join(folder, 'copy'), 'of last week');
      await assert.rejects(run(empty, join(folder, 'copy')), withCode('bad_config', /must be a new file/));
    });

    test('database: a backup that a broken disk cut short is noticed', async (context) => {
      const folder = newFolder(context);
      const url = await server.newDatabase();
      await (await open(url)).close();
      const cutting = join(folder, 'pg_dump');
      // The real program, whose file then loses its end.
      const real = join((await program('postgres')).dir ?? '', 'pg_dump');
      writeFileSync(
        cutting,
        `#!/bin/sh\n"${real}" "$@" || exit\nfor a; do case $a in --file=*) truncate -s -200 "\${a#--file=}";; esac; done\n`,
        { mode: 0o700 },
      );
      const before = process.env['PATH'];
      process.env['PATH'] = `${folder}:${before}`;
      context.after(() => (process.env['PATH'] = before));
      await assert.rejects(run(url, join(folder, 'copy')), withCode('store_unavailable', /pg_restore must end well/));
      assert.deepEqual(readdirSync(folder), ['pg_dump']);
    });

    test('database: where there is no pg_dump a backup says so, and repeats no password', async (context) => {
      const before = process.env['PATH'];
      process.env['PATH'] = newFolder(context);
      context.after(() => (process.env['PATH'] = before));
      await assert.rejects(
        run('postgres://sparkle:hunter2@127.0.0.1:1/sparkle', join(newFolder(context), 'copy')),
        (error: Error) =>
          withCode('bad_config', /^pg_dump must be on PATH/)(error) && !/hunter2/.test(JSON.stringify(error)),
      );
    });

    test('database: a backup gives the password to pg_dump, and to nobody who reads its arguments', async (context) => {
      const folder = newFolder(context);
      writeFileSync(join(folder, 'pg_dump'), '#!/bin/sh\necho "$@ with $PGPASSWORD" >&2\nexit 1\n', { mode: 0o700 });
      const before = process.env['PATH'];
      process.env['PATH'] = `${folder}:${before}`;
      context.after(() => (process.env['PATH'] = before));
      await assert.rejects(
        run('postgres://sparkle:hunter%2F2@127.0.0.1:1/sparkle', join(folder, 'copy')),
        withCode('store_unavailable', /--dbname=postgres:\/\/sparkle@127.0.0.1:1\/sparkle with hunter\/2$/),
      );
    });
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

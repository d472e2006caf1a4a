import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { sql } from 'kysely';
import { SparkleError } from '../protocol/errors.ts';
import { alert, locked, quoting } from './samples.suite.ts';
import { openDatabase, type SqliteFile } from './sqlite-file.ts';
import { sqliteStore } from './sqlite.ts';
import { storeSuite } from './store.suite.ts';

const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
const folder = (): string => mkdtempSync(join(tmpdir(), 'sparkle-store-'));

storeSuite('sqlite', async () => {
  const dir = folder();
  const file: SqliteFile = { path: join(dir, 'trades.db'), network: 'regtest' };
  return { open: () => sqliteStore(file), remove: async () => rmSync(dir, { recursive: true }) };
});

function newFile(context: TestContext): SqliteFile {
  const dir = folder();
  context.after(() => rmSync(dir, { recursive: true }));
  return { path: join(dir, 'data', 'trades.db'), network: 'regtest' };
}

/** A database with one trade and one effect due, closed. */
async function filled(context: TestContext): Promise<SqliteFile> {
  const file = newFile(context);
  const store = await sqliteStore(file);
  await store.create({ trade: quoting(name), effects: [alert('a')] });
  await store.close();
  return file;
}

const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;

/** Refused, and not a byte of it touched. */
async function refuses(file: SqliteFile, code: string, words: RegExp): Promise<void> {
  const before = readFileSync(file.path);
  await assert.rejects(sqliteStore(file), (error) => withCode(code)(error) && words.test((error as Error).message));
  assert.deepEqual(readFileSync(file.path), before);
}

function changeFile({ path }: SqliteFile, statements: string): void {
  const db = new SqliteDatabase(path);
  db.exec(statements);
  db.close();
}

test('sqlite: a commit is on disk before it is answered', async (context) => {
  const db = await openDatabase(newFile(context));
  const { rows } = await sql`select * from pragma_journal_mode, pragma_synchronous`.execute(db);
  await db.destroy();
  // 2 is FULL.
  assert.deepEqual(rows, [{ journal_mode: 'wal', synchronous: 2 }]);
});

test('sqlite: the files are readable by their owner alone', async (context) => {
  const file = newFile(context);
  const store = await sqliteStore(file);
  await store.create({ trade: quoting(name), effects: [] });
  const modes = [file.path, `${file.path}-wal`].map((path) => statSync(path).mode & 0o777);
  await store.close();
  assert.deepEqual(modes, [0o600, 0o600]);
});

test('sqlite: when the outbox cannot be written, the state is not written either', async (context) => {
  const file = await filled(context);
  changeFile(file, `create trigger full before insert on effect begin select raise(abort, 'disk full'); end`);
  const store = await sqliteStore(file);
  const change = () => ({ trade: locked(name, '10'.repeat(32)), effects: [alert('b')] });
  await assert.rejects(store.update('t1', change), /disk full/);
  assert.deepEqual(await store.all(), [quoting(name)]);
  await store.close();
});

test('sqlite: what a done effect carried is gone from the disk, its key is not', async (context) => {
  const file = newFile(context);
  const preimage = 'f7'.repeat(32);
  const store = await sqliteStore(file);
  const settle = { key: 'settle', effect: { do: 'settle', paymentHash: name.paymentHash, preimage } } as const;
  await store.create({ trade: quoting(name), effects: [settle] });
  await store.done('settle');
  await store.close();
  const bytes = readFileSync(file.path, 'latin1');
  assert.equal(bytes.includes(preimage), false);
  assert.equal(bytes.includes('settle'), true);
});

/** Runs `lines` with an open `store` in a process of its own, where `die()` is a kill -9 at that very line. */
function inChild(file: SqliteFile, lines: string): NodeJS.Signals | null {
  const script = `
    import { sqliteStore } from ${JSON.stringify(import.meta.resolve('./sqlite.ts'))};
    import { alert, locked, quoting } from ${JSON.stringify(import.meta.resolve('./samples.suite.ts'))};
    const die = () => process.kill(process.pid, 'SIGKILL');
    const name = ${JSON.stringify(name)};
    const store = await sqliteStore(${JSON.stringify(file)});
    ${lines}`;
  const child = spawnSync(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script],
    { encoding: 'utf8', env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  assert.equal(child.stderr, '');
  return child.signal;
}

test('sqlite: killed within an update, nothing of it has happened', async (context) => {
  const file = await filled(context);
  const lines = `await store.update('t1', () => { die(); return { trade: locked(name, '10'.repeat(32)), effects: [alert('b')] }; });`;
  assert.equal(inChild(file, lines), 'SIGKILL');
  const store = await sqliteStore(file);
  assert.deepEqual(await store.all(), [quoting(name)]);
  assert.deepEqual(
    (await store.due()).map(({ key }) => key),
    ['a'],
  );
  await store.close();
});

test('sqlite: killed right after an update, all of it has happened', async (context) => {
  const file = await filled(context);
  const lines = `
    await store.nextKeyIndex();
    await store.update('t1', () => ({ trade: locked(name, '10'.repeat(32)), effects: [alert('b')] }));
    await store.done('a');
    die();`;
  assert.equal(inChild(file, lines), 'SIGKILL');
  const store = await sqliteStore(file);
  assert.deepEqual(await store.all(), [locked(name, '10'.repeat(32))]);
  assert.deepEqual(
    (await store.due()).map(({ key }) => key),
    ['b'],
  );
  assert.equal(await store.nextKeyIndex(), 1);
  await store.close();
});

for (const [table, statement] of [
  ['trade', 'update "trade"'],
  ['payment_hash', 'insert into "payment_hash"'],
  ['effect', 'insert into "effect"'],
])
  test(`sqlite: killed when it was about to write the ${table} of an update, nothing of it has happened`, async (context) => {
    const file = await filled(context);
    const lines = `
      const { default: SqliteDatabase } = await import('better-sqlite3');
      const prepare = SqliteDatabase.prototype.prepare;
      SqliteDatabase.prototype.prepare = function (text) {
        if (text.startsWith('${statement}')) die();
        return prepare.call(this, text);
      };
      const renewed = { ...name, paymentHash: 'a2'.repeat(32) };
      await store.update('t1', () => ({ trade: locked(renewed, '10'.repeat(32)), effects: [alert('b')] }));`;
    assert.equal(inChild(file, lines), 'SIGKILL');
    const store = await sqliteStore(file);
    assert.deepEqual(await store.all(), [quoting(name)]);
    assert.deepEqual(
      (await store.due()).map(({ key }) => key),
      ['a'],
    );
    await store.close();
  });

test('sqlite: a file that a crash left empty is a new database', async (context) => {
  const file = newFile(context);
  await (await sqliteStore(file)).close();
  writeFileSync(file.path, '');
  const store = await sqliteStore(file);
  assert.deepEqual(await store.all(), []);
  await store.close();
});

test('sqlite: a database of an older program is brought up to date and keeps its trades', async (context) => {
  const file = await filled(context);
  changeFile(
    file,
    `drop table coin; drop index live_trades; drop index live_in_order; drop index due_in_order; alter table trade drop column committed;
     delete from kysely_migration where name in ('0002_coins', '0003_committed', '0004_in_order')`,
  );
  const store = await sqliteStore(file);
  assert.deepEqual(await store.all(), [quoting(name)]);
  // What an older program wrote may have anything bound in it.
  assert.deepEqual(await store.committed(), [quoting(name)]);
  await store.reserve('t1', [`${'c0'.repeat(32)}:0`]);
  assert.equal((await store.reserved()).size, 1);
  await store.close();
});

test('sqlite: an update that changes nothing writes nothing', async (context) => {
  const file = newFile(context);
  const store = await sqliteStore(file);
  await store.create({ trade: quoting(name), effects: [] });
  const log = () => statSync(`${file.path}-wal`).size;
  const before = log();
  await store.update(name.tradeId, (trade) => ({ trade, effects: [] }));
  assert.equal(log(), before);
  await store.update(name.tradeId, (trade) => ({ trade: { ...trade }, effects: [] }));
  assert.ok(log() > before);
  await store.close();
});

test('sqlite: one process at a time has the file', async (context) => {
  const file = await filled(context);
  const store = await sqliteStore(file);
  await assert.rejects(sqliteStore(file), withCode('store_in_use'));
  assert.deepEqual(await store.all(), [quoting(name)]);
  await store.close();
  await (await sqliteStore(file)).close();
});

test('sqlite: a database of another network is refused and left as it was', async (context) => {
  const file = await filled(context);
  await refuses({ ...file, network: 'mainnet' }, 'schema_mismatch', /of network mainnet; it is of regtest/);
  await (await sqliteStore(file)).close();
});

test('sqlite: a database of a newer program is refused and left as it was', async (context) => {
  const file = await filled(context);
  changeFile(file, `insert into kysely_migration (name, timestamp) values ('9999_later', '2030-01-01')`);
  await refuses(file, 'schema_mismatch', /newer: 9999_later/);
});

test('sqlite: a database of another program is refused and left as it was', async (context) => {
  const file = await filled(context);
  changeFile(file, 'pragma application_id = 1');
  await refuses(file, 'schema_mismatch', /another program/);
});

test('sqlite: a file that is no database is refused and left as it was', async (context) => {
  const file = await filled(context);
  writeFileSync(file.path, 'my diary, not a database\n'.repeat(100));
  await refuses(file, 'schema_mismatch', /SQLite file/);
});

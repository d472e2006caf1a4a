import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { databaseSuite, letter, name, open as openUrl, withCode } from './database.suite.ts';
import { openDatabase } from './database.ts';

function newPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-coordinator-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'coordinator.db');
}

const open = (path: string) => openUrl(`sqlite:${path}`);

databaseSuite('sqlite', async (context) => `sqlite:${newPath(context)}`);

test('database: a file of a trader alone becomes that of a coordinator', async (context) => {
  const path = newPath(context);
  const store = await sqliteStore({ path, network: 'regtest' });
  await store.create({ trade: quoting(name), effects: [] });
  await store.close();
  const database = await open(path);
  assert.deepEqual(await database.store.all(), [quoting(name)]);
  assert.deepEqual(await database.tables.selectFrom('mailbox').selectAll().execute(), []);
  await database.close();
});

test('database: a file whose coordinator tables are newer is refused and left as it was', async (context) => {
  const path = newPath(context);
  await (await open(path)).close();
  const db = new SqliteDatabase(path);
  db.exec(`insert into coordinator_migration (name, timestamp) values ('9999_later', '2030-01-01')`);
  db.close();
  const before = readFileSync(path);
  await assert.rejects(open(path), withCode('schema_mismatch', /newer: 9999_later/));
  assert.deepEqual(readFileSync(path), before);
});

test('database: one process at a time has the file', async (context) => {
  const path = newPath(context);
  const database = await open(path);
  await assert.rejects(open(path), withCode('store_in_use', /must be free/));
  await database.close();
});

test('database: a backup is taken while trades go on, for its owner alone, and opens as the database does', async (context) => {
  const path = newPath(context);
  const copy = `${path}.copy`;
  const database = await open(path);
  await database.store.create({ trade: quoting(name), effects: [alert('a')] });
  const copying = database.backup(copy);
  await database.tables.insertInto('mailbox').values(letter).execute();
  await copying;
  assert.equal(statSync(copy).mode & 0o777, 0o600);
  const restored = await open(copy);
  assert.deepEqual(await restored.store.all(), [quoting(name)]);
  assert.equal((await restored.store.due()).length, 1);
  await restored.close();
  await database.close();
});

test('database: a backup overwrites nothing', async (context) => {
  const path = newPath(context);
  const database = await open(path);
  await assert.rejects(database.backup(path), withCode('bad_config', /must be a new file/));
  await database.close();
});

test('database: an address of another kind is refused, and its password is not repeated', async () => {
  const opening = openDatabase({ url: 'mysql://me:hunter2@host/db', network: 'regtest' });
  await assert.rejects(
    opening,
    (error: Error) => withCode('bad_config', /got mysql/)(error) && !/hunter2/.test(error.message),
  );
});

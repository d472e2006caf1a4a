import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { alert, quoting } from 'sparkle-protocol/store/store.suite';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { openDatabase } from './database.ts';

const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
const offer = {
  offer_id: 'o1',
  seller_id: '5e'.repeat(32),
  inscription_id: `${'1d'.repeat(32)}i0`,
  price_sats: '100000',
  body: '{}',
  outpoint: `${'50'.repeat(32)}:0`,
  expires_at: 1_900_000_000,
  state: 'open',
} as const;
const letter = { recipient: 'anna', sender: 'bert', text: 'hello', received_at: 1_800_000_000 };

const withCode = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof SparkleError && error.code === code && words.test(error.message);

function newPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-coordinator-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, 'coordinator.db');
}

const open = (path: string) => openDatabase({ url: `sqlite:${path}`, network: 'regtest' });

test('database: one SQLite file keeps the trades and the tables of the coordinator', async (context) => {
  const path = newPath(context);
  const database = await open(path);
  await database.store.create({ trade: quoting(name), effects: [alert('a')] });
  await database.tables.insertInto('offer').values(offer).execute();
  await database.close();
  const again = await open(path);
  assert.deepEqual(await again.store.all(), [quoting(name)]);
  assert.deepEqual(await again.tables.selectFrom('offer').selectAll().execute(), [{ created_seq: 1, ...offer }]);
  await again.close();
});

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

test('database: an outpoint is on sale once, and again after its offer has ended', async (context) => {
  const { tables, close } = await open(newPath(context));
  await tables.insertInto('offer').values(offer).execute();
  const second = { ...offer, offer_id: 'o2' };
  await assert.rejects(tables.insertInto('offer').values(second).execute(), /UNIQUE/);
  await tables.updateTable('offer').set({ state: 'withdrawn' }).execute();
  await tables.insertInto('offer').values(second).execute();
  await close();
});

test('database: what is appended has growing numbers, also after the last row was removed', async (context) => {
  const { append, tables, close } = await open(newPath(context));
  const put = () =>
    append((session) => session.insertInto('mailbox').values(letter).returning('seq').executeTakeFirst());
  assert.deepEqual(await put(), { seq: 1 });
  await tables.deleteFrom('mailbox').execute();
  assert.deepEqual(await put(), { seq: 2 });
  await close();
});

test('database: the ledger takes an entry for one reason once', async (context) => {
  const { tables, close } = await open(newPath(context));
  const entry = { trade_id: 't1', account: 'fees', msat: '-5', at: 1_800_000_000, why: 'settled' };
  await tables.insertInto('ledger_entry').values(entry).execute();
  await assert.rejects(tables.insertInto('ledger_entry').values(entry).execute(), /UNIQUE/);
  await close();
});

test('database: a removed webhook takes its deliveries with it', async (context) => {
  const { tables, close } = await open(newPath(context));
  const hook = { hook_id: 'h1', owner: 'anna', url: 'https://a.example', secret: 's', events: '[]', created_at: 1 };
  await tables.insertInto('webhook').values(hook).execute();
  const delivery = { hook_id: 'h1', body: '{}', attempts: 0, not_before: 0, state: 'due' } as const;
  await tables.insertInto('delivery').values(delivery).execute();
  await tables.deleteFrom('webhook').execute();
  assert.deepEqual(await tables.selectFrom('delivery').selectAll().execute(), []);
  await close();
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

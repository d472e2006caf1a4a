import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { adminApp, type AdminParts } from '../watch/admin.ts';
import { backup } from './backup.ts';
import { backupsOf } from '../database/backup-stream.ts';
import type { Config } from '../config/config.ts';
import { letter, name, open, withCode } from '../database/database.suite.ts';
import { createLog } from '../http/log.ts';

const TOKEN = 'correct-horse-battery-staple-0123456789';

function newFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-backup-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** `coordinator backup FILE` of an operator whose admin API is at `port`; what it says. */
async function run(of: { database: string; file: string; port?: number; token?: string }): Promise<string> {
  const { database, file, port, token = TOKEN } = of;
  const admin = port === undefined ? undefined : { host: '127.0.0.1', port, token };
  const said: string[] = [];
  const terminal = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
  await backup({ config: () => ({ databaseUrl: `sqlite:${database}`, admin }) as Config, terminal }, { file });
  return said.join('');
}

/** A coordinator's database, open, with one trade, and its admin API on a port. */
async function running(context: TestContext) {
  const folder = newFolder(context);
  const path = join(folder, 'coordinator.db');
  const database = await open(`sqlite:${path}`);
  await database.store.create({ trade: quoting(name), effects: [alert('a')] });
  const app = adminApp({
    token: TOKEN,
    log: createLog({ level: 'error', destination: { write: () => {} } }) as FastifyBaseLogger,
    newId: () => 'r1',
    reserve: async () => ({}),
    backup: backupsOf(database, `sqlite:${path}`),
  } as unknown as AdminParts);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  context.after(() => app.close());
  context.after(() => database.close());
  return { folder, path, database, app, port };
}

async function tradesIn(path: string): Promise<unknown[]> {
  const database = await open(`sqlite:${path}`);
  try {
    assert.equal((await database.store.due()).length, 1);
    return await database.store.all();
  } finally {
    await database.close();
  }
}

test('backup: a coordinator that runs hands over a copy, which is restored by putting it where the database was', async (context) => {
  const { folder, path, database, port } = await running(context);
  await database.tables.insertInto('mailbox').values(letter).execute();
  const file = join(folder, 'copy');
  assert.match(await run({ database: path, file, port }), /holds 1 trades on regtest .* rescue phrase is not in it/);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(folder).filter((each) => !each.startsWith('coordinator.db')),
    ['copy'],
  );
  const place = join(newFolder(context), 'coordinator.db');
  copyFileSync(file, place);
  assert.deepEqual(await tradesIn(place), [quoting(name)]);
});

test('backup: it is taken while trades are written, and is one moment of them', async (context) => {
  const { folder, path, database, port } = await running(context);
  const many = Array.from({ length: 50 }, (_, index) => ({
    tradeId: `m${index}`,
    paymentHash: index.toString(16).padStart(64, '0'),
  }));
  const writing = (async () => {
    for (const each of many) await database.store.create({ trade: quoting(each), effects: [] });
  })();
  const file = join(folder, 'copy');
  await run({ database: path, file, port });
  await writing;
  const found = await tradesIn(file);
  assert.deepEqual(found, (await database.store.all()).slice(0, found.length));
});

test('backup: without a coordinator it reads the file itself, also what a killed one had not folded into it', async (context) => {
  const { folder, path } = await running(context);
  const killed = join(folder, 'killed.db');
  // As after a kill: the newest pages are in the log beside it.
  for (const end of ['', '-wal']) copyFileSync(`${path}${end}`, `${killed}${end}`);
  const file = join(folder, 'copy');
  assert.match(await run({ database: killed, file }), /holds 1 trades/);
  assert.deepEqual(await tradesIn(file), [quoting(name)]);
  assert.deepEqual(await tradesIn(killed), [quoting(name)]);
});

test('backup: nothing is overwritten, and nothing is made where there is no database or no folder', async (context) => {
  const folder = newFolder(context);
  const database = join(folder, 'coordinator.db');
  const file = join(folder, 'copy');
  await assert.rejects(run({ database, file }), withCode('bad_config', /DATABASE_URL must name a database/));
  writeFileSync(file, 'of last week');
  await assert.rejects(run({ database, file }), withCode('bad_config', /must be a new file/));
  const nowhere = join(folder, 'none', 'copy');
  await assert.rejects(run({ database, file: nowhere }), withCode('bad_config', /folder that is there/));
  assert.deepEqual(readdirSync(folder), ['copy']);
});

test('backup: a coordinator hands its database to nobody without its token', async (context) => {
  const { folder, path, port, app } = await running(context);
  const file = join(folder, 'copy');
  await assert.rejects(run({ database: path, file }), withCode('bad_config', /^ADMIN_TOKEN must be given/));
  const wrong = run({ database: path, file, port, token: 'x'.repeat(40) });
  await assert.rejects(wrong, withCode('store_in_use', /answered 401/));
  const { statusCode } = await app.inject({ method: 'POST', url: '/admin/backup' });
  assert.equal(statusCode, 401);
  await app.close();
  await assert.rejects(run({ database: path, file, port }), withCode('store_in_use', /does not answer/));
  assert.deepEqual(
    readdirSync(folder).filter((each) => each.startsWith('copy')),
    [],
  );
});

test('backup: one is made at a time', async (context) => {
  const folder = newFolder(context);
  let finish = () => {};
  const database = {
    backup: async (path: string) => {
      await new Promise<void>((resolve) => (finish = resolve));
      writeFileSync(path, 'copy');
    },
  };
  const copy = backupsOf(database, `sqlite:${join(folder, 'coordinator.db')}`);
  const first = copy();
  await assert.rejects(copy(), withCode('in_progress', /one backup is made at a time/));
  finish();
  const { bytes, stream } = await first;
  assert.equal(bytes, 4);
  assert.equal((await stream.toArray()).join(''), 'copy');
  const next = copy();
  finish();
  (await next).stream.destroy();
  assert.deepEqual(readdirSync(folder), []);
});

test('backup: a copy that is not whole, or is none, is not kept', async (context) => {
  const { folder, path, database } = await running(context);
  const whole = join(folder, 'whole');
  await database.backup(whole);
  let body: Buffer | string = '';
  const liar = createServer((_, response) => response.end(body)).listen(0, '127.0.0.1');
  context.after(() => liar.close());
  await new Promise((resolve) => liar.once('listening', resolve));
  const { port } = liar.address() as AddressInfo;
  const bytes = readFileSync(whole);
  for (body of ['', 'no database at all', bytes.subarray(0, bytes.length - 4096), bytes.subarray(0, 100)])
    await assert.rejects(
      run({ database: path, file: join(folder, 'copy'), port }),
      withCode('store_unavailable', /must be a whole database/),
    );
  assert.deepEqual(
    readdirSync(folder).filter((each) => each.startsWith('copy')),
    [],
  );
});

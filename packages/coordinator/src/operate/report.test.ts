import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { adminApp, type AdminParts } from '../watch/admin.ts';
import { settledBooking } from '../books/bookings.ts';
import type { Config } from '../config/config.ts';
import { open, withCode } from '../database/database.suite.ts';
import { Ledger } from '../books/ledger.ts';
import { monthWire } from '../watch/ledger-report.ts';
import { createLog } from '../http/log.ts';
import { report } from './report.ts';

const TOKEN = 'correct-horse-battery-staple-0123456789';
const NOVEMBER = Date.UTC(2026, 10, 5) / 1000;

/** A database with one payment in November 2026, open. */
async function booked(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-report-'));
  context.after(() => rmSync(folder, { recursive: true }));
  const url = `sqlite:${join(folder, 'coordinator.db')}`;
  const database = await open(url);
  const ledger = new Ledger(database);
  await ledger.book(settledBooking({ tradeId: 't', at: NOVEMBER, amountMsat: 64_684_001n }));
  return { url, database, ledger };
}

/** `coordinator report` of an operator whose admin API is at `port`; what it says. */
async function run(of: {
  url: string;
  month?: string;
  json?: boolean;
  port?: number;
  token?: string;
}): Promise<string> {
  const { url, month = '2026-11', json = false, port, token = TOKEN } = of;
  const admin = port === undefined ? undefined : { host: '127.0.0.1', port, token };
  const said: string[] = [];
  const terminal = { out: (text: string) => said.push(text), err: (text: string) => said.push(text) };
  const config = () => ({ databaseUrl: url, network: 'regtest', admin }) as Config;
  await report({ config, terminal }, { month, json });
  return said.join('');
}

const TABLE = `2026-11, in sats
account           in        out     balance  lines
lightning  64684.001      0.000   64684.001      1
sales          0.000  64684.001  -64684.001      1
together   64684.001  64684.001       0.000      2
earned                            64684.001
`;

test('a report is read from the database of a coordinator that stands still', async (context) => {
  const { url, database } = await booked(context);
  await database.close();
  assert.equal(await run({ url }), TABLE);
  const { accounts, earned_msat: earned } = JSON.parse(await run({ url, json: true })) as ReturnType<typeof monthWire>;
  assert.deepEqual(accounts[1], {
    ...{ account: 'sales', in_msat: '0', out_msat: '64684001', balance_msat: '-64684001', lines: 1 },
  });
  assert.equal(earned, '64684001');
  assert.match(await run({ url, month: '2026-10' }), /^together +0\.000 +0\.000 +0\.000 +0$/m);
});

test('there is no report of a database that is not there, and none is made', async (context) => {
  const { url, database } = await booked(context);
  await database.close();
  const elsewhere = `${url}.elsewhere`;
  await assert.rejects(run({ url: elsewhere }), withCode('bad_config', /there is no file .*elsewhere$/));
  assert.equal(existsSync(elsewhere.slice('sqlite:'.length)), false);
});

test('a coordinator that has the file open is asked for its report', async (context) => {
  const { url, database, ledger } = await booked(context);
  context.after(() => database.close());
  await assert.rejects(run({ url }), withCode('bad_config', /^ADMIN_TOKEN must be given to report while/));
  const app = adminApp({
    ...{ token: TOKEN, newId: () => 'r1' },
    log: createLog({ level: 'error', destination: { write: () => {} } }) as FastifyBaseLogger,
    report: async ({ month }: { month: string }) => monthWire({ month, rows: await ledger.report({ month }) }),
    reserve: async () => ({}),
  } as unknown as AdminParts);
  await app.listen({ host: '127.0.0.1', port: 0 });
  context.after(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  assert.equal(await run({ url, port }), TABLE);
  await assert.rejects(run({ url, port, token: `${TOKEN}x` }), withCode('store_in_use', /it answered 401/));
  const asked = await app.inject({ url: '/admin/report?month=2026-13', headers: { authorization: `Bearer ${TOKEN}` } });
  assert.deepEqual([asked.statusCode, asked.json<{ field: string }>().field], [400, 'month']);
});

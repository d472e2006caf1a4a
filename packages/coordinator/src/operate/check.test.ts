import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { check } from './check.ts';
import type { Config } from '../config/config.ts';
import { lookAtDatabase } from '../database/database-look.ts';
import { open, withCode } from '../database/database.suite.ts';

function newFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-check-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const look = (path: string, network: 'regtest' | 'signet' = 'regtest') =>
  lookAtDatabase({ url: `sqlite:${path}`, network });

test('check: a database is looked at and not changed: absent, empty, up to date, older, in use', async (context) => {
  const path = join(newFolder(context), 'coordinator.db');
  assert.match(await look(path), /is not there; the first start makes it/);
  new SqliteDatabase(path).close();
  assert.match(await look(path), /^empty/);
  const database = await open(`sqlite:${path}`);
  assert.match(await look(path), /is open in a coordinator that runs/);
  await database.close();
  assert.equal(await look(path), 'its tables are up to date');
  const db = new SqliteDatabase(path);
  db.exec('delete from coordinator_migration');
  db.close();
  assert.match(await look(path), /^the next start brings its tables up to date, [0-9]+ steps$/);
});

test('check: a database of another network, of a newer program, of another one or of none is refused', async (context) => {
  const folder = newFolder(context);
  const path = join(folder, 'coordinator.db');
  await (await open(`sqlite:${path}`)).close();
  await assert.rejects(
    look(path, 'signet'),
    withCode('schema_mismatch', /must be of network signet; it is of regtest/),
  );
  const db = new SqliteDatabase(path);
  db.exec(`insert into coordinator_migration (name, timestamp) values ('9999_later', '2030-01-01')`);
  db.close();
  await assert.rejects(look(path), withCode('schema_mismatch', /it has 9999_later/));
  const notes = join(folder, 'notes.db');
  const another = new SqliteDatabase(notes);
  another.exec('create table note (text text)');
  another.close();
  const refused = withCode('schema_mismatch', /must be a Sparkle database; it is that of another program/);
  await assert.rejects(look(notes), refused);
  await assert.rejects(open(`sqlite:${notes}`), refused);
  const other = join(folder, 'letter.txt');
  writeFileSync(other, 'Dear Anna, this is no database, it is a letter to you.');
  await assert.rejects(look(other), withCode('schema_mismatch', /must be a SQLite database/));
});

/** A Bitcoin node that answers as much as is asked of it here. */
async function node(context: TestContext, answers: Record<string, unknown>): Promise<number> {
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      const { method, id } = JSON.parse(text) as { method: string; id: unknown };
      const isKnown = method in answers;
      const error = isKnown ? null : { code: -5, message: 'No such mempool or blockchain transaction' };
      response.writeHead(isKnown ? 200 : 500, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ jsonrpc: '2.0', id, result: isKnown ? answers[method] : null, error }));
    });
  });
  server.listen(0, '127.0.0.1');
  context.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return (server.address() as AddressInfo).port;
}

test('check: every part is asked although one before it is bad, and all that is bad is named at the end', async (context) => {
  const folder = newFolder(context);
  // The first block of signet.
  const getblockhash = '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6';
  const coin = { vout: 0, amount: 0.003, confirmations: 6, spendable: true, solvable: true };
  // A wallet that hands out addresses of the old kind has coins of which no fill can be built.
  const listunspent = [
    { ...coin, txid: 'aa'.repeat(32), scriptPubKey: `76a914${'11'.repeat(20)}88ac` },
    { ...coin, txid: 'bb'.repeat(32), scriptPubKey: `0014${'11'.repeat(20)}` },
  ];
  const port = await node(context, { getblockhash, listunspent });
  const phrase = join(folder, 'phrase');
  writeFileSync(phrase, 'one word too few\n');
  const config = {
    network: 'regtest',
    databaseUrl: `sqlite:${join(folder, 'none.db')}`,
    rescuePhraseFile: phrase,
    bitcoin: {
      ...{ host: '127.0.0.1', port, wallet: 'w', zmq: { blocks: undefined, transactions: undefined } },
      auth: { type: 'password', user: 'u', pass: 'hunter2' },
    },
    lightning: { type: 'nwc', connectionPath: join(folder, 'none') },
    limits: { forwardSats: 0n },
  } as unknown as Config;
  let said = '';
  const terminal = { out: (text: string) => (said += text), err: () => {} };
  const error: unknown = await check({ config: () => config, terminal }).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof SparkleError && error.code === 'refused');
  assert.match(error.message, /not so: rescue phrase, bitcoin, lightning$/);
  assert.match(said, /^BAD {2}bitcoin: NETWORK is regtest; the Bitcoin node is on signet$/m);
  const wallet =
    /^ok {3}wallet: w has 1 coins of together 300000 sats; 1 more cannot be used: .*; a fill takes 3: nothing/m;
  assert.match(said, wallet);
  assert.match(said, /^ok {3}alarms: in the log alone/m);
  assert.doesNotMatch(said, /hunter2|one word too few/);
});

import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import Fastify from 'fastify';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { Books } from '../books/books.ts';
import { saleIn, sell, SOLD } from '../books/books.suite.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { installIdempotency } from '../http/idempotency.ts';
import { Ledger } from '../books/ledger.ts';
import { installProblems } from '../http/problem.ts';
import { Outgoing } from '../books/outgoing.ts';
import { openReceiver } from '../news/webhooks.suite.ts';
import { Webhooks } from '../news/webhooks.ts';

const MANY = 40;
const AT = 1_793_491_200;

let server: Postgres;
before(async () => {
  if (withoutPostgres === false) server = await startPostgres({ writes: 'fast' });
});
after(() => server?.stop());

/** Two instances of a coordinator on one database. */
async function two(context: TestContext): Promise<[Database, Database]> {
  const url = await server.newDatabase();
  const open = () => openDatabase({ url, network: 'regtest' });
  const both: [Database, Database] = [await open(), await open()];
  context.after(() => Promise.all(both.map((each) => each.close())));
  return both;
}

describe('two instances on one PostgreSQL', { skip: withoutPostgres }, () => {
  test('a POST that reaches both is done once', async (context) => {
    let done = 0;
    const parts = { clock: systemClock(), retentionSeconds: 3600, callerOf: () => 'anna' };
    const apps = (await two(context)).map(({ tables }) => {
      const app = Fastify();
      installProblems(app);
      installIdempotency(app, { ...parts, tables });
      app.post('/v1/trade', async () => ({ trade: (done += 1) }));
      return app;
    });
    const request = {
      method: 'POST',
      url: '/v1/trade',
      payload: {},
      headers: { 'idempotency-key': 'k'.repeat(16) },
    } as const;
    const answers = await Promise.all(Array.from({ length: MANY }, async (_, i) => apps[i % 2]?.inject(request)));
    assert.equal(done, 1);
    assert.ok(answers.every((answer) => [200, 409].includes(answer?.statusCode ?? 0)));
    for (const app of apps) assert.deepEqual((await app.inject(request)).json(), { trade: 1 });
    await Promise.all(apps.map((app) => app.close()));
  });

  test('a happening that both tell is booked once, and another amount is refused by either', async (context) => {
    const ledgers = (await two(context)).map((database) => new Ledger(database));
    const entries = (msat: bigint) => [
      { account: 'lightning', msat },
      { account: 'sellers', msat: -msat },
    ];
    const telling = Array.from({ length: MANY }, async (_, i) =>
      ledgers[i % 2]?.book({ tradeId: 't1', why: 'settled', at: AT, entries: entries(i < MANY - 1 ? 5n : 6n) }),
    );
    const told = await Promise.allSettled(telling);
    assert.ok(told.some(({ status }) => status === 'rejected'));
    const lines = await ledgers[0]?.ofTrade('t1');
    assert.equal(lines?.length, 2);
    assert.deepEqual(await ledgers[1]?.unbalanced(), []);
    assert.equal((await ledgers[1]?.report({ month: '2026-11' }))?.length, 2);
  });

  test('a sale that both look at is in the books once', async (context) => {
    const [database, other] = await two(context);
    const of = await saleIn(database);
    await sell(of);
    of.paper.height += 5;
    const ledger = new Ledger(other);
    const elsewhere = { ...of.parts, store: other.store, ledger, outgoing: new Outgoing(other.tables) };
    const books = [of.parts, elsewhere].map((parts) => new Books({ ...parts, nowSeconds: () => AT }));
    await Promise.all([...books, ...books].map((each) => each.catchUp()));
    await Promise.all(books.map((each) => each.catchUp()));
    assert.deepEqual(await of.inSats(), SOLD);
    assert.deepEqual(await of.states(), ['bump booked', 'lock closed']);
  });

  test('a webhook is told by one of them, in order', async (context) => {
    const receiver = await openReceiver();
    context.after(() => receiver.close());
    const both = (await two(context)).map(
      ({ tables }) => new Webhooks({ tables, clock: systemClock(), log: silentLog, guard: receiver.guard }),
    );
    const [first] = both as [Webhooks, Webhooks];
    const owner = 'aa'.repeat(32);
    await first.register({ owner, url: receiver.origin, events: ['trade'] });
    for (let n = 0; n < MANY; n += 1)
      await first.notify({ event: 'trade', subject: `t${n % 4}`, owners: [owner], data: { n } });
    for (let turn = 0; turn < 100 && receiver.received.length < MANY; turn += 1)
      await Promise.all(both.map((each) => each.deliverDue()));
    const bodies = receiver.received.map(({ body }) => JSON.parse(body) as { subject: string; data: { n: number } });
    assert.equal(bodies.length, MANY);
    for (const subject of ['t0', 't1', 't2', 't3']) {
      const heard = bodies.filter((each) => each.subject === subject).map(({ data }) => data.n);
      assert.deepEqual(
        heard,
        heard.toSorted((a, b) => a - b),
      );
    }
    assert.deepEqual(await first.deadLetters(), []);
  });
});

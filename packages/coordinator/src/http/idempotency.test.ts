import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import Fastify from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { openDatabase } from '../database/database.ts';
import { installIdempotency, MOST_WORK_SECONDS } from './idempotency.ts';
import { installProblems, type Problem } from './problem.ts';

const KEY = 'b7a1c5d2-1111-2222-3333-444455556666';
const DAY = 86_400;

async function service(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'idempotency-'));
  const database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  const app = Fastify();
  const world = {
    now: 1_800_000_000,
    done: 0,
    answers: [] as (number | Error)[],
    open: Promise.resolve(),
    hour: () => {},
  };
  let nonce = 0;
  const parts = {
    tables: database.tables,
    clock: {
      nowSeconds: () => world.now,
      randomBytes: (length: number) => new Uint8Array(length).fill((nonce += 1)),
      every: (milliseconds: number, run: () => void) => {
        assert.equal(milliseconds, 3_600_000);
        world.hour = run;
        return () => (world.hour = () => {});
      },
    },
    retentionSeconds: DAY,
    callerOf: (request: { headers: Record<string, unknown> }) => String(request.headers['x-caller'] ?? 'anna'),
  };
  installProblems(app);
  installIdempotency(app, parts);
  app.post('/v1/trade', async (_, reply) => {
    world.done += 1;
    await world.open;
    const answer = world.answers.shift() ?? 201;
    if (answer instanceof Error) throw answer;
    return reply.status(answer).send({ trade_id: `t${world.done}`, token: 'f00dfeed' });
  });
  app.post('/v1/other', async () => ({ other: true }));
  app.get('/v1/trade', async () => ({ done: world.done }));
  context.after(async () => {
    await app.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const post = (given: { key?: string; url?: string; caller?: string; payload?: unknown } = {}) => {
    const { key = KEY, url = '/v1/trade', caller = 'anna', payload = { price: 5 } } = given;
    const headers = { 'idempotency-key': key, 'x-caller': caller };
    return app.inject({ method: 'POST', url, headers, payload: payload as object });
  };
  return { app, world, post, tables: database.tables };
}

test('a repeated request is done once and answered twice with the same words', async (context) => {
  const { post, world } = await service(context);
  const [first, second] = [await post(), await post()];
  assert.deepEqual([first.statusCode, first.json()], [201, { trade_id: 't1', token: 'f00dfeed' }]);
  assert.deepEqual([second.statusCode, second.body, world.done], [201, first.body, 1]);
  assert.equal(second.headers['content-type'], first.headers['content-type']);
  assert.deepEqual([first.headers['idempotent-replayed'], second.headers['idempotent-replayed']], [undefined, 'true']);
});

test('a refusal is given again too: what it was refused for was of that moment', async (context) => {
  const { post, world } = await service(context);
  world.answers = [new SparkleError('duplicate_trade', 'the inscription is in another trade')];
  assert.equal((await post()).statusCode, 409);
  assert.equal((await post()).json<Problem>().error, 'duplicate_trade');
  assert.equal(world.done, 1);
});

for (const code of ['unauthorized', 'chain_unavailable', 'rate_limited', 'forbidden'] as const)
  test(`after ${code} the same request is tried again`, async (context) => {
    const { post, world } = await service(context);
    world.answers = [new SparkleError(code, 'not now')];
    assert.equal((await post()).json<Problem>().error, code);
    assert.equal((await post()).statusCode, 201);
    assert.equal(world.done, 2);
  });

test('an internal error is kept: something may have been done', async (context) => {
  const { post, world } = await service(context);
  world.answers = [new TypeError('broken')];
  assert.equal((await post()).statusCode, 500);
  assert.equal((await post()).statusCode, 500);
  assert.equal(world.done, 1);
});

for (const [said, change] of [
  ['another body', { payload: { price: 6 } }],
  ['another path', { url: '/v1/other' }],
  ['another query', { url: '/v1/trade?x=1' }],
] as const)
  test(`the key of one request is refused with ${said}`, async (context) => {
    const { post } = await service(context);
    await post();
    const answer = await post(change);
    assert.deepEqual([answer.statusCode, answer.json<Problem>().error], [422, 'key_reused']);
    assert.doesNotMatch(answer.body, /f00dfeed/);
  });

test('two callers may use the same key', async (context) => {
  const { post } = await service(context);
  assert.equal((await post()).json<{ trade_id: string }>().trade_id, 't1');
  assert.equal((await post({ caller: 'bert' })).json<{ trade_id: string }>().trade_id, 't2');
});

test('while the first is being worked on its repetition is told so, and afterwards given the answer', async (context) => {
  const { post, world } = await service(context);
  let finish = () => {};
  world.open = new Promise((resolve) => (finish = resolve));
  const first = post();
  for (let turn = 0; world.done === 0 && turn < 10_000; turn += 1)
    await new Promise((resolve) => setImmediate(resolve));
  const second = await post();
  assert.deepEqual([second.statusCode, second.json<Problem>().error], [409, 'in_progress']);
  finish();
  assert.equal((await first).statusCode, 201);
  assert.equal((await post()).body, (await first).body);
  assert.equal(world.done, 1);
});

test('of many at once one is done', async (context) => {
  const { post, world } = await service(context);
  const answers = await Promise.all(Array.from({ length: 20 }, () => post()));
  assert.equal(world.done, 1);
  assert.ok(answers.every(({ statusCode }) => statusCode === 201 || statusCode === 409));
});

test('a request whose process died may be tried again once it cannot be at work any more', async (context) => {
  const { post, world, tables } = await service(context);
  await post();
  await tables.updateTable('idempotency').set({ status: null, response: null }).execute();
  world.now += MOST_WORK_SECONDS - 1;
  assert.equal((await post()).json<Problem>().error, 'in_progress');
  world.now += 1;
  assert.equal((await post({ payload: { price: 6 } })).json<Problem>().error, 'key_reused');
  assert.equal((await post()).json<{ trade_id: string }>().trade_id, 't2');
});

test('after its retention a key is as new, and every hour what is left of such keys is removed', async (context) => {
  const { post, world, tables } = await service(context);
  const kept = async (): Promise<number> => (await tables.selectFrom('idempotency').selectAll().execute()).length;
  await post();
  world.now += DAY - 1;
  world.hour();
  assert.equal((await post()).json<{ trade_id: string }>().trade_id, 't1');
  world.now += 1;
  assert.equal((await post({ payload: {} })).json<{ trade_id: string }>().trade_id, 't2');
  world.now += DAY;
  world.hour();
  for (let turn = 0; (await kept()) > 0 && turn < 10_000; turn += 1) await new Promise((next) => setImmediate(next));
  assert.equal(await kept(), 0);
});

test('neither the key nor what an answer carries can be read from the database', async (context) => {
  const { post, tables } = await service(context);
  await post();
  const rows = JSON.stringify(await tables.selectFrom('idempotency').selectAll().execute());
  assert.doesNotMatch(rows, new RegExp(`f00dfeed|${Buffer.from('f00dfeed').toString('base64').slice(1, 8)}|${KEY}`));
});

for (const key of ['short', 'with a space in it', 'ü'.repeat(20), 'x'.repeat(129), ''])
  test(`a key is refused: ${JSON.stringify(key.slice(0, 20))}`, async (context) => {
    const { app, world } = await service(context);
    const headers = { 'idempotency-key': key };
    const answer = await app.inject({ method: 'POST', url: '/v1/trade', headers, payload: {} });
    const { error, field } = answer.json<Problem>();
    assert.deepEqual([answer.statusCode, error, field, world.done], [400, 'bad_message', 'Idempotency-Key', 0]);
  });

test('without a key, and for a GET, every request is done', async (context) => {
  const { app, world, tables } = await service(context);
  for (const _ of [1, 2]) await app.inject({ method: 'POST', url: '/v1/trade', payload: {} });
  assert.equal(world.done, 2);
  await app.inject({ url: '/v1/trade', headers: { 'idempotency-key': KEY } });
  assert.deepEqual(await tables.selectFrom('idempotency').selectAll().execute(), []);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { until } from '../../../../test/regtest/kept-process.ts';
import { installLimits, type LimitParts, noPressureLimits, rateClassOf } from './limits.ts';
import { MOST_DEPTH } from './limits-json.ts';
import { createLog } from './log.ts';
import type { Problem } from './problem.ts';
import { newServer } from './server.ts';

const PARTS: LimitParts = {
  ratesPerMinute: { quote: 4, create: 3, read: 5, auth: 2 },
  corsOrigins: ['https://market.example'],
  publicUrl: 'https://coordinator.example',
  pressure: noPressureLimits,
  callerOf: ({ headers }) => headers['x-caller'] as string | undefined,
};

async function service(change: Partial<LimitParts> = {}, trustedProxies: string[] = []) {
  let ids = 0;
  const log = createLog({ level: 'error', destination: { write: () => {} } }) as FastifyBaseLogger;
  const app = newServer({ log, trustedProxies, newId: () => `r${(ids += 1)}` });
  await installLimits(app, { ...PARTS, ...change });
  app.post('/v1/trade', async () => ({}));
  app.post('/v1/quote', async () => ({}));
  app.get('/v1/trade/:id', async () => ({}));
  app.get('/livez', { config: { rateClass: 'unlimited' } }, async () => ({}));
  return app;
}

type App = Awaited<ReturnType<typeof service>>;
const post = (app: App, payload: string, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/v1/trade',
    headers: { 'content-type': 'application/json', ...headers },
    payload,
  });
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

test('of each class of routes an address has its own allowance', async () => {
  const app = await service();
  for (let i = 0; i < 3; i += 1) assert.equal((await post(app, '{}')).statusCode, 200);
  const over = await post(app, '{}');
  const { error, message, request_id } = over.json<Problem>();
  assert.deepEqual([over.statusCode, error, request_id], [429, 'rate_limited', 'r4']);
  assert.match(
    message,
    /^there may be at most 3 requests of kind create a minute from one address; try again in \d+ s$/,
  );
  assert.match(String(over.headers['retry-after']), /^\d+$/);
  assert.equal((await app.inject('/v1/trade/1')).statusCode, 200);
  assert.equal((await app.inject({ method: 'POST', url: '/v1/quote', payload: {} })).statusCode, 200);
});

test('another address has its own allowance, and all addresses of one IPv6 network are one', async () => {
  const app = await service();
  const from = (remoteAddress: string) => app.inject({ method: 'POST', url: '/v1/trade', remoteAddress, payload: {} });
  for (let i = 1; i <= 3; i += 1) assert.equal((await from(`2001:db8::${i}`)).statusCode, 200);
  assert.equal((await from('2001:db8::4')).statusCode, 429);
  assert.equal((await from('2001:db8:1::1')).statusCode, 200);
  assert.equal((await from('192.0.2.1')).statusCode, 200);
});

test('one key has its allowance over all its addresses', async () => {
  const app = await service();
  const from = (i: number, caller: string) =>
    app.inject({ url: '/v1/trade/1', remoteAddress: `192.0.2.${i}`, headers: { 'x-caller': caller } });
  for (let i = 0; i < 5; i += 1) assert.equal((await from(i, 'anna')).statusCode, 200);
  const over = await from(9, 'anna');
  assert.equal(over.statusCode, 429);
  assert.match(over.json<Problem>().message, /from one key/);
  assert.match(String(over.headers['retry-after']), /^\d+$/);
  assert.equal((await from(9, 'bert')).statusCode, 200);
});

test('an address that is only said is believed from a trusted proxy alone', async () => {
  const said = (app: App, i: number) => post(app, '{}', { 'x-forwarded-for': `192.0.2.${i}` });
  const alone = await service();
  for (let i = 0; i < 3; i += 1) await said(alone, i);
  assert.equal((await said(alone, 4)).statusCode, 429);
  const behind = await service({}, ['127.0.0.1']);
  for (let i = 0; i < 5; i += 1) assert.equal((await said(behind, i)).statusCode, 200);
});

test('who looks for what is not there is stopped as well', async () => {
  const app = await service();
  for (let i = 0; i < 5; i += 1) assert.equal((await app.inject(`/nowhere/${i}`)).statusCode, 404);
  const over = await app.inject('/nowhere/else');
  assert.deepEqual([over.statusCode, over.json<Problem>().error], [429, 'rate_limited']);
  assert.match(String(over.headers['retry-after']), /^\d+$/);
  assert.equal((await app.inject('/v1/trade/1')).statusCode, 200);
});

test('who watches over the service may always ask', async () => {
  const app = await service();
  for (let i = 0; i < 50; i += 1) assert.equal((await app.inject('/livez')).statusCode, 200);
});

for (const [method, url, config, expected] of [
  ['GET', '/v1/offers', {}, 'read'],
  ['POST', '/api/checkout/status', {}, 'read'],
  ['POST', '/api/checkout/prepare', {}, 'create'],
  ['DELETE', '/v1/offers/:id', {}, 'create'],
  ['POST', '/v1/auth/challenge', {}, 'auth'],
  ['POST', '/v1/quote', {}, 'quote'],
  ['POST', '/v1/trade', { rateClass: 'quote' }, 'quote'],
] as const)
  test(`${method} ${url} is of class ${expected}`, () => assert.equal(rateClassOf({ method, url, config }), expected));

for (const [said, body, message] of [
  ['broken', '{"a":', 'body must be JSON; it cannot be read'],
  ['no JSON, and speaks of __proto__', '__proto__', 'body must be JSON; it cannot be read'],
  ['empty', '', 'body must be JSON; it is empty'],
] as const)
  test(`a body that is ${said} is told that, and nothing of what else may be wrong with one`, async () => {
    const answer = await post(await service(), body);
    const { error, field, message: told } = answer.json<Problem>();
    assert.deepEqual([answer.statusCode, error, field, told], [400, 'bad_message', 'body', message]);
  });

test(`a body may be nested ${MOST_DEPTH} deep and no deeper`, async () => {
  const app = await service({ ratesPerMinute: { ...PARTS.ratesPerMinute, create: 100 } });
  assert.equal((await post(app, nested(MOST_DEPTH))).statusCode, 200);
  assert.equal((await post(app, `["${'['.repeat(50)}\\"${'{'.repeat(50)}"]`)).statusCode, 200);
  for (const depth of [MOST_DEPTH + 1, 30_000]) {
    const { error, field, message } = (await post(app, nested(depth))).json<Problem>();
    assert.deepEqual([error, field], ['bad_message', 'body']);
    assert.match(message, new RegExp(`it is ${depth} deep`));
  }
});

for (const payload of ['{"__proto__":{"a":1}}', '{"a":{"\\u005f_proto__":1}}', '{"constructor":{"prototype":{}}}'])
  test(`refused as JSON: ${payload}`, async () => {
    const answer = await post(await service(), payload);
    assert.deepEqual([answer.statusCode, answer.json<Problem>().error], [400, 'bad_message']);
    assert.match(
      answer.json<Problem>().message,
      /^body must be JSON without __proto__ and constructor\.prototype; it has/,
    );
  });

test('a body of 64 kB is the largest', async () => {
  const app = await service();
  assert.equal((await post(app, `"${'x'.repeat(65_534)}"`)).statusCode, 200);
  const over = await post(app, `"${'x'.repeat(65_535)}"`);
  assert.deepEqual([over.statusCode, over.json<Problem>().error], [413, 'too_large']);
  assert.match(over.json<Problem>().message, /at most 65536 bytes/);
});

for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'])
  test(`${type} is not taken: a foreign page could send it without asking`, async () => {
    assert.equal((await post(await service(), '{}', { 'content-type': type })).statusCode, 415);
  });

test('every answer carries a strict policy and nothing about what made it', async () => {
  const { headers } = await (await service()).inject('/v1/trade/1');
  const policy = "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'";
  assert.equal(headers['content-security-policy'], policy);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.equal(headers['strict-transport-security'], 'max-age=31536000');
  assert.equal(headers['x-powered-by'], undefined);
});

test('plain http on regtest is not told to be https', async () => {
  const { headers } = await (await service({ publicUrl: 'http://127.0.0.1:8080' })).inject('/livez');
  assert.equal(headers['strict-transport-security'], undefined);
});

test('pages of listed origins may call, and no others', async () => {
  const app = await service();
  const from = (origin: string) => app.inject({ url: '/livez', headers: { origin } });
  const allowed = (await from('https://market.example')).headers;
  assert.equal(allowed['access-control-allow-origin'], 'https://market.example');
  assert.match(String(allowed['access-control-expose-headers']), /retry-after/);
  for (const other of ['https://evil.example', 'https://market.example.evil', 'null', 'http://market.example'])
    assert.equal((await from(other)).headers['access-control-allow-origin'], undefined, other);
  const none = await service({ corsOrigins: [] });
  const answer = await none.inject({ url: '/livez', headers: { origin: 'https://market.example' } });
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
});

test('a page is told before it calls what it may send', async () => {
  const answer = await (
    await service()
  ).inject({
    method: 'OPTIONS',
    url: '/v1/trade',
    headers: { origin: 'https://market.example', 'access-control-request-method': 'POST' },
  });
  assert.equal(answer.statusCode, 204);
  assert.equal(answer.headers['access-control-allow-headers'], 'content-type, authorization, idempotency-key');
});

test('under pressure the service says when to come again, and still that it lives', async () => {
  const app = await service({
    pressure: { maxEventLoopDelayMilliseconds: 0, maxHeapBytes: 1, sampleMilliseconds: 10 },
  });
  await until('the pressure to be measured', () => app.isUnderPressure());
  const answer = await app.inject('/v1/trade/1');
  assert.deepEqual([answer.statusCode, answer.json<Problem>().error], [503, 'busy']);
  assert.equal(answer.headers['retry-after'], '10');
  assert.equal((await app.inject('/livez')).statusCode, 200);
});

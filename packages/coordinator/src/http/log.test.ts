import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import { createLog, RequestLog } from './log.ts';
import { secretNames } from './secrets.ts';

const SECRET = 'f00dfeed'.repeat(8);

function heard() {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  return { log, text: () => lines.join('') };
}

for (const name of secretNames)
  test(`a field named ${name} is not logged, four levels deep`, () => {
    const { log, text } = heard();
    log.info({ [name]: SECRET }, 'flat');
    log.info({ a: { [name]: SECRET } }, 'one down');
    log.info({ a: { b: { [name]: SECRET } } }, 'two down');
    log.info({ a: { b: { c: { [name]: SECRET } } } }, 'three down');
    assert.equal(text().split('\n').length, 5);
    assert.doesNotMatch(text(), /f00dfeed/);
  });

test('what is no secret is logged as it is', () => {
  const { log, text } = heard();
  log.warn({ tradeId: 'ab', code: 'refused' }, 'a sentence');
  const { time, ...line } = JSON.parse(text()) as Record<string, unknown>;
  assert.match(String(time), /^\d{4}-\d\d-\d\dT/);
  assert.deepEqual(line, { level: 40, tradeId: 'ab', code: 'refused', msg: 'a sentence' });
});

test('a line less severe than the level is not logged', () => {
  const lines: string[] = [];
  createLog({ level: 'warn', destination: { write: (line) => void lines.push(line) } }).info({}, 'quiet');
  assert.deepEqual(lines, []);
});

test('of a request its path is logged, and neither its query, its headers nor its body', async () => {
  const { log, text } = heard();
  const app = Fastify({ loggerInstance: log as FastifyBaseLogger });
  app.post('/v1/trade/:id/finalize', async (request) => {
    request.log.info({ headers: request.headers }, 'asked');
    throw Object.assign(new Error('a driver failed'), { request: { body: request.body } });
  });
  await app.inject({
    method: 'POST',
    url: `/v1/trade/7/finalize?token=${SECRET}`,
    headers: { authorization: `Bearer ${SECRET}`, cookie: `a=${SECRET}` },
    payload: { payment_preimage: SECRET },
  });
  assert.match(text(), /"path":"\/v1\/trade\/7\/finalize"/);
  assert.match(text(), /a driver failed/);
  assert.match(text(), /log\.test\.ts/);
  assert.doesNotMatch(text(), /f00dfeed/);
});

test('an error under either name is logged with its stack, and text stays text', () => {
  const { log, text } = heard();
  log.error({ err: new TypeError('one') }, 'first');
  log.error({ error: new TypeError('two') }, 'second');
  log.error({ error: 'three' }, 'third');
  assert.equal(text().match(/"type":"TypeError"/g)?.length, 2);
  assert.match(text(), /"error":"three"/);
});

test('each answer is one line by its route, without the path that was asked for', async () => {
  const { log, text } = heard();
  const app = Fastify({ loggerInstance: log as FastifyBaseLogger, logController: new RequestLog() });
  app.get('/v1/trade/:id', async () => ({}));
  app.get('/livez', { config: { rateClass: 'unlimited' } }, async () => ({}));
  for (const url of [`/v1/trade/${SECRET}?token=${SECRET}`, `/${SECRET}`, '/livez']) await app.inject(url);
  const lines = text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(
    lines.map(({ level, method, route, status, msg }) => [level, method, route, status, msg]),
    [
      [30, 'GET', '/v1/trade/:id', 200, 'answered'],
      [30, 'GET', 'none', 404, 'answered'],
      [20, 'GET', '/livez', 200, 'answered'],
    ],
  );
  assert.doesNotMatch(text(), /f00dfeed/);
});

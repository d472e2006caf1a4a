import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { FastifyBaseLogger } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { z } from 'zod';
import { openDatabase } from '../database/database.ts';
import { installDraining } from '../http/drain.ts';
import { installIdempotency } from '../http/idempotency.ts';
import { installLimits, noPressureLimits } from '../http/limits.ts';
import { createLog } from '../http/log.ts';
import { createMetrics, installMetrics } from '../watch/metrics.ts';
import { installOpenapi } from '../http/openapi.ts';
import type { Problem } from '../http/problem.ts';
import { newServer } from '../http/server.ts';

const KEY = 'k'.repeat(16);
const SECRET = 'f00dfeed'.repeat(8);

/** All that is around routes, in the order in which a service installs it. */
async function service(context: TestContext, create = 1_000_000) {
  const folder = mkdtempSync(join(tmpdir(), 'platform-'));
  const database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLog({ level: 'debug', destination }) as FastifyBaseLogger;
  let ids = 0;
  const metrics = createMetrics(async () => Promise.reject(new Error('not asked for')));
  const app = newServer({ log, trustedProxies: [], newId: () => `r${(ids += 1)}`, onProblem: metrics.problem });
  installDraining(app);
  installMetrics(app, metrics);
  await installLimits(app, {
    ratesPerMinute: { quote: 1_000_000, create, read: 1_000_000, auth: 1_000_000 },
    corsOrigins: [],
    publicUrl: 'http://127.0.0.1',
    pressure: noPressureLimits,
    callerOf: ({ headers }) => headers['x-caller'] as string | undefined,
  });
  const parts = { tables: database.tables, clock: systemClock(), retentionSeconds: 3600 };
  installIdempotency(app, { ...parts, callerOf: ({ headers }) => String(headers['x-caller']) });
  await installOpenapi(app, { version: '2.0.0', exchanges: {} });
  const body = z.strictObject({
    sats: z.int().min(1),
    deep: z.strictObject({ payment_preimage: z.string().length(64) }),
  });
  const typed = app.withTypeProvider<ZodTypeProvider>();
  typed.post('/v1/trade', { schema: { body, response: { 201: z.object({ id: z.string() }) } } }, async (_, reply) =>
    reply.status(201).send({ id: 'one' }),
  );
  context.after(async () => {
    await app.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  return { app, lines, metrics, tables: database.tables };
}

const GOOD = { sats: 1, deep: { payment_preimage: SECRET } };
type App = Awaited<ReturnType<typeof service>>['app'];
const post = (app: App, payload: string, headers: Record<string, string> = {}) =>
  app.inject({
    method: 'POST',
    url: '/v1/trade',
    headers: { 'content-type': 'application/json', ...headers },
    payload,
  });

test('whatever is sent, it is answered with one body of problems that names a field, and never with 500', async (context) => {
  const { app } = await service(context);
  const anything = fc.oneof(
    fc.json({ maxDepth: 6 }),
    fc.string({ maxLength: 200 }),
    fc.constantFrom('', 'null', '[]', '{"__proto__":{}}', '{"constructor":{"prototype":{}}}', '['.repeat(60_000)),
    fc
      .record({ sats: fc.anything(), deep: fc.anything() })
      .map((each) => JSON.stringify(each, (_, v: unknown) => (typeof v === 'bigint' ? String(v) : v)) ?? ''),
  );
  await fc.assert(
    fc.asyncProperty(anything, fc.option(fc.string({ maxLength: 20 })), async (payload, key) => {
      const isHeader = key !== null && /^[\x20-\x7e]*$/.test(key);
      const answer = await post(app, payload, isHeader ? { 'idempotency-key': key } : {});
      assert.ok(answer.statusCode >= 400 && answer.statusCode < 500, `${answer.statusCode} ${answer.body}`);
      const { error, message, field, request_id } = answer.json<Problem>();
      assert.ok([error, message, field, request_id].every((each) => typeof each === 'string' && each !== ''));
    }),
    { numRuns: 300 },
  );
});

test('a request that is refused for its haste holds no key', async (context) => {
  const { app, tables } = await service(context, 1);
  assert.equal((await post(app, JSON.stringify(GOOD))).statusCode, 201);
  const hasty = await post(app, JSON.stringify(GOOD), { 'idempotency-key': KEY, 'x-caller': 'anna' });
  assert.equal(hasty.statusCode, 429);
  assert.deepEqual(await tables.selectFrom('idempotency').selectAll().execute(), []);
});

test('a repeated request is counted, logged and answered like any other', async (context) => {
  const { app, lines, metrics } = await service(context);
  for (const _ of [1, 2]) {
    const answer = await post(app, JSON.stringify(GOOD), { 'idempotency-key': KEY });
    assert.deepEqual([answer.statusCode, answer.json()], [201, { id: 'one' }]);
    assert.match(String(answer.headers['content-security-policy']), /^default-src 'none'/);
  }
  assert.match(await metrics.text(), /_count\{method="POST",route="\/v1\/trade",status="201"\} 2$/m);
  assert.equal(lines.filter((line) => line.includes('"answered"')).length, 2);
});

test('a secret that is sent in any place is neither in the answer nor in the log', async (context) => {
  const { app, lines } = await service(context);
  const places = [
    { ...GOOD, deep: { payment_preimage: `${SECRET}x` } },
    { ...GOOD, sats: SECRET },
    { ...GOOD, deep: SECRET },
    { ...GOOD, extra: SECRET },
    { ...GOOD, [SECRET]: 1 },
    [SECRET],
  ];
  for (const place of places) {
    const { statusCode, body } = await post(app, JSON.stringify(place), { authorization: `Bearer ${SECRET}` });
    assert.equal(statusCode, 400);
    assert.doesNotMatch(body, /f00dfeed/);
  }
  assert.doesNotMatch(lines.join(''), /f00dfeed/);
});

test('problems are counted by their codes', async (context) => {
  const { app, metrics } = await service(context);
  await app.inject('/nowhere');
  await post(app, '{}');
  const text = await metrics.text();
  assert.match(text, /^sparkle_errors_total\{code="not_found"\} 1$/m);
  assert.match(text, /^sparkle_errors_total\{code="bad_message"\} 1$/m);
  assert.match(text, /^sparkle_snapshot_up 0$/m);
});

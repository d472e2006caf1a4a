import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { installAuth } from '../../http/auth-http.ts';
import type { Auth, Identity } from '../../access/auth.ts';
import { openDatabase } from '../../database/database.ts';
import { installProblems, type Problem } from '../../http/problem.ts';
import { Webhooks } from '../../news/webhooks.ts';
import { webhookRoutes } from './webhooks.ts';

const IDENTITIES: Record<string, Identity> = {
  anna: { party: 'aa'.repeat(32) },
  bert: { party: 'bb'.repeat(32) },
  token: { tradeToken: { tradeId: 't1', role: 'buyer' } },
};

async function service(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'webhook-routes-'));
  const database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  const guard = { privateOrigins: [], resolve: async () => ['8.8.8.8'], ca: undefined, timeoutMilliseconds: 1000 };
  const webhooks = new Webhooks({ tables: database.tables, clock: systemClock(), log: silentLog, guard });
  const authenticate = async ({ authorization = '' }: { authorization?: string | undefined }) => {
    const identity = IDENTITIES[authorization.replace('Bearer ', '')];
    return identity === undefined ? undefined : { identity, expiresAt: undefined };
  };
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  installProblems(app);
  installAuth(app);
  await app.register(webhookRoutes({ webhooks, auth: { authenticate } as unknown as Auth }));
  context.after(async () => {
    await app.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const ask = (method: 'GET' | 'POST' | 'DELETE', who: string, at = '', payload?: object) =>
    app.inject({
      method,
      url: `/v1/webhooks${at}`,
      headers: { authorization: `Bearer ${who}` },
      ...(payload !== undefined && { payload }),
    });
  return { ask, tables: database.tables };
}

const WANTED = { url: 'https://market.example/told', events: ['trade'] };
type Made = { webhook_id: string; secret: string };

test('a webhook is made, listed without its secret, and removed', async (context) => {
  const { ask } = await service(context);
  const answer = await ask('POST', 'anna', '', WANTED);
  assert.equal(answer.statusCode, 201);
  const { secret, ...shown } = answer.json<Made>();
  assert.match(secret, /^[0-9a-f]{64}$/);
  assert.deepEqual((await ask('GET', 'anna')).json(), { webhooks: [shown] });
  assert.deepEqual((await ask('DELETE', 'anna', `/${shown.webhook_id}`)).json(), { webhook_id: shown.webhook_id });
  assert.deepEqual((await ask('GET', 'anna')).json(), { webhooks: [] });
});

test("one owner neither sees nor removes what is another's", async (context) => {
  const { ask } = await service(context);
  const { webhook_id } = (await ask('POST', 'anna', '', WANTED)).json<Made>();
  for (const other of ['bert', 'token']) {
    assert.deepEqual((await ask('GET', other)).json(), { webhooks: [] });
    assert.equal((await ask('DELETE', other, `/${webhook_id}`)).statusCode, 404);
  }
});

test('the token of a trade has webhooks of its own', async (context) => {
  const { ask, tables } = await service(context);
  assert.equal((await ask('POST', 'token', '', WANTED)).statusCode, 201);
  const [row] = await tables.selectFrom('webhook').select('owner').execute();
  assert.equal(row?.owner, 't1 buyer');
});

for (const method of ['GET', 'POST', 'DELETE'] as const)
  test(`${method} is for those who say who they are`, async (context) => {
    const { ask } = await service(context);
    const answer = await ask(method, 'nobody', method === 'DELETE' ? '/x' : '', method === 'POST' ? WANTED : undefined);
    assert.deepEqual([answer.statusCode, answer.json<Problem>().error], [401, 'unauthorized']);
  });

for (const [field, change] of [
  ['url', { url: 'https://127.0.0.1/x' }],
  ['url', { url: 'http://market.example/x' }],
  ['url', { url: 5 }],
  ['events', { events: [] }],
  ['events.0', { events: ['everything'] }],
  ['more', { more: true }],
] as const)
  test(`refused with the field's name: ${JSON.stringify(change)}`, async (context) => {
    const { ask } = await service(context);
    const answer = await ask('POST', 'anna', '', { ...WANTED, ...change });
    assert.deepEqual([answer.statusCode, answer.json<Problem>().field], [400, field]);
  });

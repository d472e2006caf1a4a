import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { type AppParts, createApp } from './app.ts';
import { Auth, authLimits } from '../access/auth.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { Hub } from '../hub/hub.ts';
import { nothing } from '../hub/hub.suite.ts';
import { mailLimits } from '../hub/hub-mail.ts';
import { offerLimits } from '../hub/hub-offers.ts';
import { noPressureLimits } from '../http/limits.ts';
import { createLog } from '../http/log.ts';
import { openapiDocument, openapiText } from '../http/openapi.ts';
import { Webhooks } from '../news/webhooks.ts';

const DOCUMENT = fileURLToPath(new URL('../../../../docs/openapi.json', import.meta.url));

describe('the public API', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-app-'));
  let app: FastifyInstance;
  let database: Database;
  let hub: Hub;
  let isDraining = false;

  before(async () => {
    database = await openDatabase({ url: `sqlite:${join(folder, 'app.sqlite')}`, network: 'regtest' });
    const clock = systemClock();
    const log = createLog({ level: 'fatal' }) as FastifyBaseLogger;
    const publicUrl = 'http://127.0.0.1:8080';
    hub = new Hub({ database, clock, log, network: 'regtest', limits: { ...mailLimits, ...offerLimits } });
    const api = { host: '127.0.0.1', port: 8080, publicUrl, trustedProxies: [], corsOrigins: [] };
    app = await createApp({
      ...{ database, clock, log, hub, version: '2.0.0', feed: undefined, newId: () => 'one' },
      config: {
        api,
        ratesPerMinute: { quote: 1_000, create: 1_000, read: 1_000, auth: 1_000 },
        idempotencySeconds: 60,
      },
      auth: new Auth({ ...authLimits, database, clock, publicUrl }),
      ...{ desk: nothing(), trades: nothing(), delivery: nothing() },
      ops: { health: async () => nothing(), waitingFor: async () => [], isDraining: () => isDraining },
      pressure: noPressureLimits,
      webhooks: new Webhooks({ tables: database.tables, clock, log, guard: nothing() }),
    } satisfies AppParts);
    await app.ready();
  });
  after(async () => {
    await app.close();
    hub.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });

  test('is described by docs/openapi.json as it is (UPDATE=1 writes it anew)', () => {
    const text = openapiText(app);
    if (process.env['UPDATE'] === '1') writeFileSync(DOCUMENT, text);
    assert.deepEqual(JSON.parse(readFileSync(DOCUMENT, 'utf8')), JSON.parse(text));
  });

  test('is ready until the process is told to end, and says why it is not', async () => {
    const ready = async () => {
      const answer = await app.inject('/readyz');
      return [answer.statusCode, answer.json<unknown>()];
    };
    assert.deepEqual(await ready(), [200, { ready: true, waiting_for: [] }]);
    isDraining = true;
    const waiting_for = ['another process: this one is draining'];
    assert.deepEqual(await ready(), [503, { ready: false, waiting_for }]);
    isDraining = false;
  });

  test('says that a lister may have to say who he is, and every status that a refusal may have', () => {
    const { paths } = openapiDocument(app);
    const create = paths?.['/v1/trade']?.['post'];
    assert.deepEqual(create?.security, [{}, { bearer: [] }, { nostr: [] }]);
    assert.match(create?.description ?? '', /POST \/v1\/trade\/create is the same/);
    for (const status of [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 503])
      assert.match(create?.responses?.['default']?.description ?? '', new RegExp(`\\b${status}\\b`));
  });

  test('says of a checkout what its address, its network and its height are for', () => {
    const prepare = openapiDocument(app).paths?.['/api/checkout/prepare']?.['post'];
    const { buyer, network, expiry_block } =
      prepare?.requestBody?.content?.['application/json']?.schema?.properties ?? {};
    assert.match(network?.description ?? '', /payment's kind, not the chain/);
    for (const field of [buyer?.properties?.['ord_address'], expiry_block]) assert.match(field?.description ?? '', /./);
  });

  test('gives the answer again to who repeats a request from another address of his network', async () => {
    const ask = (remoteAddress: string) =>
      app.inject({
        ...{ method: 'POST', url: '/v1/auth/challenge', remoteAddress, payload: { public_key: 'aa'.repeat(32) } },
        headers: { 'idempotency-key': 'one-household-one-key' },
      });
    const [first, again, other] = [
      await ask('2001:db8:1:2::a'),
      await ask('2001:db8:1:2:ffff::b'),
      await ask('2001:db8:1:3::a'),
    ];
    assert.deepEqual([first.statusCode, again.statusCode, other.statusCode], [200, 200, 200]);
    assert.equal(again.body, first.body);
    assert.equal(again.headers['idempotent-replayed'], 'true');
    assert.notEqual(other.body, first.body);
  });

  test('asks everybody who he is on every path of a trade', async () => {
    const id = '00000000-0000-0000-0000-000000000000';
    const paths = ['', '/invoice', '/proof', '/rescue'].map((path) => ({
      method: 'GET' as const,
      url: `/v1/trade/${id}${path}`,
    }));
    const more = [
      { method: 'DELETE' as const, url: `/v1/trade/${id}` },
      { method: 'POST' as const, url: `/v1/trade/${id}/finalize`, payload: { payment_preimage: '00'.repeat(32) } },
    ];
    for (const asked of [...paths, ...more]) {
      const { statusCode, json } = await app.inject(asked);
      assert.deepEqual(
        [statusCode, json<{ error: string }>().error],
        [401, 'unauthorized'],
        `${asked.method} ${asked.url}`,
      );
      const wrong = await app.inject({ ...asked, headers: { authorization: `Bearer ${'00'.repeat(32)}` } });
      assert.equal(wrong.statusCode, 401, `${asked.method} ${asked.url}`);
    }
  });
});

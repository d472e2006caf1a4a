import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import type { FastifyBaseLogger } from 'fastify';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { HEIGHT, holdSeller, holdTerms } from 'sparkle-protocol/protocol/trade/fixtures.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { adminApp, type AdminParts } from './admin.ts';
import type { AdminTrade, OwedRoyalty } from './admin-view.ts';
import { monthWire } from './ledger-report.ts';
import { createLog } from '../http/log.ts';
import { createMetrics } from './metrics.ts';
import type { Problem } from '../http/problem.ts';
import type { Health } from './health.ts';

const TOKEN = 'correct-horse-battery-staple-0123456789';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const EVIL = `<script>alert('1')</script>"&`;
const PATHS = [
  '/',
  '/metrics',
  '/admin/trades',
  '/admin/dead-letters',
  '/admin/reserve',
  '/admin/royalties',
  '/admin/report?month=2026-11',
];

const OWED: OwedRoyalty = {
  ...{
    id: 't9:0',
    trade_id: 't9',
    to: `${EVIL}@example.com`,
    sats: '3000',
    state: 'owed',
    attempts: 12,
    since: 1_800_000_000,
  },
  why: 'lightning_unavailable: unreachable',
};

const HEALTH: Health = {
  status: 'ok',
  version: '2.0.0',
  network: 'regtest',
  lightning: { connected: true, node_id: EVIL },
  bitcoin: { connected: true, block_height: HEIGHT + 1 },
};

function service(
  trades: readonly Trade[] = [holdSeller.locked, holdSeller.invoiced],
  change: Partial<AdminParts> = {},
) {
  const replayed: number[] = [];
  const retried: string[] = [];
  let ids = 0;
  const app = adminApp({
    token: TOKEN,
    log: createLog({ level: 'error', destination: { write: () => {} } }) as FastifyBaseLogger,
    newId: () => `r${(ids += 1)}`,
    metrics: createMetrics(async () => ({ trades, height: HEIGHT, capitalLockedSats: 0n, holds: 0, deadLetters: 0 })),
    health: async () => HEALTH,
    liveTrades: async () => trades,
    reserve: async () => ({ wallet_sats: '100000', locked_sats: '0', capital_limit_sats: '10000000' }),
    deadLetters: {
      list: async () => [{ seq: 4, hook_id: EVIL, attempts: 9, body: '{"event":"trade"}' }],
      replay: async (seq) => {
        if (seq !== 4) throw new SparkleError('not_found', `there is no dead letter ${seq}`);
        replayed.push(seq);
      },
    },
    royalties: {
      owed: async () => [OWED],
      tryAgain: async (id) => {
        if (id !== OWED.id) throw new SparkleError('not_found', 'there is no such royalty that was given up');
        retried.push(id);
      },
    },
    report: async ({ month }) => monthWire({ month, rows: [] }),
    backup: async () => ({ bytes: 4, stream: Readable.from([Buffer.from('copy')]) }),
    ...change,
  });
  return { app, replayed, retried };
}

const basic = (name: string, word: string) => `Basic ${Buffer.from(`${name}:${word}`).toString('base64')}`;

for (const url of [...PATHS, '/nowhere'])
  for (const authorization of [
    undefined,
    '',
    'Bearer',
    'Bearer wrong',
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN}x`,
    `Token ${TOKEN}`,
    basic('operator', 'wrong'),
    basic(TOKEN, ''),
  ])
    test(`${url} is closed to ${String(authorization).slice(0, 20)}`, async () => {
      const answer = await service().app.inject({ url, headers: authorization === undefined ? {} : { authorization } });
      assert.deepEqual([answer.statusCode, answer.json<Problem>().error], [401, 'unauthorized']);
      assert.match(String(answer.headers['www-authenticate']), /^Bearer, Basic/);
      assert.doesNotMatch(answer.body, /locked|wallet/);
    });

for (const url of PATHS)
  test(`${url} is open to the token, by program and by browser`, async () => {
    const { app } = service();
    for (const authorization of [BEARER.authorization, `bearer ${TOKEN}`, basic('operator', TOKEN)]) {
      const answer = await app.inject({ url, headers: { authorization } });
      assert.equal(answer.statusCode, 200);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.match(String(answer.headers['content-security-policy']), /^default-src 'none'/);
    }
  });

test('a page of another site may not use the token that the browser knows', async () => {
  const { app, replayed } = service();
  for (const site of ['cross-site', 'same-site']) {
    const headers = { authorization: basic('operator', TOKEN), 'sec-fetch-site': site };
    const answer = await app.inject({ method: 'POST', url: '/admin/dead-letters/4/replay', headers });
    assert.equal(answer.json<Problem>().error, 'forbidden');
  }
  assert.deepEqual(replayed, []);
});

test('royalties that are owed are listed with whom they are owed to, and why', async () => {
  const answer = await service().app.inject({ url: '/admin/royalties', headers: BEARER });
  assert.deepEqual(answer.json(), { owed: [OWED] });
});

test('a royalty that was given up is tried anew by its id', async () => {
  const { app, retried } = service();
  const post = (id: string) => app.inject({ method: 'POST', url: `/admin/royalties/${id}/retry`, headers: BEARER });
  assert.deepEqual((await post('t9:0')).json(), { id: 't9:0', state: 'owed' });
  assert.deepEqual(retried, ['t9:0']);
  assert.equal((await post('t8:0')).json<Problem>().error, 'not_found');
});

test('trades are listed by their deadlines, and without anything that moves money', async () => {
  const answer = await service().app.inject({ url: '/admin/trades', headers: BEARER });
  const { trades } = answer.json<{ trades: AdminTrade[] }>();
  assert.deepEqual(trades[0], {
    trade_id: holdTerms.tradeId,
    role: 'seller',
    mode: 'hold-first',
    state: 'invoiced',
    deadline: { height: HEIGHT + 12, what: 'payment accepted' },
    blocks_left: 11,
    urgency: 'none',
  });
  assert.equal(trades[1]?.state, 'locked');
  assert.doesNotMatch(answer.body, /preimage|invoice"|raw/);
});

test('a dead letter is sent again by its number', async () => {
  const { app, replayed } = service();
  const post = (seq: string) =>
    app.inject({ method: 'POST', url: `/admin/dead-letters/${seq}/replay`, headers: BEARER });
  assert.deepEqual((await post('4')).json(), { seq: 4, state: 'due' });
  assert.deepEqual(replayed, [4]);
  assert.equal((await post('5')).json<Problem>().error, 'not_found');
  const wrong = await post('x');
  assert.deepEqual([wrong.statusCode, wrong.json<Problem>().field], [400, 'seq']);
});

test('the status page is there although everything that it shows is away, and says what', async () => {
  const away = () => Promise.reject(new SparkleError('chain_unavailable', 'the node does not answer'));
  const letters = { list: away, replay: away };
  const royalties = { owed: away, tryAgain: away };
  const { app } = service([], { reserve: away, liveTrades: away, deadLetters: letters, royalties });
  const { statusCode, body } = await app.inject({ url: '/', headers: BEARER });
  assert.equal(statusCode, 200);
  assert.equal(body.match(/cannot be asked now/g)?.length, 4);
  assert.match(body, /Live trades: unknown/);
  assert.match(body, /Bitcoin node/);
});

test('the status page shows all and lets nothing that it shows become part of it', async () => {
  const { body, headers } = await service().app.inject({ url: '/', headers: BEARER });
  assert.match(String(headers['content-type']), /^text\/html/);
  assert.doesNotMatch(body, /<script|onload|https?:/i);
  assert.match(body, /&lt;script&gt;alert\(&#39;1&#39;\)&lt;\/script&gt;&quot;&amp;/);
  for (const shown of [
    'payment accepted',
    'claim or refund',
    '10000000',
    holdTerms.tradeId,
    '2.0.0',
    '3000',
    'unreachable',
  ])
    assert.match(body, new RegExp(shown));
  assert.match(String(headers['content-security-policy']), /style-src 'sha256-[A-Za-z0-9+/=]+'; base-uri 'none'/);
});

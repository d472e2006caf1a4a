import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { HEIGHT, holdBuyer, holdSeller } from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { createMetrics, installMetrics, type Snapshot } from './metrics.ts';

const SNAPSHOT: Snapshot = {
  trades: [holdSeller.invoiced, holdSeller.invoiced, holdSeller.locked, holdBuyer.requested],
  height: HEIGHT + 2,
  capitalLockedSats: 123_456n,
  holds: 3,
  deadLetters: 1,
};

const lines = (text: string) => text.split('\n').filter((line) => line.startsWith('sparkle_'));

test('trades, deadlines, capital and holds are what they are at the moment of reading', async () => {
  let snapshot: Snapshot = SNAPSHOT;
  const metrics = createMetrics(async () => snapshot);
  assert.deepEqual(lines(await metrics.text()), [
    'sparkle_snapshot_up 1',
    'sparkle_trades{role="seller",mode="hold-first",state="invoiced"} 2',
    'sparkle_trades{role="seller",mode="hold-first",state="locked"} 1',
    'sparkle_trades{role="buyer",mode="hold-first",state="requested"} 1',
    'sparkle_blocks_to_deadline 10',
    'sparkle_chain_height_blocks 1002',
    'sparkle_capital_locked_sats 123456',
    'sparkle_holds 3',
    'sparkle_dead_letters 1',
  ]);
  snapshot = { ...SNAPSHOT, trades: [], holds: 0 };
  assert.deepEqual(lines(await metrics.text()), [
    'sparkle_snapshot_up 1',
    'sparkle_chain_height_blocks 1002',
    'sparkle_capital_locked_sats 123456',
    'sparkle_holds 0',
    'sparkle_dead_letters 1',
  ]);
});

test('what cannot be seen is absent and said to be', async () => {
  const metrics = createMetrics(async () => {
    throw new Error('database away');
  });
  assert.deepEqual(lines(await metrics.text()), ['sparkle_snapshot_up 0']);
});

test('effects, errors, alarms and requests are counted with their units', async () => {
  const metrics = createMetrics(async () => SNAPSHOT);
  metrics.effectRan({ effect: 'broadcast', outcome: 'done', seconds: 0.3 });
  metrics.problem('refused');
  metrics.problem('refused');
  metrics.alarm({ level: 'page', code: 'sat_lost' });
  const text = await metrics.text();
  assert.match(text, /^sparkle_effect_duration_seconds_bucket\{le="0\.5",effect="broadcast",outcome="done"\} 1$/m);
  assert.match(text, /^sparkle_effect_duration_seconds_bucket\{le="0\.1",effect="broadcast",outcome="done"\} 0$/m);
  assert.match(text, /^sparkle_errors_total\{code="refused"\} 2$/m);
  assert.match(text, /^sparkle_alarms_total\{level="page",code="sat_lost"\} 1$/m);
  assert.match(text, /^nodejs_version_info/m);
  assert.match(metrics.contentType, /^text\/plain/);
});

test('requests are told apart by the pattern of their route, never by what strangers write', async () => {
  const metrics = createMetrics(async () => SNAPSHOT);
  const app = Fastify();
  installMetrics(app, metrics);
  app.get('/v1/trade/:id', async () => ({}));
  for (const url of ['/v1/trade/1', '/v1/trade/2', '/made/up', '/made/up/2']) await app.inject(url);
  const text = await metrics.text();
  assert.match(text, /_count\{method="GET",route="\/v1\/trade\/:id",status="200"\} 2$/m);
  assert.match(text, /_count\{method="GET",route="none",status="404"\} 2$/m);
  assert.doesNotMatch(text, /made/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { opsRoutes } from './ops.ts';
import { type HealthParts, healthOf } from '../../watch/health.ts';

const NODE_ID = `03${'ab'.repeat(32)}`;

/** A clock whose timers run when the test says so. */
function handClock() {
  const timers = new Set<() => void>();
  const clock: Clock & { now: number; ring(): void } = {
    now: 1_800_000_000,
    nowSeconds: () => clock.now,
    randomBytes: (length) => new Uint8Array(length),
    every: (_, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
    ring: () => {
      for (const run of timers) run();
    },
  };
  return clock;
}

async function service(change: Partial<HealthParts> = {}, waiting: () => string[] = () => []) {
  const clock = handClock();
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  const health = healthOf({
    version: '2.0.0',
    network: 'regtest',
    nodeId: async () => NODE_ID,
    blockHeight: async () => 900_000,
    clock,
    ...change,
  });
  await app.register(opsRoutes({ health, waitingFor: async () => waiting(), isDraining: () => false }));
  return { app, clock };
}

test('health has the fields and the words of the published interface', async () => {
  const { app } = await service();
  const answer = await app.inject('/api/health');
  assert.equal(answer.statusCode, 200);
  assert.deepEqual(answer.json(), {
    status: 'ok',
    version: '2.0.0',
    network: 'regtest',
    lightning: { connected: true, node_id: NODE_ID },
    bitcoin: { connected: true, block_height: 900_000 },
  });
});

test('a part that is away makes it degraded, and says nothing about where it lives', async () => {
  const nodeId = async () => Promise.reject(new Error('lnd at 10.0.0.7 refuses'));
  const { app } = await service({ nodeId });
  const answer = await app.inject('/api/health');
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.json<{ status: string }>().status, 'degraded');
  assert.deepEqual(answer.json<{ lightning: object }>().lightning, { connected: false, node_id: null });
  assert.doesNotMatch(answer.body, /10\.0/);
});

test('a part that does not answer is waited for two seconds and no longer', async () => {
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  const { app, clock } = await service({
    blockHeight: () => {
      asked();
      return new Promise(() => {});
    },
  });
  const answer = app.inject('/api/health').then((response) => response.json<{ bitcoin: object }>());
  await isAsked;
  await new Promise((resolve) => setImmediate(resolve));
  clock.ring();
  assert.deepEqual((await answer).bitcoin, { connected: false, block_height: null });
});

test('however many ask within a second, the node is asked once', async () => {
  let asked = 0;
  const { app, clock } = await service({ nodeId: async () => `${(asked += 1)}` });
  for (let i = 0; i < 5; i += 1) await app.inject('/api/health');
  assert.equal(asked, 1);
  clock.now += 1;
  await app.inject('/api/health');
  assert.equal(asked, 2);
});

test('ready and live are two things', async () => {
  let missing = ['database'];
  const { app } = await service({}, () => missing);
  const answer = await app.inject('/readyz');
  assert.deepEqual([answer.statusCode, answer.json()], [503, { ready: false, waiting_for: ['database'] }]);
  assert.deepEqual((await app.inject('/livez')).json(), { live: true });
  missing = [];
  const ready = await app.inject('/readyz');
  assert.deepEqual([ready.statusCode, ready.json()], [200, { ready: true, waiting_for: [] }]);
});

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import Fastify from 'fastify';
import { type Clock, systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { drain, drainOnSignals, type DrainStep, installDraining } from './drain.ts';

/** A clock whose timers run when the test says so. */
function handClock() {
  const timers = new Set<() => void>();
  const clock: Clock = {
    nowSeconds: () => 0,
    randomBytes: (length) => new Uint8Array(length),
    every: (_, run) => {
      timers.add(run);
      return () => timers.delete(run);
    },
  };
  const ring = () => {
    for (const run of timers) run();
  };
  return { clock, ring, timers };
}

function parts(steps: readonly DrainStep[]) {
  const { clock, ring, timers } = handClock();
  const said: string[] = [];
  const note = (_: object, sentence: string) => void said.push(sentence);
  return { steps, limitMilliseconds: 1000, clock, log: { info: note, warn: note, error: note }, ring, timers, said };
}

function recorded() {
  const ended: string[] = [];
  const step = (name: string, end: () => Promise<unknown> = async () => {}): DrainStep => ({
    name,
    end: async () => {
      await end();
      ended.push(name);
    },
  });
  return { ended, step };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('everything is ended in its order', async () => {
  const { ended, step } = recorded();
  const of = parts([step('http', turn), step('trader', turn), step('database')]);
  assert.equal(await drain(of), true);
  assert.deepEqual(ended, ['http', 'trader', 'database']);
  assert.equal(of.timers.size, 0);
});

test('what cannot be ended holds up nothing after it', async () => {
  const { ended, step } = recorded();
  const of = parts([step('http', () => Promise.reject(new Error('stuck'))), step('database')]);
  assert.equal(await drain(of), false);
  assert.deepEqual(ended, ['database']);
});

test('what takes too long is cut off', async () => {
  const { ended, step } = recorded();
  const of = parts([step('http', () => new Promise(() => {})), step('database')]);
  const drained = drain(of);
  await turn();
  of.ring();
  assert.equal(await drained, false);
  assert.deepEqual(ended, []);
  assert.match(of.said.join(), /time to end is over/);
});

function process_(steps: readonly DrainStep[]) {
  const signals = new EventEmitter();
  const codes: number[] = [];
  let exited = () => {};
  const hasExited = new Promise<void>((resolve) => (exited = resolve));
  const exit = (code: number) => {
    codes.push(code);
    exited();
  };
  const of = parts(steps);
  return { ...of, signals, codes, hasExited, watch: drainOnSignals({ ...of, signals, exit }) };
}

for (const signal of ['SIGTERM', 'SIGINT'])
  test(`${signal} drains and then exits with 0`, async () => {
    const { ended, step } = recorded();
    const { signals, codes, hasExited, watch } = process_([step('http', turn)]);
    assert.equal(watch.isDraining(), false);
    signals.emit(signal);
    assert.equal(watch.isDraining(), true);
    assert.deepEqual(codes, []);
    await hasExited;
    assert.deepEqual([codes, ended], [[0], ['http']]);
  });

test('a signal while the process starts ends what is open by then, and nothing twice', async () => {
  const { ended, step } = recorded();
  const steps: DrainStep[] = [];
  const { signals, codes, hasExited } = process_(steps);
  steps.unshift(step('database', turn));
  const opening = step('chain', async () => void steps.unshift(step('service', turn)));
  steps.unshift(opening);
  signals.emit('SIGTERM');
  await hasExited;
  assert.deepEqual([codes, ended], [[0], ['chain', 'database']]);
});

test('an end that was not clean is told by the code', async () => {
  const { step } = recorded();
  const { signals, codes, hasExited } = process_([step('http', () => Promise.reject(new Error('stuck')))]);
  signals.emit('SIGTERM');
  await hasExited;
  assert.deepEqual(codes, [1]);
});

test('a second signal exits at once, as the signal would have', () => {
  const { step } = recorded();
  const { signals, codes } = process_([step('http', () => new Promise(() => {}))]);
  signals.emit('SIGTERM');
  signals.emit('SIGINT');
  assert.deepEqual(codes, [130]);
  signals.emit('SIGTERM');
  assert.deepEqual(codes, [130, 143]);
});

test('after its end it hears no signal', () => {
  const { signals, watch } = process_([]);
  watch.stop();
  assert.deepEqual([signals.listenerCount('SIGTERM'), signals.listenerCount('SIGINT')], [0, 0]);
});

test('a request that is being answered is finished, and no other is taken', async () => {
  const app = Fastify({ forceCloseConnections: 'idle' });
  installDraining(app);
  let finish = () => {};
  let asked = () => {};
  const isAsked = new Promise<void>((resolve) => (asked = resolve));
  app.get('/slow', async () => {
    asked();
    await new Promise<void>((resolve) => (finish = resolve));
    return { done: true };
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  const slow = fetch(`${url}/slow`);
  await isAsked;
  const steps = [{ name: 'http', end: () => app.close() }];
  const drained = drain({ steps, limitMilliseconds: 10_000, clock: systemClock(), log: silentLog });
  for (let i = 0; i < 1000 && app.server.listening; i += 1) await turn();
  await assert.rejects(fetch(`${url}/slow`));
  finish();
  assert.deepEqual(await (await slow).json(), { done: true });
  assert.equal(await drained, true);
});

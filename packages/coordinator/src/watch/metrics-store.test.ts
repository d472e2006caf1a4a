import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryDisk, memoryStore } from 'sparkle-protocol/store/memory';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { storeSuite } from 'sparkle-protocol/store/store.suite';
import { measuredStore } from './metrics-store.ts';

const NAME = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };

function measured() {
  const ran: string[] = [];
  const time = { now: 1_000 };
  const effectRan = (run: { effect: string; outcome: string; seconds: number }) =>
    void ran.push(`${run.effect} ${run.outcome} ${run.seconds}`);
  const disk = memoryDisk();
  const open = () =>
    measuredStore({ store: memoryStore(disk), metrics: { effectRan }, nowMilliseconds: () => time.now });
  return { ran, time, open };
}

storeSuite('measured memory', async () => {
  const { open } = measured();
  return { open: async () => open(), remove: async () => undefined };
});

test('an effect is measured from its decision to its end, over its failures', async () => {
  const { ran, time, open } = measured();
  const store = open();
  await store.create({ trade: quoting(NAME), effects: [alert('a')] });
  time.now += 1_500;
  await store.postpone('a', 5_000);
  time.now += 2_000;
  await store.done('a');
  await store.done('a');
  assert.deepEqual(ran, ['alert failed 1.5', 'alert done 3.5']);
});

test('the note that a first run begins is no failure', async () => {
  const { ran, open } = measured();
  const store = open();
  await store.create({ trade: quoting(NAME), effects: [alert('a')] });
  await store.postpone('a', 0);
  assert.deepEqual(ran, []);
});

test('what was due before the start is measured from when it was found', async () => {
  const { ran, time, open } = measured();
  await open().create({ trade: quoting(NAME), effects: [alert('a')] });
  time.now += 60_000;
  const again = open();
  await again.due();
  time.now += 250;
  await again.done('a');
  assert.deepEqual(ran, ['alert done 0.25']);
});

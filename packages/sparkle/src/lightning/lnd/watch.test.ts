import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LightningEvent } from '../lightning.ts';
import type { LndRpc } from './rpc.ts';
import { LndWatch } from './watch.ts';

const paid: LightningEvent = { type: 'payment', paymentHash: 'ab'.repeat(32) };

test('what one reader finds over is told to all who listen, once, and its stream is ended', () => {
  const watch = new LndWatch({ rpc: {} as LndRpc, warn: () => {}, probe: async () => undefined });
  const told: LightningEvent[] = [];
  let ends = 0;
  watch.followed(paid, () => (ends += 1));
  watch.subscribe((event) => told.push(event));
  watch.foundOver(paid);
  watch.foundOver(paid);
  assert.deepEqual([told, ends], [[paid], 1]);
  watch.close();
});

test('what nobody follows is told to nobody, however often it is looked at', () => {
  const watch = new LndWatch({ rpc: {} as LndRpc, warn: () => {}, probe: async () => undefined });
  const told: LightningEvent[] = [];
  watch.subscribe((event) => told.push(event));
  watch.foundOver(paid);
  assert.deepEqual(told, []);
  watch.close();
});

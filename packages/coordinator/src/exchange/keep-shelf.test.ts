import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainEvent } from 'sparkle-protocol/chain/chain';
import { keepShelf } from './keep-shelf.ts';

test('whoever ends the shelf waits for what it has begun, and nothing begins after that', async () => {
  const done: string[] = [];
  let finish = (): void => {};
  const slow = new Promise<void>((resolve) => (finish = resolve));
  const work = (name: string) => async (): Promise<void> => {
    await slow;
    done.push(name);
  };
  const listeners = new Set<(event: ChainEvent) => void>();
  const ticks = new Set<() => void>();
  const joining = <T>(all: Set<T>, one: T) => (all.add(one), () => void all.delete(one));
  const quiet = { info() {}, warn() {}, error() {} };
  const shelf = keepShelf({
    chain: { subscribe: (listener) => joining(listeners, listener) },
    clock: { every: (_, run) => joining(ticks, run) },
    log: quiet,
    listings: { hear: work('heard'), sweep: work('swept') },
    aftermath: { catchUp: work('caught up') },
  });
  for (const listener of listeners) listener({ type: 'transaction', txid: 'aa', raw: '00' });
  for (const tick of ticks) tick();
  shelf.stop();
  assert.deepEqual([listeners.size, ticks.size], [0, 0]);
  const idle = shelf.idle().then(() => done.push('idle'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(done, []);
  finish();
  await idle;
  assert.deepEqual(done.toSorted().slice(0, 3), ['caught up', 'heard', 'idle']);
  assert.equal(done.at(-1), 'idle');
});

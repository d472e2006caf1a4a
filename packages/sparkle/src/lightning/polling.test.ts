import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from './bench.suite.ts';
import type { Invoice, LightningEvent, Payment } from './lightning.ts';
import { Polling } from './polling.ts';

const FAST = { fastestMilliseconds: 1, slowestMilliseconds: 4 };
const event = (name: string): LightningEvent => ({ type: 'invoice', paymentHash: name });
const until = (what: string, look: () => boolean) => eventually(what, async () => (look() ? true : undefined));

function world() {
  const states = new Map<string, Invoice | Payment | 'away'>();
  const looked: string[] = [];
  const told: string[] = [];
  const polling = new Polling({
    ...FAST,
    async look({ paymentHash }) {
      looked.push(paymentHash);
      const state = states.get(paymentHash) ?? 'away';
      if (state === 'away') throw new Error('away');
      return state;
    },
  });
  return { states, looked, told, polling, listen: () => polling.subscribe((each) => told.push(each.paymentHash)) };
}

test('a change is told, and what is over is looked at no more', async () => {
  const { states, looked, told, polling, listen } = world();
  listen();
  states.set('a', { state: 'open' });
  states.set('b', { state: 'open' });
  polling.add(event('a'));
  polling.add(event('b'));
  await until('both', () => told.includes('a') && told.includes('b'));
  told.length = 0;
  states.set('a', { state: 'settled', amountMsat: 1n });
  await until('the change', () => told.includes('a'));
  looked.length = 0;
  await until('more looks', () => looked.length > 3);
  assert.deepEqual([...new Set(looked)], ['b']);
  assert.deepEqual(told, ['a']);
  polling.close();
});

test('a part that arrives later is a change', async () => {
  const { states, told, polling, listen } = world();
  listen();
  states.set('a', { state: 'held', amountMsat: 1n, expiryHeight: 900, parts: 1 });
  polling.add(event('a'));
  await until('the first', () => told.length === 1);
  states.set('a', { state: 'held', amountMsat: 1n, expiryHeight: 890, parts: 2 });
  await until('the second', () => told.length === 2);
  polling.close();
});

test('a node that is away is asked again until it answers', async () => {
  const { states, looked, told, polling, listen } = world();
  listen();
  polling.add(event('a'));
  await until('some looks in vain', () => looked.length > 3);
  assert.equal(told.length, 0);
  states.set('a', { state: 'open' });
  await until('an answer', () => told.includes('a'));
  polling.close();
});

test('nothing is looked at while nobody listens, nor after closing', async () => {
  const { states, looked, polling, listen } = world();
  states.set('a', { state: 'open' });
  polling.add(event('a'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(looked.length, 0);
  const end = listen();
  await until('a look', () => looked.length > 0);
  end();
  listen();
  polling.close();
  looked.length = 0;
  polling.add(event('b'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!looked.includes('b'));
});

test('what is over already is not watched', async () => {
  const { states, looked, polling, listen } = world();
  listen();
  states.set('a', { state: 'open' });
  for (const state of [{ state: 'unknown' }, { state: 'canceled' }, { state: 'failed', reason: '' }] as const)
    assert.equal(polling.addUnlessOver(event('b'), state), state);
  polling.addUnlessOver(event('a'), { state: 'open' });
  await until('a look', () => looked.length > 0);
  assert.ok(!looked.includes('b'));
  polling.close();
});

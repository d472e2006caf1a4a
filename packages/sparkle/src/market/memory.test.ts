import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { marketSuite } from './market.suite.ts';
import { fairWeather, type Mail, memoryMarket, Square } from './memory.ts';

const bob = 'b0'.repeat(32);
const from = 'a1'.repeat(32);

marketSuite('memory', async () => {
  const square = new Square(fairWeather);
  return { one: memoryMarket(square), other: memoryMarket(square), third: memoryMarket(square) };
});

/** A square whose clock only moves when it is told to. */
function stage(fate: (mail: Mail) => readonly number[]) {
  let now = 0;
  let posted: { at: number; deliver: () => void }[] = [];
  const square = new Square({ fate, post: (delayMs, deliver) => void posted.push({ at: now + delayMs, deliver }) });
  const until = async (time: number): Promise<void> => {
    for (;;) {
      const next = posted.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > time) break;
      posted = posted.filter((each) => each !== next);
      now = next.at;
      next.deliver();
      // Lets a receiver that rejects do so before time goes on.
      await new Promise(setImmediate);
    }
    now = time;
  };
  return { market: memoryMarket(square), until };
}

async function delivered(fate: (mail: Mail) => readonly number[], texts: string[]): Promise<string[]> {
  const { market, until } = stage(fate);
  const seen: string[] = [];
  market.inbox(bob, async ({ text }) => void seen.push(text));
  for (const text of texts) await market.send(bob, { from, text });
  await until(10_000);
  return seen;
}

test('memory: a message can be lost', async () => {
  assert.deepEqual(await delivered(({ number }) => (number === 1 ? [] : [0]), ['a', 'b', 'c']), ['a', 'c']);
});

test('memory: a message can come twice', async () => {
  assert.deepEqual(await delivered(() => [0, 500], ['a', 'b']), ['a', 'b', 'a', 'b']);
});

test('memory: a message can be overtaken', async () => {
  assert.deepEqual(await delivered(({ number }) => [number === 0 ? 200 : 100], ['a', 'b', 'c']), ['b', 'c', 'a']);
});

test('memory: a delayed message is not there before its time', async () => {
  const { market, until } = stage(() => [1_000]);
  const seen: string[] = [];
  market.inbox(bob, async ({ text }) => void seen.push(text));
  await market.send(bob, { from, text: 'late' });
  await until(999);
  assert.deepEqual(seen, []);
  await until(1_000);
  assert.deepEqual(seen, ['late']);
});

test('memory: a failing receiver is asked again ever more rarely', async () => {
  const { market, until } = stage(() => [0]);
  let calls = 0;
  market.inbox(bob, async () => {
    calls += 1;
    throw new Error('busy');
  });
  await market.send(bob, { from, text: 'a' });
  const counts: number[] = [];
  for (const time of [0, 99, 100, 299, 300, 700]) {
    await until(time);
    counts.push(calls);
  }
  assert.deepEqual(counts, [1, 1, 2, 2, 3, 4]);
});

test('memory: nobody can replace the listing of another seller', async () => {
  const market = memoryMarket(new Square(fairWeather));
  const listing = { id: 'x', sellerId: bob, inscriptionId: 'i', priceSats: 1n, modes: [], expiresAt: 1 };
  await market.publish(listing);
  await assert.rejects(
    market.publish({ ...listing, sellerId: from }),
    (error) => error instanceof SparkleError && error.code === 'refused',
  );
  assert.deepEqual(await market.browse(), [listing]);
});

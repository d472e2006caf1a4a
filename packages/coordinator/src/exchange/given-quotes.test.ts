import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GivenQuotes } from './given-quotes.ts';

const at = (l1FeeSats: bigint, expiresAt: number) => ({ l1FeeSats, reserveSats: 1_000n, expiresAt });

test('however often one offer is quoted at one fee it is one quote, which holds as long as the last said', () => {
  const given = new GivenQuotes();
  for (let now = 0; now < 1_000; now += 1) given.note('o1', at(5n, now + 90), now);
  assert.deepEqual([given.size, given.standing('o1', 999)], [1, [at(5n, 1_089)]]);
  assert.deepEqual(given.standing('o1', 1_089), []);
});

test('quotes of one offer at several fees hold each until its end', () => {
  const given = new GivenQuotes();
  given.note('o1', at(5n, 90), 0);
  given.note('o1', at(9n, 100), 10);
  assert.deepEqual(given.standing('o1', 89), [at(5n, 90), at(9n, 100)]);
  assert.deepEqual(given.standing('o1', 90), [at(9n, 100)]);
});

test('what holds no more is forgotten, of however many offers', () => {
  const given = new GivenQuotes();
  for (let count = 0; count < 1_000; count += 1) given.note(`o${count}`, at(5n, 90), 0);
  given.note('o0', at(5n, 140), 50);
  assert.equal(given.size, 1_000);
  given.note('late', at(5n, 180), 90);
  assert.equal(given.size, 2);
  assert.deepEqual(given.standing('o0', 90), [at(5n, 140)]);
});

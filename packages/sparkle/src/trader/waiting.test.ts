import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import type { TradeEvent } from '../protocol/trade/event.ts';
import { type Told, Waiting } from './waiting.ts';

const MOST = 20;
const at = { height: 1, nowSeconds: 1 };
const restarted = async (): Promise<TradeEvent> => ({ type: 'restarted', at });
const letter = (from: string, reason: string): Told => ({
  event: async () => ({ type: 'abort_requested', at, reason }),
  isAsked: false,
  from,
});

test('of one sender the newest letters wait; those of others and what was seen are always kept', async () => {
  const waiting = new Waiting();
  void waiting.add('one', letter('seller', 'of another'));
  const oldest = waiting.add('one', letter('buyer', 'oldest'));
  for (let more = 1; more < MOST; more += 1) void waiting.add('one', letter('buyer', 'more'));
  for (let seen = 0; seen <= MOST; seen += 1) void waiting.add('one', { event: restarted, isAsked: false });
  void waiting.add('one', letter('buyer', 'newest'));
  await oldest;
  const told: string[] = [];
  const hand = async (event: Told['event']): Promise<void> => {
    const heard = await event();
    told.push(heard.type === 'abort_requested' ? heard.reason : heard.type);
  };
  await waiting.tell('one', hand, () => true);
  const times = (count: number, what: string): string[] => Array.from({ length: count }, () => what);
  assert.deepEqual(told, ['of another', ...times(MOST - 1, 'more'), ...times(MOST + 1, 'restarted'), 'newest']);
  assert.deepEqual(waiting.trades(), []);
});

test('what nobody waits for is kept over a fault of our own until it was told; a refusal is told to who waits, and so is a fault', async () => {
  const waiting = new Waiting();
  const fault = new TypeError('a defect');
  const settled: string[] = [];
  const add = (reason: string, isAsked: boolean) =>
    void waiting.add('one', { ...letter('buyer', reason), isAsked }).then(
      () => settled.push(reason),
      (error: unknown) => settled.push(`${reason}: ${String(error)}`),
    );
  add('a letter', false);
  add('asked for', true);
  add('refused', false);
  add('the next letter', false);
  let isBroken = true;
  const hand = async (event: Told['event']): Promise<void> => {
    const heard = await event();
    const reason = heard.type === 'abort_requested' ? heard.reason : '';
    if (reason === 'refused') throw new SparkleError('too_late', 'it must come in time; it did not');
    if (isBroken && reason !== 'the next letter') throw fault;
  };
  assert.deepEqual(await waiting.tell('one', hand, () => false), [fault]);
  await new Promise((resolve) => setImmediate(resolve));
  const refused = 'refused: SparkleError: it must come in time; it did not';
  assert.deepEqual(settled, ['asked for: TypeError: a defect', refused, 'the next letter']);
  isBroken = false;
  assert.deepEqual(await waiting.tell('one', hand, () => false), []);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([settled.at(-1), waiting.trades()], ['a letter', []]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
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

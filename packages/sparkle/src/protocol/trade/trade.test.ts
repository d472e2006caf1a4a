import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdBuyer, holdSeller, lockBuyer, lockSeller } from './fixtures.suite.ts';

test('each trade walks through its states in order', () => {
  const states = (way: Record<string, { state: string }>) => Object.entries(way).map(([, trade]) => trade.state);
  assert.deepEqual(states(holdSeller), ['quoting', 'invoiced', 'building', 'locking', 'locked']);
  assert.deepEqual(states(holdBuyer), ['requested', 'paying', 'verifying', 'claiming', 'claiming']);
  assert.deepEqual(states(lockSeller), ['building', 'locking', 'invoicing', 'invoiced']);
  assert.deepEqual(states(lockBuyer), ['requested', 'verifying', 'arming', 'paying', 'claiming']);
});

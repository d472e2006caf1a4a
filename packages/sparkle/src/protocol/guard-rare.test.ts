import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rareSatIn } from './guard-rare.ts';

const FIRST_EPOCH_END = 210_000n * 5_000_000_000n;
const SUPPLY = 2_099_999_997_690_000n;

test('the first sat of all opened block 0', () => {
  assert.equal(rareSatIn({ from: 0n, to: 1n }), 0n);
});

test('the sats between two blocks are common', () => {
  assert.equal(rareSatIn({ from: 1n, to: 5_000_000_000n }), undefined);
  assert.equal(rareSatIn({ from: 1n, to: 5_000_000_001n }), 5_000_000_000n);
  assert.equal(rareSatIn({ from: 5_000_000_000n, to: 5_000_000_001n }), 5_000_000_000n);
});

test('after the first halving blocks are half as far apart', () => {
  assert.equal(rareSatIn({ from: FIRST_EPOCH_END - 1n, to: FIRST_EPOCH_END }), undefined);
  assert.equal(rareSatIn({ from: FIRST_EPOCH_END - 1n, to: FIRST_EPOCH_END + 1n }), FIRST_EPOCH_END);
  const second = FIRST_EPOCH_END + 2_500_000_000n;
  assert.equal(rareSatIn({ from: FIRST_EPOCH_END + 1n, to: second }), undefined);
  assert.equal(rareSatIn({ from: FIRST_EPOCH_END + 1n, to: second + 1n }), second);
});

test('of the last sats each opened a block, and after them there are none', () => {
  assert.equal(rareSatIn({ from: SUPPLY - 1n, to: SUPPLY }), SUPPLY - 1n);
  assert.equal(rareSatIn({ from: SUPPLY, to: SUPPLY + 10n }), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LightningCapabilities } from '../lightning/lightning.ts';
import { SparkleError } from '../protocol/errors.ts';
import { assertNodeCan, type Deed, lacking } from './needs.ts';

const able: LightningCapabilities = {
  pay: true,
  routeCap: true,
  feeCap: true,
  hold: true,
  cancel: true,
  holdDeadline: true,
  finalCltv: true,
  ownPreimage: true,
  holdExpiryMarginBlocks: 24,
};

const deeds: Deed[] = ['buy hold-first', 'buy lock-first', 'sell hold-first', 'sell lock-first'];

test('a node that promises everything may be used for every deed', () => {
  for (const deed of deeds) assert.deepEqual(lacking(deed, able), []);
});

test('a deed is refused with the names of what the node lacks', () => {
  const spark = { ...able, routeCap: false, cancel: false, holdDeadline: false, finalCltv: false, ownPreimage: false };
  assert.deepEqual(lacking('buy hold-first', spark), []);
  assert.deepEqual(lacking('buy lock-first', spark), ['routeCap']);
  assert.deepEqual(lacking('sell hold-first', spark), ['cancel', 'holdDeadline', 'finalCltv']);
  assert.throws(
    () => assertNodeCan('sell lock-first', spark),
    (error) =>
      error instanceof SparkleError &&
      error.code === 'refused' &&
      error.message === 'to sell lock-first the Lightning node must have: ownPreimage, finalCltv',
  );
});

test('a node that gives a held payment back too early is not used to sell hold-first, but for all else', () => {
  const hasty = { ...able, holdExpiryMarginBlocks: 25 };
  assert.deepEqual(lacking('sell hold-first', hasty), ['a hold expiry margin of at most 24 blocks, not 25']);
  assert.deepEqual(lacking('sell lock-first', hasty), []);
});

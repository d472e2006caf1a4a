import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHardEnough } from './difficulty-floor.ts';
import { refusedWith } from './suite-hands.ts';

test('on mainnet a block as easy as in 2010 says nothing', () => {
  assert.ok(!isHardEnough({ bits: 0x1b04_864c }, 'mainnet'));
  // Block 840,000, April 2024.
  assert.ok(isHardEnough({ bits: 0x1703_4219 }, 'mainnet'));
});

test('where coins are worth nothing the limit by consensus will do', () => {
  assert.ok(isHardEnough({ bits: 0x1d00_ffff }, 'testnet'));
  assert.ok(isHardEnough({ bits: 0x1d00_ffff }, 'testnet4'));
  assert.ok(!isHardEnough({ bits: 0x1d01_0000 }, 'testnet4'));
  assert.ok(!isHardEnough({ bits: 0x207f_ffff }, 'signet'));
  assert.ok(isHardEnough({ bits: 0x1e03_77ae }, 'signet'));
  assert.ok(isHardEnough({ bits: 0x207f_ffff }, 'regtest'));
});

test('bits that mean no target are refused', () => {
  for (const bits of [0x0380_0001, 0x1b84_864c, 0])
    assert.throws(() => isHardEnough({ bits }, 'regtest'), refusedWith('bad_proof'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coinbaseHeight } from './coinbase.ts';
import vectors from './coinbase.vectors.json' with { type: 'json' };

for (const { height, raw } of vectors.heights)
  test(`a coinbase tells its height ${height} (BIP 34)`, () => assert.equal(coinbaseHeight(raw), height));

test('what is no coinbase tells no height', () => {
  const [first] = vectors.heights;
  assert.ok(first !== undefined);
  assert.equal(coinbaseHeight(first.raw.replace('0'.repeat(64), '11'.repeat(32))), undefined);
});

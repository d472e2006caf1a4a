import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  MAX_MSAT,
  MAX_SATS,
  minusSats,
  msatToSatsExact,
  partsFloor,
  readMsat,
  readSats,
  satsToMsat,
  sumSats,
} from './amount.ts';
import { shown } from './json.ts';

const sats = fc.bigInt({ min: 0n, max: MAX_SATS });

test('an amount is read from a decimal string or from a safe integer', () => {
  assert.equal(readSats('0', 'price_sats'), 0n);
  assert.equal(readSats(0, 'price_sats'), 0n);
  assert.equal(readSats('10000', 'price_sats'), 10_000n);
  assert.equal(readSats(10_000, 'price_sats'), 10_000n);
  assert.equal(readSats('2100000000000000', 'price_sats'), MAX_SATS);
  assert.equal(readMsat('2100000000000000000', 'amount_msat'), MAX_MSAT);
});

for (const value of [
  '',
  '00',
  '01',
  '+1',
  '-1',
  '-0',
  '1.0',
  '1e3',
  ' 1',
  '1 ',
  '1\n',
  '0x10',
  '1_000',
  '٣',
  '9'.repeat(400),
])
  test(`the text ${JSON.stringify(value.slice(0, 20))} is not an amount`, () => {
    assert.throws(() => readSats(value, 'price_sats'), { code: 'bad_amount', message: /^price_sats must be/ });
  });

for (const value of [-1, -0, 0.5, NaN, Infinity, 2 ** 53, true, null, undefined, [], ['1'], {}, 1n])
  test(`the JSON value ${Object.is(value, -0) ? '-0' : shown(value)} (${typeof value}) is not an amount`, () => {
    assert.throws(() => readSats(value, 'price_sats'), { code: 'bad_amount' });
  });

test('one sat more than 21,000,000 BTC is refused, in sats and in msat', () => {
  assert.throws(() => readSats(String(MAX_SATS + 1n), 'price_sats'), { code: 'bad_amount' });
  assert.throws(() => readMsat(String(MAX_MSAT + 1n), 'amount_msat'), { code: 'bad_amount' });
});

test('every amount survives being printed and read, and being turned to msat and back', () => {
  fc.assert(
    fc.property(sats, (amount) => {
      assert.equal(readSats(String(amount), 'x'), amount);
      assert.equal(msatToSatsExact(satsToMsat(amount)), amount);
    }),
  );
});

test('msat that are not whole sats are refused instead of rounded', () => {
  assert.equal(msatToSatsExact(0n), 0n);
  for (const msat of [1n, 999n, 1001n, -1n]) assert.throws(() => msatToSatsExact(msat), { code: 'bad_amount' });
  assert.throws(() => msatToSatsExact(-1000n), { code: 'bad_amount' });
  assert.throws(() => msatToSatsExact(MAX_MSAT + 1000n), { code: 'bad_amount' });
});

test('a negative or impossible amount cannot become msat', () => {
  assert.throws(() => satsToMsat(-1n), { code: 'bad_amount' });
  assert.throws(() => satsToMsat(MAX_SATS + 1n), { code: 'bad_amount' });
});

test('a royalty is rounded down', () => {
  assert.equal(partsFloor({ sats: 10_001n, bps: 500 }), 500n);
  assert.equal(partsFloor({ sats: 19n, bps: 500 }), 0n);
  assert.equal(partsFloor({ sats: 10_001n, bps: 0 }), 0n);
  assert.equal(partsFloor({ sats: MAX_SATS, bps: 10_000 }), MAX_SATS);
});

test('a share is never more than the whole, and less than one sat short of exact', () => {
  fc.assert(
    fc.property(sats, fc.integer({ min: 0, max: 10_000 }), (amount, bps) => {
      const share = partsFloor({ sats: amount, bps });
      const exact = amount * BigInt(bps);
      assert.ok(share <= amount && share * 10_000n <= exact && exact < (share + 1n) * 10_000n);
    }),
  );
});

for (const bps of [-1, 10_001, 0.5, NaN])
  test(`a share of ${bps} basis points is refused`, () => {
    assert.throws(() => partsFloor({ sats: 1n, bps }), { code: 'bad_amount' });
  });

test('a share of a negative amount is refused', () => {
  assert.throws(() => partsFloor({ sats: -1n, bps: 1 }), { code: 'bad_amount' });
});

test('amounts add up, and no amounts add up to nothing', () => {
  assert.equal(sumSats([]), 0n);
  assert.equal(sumSats([1n, 2n, 3n]), 6n);
  assert.equal(sumSats([MAX_SATS, 0n]), MAX_SATS);
});

test('a sum above 21,000,000 BTC, or with a negative part, is refused', () => {
  assert.throws(() => sumSats([MAX_SATS, 1n]), { code: 'bad_amount' });
  assert.throws(() => sumSats([5n, -1n]), { code: 'bad_amount' });
});

test('a difference below nothing is refused', () => {
  assert.equal(minusSats({ from: 5n, minus: 5n }), 0n);
  assert.throws(() => minusSats({ from: 4n, minus: 5n }), { code: 'bad_amount' });
  assert.throws(() => minusSats({ from: 4n, minus: -5n }), { code: 'bad_amount' });
  assert.throws(() => minusSats({ from: MAX_SATS + 1n, minus: 5n }), { code: 'bad_amount' });
});

test('what is added can be taken away again', () => {
  const half = fc.bigInt({ min: 0n, max: MAX_SATS / 2n });
  fc.assert(fc.property(half, half, (a, b) => assert.equal(minusSats({ from: sumSats([a, b]), minus: b }), a)));
});

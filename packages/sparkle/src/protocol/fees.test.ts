import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SparkleError } from './errors.ts';
import { dustLimitSats, feeFor, feerateWithin, replacementFee } from './fees.ts';

describe('feeFor', () => {
  test('is size times feerate, rounded up to a whole sat', () => {
    assert.equal(feeFor({ vsize: 154, feerateSatVb: 1 }), 154n);
    assert.equal(feeFor({ vsize: 154, feerateSatVb: 1.5 }), 231n);
    assert.equal(feeFor({ vsize: 111, feerateSatVb: 0.1 }), 12n);
    assert.equal(feeFor({ vsize: 155, feerateSatVb: 2.001 }), 311n);
  });

  test('does not pay a sat more because 1.1 is no binary fraction', () => {
    assert.equal(feeFor({ vsize: 100, feerateSatVb: 1.1 }), 110n);
    assert.equal(feeFor({ vsize: 1000, feerateSatVb: 1.1 }), 1100n);
  });

  test('takes a feerate up to a million', () => {
    assert.equal(feeFor({ vsize: 100, feerateSatVb: 1_000_000 }), 100_000_000n);
  });

  test('refuses a feerate that is none', () => {
    for (const feerateSatVb of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1_000_001])
      assert.throws(
        () => feeFor({ vsize: 100, feerateSatVb }),
        (error) =>
          error instanceof SparkleError &&
          error.code === 'bad_amount' &&
          Object.is(error.detail['feerateSatVb'], feerateSatVb),
      );
  });
});

test('feerateWithin is the highest feerate that a budget can pay', () => {
  fc.assert(
    fc.property(fc.integer({ min: 60, max: 4000 }), fc.bigInt({ min: 60n, max: 10_000_000n }), (vsize, feeSats) => {
      const feerateSatVb = feerateWithin({ feeSats, vsize });
      fc.pre(feerateSatVb > 0);
      assert.ok(feeFor({ vsize, feerateSatVb }) <= feeSats);
      assert.ok(feeFor({ vsize, feerateSatVb: feerateSatVb + 0.001 }) > feeSats);
    }),
  );
});

describe('replacementFee', () => {
  const one = { feeSats: 1000n, vsize: 100 };

  test('is the wanted fee when nothing has to leave', () => {
    assert.equal(replacementFee({ vsize: 154, feerateSatVb: 3, replaced: [] }), 462n);
    assert.equal(replacementFee({ vsize: 154, feerateSatVb: 0.5, replaced: [] }), 77n);
  });

  test('pays what all replaced transactions paid, and its own relay on top (BIP 125 rules 3 and 4)', () => {
    assert.equal(replacementFee({ vsize: 100, feerateSatVb: 1, replaced: [one] }), 1100n);
    assert.equal(
      replacementFee({ vsize: 100, feerateSatVb: 1, replaced: [one, { feeSats: 500n, vsize: 150 }] }),
      1600n,
    );
  });

  test('raises the feerate when it is bigger than what it replaces', () => {
    // 1000 + 500 would be 3 sat/vB, less than the 10 sat/vB that are out.
    assert.equal(replacementFee({ vsize: 500, feerateSatVb: 1, replaced: [one] }), 5001n);
  });

  test('is the wanted fee when that is more', () => {
    assert.equal(replacementFee({ vsize: 100, feerateSatVb: 50, replaced: [one] }), 5000n);
  });
});

test('dust is what Bitcoin Core calls dust, by the type of the output', () => {
  const limits: [type: string, script: string, sats: bigint][] = [
    ['P2TR', `5120${'11'.repeat(32)}`, 330n],
    ['P2WPKH', `0014${'11'.repeat(20)}`, 294n],
    ['P2WSH', `0020${'11'.repeat(32)}`, 330n],
    ['P2PKH', `76a914${'11'.repeat(20)}88ac`, 546n],
    ['P2SH', `a914${'11'.repeat(20)}87`, 540n],
    ['P2A', '51024e73', 240n],
    // What looks like a witness program but is none: bare multisig, too long, too short, OP_RESERVED, a push, an empty script.
    ['1-of-1', `5121${'02'.repeat(33)}51ae`, 582n],
    ['43 bytes', `5129${'11'.repeat(41)}`, 600n],
    ['3 bytes', '5101aa', 480n],
    ['OP_RESERVED', '5002aaaa', 483n],
    ['after OP_16', '6102aaaa', 483n],
    ['push', '0102aaaa', 483n],
    ['empty', '', 471n],
    ['longest program', `6028${'11'.repeat(40)}`, 354n],
  ];
  for (const [type, script, sats] of limits) assert.equal(dustLimitSats(script), sats, type);
});

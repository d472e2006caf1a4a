import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { decodeTransaction, vsizeOf } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { buildLock } from './lock.ts';
import { buildRefund, type RefundSigning } from './refund.ts';
import { findPreimage, publicKeyOf } from './spend.ts';

const claimSecret = new Uint8Array(32).fill(7);
const refundSecret = new Uint8Array(32).fill(9);

const terms = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: 'ab'.repeat(32),
  claimKey: publicKeyOf(claimSecret) ?? '',
  refundKey: publicKeyOf(refundSecret) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
  postageSats: 10_000n,
  reserveSats: 3_000n,
  offsetSats: 546n,
} as const;
const sip3 = { ...terms, script: 'sip3', internalKey: 'nums' } as const;

const wanted: RefundSigning = {
  terms,
  lockOutpoint: `${'aa'.repeat(32)}:0`,
  destination: 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm',
  feerateSatVb: 2.5,
  maxFeeSats: 20_000n,
  refundSecret,
  auxRand: new Uint8Array(32).fill(1),
};

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

test('a refund has R as its locktime and a sequence that lets the locktime count and be replaced', () => {
  for (const of of [terms, sip3]) {
    const refund = buildRefund({ ...wanted, terms: of });
    const { version, lockHeight, inputs } = decodeTransaction(refund.raw);
    assert.deepEqual([version, lockHeight, inputs[0]?.sequence], [2, 900_144, 0xfffffffd]);
    const { refundLeaf, refundControl } = buildLock(of);
    const [signature, leaf, control, ...rest] = inputs[0]?.witness ?? [];
    assert.deepEqual([signature?.length, rest.length], [64, 0]);
    assert.deepEqual(
      [hex.encode(leaf ?? new Uint8Array()), hex.encode(control ?? new Uint8Array())],
      [refundLeaf, refundControl],
    );
    assert.equal(vsizeOf(refund.raw), 138);
    assert.equal(refund.feeSats, 345n);
  }
});

test('the refund shows no preimage and returns what the fee leaves', () => {
  const { raw } = buildRefund(wanted);
  assert.equal(findPreimage(raw, terms.paymentHash), undefined);
  assert.equal(decodeTransaction(raw).outputs[0]?.valueSats, 13_000n - 345n);
});

test('the buyer cannot sign the refund with his own key', () => {
  throws('bad_key', () => buildRefund({ ...wanted, refundSecret: claimSecret }));
});

test('a refund that the reserve cannot pay is refused without coins, above the cap, and when the sat is beyond the postage', () => {
  throws('fee_too_high', () => buildRefund({ ...wanted, feerateSatVb: 30 }));
  throws('fee_too_high', () => buildRefund({ ...wanted, maxFeeSats: 344n }));
  throws('sat_lost', () => buildRefund({ ...wanted, terms: { ...terms, offsetSats: 10_001n } }));
});

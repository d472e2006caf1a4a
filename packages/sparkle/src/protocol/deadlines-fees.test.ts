import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as fees from './deadlines-fees.ts';

const q = 900_000;
const R = 900_099;
const refuses = (code: string, call: () => unknown): void => assert.throws(call, { name: 'SparkleError', code });

const height = fc.integer({ min: 0, max: 499_000_000 });

type Urgency = [targetBlocks: number, multiplierPercent: number];
const urgency = ({ targetBlocks, multiplierPercent }: ReturnType<typeof fees.claimFeePlan>): Urgency => [
  targetBlocks,
  multiplierPercent,
];

test('a claim becomes more urgent 72, 36, 18 and 6 blocks before R', () => {
  const at = (left: number) => urgency(fees.claimFeePlan({ height: R - left, refundHeight: R, maxFeeSats: 5000n }));
  assert.deepEqual([99, 73].map(at), [
    [12, 100],
    [12, 100],
  ]);
  assert.deepEqual([72, 37].map(at), [
    [6, 100],
    [6, 100],
  ]);
  assert.deepEqual([36, 19].map(at), [
    [3, 100],
    [3, 100],
  ]);
  assert.deepEqual([18, 7].map(at), [
    [2, 150],
    [2, 150],
  ]);
  assert.deepEqual([6, 0, -50].map(at), [
    [1, 200],
    [1, 200],
    [1, 200],
  ]);
});

test('a claim aims at a third of the blocks left, 6 to 12, until R - 72', () => {
  fc.assert(
    fc.property(height, fc.integer({ min: 73, max: 4100 }), (at, left) => {
      const third = Math.floor((left - 6) / 3);
      const { targetBlocks } = fees.claimFeePlan({ height: at, refundHeight: at + left, maxFeeSats: 1n });
      assert.equal(targetBlocks, Math.min(12, Math.max(6, third)));
    }),
  );
});

test('a refund against a held payment becomes more urgent as the guardian height nears', () => {
  const expiryHeight = R + 72;
  const guardian = R + 48;
  const at = (left: number) =>
    urgency(fees.refundFeePlan({ height: guardian - left, refundHeight: R, expiryHeight, maxFeeSats: 5000n }));
  assert.deepEqual([48, 37].map(at), [
    [6, 100],
    [6, 100],
  ]);
  assert.deepEqual([36, 25].map(at), [
    [3, 100],
    [3, 100],
  ]);
  assert.deepEqual([24, 13].map(at), [
    [2, 150],
    [2, 150],
  ]);
  assert.deepEqual([12, 0, -30].map(at), [
    [1, 200],
    [1, 200],
    [1, 200],
  ]);
});

test('a refund that nobody races only does not linger', () => {
  const at = (past: number) => urgency(fees.refundFeePlan({ height: R + past, refundHeight: R, maxFeeSats: 5000n }));
  assert.deepEqual([0, 71].map(at), [
    [12, 100],
    [12, 100],
  ]);
  assert.deepEqual([72, 143].map(at), [
    [6, 100],
    [6, 100],
  ]);
  assert.deepEqual([144, 1000].map(at), [
    [3, 100],
    [3, 100],
  ]);
});

test('a lock is hurried every three blocks', () => {
  const at = (past: number) => urgency(fees.lockFeePlan({ height: q + past, startedHeight: q, maxFeeSats: 5000n }));
  assert.deepEqual([0, 2].map(at), [
    [6, 100],
    [6, 100],
  ]);
  assert.deepEqual([3, 5].map(at), [
    [3, 100],
    [3, 100],
  ]);
  assert.deepEqual([6, 8].map(at), [
    [2, 150],
    [2, 150],
  ]);
  assert.deepEqual([9, 12, 30].map(at), [
    [1, 200],
    [1, 200],
    [1, 200],
  ]);
  const due = (past: number) => fees.lockBumpIsDue({ height: q + past, plannedAt: q });
  assert.deepEqual([2, 3, 4].map(due), [false, true, true]);
});

test('a replacement pays at least one sat/vB or a tenth more, and the cap passes through', () => {
  const floor = (previousSatVb: number) =>
    fees.claimFeePlan({ height: q, refundHeight: R, maxFeeSats: 77n, previousSatVb }).floorSatVb;
  assert.equal(floor(0), 1);
  assert.equal(floor(2), 3);
  assert.equal(floor(10), 11);
  assert.equal(floor(20), 22);
  for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY]) refuses('bad_amount', () => floor(bad));
  const first = fees.claimFeePlan({ height: q, refundHeight: R, maxFeeSats: 77n });
  assert.deepEqual(first, { targetBlocks: 12, multiplierPercent: 100, floorSatVb: 1, maxFeeSats: 77n });
});

test('every plan keeps the bounds it was given', () => {
  const bounds = { maxFeeSats: 5n, previousSatVb: 20 };
  const plans = [
    fees.claimFeePlan({ height: q, refundHeight: R, ...bounds }),
    fees.refundFeePlan({ height: q, refundHeight: R, ...bounds }),
    fees.refundFeePlan({ height: q, refundHeight: R, expiryHeight: R + 72, ...bounds }),
    fees.lockFeePlan({ height: q, startedHeight: q, ...bounds }),
  ];
  for (const plan of plans) assert.deepEqual([plan.floorSatVb, plan.maxFeeSats], [22, 5n]);
});

test('the bond is the largest of one percent, 1000 sats and the cost of walking away, rounded up', () => {
  const bond = (priceSats: bigint, feerateSatVb: number) => fees.depositSats({ priceSats, feerateSatVb });
  assert.equal(bond(10_000n, 0), 1000n);
  assert.equal(bond(100_000n, 2), 1000n);
  assert.equal(bond(100_001n, 2), 1001n);
  assert.equal(bond(100_100n, 2), 1001n);
  assert.equal(bond(10_000n, 10), 4200n);
  assert.equal(bond(10_000n, 2.501), 1051n);
  assert.equal(bond(10_000_000n, 30), 100_000n);
  refuses('bad_amount', () => bond(0n, 1));
  for (const bad of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) refuses('bad_amount', () => bond(10_000n, bad));
});

test('0 is a height, but not a refund height', () => {
  refuses('bad_height', () => fees.claimFeePlan({ height: 0, refundHeight: 0, maxFeeSats: 1n }));
  refuses('bad_height', () => fees.refundFeePlan({ height: 0, refundHeight: 0, maxFeeSats: 1n }));
});

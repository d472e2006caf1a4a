import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as deadlines from './deadlines.ts';
import * as fees from './deadlines-fees.ts';

const q = 900_000;
const R = 900_099;

const functions: [name: string, call: (at: never) => unknown, good: Record<string, number>][] = [
  ['holdFirstHeights', deadlines.holdFirstHeights, { quoteHeight: q, claimWindowBlocks: 72 }],
  ['areHoldFirstHeights', deadlines.areHoldFirstHeights, { quoteHeight: q, refundHeight: R, finalCltv: 171 }],
  ['finalCltvMatches', deadlines.finalCltvMatches, { asked: 171, finalCltv: 171 }],
  ['forwardFinalCltv', deadlines.forwardFinalCltv, { finalCltv: 171 }],
  ['forwardGapIsSafe', deadlines.forwardGapIsSafe, { incomingExpiryHeight: R, outgoingExpiryHeight: q }],
  ['forwardExpiryLimit', deadlines.forwardExpiryLimit, { expiryHeight: R }],
  ['forwardRouteCapBlocks', deadlines.forwardRouteCapBlocks, { expiryHeight: R + 72, height: q }],
  ['isNotAhead', deadlines.isNotAhead, { quoteHeight: q, height: q }],
  ['quoteIsCurrent', deadlines.quoteIsCurrent, { quoteHeight: q, height: q }],
  ['searchFromHeight', deadlines.searchFromHeight, { quoteHeight: q }],
  ['lastAcceptHeight', deadlines.lastAcceptHeight, { quoteHeight: q }],
  ['holdGapIsSafe', deadlines.holdGapIsSafe, { expiryHeight: R + 72, refundHeight: R }],
  ['lastLockHeight', deadlines.lastLockHeight, { refundHeight: R, confirmations: 3 }],
  ['lockGiveUpHeight', deadlines.lockGiveUpHeight, { acceptedHeight: q }],
  ['lastRevealHeight', deadlines.lastRevealHeight, { refundHeight: R }],
  ['mayReveal', deadlines.mayReveal, { height: q, refundHeight: R }],
  ['refundIsOpen', deadlines.refundIsOpen, { height: q, refundHeight: R }],
  ['guardianHeight', deadlines.guardianHeight, { expiryHeight: R }],
  ['holdRouteCapBlocks', deadlines.holdRouteCapBlocks, { finalCltv: 171 }],
  ['routeCapFor', deadlines.routeCapFor, { height: q, refundHeight: R }],
  ['lockFirstRefundHeight', deadlines.lockFirstRefundHeight, { height: q, confirmations: 3, routeCapBlocks: 432 }],
  ['lastPayHeight', deadlines.lastPayHeight, { refundHeight: R, routeCapBlocks: 432 }],
  ['invoiceCancelHeight', deadlines.invoiceCancelHeight, { refundHeight: R, routeCapBlocks: 432 }],
  ['refundIsNear', deadlines.refundIsNear, { height: q, refundHeight: R }],
  ['leastRouteCap', deadlines.leastRouteCap, { minFinalCltv: 18, hintBlocks: 0 }],
  ['claimFeePlan', fees.claimFeePlan, { height: q, refundHeight: R }],
  ['refundFeePlan', fees.refundFeePlan, { height: R, refundHeight: R, expiryHeight: R + 72 }],
  ['lockFeePlan', fees.lockFeePlan, { height: q, startedHeight: q }],
  ['lockBumpIsDue', fees.lockBumpIsDue, { height: q, plannedAt: q }],
];
/** What an argument must be at least, where that is not 0, and at most, where that is not the last height. */
const bounds: Record<string, [number, number]> = {
  refundHeight: [1, 499_999_999],
  confirmations: [1, 499_999_999],
  claimWindowBlocks: [72, 144],
};

for (const [name, call, good] of functions)
  test(`${name} refuses what is not a height, and says which argument`, () => {
    assert.doesNotThrow(() => call(good as never));
    for (const field of Object.keys(good)) {
      const [least, most] = bounds[field] ?? [0, 499_999_999];
      for (const value of [least - 1, most + 1, least + 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const message = `${field} must be an integer from ${least} to ${most}; got ${value}`;
        const error = { code: 'bad_height', message, detail: { field, value } };
        assert.throws(() => call({ ...good, [field]: value } as never), error);
      }
    }
  });

test('a height that a function arrives at must be one too, and is named', () => {
  const message = 'refundHeight must be an integer from 0 to 499999999; got 500000000';
  const late = { code: 'bad_height', message };
  assert.throws(() => deadlines.holdFirstHeights({ quoteHeight: 499_999_901 }), late);
  const at = { height: 499_999_999 - 12 - 1 - 18 - 144 + 1, confirmations: 1, routeCapBlocks: 0 };
  assert.throws(() => deadlines.lockFirstRefundHeight(at), late);
});

test('a price and a feerate that are none are refused and named', () => {
  const price = {
    code: 'bad_amount',
    message: 'priceSats must be above 0; got 0',
    detail: { field: 'priceSats', value: 0n },
  };
  assert.throws(() => deadlines.confirmationsFor(0n), price);
  assert.throws(() => fees.depositSats({ priceSats: 0n, feerateSatVb: 1 }), price);
  const feerate = (field: string) => ({
    code: 'bad_amount',
    message: `${field} must be a feerate of 0 or more; got -1`,
    detail: { field, value: -1 },
  });
  assert.throws(() => fees.depositSats({ priceSats: 1n, feerateSatVb: -1 }), feerate('feerateSatVb'));
  const plan = { height: q, refundHeight: R, maxFeeSats: 1n, previousSatVb: -1 };
  assert.throws(() => fees.claimFeePlan(plan), feerate('previousSatVb'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as deadlines from './deadlines.ts';

const q = 900_000;
const R = 900_099;
const refuses = (code: string, call: () => unknown): void => assert.throws(call, { name: 'SparkleError', code });

test('hold-first: R is q + 99 and F is 171 with the usual claim window', () => {
  assert.deepEqual(deadlines.holdFirstHeights({ quoteHeight: q }), { refundHeight: q + 99, finalCltv: 171 });
});

test('hold-first: the claim window may be 72 to 144 blocks and nothing else', () => {
  const heights = (claimWindowBlocks: number) => deadlines.holdFirstHeights({ quoteHeight: q, claimWindowBlocks });
  assert.deepEqual(heights(72), { refundHeight: q + 99, finalCltv: 171 });
  assert.deepEqual(heights(73), { refundHeight: q + 100, finalCltv: 172 });
  assert.deepEqual(heights(144), { refundHeight: q + 171, finalCltv: 243 });
  for (const bad of [71, 145, 72.5, Number.NaN]) refuses('bad_height', () => heights(bad));
});

test('hold-first: a claim window puts R at the wanted distance, and never nearer than usual', () => {
  const distance = (leastDistance: number) =>
    deadlines.holdFirstHeights({ quoteHeight: 0, claimWindowBlocks: deadlines.claimWindowFor({ leastDistance }) })
      .refundHeight;
  for (const [wanted, made] of [
    [0, 99],
    [6, 99],
    [99, 99],
    [100, 100],
    [171, 171],
  ] as const)
    assert.equal(distance(wanted), made);
  for (const bad of [-1, 172, 99.5]) refuses('bad_height', () => distance(bad));
});

test('hold-first: only heights that the rule makes of q are recognised', () => {
  const same = (refundHeight: number, finalCltv: number, isForwarded?: boolean) =>
    deadlines.areHoldFirstHeights({ quoteHeight: q, refundHeight, finalCltv, ...(isForwarded && { isForwarded }) });
  assert.equal(same(q + 98, 170), false);
  assert.equal(same(q + 99, 171), true);
  assert.equal(same(q + 171, 243), true);
  assert.equal(same(q + 172, 244), false);
  assert.equal(same(q + 99, 170), false);
  assert.equal(same(q + 99, 172), false);
  const fronts = (isForwarded: boolean) => [171, 394, 395, 396].map((front) => same(q + 99, front, isForwarded));
  assert.deepEqual(fronts(true), [true, false, true, false]);
  assert.deepEqual(fronts(false), [true, false, false, false]);
  assert.equal(same(q + 171, 467, true), true);
  assert.equal(same(q + 171, 467), false);
  refuses('bad_height', () => same(0, 171));
  refuses('bad_height', () => same(q + 99, 171.5));
  refuses('bad_height', () => deadlines.areHoldFirstHeights({ quoteHeight: -1, refundHeight: 98, finalCltv: 171 }));
});

test('an invoice may ask for F or up to three blocks more, as nodes add them', () => {
  const matches = (asked: number) => deadlines.finalCltvMatches({ asked, finalCltv: 171 });
  assert.deepEqual([170, 171, 174, 175].map(matches), [false, true, true, false]);
  refuses('bad_height', () => matches(-1));
  refuses('bad_height', () => deadlines.finalCltvMatches({ asked: 171, finalCltv: -1 }));
});

test('a forwarder asks for 80 blocks more than he pays with, and for his way to the payee', () => {
  assert.equal(deadlines.forwardFinalCltv({ finalCltv: 171 }), 171 + 80 + 144);
  refuses('bad_height', () => deadlines.forwardFinalCltv({ finalCltv: -1 }));
  const safe = (incomingExpiryHeight: number) =>
    deadlines.forwardGapIsSafe({ incomingExpiryHeight, outgoingExpiryHeight: q });
  assert.deepEqual([q + 79, q + 80, q + 81].map(safe), [false, true, true]);
  refuses('bad_height', () => safe(-1));
  refuses('bad_height', () => deadlines.forwardGapIsSafe({ incomingExpiryHeight: q, outgoingExpiryHeight: 0.5 }));
});

test('what a forwarder pays out has expired 80 blocks before what he is paid, also when his node is three blocks ahead', () => {
  assert.equal(deadlines.forwardExpiryLimit({ expiryHeight: q + 400 }), q + 320);
  const cap = (height: number) => deadlines.forwardRouteCapBlocks({ expiryHeight: q + 400, height });
  assert.deepEqual([q, q + 316, q + 317, q + 318, q + 400].map(cap), [317, 1, 0, 0, 0]);
  refuses('bad_height', () => deadlines.forwardExpiryLimit({ expiryHeight: 0.5 }));
});

test('a spend is searched for from twelve blocks below the quote: a reorg may confirm it there', () => {
  assert.equal(deadlines.searchFromHeight({ quoteHeight: q }), q - 12);
  assert.equal(deadlines.searchFromHeight({ quoteHeight: 11 }), 0);
  refuses('bad_height', () => deadlines.searchFromHeight({ quoteHeight: -1 }));
});

test('a quote may be one block ahead of us and two behind', () => {
  const current = (quoteHeight: number) => deadlines.quoteIsCurrent({ quoteHeight, height: q });
  assert.deepEqual([q - 3, q - 2, q, q + 1, q + 2].map(current), [false, true, true, true, false]);
  const notAhead = (quoteHeight: number) => deadlines.isNotAhead({ quoteHeight, height: q });
  assert.deepEqual([1, q, q + 1, q + 2].map(notAhead), [true, true, true, false]);
  refuses('bad_height', () => current(-1));
  refuses('bad_height', () => deadlines.isNotAhead({ quoteHeight: q, height: -1 }));
});

test('a refund height makes sense up to 4100 blocks away', () => {
  const near = (left: number) => deadlines.refundIsNear({ height: q, refundHeight: q + left });
  assert.deepEqual([-5, 0, 4100, 4101].map(near), [true, true, true, false]);
  refuses('bad_height', () => deadlines.refundIsNear({ height: 0, refundHeight: 0 }));
  refuses('bad_height', () => deadlines.refundIsNear({ height: -1, refundHeight: R }));
});

test('an invoice may seem to last five minutes longer than it was asked to', () => {
  const right = (secondsLeft: number) => deadlines.invoiceWindowIsRight({ secondsLeft, windowSeconds: 900 });
  assert.deepEqual([0, 900, 1200, 1201].map(right), [true, true, true, false]);
});

test('the payee takes a payment until q + 12', () => {
  assert.equal(deadlines.lastAcceptHeight({ quoteHeight: q }), q + 12);
});

test('a held payment must outlive the refund height by 72 blocks', () => {
  const safe = (expiryHeight: number) => deadlines.holdGapIsSafe({ expiryHeight, refundHeight: R });
  assert.deepEqual([R + 71, R + 72, R + 73].map(safe), [false, true, true]);
});

test('a lock may be started while it can still get its confirmations before the last reveal', () => {
  assert.equal(deadlines.lastLockHeight({ refundHeight: R, confirmations: 1 }), R - 49);
  assert.equal(deadlines.lastLockHeight({ refundHeight: R, confirmations: 3 }), R - 51);
  assert.equal(deadlines.lastLockHeight({ refundHeight: R, confirmations: 6 }), R - 54);
  refuses('bad_height', () => deadlines.lastLockHeight({ refundHeight: R, confirmations: 0 }));
});

test('an unconfirmed lock is given up 12 blocks after the payment was accepted', () => {
  assert.equal(deadlines.lockGiveUpHeight({ acceptedHeight: q }), q + 12);
});

test('the preimage may be shown until R - 36', () => {
  assert.equal(deadlines.lastRevealHeight({ refundHeight: R }), R - 36);
  const may = (at: number) => deadlines.mayReveal({ height: at, refundHeight: R });
  assert.deepEqual([R - 37, R - 36, R - 35].map(may), [true, true, false]);
});

test('a refund is open from the refund height on', () => {
  const open = (at: number) => deadlines.refundIsOpen({ height: at, refundHeight: R });
  assert.deepEqual([R - 1, R, R + 1].map(open), [false, true, true]);
});

test('the guardian wakes 24 blocks before the held payment expires', () => {
  assert.equal(deadlines.guardianHeight({ expiryHeight: 900_171 }), 900_147);
});

test('the route of a held payment is capped at F + 432', () => {
  assert.equal(deadlines.holdRouteCapBlocks({ finalCltv: 171 }), 603);
});

test('lock-first needs twice the route cap, or the cap and a day, whichever is more', () => {
  // The profiles of swaps.md 4.1.2: direct, standard, wide.
  assert.deepEqual([144, 432, 1008].map(deadlines.lockFirstNeed), [288, 864, 2016]);
  assert.deepEqual([0, 143, 145].map(deadlines.lockFirstNeed), [144, 287, 290]);
  for (const bad of [-1, 0.5, Number.NaN, 500_000_000]) refuses('bad_height', () => deadlines.lockFirstNeed(bad));
});

test('the route cap is what the blocks before R leave room for, and never negative', () => {
  const capAt = (left: number) => deadlines.routeCapFor({ height: q, refundHeight: q + left });
  assert.deepEqual([143, 144, 145, 287, 288, 289, 290].map(capAt), [0, 0, 1, 143, 144, 144, 145]);
  assert.equal(deadlines.routeCapFor({ height: q, refundHeight: q - 10 }), 0);
});

test('a lock-first refund height leaves time to confirm, to bury, to pay, and the need', () => {
  const at = { height: q, confirmations: 3, routeCapBlocks: 432 };
  assert.equal(deadlines.lockFirstRefundHeight(at), q + 12 + 3 + 18 + 864);
  refuses('bad_height', () => deadlines.lockFirstRefundHeight({ ...at, confirmations: 0 }));
  refuses('bad_height', () => deadlines.lockFirstRefundHeight({ ...at, height: 499_999_999 }));
});

test('the buyer may pay until R - need, and one block later the seller cancels', () => {
  const at = { refundHeight: q, routeCapBlocks: 432 };
  assert.equal(deadlines.lastPayHeight(at), q - 864);
  assert.equal(deadlines.invoiceCancelHeight(at), q - 863);
});

test('an invoice needs a route of its final CLTV, the slack, one hop and its hints', () => {
  assert.equal(deadlines.leastRouteCap({ minFinalCltv: 18, hintBlocks: 0 }), 61);
  assert.equal(deadlines.leastRouteCap({ minFinalCltv: 80, hintBlocks: 144 }), 267);
  refuses('bad_height', () => deadlines.leastRouteCap({ minFinalCltv: -1, hintBlocks: 0 }));
  refuses('bad_height', () => deadlines.leastRouteCap({ minFinalCltv: 18, hintBlocks: -1 }));
});

test('confirmations grow with the price and are never 0', () => {
  const needed = [1n, 99_999n, 100_000n, 4_999_999n, 5_000_000n, 50_000_000n].map(deadlines.confirmationsFor);
  assert.deepEqual(needed, [1, 1, 3, 3, 6, 6]);
  for (const bad of [0n, -1n]) refuses('bad_amount', () => deadlines.confirmationsFor(bad));
});

test('the numbers that are no function of anything', () => {
  assert.equal(deadlines.FINAL_CONFIRMATIONS, 6);
  assert.equal(deadlines.holdInvoiceExpirySeconds, 900);
  assert.equal(deadlines.lockInvoiceExpirySeconds, 3600);
  assert.equal(deadlines.invoiceMarginSeconds, 60);
  assert.equal(deadlines.maxRefundDistance, 4100);
  assert.deepEqual(deadlines.tradeLimits, { minSats: 10_000n, maxSats: 10_000_000n });
});

test('a tip is fresh for 60 minutes by its own time, and never from far in the future', () => {
  const fresh = (age: number) =>
    deadlines.tipIsFresh({ tipTimeSeconds: 1_700_000_000, nowSeconds: 1_700_000_000 + age, network: 'signet' });
  assert.deepEqual([-7201, -7200, 0, 3599, 3600].map(fresh), [false, true, true, true, false]);
  assert.equal(fresh(Number.NaN), false);
});

test('a regtest tip may be as old as it likes, but not from the future', () => {
  const fresh = (age: number) =>
    deadlines.tipIsFresh({ tipTimeSeconds: 1_700_000_000, nowSeconds: 1_700_000_000 + age, network: 'regtest' });
  assert.deepEqual([-7201, -7200, 1_000_000].map(fresh), [false, true, true]);
});

test('0 is a height, but not a refund height', () => {
  assert.equal(deadlines.lastAcceptHeight({ quoteHeight: 0 }), 12);
  for (const call of [
    () => deadlines.refundIsOpen({ height: 0, refundHeight: 0 }),
    () => deadlines.lastRevealHeight({ refundHeight: 0 }),
    () => deadlines.routeCapFor({ height: 0, refundHeight: 0 }),
    () => deadlines.lastPayHeight({ refundHeight: 0, routeCapBlocks: 0 }),
    () => deadlines.holdGapIsSafe({ expiryHeight: 72, refundHeight: 0 }),
  ])
    refuses('bad_height', call);
});

test('the largest refund height is the last one below Unix time', () => {
  assert.equal(deadlines.lastRevealHeight({ refundHeight: 499_999_999 }), 499_999_963);
  refuses('bad_height', () => deadlines.holdFirstHeights({ quoteHeight: 499_999_901 }));
  assert.equal(deadlines.holdFirstHeights({ quoteHeight: 499_999_900 }).refundHeight, 499_999_999);
});

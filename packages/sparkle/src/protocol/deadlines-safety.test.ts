import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as deadlines from './deadlines.ts';
import * as fees from './deadlines-fees.ts';

const height = fc.integer({ min: 0, max: 499_000_000 });
const window = fc.integer({ min: 72, max: 144 });
const cap = fc.integer({ min: 0, max: 3000 });

test('hold-first: whatever is accepted in time leaves the payee a gap and the buyer a claim window', () => {
  const accepted = fc.record({ quoted: height, w: window, late: fc.nat(30), n: fc.integer({ min: 1, max: 6 }) });
  fc.assert(
    fc.property(accepted, fc.integer({ min: -5, max: 500 }), ({ quoted, w, late, n }, extra) => {
      const { refundHeight, finalCltv } = deadlines.holdFirstHeights({ quoteHeight: quoted, claimWindowBlocks: w });
      const at = quoted + late;
      const expiryHeight = at + finalCltv + extra;
      const inTime = at <= deadlines.lastAcceptHeight({ quoteHeight: quoted });
      if (!inTime || !deadlines.holdGapIsSafe({ expiryHeight, refundHeight })) return;
      const lastConfirmed = deadlines.lockGiveUpHeight({ acceptedHeight: at });
      // The refund confirms within 36, is buried 6 deep, and the node fails a held payment 18 blocks before it expires.
      assert.ok(expiryHeight - refundHeight >= 36 + 6 + 18);
      // The lock is buried n deep while the preimage may still be shown, with 36 blocks left to confirm the claim.
      assert.ok(lastConfirmed + n - 1 <= refundHeight - 36);
    }),
  );
});

test('hold-first: a payment made at the height of the quote or later has a safe gap', () => {
  fc.assert(
    fc.property(height, window, fc.nat(12), (quoted, w, late) => {
      const { refundHeight, finalCltv } = deadlines.holdFirstHeights({ quoteHeight: quoted, claimWindowBlocks: w });
      assert.ok(deadlines.holdGapIsSafe({ expiryHeight: quoted + late + finalCltv, refundHeight }));
    }),
  );
});

test("forward: an outgoing payment within the cap ends 80 blocks before the incoming one, and outlives the seller's refund by 72", () => {
  const paid = fc.record({ quoted: height, w: window, late: fc.nat(12), padding: fc.nat(40), ahead: fc.nat(3) });
  fc.assert(
    fc.property(paid, ({ quoted, w, late, padding, ahead }) => {
      const { refundHeight, finalCltv } = deadlines.holdFirstHeights({ quoteHeight: quoted, claimWindowBlocks: w });
      const height = quoted + late;
      const expiryHeight = height + deadlines.forwardFinalCltv({ finalCltv }) + padding;
      const cap = deadlines.forwardRouteCapBlocks({ expiryHeight, height });
      const outgoingExpiryHeight = height + ahead + cap;
      assert.ok(deadlines.forwardGapIsSafe({ incomingExpiryHeight: expiryHeight, outgoingExpiryHeight }));
      // The way to the seller has room for hops, and what he holds is safe for him as if the buyer had paid him.
      assert.ok(cap >= deadlines.leastRouteCap({ minFinalCltv: finalCltv, hintBlocks: 80 }));
      assert.ok(deadlines.holdGapIsSafe({ expiryHeight: height + finalCltv, refundHeight }));
    }),
  );
});

test("hold-first: whatever heights are recognised, the sats of who asked no forwarder are held for no longer than the seller's gap needs", () => {
  const distance = fc.integer({ min: 95, max: 175 });
  const exact = fc.record({ left: distance, finalCltv: fc.integer({ min: 0, max: 700 }) });
  const near = fc.record({ left: distance, extra: fc.constantFrom(71, 72, 73, 295, 296, 297) });
  const asked = fc.oneof(
    exact,
    near.map(({ left, extra }) => ({ left, finalCltv: left + extra })),
  );
  fc.assert(
    fc.property(height, asked, (quoteHeight, { left, finalCltv }) => {
      const heights = { quoteHeight, refundHeight: quoteHeight + left, finalCltv };
      const direct = deadlines.areHoldFirstHeights(heights);
      const forwarded = deadlines.areHoldFirstHeights({ ...heights, isForwarded: true });
      assert.ok(!direct || finalCltv === heights.refundHeight - quoteHeight + 72);
      assert.ok(!direct || finalCltv <= 243);
      assert.ok(!forwarded || finalCltv <= 243 + 80 + 144);
      assert.ok(!direct || forwarded);
    }),
  );
});

test('hold-first: a lock started in time is buried before the last reveal, and the reveal leaves 36 blocks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 200, max: 499_000_000 }),
      fc.integer({ min: 1, max: 6 }),
      (refundHeight, confirmations) => {
        const started = deadlines.lastLockHeight({ refundHeight, confirmations });
        const buried = started + 12 + confirmations - 1;
        assert.ok(deadlines.mayReveal({ height: buried, refundHeight }));
        assert.ok(refundHeight - deadlines.lastRevealHeight({ refundHeight }) >= 36);
        assert.ok(refundHeight - started >= confirmations + 12 + 36);
      },
    ),
  );
});

test('hold-first: no accepted gap lets the guardian sleep past the time a refund needs', () => {
  fc.assert(
    fc.property(height, fc.integer({ min: 1, max: 400 }), (base, gap) => {
      const at = { expiryHeight: base + 1 + gap, refundHeight: base + 1 };
      assert.equal(deadlines.holdGapIsSafe(at), at.expiryHeight - at.refundHeight >= 72);
      if (!deadlines.holdGapIsSafe(at)) return;
      assert.ok(deadlines.guardianHeight(at) - at.refundHeight >= 36 + 6);
      assert.ok(at.expiryHeight - deadlines.guardianHeight(at) >= 18);
    }),
  );
});

test('lock-first: a payment that may start leaves 144 blocks after the last HTLC and twice the route', () => {
  fc.assert(
    fc.property(height, cap, fc.integer({ min: 0, max: 7000 }), (at, routeCapBlocks, left) => {
      const refundHeight = at + left + 1;
      const may = at <= deadlines.lastPayHeight({ refundHeight, routeCapBlocks });
      const largestExpiry = at + routeCapBlocks;
      assert.equal(may, refundHeight - largestExpiry >= 144 && refundHeight - at >= 2 * routeCapBlocks);
      assert.equal(at >= deadlines.invoiceCancelHeight({ refundHeight, routeCapBlocks }), !may);
    }),
  );
});

test('lock-first: the cap that R leaves room for is the largest that may be paid with', () => {
  fc.assert(
    fc.property(height, fc.integer({ min: 144, max: 4100 }), (at, left) => {
      const refundHeight = at + left;
      const routeCapBlocks = deadlines.routeCapFor({ height: at, refundHeight });
      assert.ok(at <= deadlines.lastPayHeight({ refundHeight, routeCapBlocks }));
      assert.ok(at > deadlines.lastPayHeight({ refundHeight, routeCapBlocks: routeCapBlocks + 1 }));
    }),
  );
});

test('lock-first: a lock that confirms in its budget leaves the buyer an hour of blocks to pay', () => {
  fc.assert(
    fc.property(height, cap, fc.integer({ min: 1, max: 6 }), (at, routeCapBlocks, confirmations) => {
      const refundHeight = deadlines.lockFirstRefundHeight({ height: at, confirmations, routeCapBlocks });
      assert.ok(deadlines.lastPayHeight({ refundHeight, routeCapBlocks }) - (at + 12 + confirmations) >= 18);
    }),
  );
});

test('urgency never falls as a deadline nears', () => {
  const heights = { height: fc.integer({ min: 1000, max: 2000 }), step: fc.integer({ min: 0, max: 300 }) };
  const plans = [
    (at: number) => fees.claimFeePlan({ height: at, refundHeight: 1500, maxFeeSats: 1n }),
    (at: number) => fees.refundFeePlan({ height: at, refundHeight: 1500, maxFeeSats: 1n }),
    (at: number) => fees.refundFeePlan({ height: at, refundHeight: 1500, expiryHeight: 1572, maxFeeSats: 1n }),
    (at: number) => fees.lockFeePlan({ height: at, startedHeight: 1500, maxFeeSats: 1n }),
  ];
  fc.assert(
    fc.property(fc.record(heights), ({ height: at, step }) => {
      for (const plan of plans) {
        assert.ok(plan(at + step).targetBlocks <= plan(at).targetBlocks);
        assert.ok(plan(at + step).multiplierPercent >= plan(at).multiplierPercent);
      }
    }),
  );
});

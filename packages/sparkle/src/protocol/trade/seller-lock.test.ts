import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { invoiceCancelHeight, lastPayHeight } from '../deadlines.ts';
import type { TradeEvent } from './event.ts';
import { step } from './step.ts';
import {
  abortFor,
  after,
  at,
  claimFor,
  heard,
  HEIGHT,
  inscriptionId,
  invoiceFor,
  lockFor,
  lockSeller,
  lockTerms,
  looked,
  NOW,
  offer,
  ready,
  refundFor,
  spentBy,
  deeds,
  stateAfter,
  unspent,
  absent,
  outcomeOf as outcome,
} from './fixtures.suite.ts';

const open = { state: 'open' } as const;
const canceled = { state: 'canceled' } as const;
const settled = { state: 'settled', amountMsat: 90_000_000n } as const;
const within = { refundHeight: lockTerms.refundHeight, routeCapBlocks: offer.routeCapBlocks };
const R = lockTerms.refundHeight;
const cancelAt = invoiceCancelHeight(within);
const lock = lockFor(lockTerms);
const refund = refundFor(lockTerms);
const abortRequested: TradeEvent = { type: 'abort_requested', at: at(HEIGHT), reason: 'x' };
const aborted: TradeEvent = heard({
  op: 'trade_abort',
  inscriptionId,
  code: 'abort_requested',
  signed: { tradeId: lockTerms.tradeId, from: lockTerms.buyerId, expiresAt: NOW + 60 },
});
const withdrawing = after(lockSeller.invoiced, looked(cancelAt, { invoice: open, lock: unspent(30) }));
const waiting = after(withdrawing, looked(cancelAt, { invoice: canceled, lock: unspent(30) }));
const refunding = after(waiting, looked(R, { lock: unspent(300) }));
const refunded = after(refunding, { type: 'refund_built', at: at(R), refund });

describe('the seller in lock-first', () => {
  test('building: an abort before the lock is built ends the trade', () => {
    assert.equal(outcome(after(lockSeller.building, abortRequested)), 'canceled');
    assert.equal(outcome(after(lockSeller.building, aborted)), 'canceled');
  });

  test('building: a lock that would leave no time to pay is not built', () => {
    assert.equal(stateAfter(lockSeller.building, looked(lastPayHeight(within), {})), 'building');
    assert.equal(stateAfter(lockSeller.building, looked(lastPayHeight(within) + 1, {})), 'ended');
  });

  test('building: what cannot be locked ends the trade', () => {
    const failed: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT),
      effect: 'build_lock',
      code: 'dust',
      sentence: '',
    };
    assert.equal(outcome(after(lockSeller.building, failed)), 'canceled');
  });

  test('locking: no invoice exists before the lock has its confirmations', () => {
    assert.deepEqual(deeds(lockSeller.locking, looked(HEIGHT + 1, { lock: unspent(0) })), []);
    assert.deepEqual(deeds(lockSeller.locking, looked(HEIGHT + 1, { lock: unspent(1) })), ['create_invoice']);
  });

  test('locking: an abort spends the lock back while it is unconfirmed', () => {
    assert.deepEqual(deeds(lockSeller.locking, abortRequested), ['build_abort']);
    assert.deepEqual(deeds(lockSeller.locking, aborted), ['build_abort']);
  });

  test('aborting: every block sends the last spend back again and builds a dearer one', () => {
    const aborting = after(lockSeller.locking, abortRequested);
    const spentBack = after(aborting, { type: 'abort_built', at: at(HEIGHT + 1), abort: abortFor(lockTerms) });
    const dropped = looked(HEIGHT + 9, { lock: absent, source: unspent(20) });
    assert.deepEqual(deeds(aborting, dropped), ['build_abort']);
    assert.deepEqual(deeds(spentBack, dropped), ['broadcast', 'build_abort']);
  });

  test('aborting: the trade ends when the spend back is buried, and waits for R when the lock won', () => {
    const aborting = after(lockSeller.locking, abortRequested);
    const abort = abortFor(lockTerms);
    assert.equal(stateAfter(aborting, looked(HEIGHT + 9, { lock: absent, source: spentBy(abort, 5) })), 'aborting');
    assert.equal(outcome(after(aborting, looked(HEIGHT + 9, { lock: absent, source: spentBy(abort, 6) }))), 'canceled');
    assert.equal(stateAfter(aborting, looked(HEIGHT + 9, { lock: unspent(1), source: spentBy(lock, 1) })), 'waiting');
  });

  test('locking: another transaction that spent the input six deep ends the trade', () => {
    const gone = looked(HEIGHT + 9, { lock: absent, source: spentBy(abortFor(lockTerms), 6) });
    assert.equal(outcome(after(lockSeller.locking, gone)), 'canceled');
  });

  test('invoicing: the buyer is told of lock and invoice together', () => {
    assert.deepEqual(deeds(lockSeller.invoicing, ready(invoiceFor(lockTerms), HEIGHT + 1)), ['send']);
  });

  test('invoiced: a settled invoice is a finished trade', () => {
    assert.equal(
      outcome(after(lockSeller.invoiced, looked(HEIGHT + 2, { invoice: settled, lock: unspent(2) }))),
      'traded',
    );
  });

  test('invoiced: the invoice is canceled at the height after which no honest buyer pays, and not before', () => {
    assert.equal(
      stateAfter(lockSeller.invoiced, looked(cancelAt - 1, { invoice: open, lock: unspent(9) })),
      'invoiced',
    );
    assert.equal(withdrawing.state, 'withdrawing');
    assert.deepEqual(deeds(lockSeller.invoiced, looked(cancelAt, { invoice: open, lock: unspent(9) })), [
      'cancel_invoice',
    ]);
  });

  test('invoiced: an expired invoice is canceled', () => {
    const late = looked(HEIGHT + 2, { invoice: open, lock: unspent(2) }, NOW + 3601);
    assert.equal(stateAfter(lockSeller.invoiced, late), 'withdrawing');
  });

  test('invoiced: a lock that a reorg took away is brought back, and announced again every block', () => {
    assert.deepEqual(deeds(lockSeller.invoiced, looked(HEIGHT + 2, { invoice: open, lock: absent })), [
      'broadcast',
      'send',
    ]);
    assert.deepEqual(deeds(lockSeller.invoiced, looked(HEIGHT + 2, { invoice: open, lock: unspent(2) })), ['send']);
  });

  test('withdrawing: the refund waits until the node says that the invoice is canceled', () => {
    assert.equal(stateAfter(withdrawing, looked(cancelAt + 1, { invoice: open, lock: unspent(31) })), 'withdrawing');
    assert.deepEqual(deeds(withdrawing, looked(cancelAt + 1, { invoice: open, lock: unspent(31) })), [
      'cancel_invoice',
    ]);
    assert.equal(waiting.state, 'waiting');
  });

  test('withdrawing: an invoice that the node never made cannot be paid, so the refund may be waited for', () => {
    const unknown = { state: 'unknown' } as const;
    assert.equal(stateAfter(withdrawing, looked(cancelAt, { invoice: unknown, lock: unspent(30) })), 'waiting');
  });

  test('waiting and refunding: when a reorg lets his own spend of the source win, there is nothing to refund', () => {
    const buried = { lock: absent, source: spentBy(abortFor(lockTerms), 6) };
    assert.equal(outcome(after(waiting, looked(R - 1, buried))), 'canceled');
    assert.equal(outcome(after(refunding, looked(R + 1, buried))), 'canceled');
    const shallow = { lock: absent, source: spentBy(abortFor(lockTerms), 5) };
    assert.equal(stateAfter(waiting, looked(R - 1, shallow)), 'waiting');
  });

  test('refunding: an invoice that was made after all is canceled before the refund is signed', () => {
    const late = looked(R + 1, { invoice: open, lock: unspent(301) });
    assert.deepEqual(deeds(refunding, late), ['cancel_invoice', 'build_refund']);
  });

  test('withdrawing: an invoice that settled meanwhile is a finished trade, and nothing is refunded', () => {
    assert.equal(outcome(after(withdrawing, looked(cancelAt, { invoice: settled, lock: unspent(30) }))), 'traded');
  });

  test('waiting: the refund begins at R and not one block before', () => {
    assert.equal(stateAfter(waiting, looked(R - 1, { lock: unspent(299) })), 'waiting');
    assert.deepEqual(deeds(waiting, looked(R, { lock: unspent(300) })), ['build_refund']);
  });

  test('refunding: it ends when the refund is buried six deep', () => {
    assert.equal(stateAfter(refunded, looked(R + 5, { invoice: canceled, lock: spentBy(refund, 5) })), 'refunding');
    assert.equal(outcome(after(refunded, looked(R + 6, { invoice: canceled, lock: spentBy(refund, 6) }))), 'refunded');
  });

  test('refunding: every block sends it again and raises its fee', () => {
    const again = looked(R + 1, { invoice: canceled, lock: spentBy(refund, 0) });
    assert.deepEqual(deeds(refunded, again), ['broadcast', 'build_refund']);
  });

  test('refunding: while the node cannot say what became of the invoice, nothing is sent and nothing is lost', () => {
    const claim = claimFor(lockTerms);
    for (const lock of [unspent(301), spentBy(claim, 0), spentBy(claim, 6), spentBy(refund, 6)])
      assert.deepEqual(step(refunded, looked(R + 7, { lock })), { trade: refunded, effects: [] });
  });

  test('refunding: a claim without a settled invoice is outbid while it is unconfirmed', () => {
    const claim = claimFor(lockTerms);
    assert.deepEqual(deeds(refunded, looked(R + 1, { invoice: canceled, lock: spentBy(claim, 0) })), ['build_refund']);
    assert.equal(outcome(after(refunded, looked(R + 1, { invoice: canceled, lock: spentBy(claim, 1) }))), 'lost');
  });
});

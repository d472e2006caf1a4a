import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { guardianHeight, lastAcceptHeight, lastLockHeight, lockGiveUpHeight } from '../deadlines.ts';
import type { TradeEvent } from './event.ts';
import {
  abortFor,
  after,
  at,
  claimFor,
  heard,
  held,
  HEIGHT,
  holdSeller,
  holdTerms,
  inscriptionId,
  lockFor,
  looked,
  NOW,
  R,
  ready,
  refundFor,
  spentBy,
  deeds,
  stateAfter,
  unspent,
  absent,
} from './fixtures.suite.ts';
import { findPreimage } from '../spend.ts';
import { readTransaction, writeTransaction } from '../transaction.ts';
import { step } from './step.ts';

const lock = lockFor(holdTerms);
const claim = claimFor(holdTerms);
const refund = refundFor(holdTerms);
const open = { state: 'open' } as const;
const canceled = { state: 'canceled' } as const;
const settled = { state: 'settled', amountMsat: 90_000_000n } as const;
const aborted: TradeEvent = heard({
  op: 'trade_abort',
  inscriptionId,
  code: 'abort_requested',
  signed: { tradeId: holdTerms.tradeId, from: holdTerms.buyerId, expiresAt: NOW + 60 },
});
const refunding = after(holdSeller.locked, looked(R, { invoice: held, lock: unspent(90) }));
const refunded = after(refunding, { type: 'refund_built', at: at(R), refund });
const aborting = after(
  holdSeller.locking,
  looked(lockGiveUpHeight({ acceptedHeight: HEIGHT }), { invoice: held, lock: unspent(0) }),
);
const settling = after(holdSeller.locked, looked(HEIGHT + 2, { invoice: held, lock: spentBy(claim, 0) }));

describe('the seller in hold-first, before anything is locked', () => {
  test('quoting: the invoice is sent with the terms', () => {
    assert.deepEqual(deeds(holdSeller.quoting, ready('lnbcrt1')), ['send']);
  });

  test('quoting: a node that cannot make the invoice ends the trade', () => {
    const failed: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT),
      effect: 'create_hold_invoice',
      code: 'invoice_exists',
      sentence: '',
    };
    const ended = after(holdSeller.quoting, failed);
    assert.deepEqual([ended.state, 'outcome' in ended && ended.outcome], ['ended', 'refused']);
  });

  test('invoiced: an open invoice is waited for until the last height to accept, and no longer', () => {
    const last = lastAcceptHeight(holdTerms);
    assert.equal(stateAfter(holdSeller.invoiced, looked(last, { invoice: open })), 'invoiced');
    assert.equal(stateAfter(holdSeller.invoiced, looked(last + 1, { invoice: open })), 'canceling');
  });

  test('invoiced: an expired invoice is canceled', () => {
    assert.equal(stateAfter(holdSeller.invoiced, looked(HEIGHT, { invoice: open }, NOW + 900)), 'invoiced');
    assert.equal(stateAfter(holdSeller.invoiced, looked(HEIGHT, { invoice: open }, NOW + 901)), 'canceling');
  });

  test('invoiced: a held payment that is safe leads to a lock', () => {
    assert.deepEqual(deeds(holdSeller.invoiced, looked(HEIGHT, { invoice: held })), ['build_lock']);
  });

  test('invoiced: a payment that expires too early, is too small or too late is canceled and nothing is locked', () => {
    for (const [height, wrong] of [
      [HEIGHT, { ...held, expiryHeight: R + 71 }],
      [HEIGHT, { ...held, amountMsat: 89_999_999n }],
      [HEIGHT, { ...held, amountMsat: 90_900_001n }],
      [lastAcceptHeight(holdTerms) + 1, held],
    ] as const) {
      assert.deepEqual(deeds(holdSeller.invoiced, looked(height, { invoice: wrong })), ['cancel_invoice']);
      assert.equal(stateAfter(holdSeller.invoiced, looked(height, { invoice: wrong })), 'canceling');
    }
  });

  test('invoiced and building: an abort of the buyer cancels the hold', () => {
    assert.equal(stateAfter(holdSeller.invoiced, aborted), 'canceling');
    assert.equal(stateAfter(holdSeller.building, aborted), 'canceling');
  });

  test('building: a hold that is gone leads to no lock', () => {
    assert.equal(stateAfter(holdSeller.building, looked(HEIGHT, { invoice: canceled })), 'canceling');
  });

  test('building and locking: a hold that the node lost, or lost parts of, is gone although it calls it held', () => {
    for (const amountMsat of [0n, 89_999_999n]) {
      const emptied = { ...held, amountMsat, expiryHeight: amountMsat === 0n ? 0 : held.expiryHeight };
      assert.equal(stateAfter(holdSeller.building, looked(HEIGHT, { invoice: emptied })), 'canceling');
      const unconfirmed = looked(HEIGHT + 1, { invoice: emptied, lock: unspent(0), source: spentBy(lock, 0) });
      assert.equal(stateAfter(holdSeller.locking, unconfirmed), 'aborting');
    }
  });

  test('building: a lock that comes too late is never broadcast', () => {
    const late = Math.min(lastLockHeight(holdTerms) + 1, lockGiveUpHeight({ acceptedHeight: HEIGHT }));
    const built: TradeEvent = { type: 'lock_built', at: at(late), lock };
    assert.deepEqual(deeds(holdSeller.building, built), ['cancel_invoice']);
    assert.deepEqual(deeds(holdSeller.building, { ...built, at: at(late - 1) }), ['broadcast', 'send']);
  });

  test('building: a lock that takes too long to build is not waited for', () => {
    const giveUp = lockGiveUpHeight({ acceptedHeight: HEIGHT });
    assert.equal(stateAfter(holdSeller.building, looked(giveUp - 1, { invoice: held })), 'building');
    assert.equal(stateAfter(holdSeller.building, looked(giveUp, { invoice: held })), 'canceling');
  });

  test('building: a lock that cannot be built cancels the hold', () => {
    const failed: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT),
      effect: 'build_lock',
      code: 'insufficient_funds',
      sentence: '',
    };
    assert.equal(stateAfter(holdSeller.building, failed), 'canceling');
  });
});

describe('the seller in hold-first, with a lock on its way', () => {
  test('locking: enough confirmations make it locked, and it is announced again', () => {
    const confirmed = looked(HEIGHT + 1, { invoice: held, lock: unspent(1) });
    assert.equal(stateAfter(holdSeller.locking, confirmed), 'locked');
    assert.deepEqual(deeds(holdSeller.locking, confirmed), ['send']);
  });

  test('locking: a lock that the mempool dropped is sent again, once a block', () => {
    const gone = looked(HEIGHT + 1, { invoice: held, lock: absent });
    assert.deepEqual(deeds(holdSeller.locking, gone), ['broadcast']);
    assert.deepEqual(deeds(after(holdSeller.locking, gone), gone), []);
  });

  test('locking: a lock that lingers is sent again and bumped by a child', () => {
    assert.deepEqual(deeds(holdSeller.locking, looked(HEIGHT + 1, { invoice: held, lock: unspent(0) })), []);
    const lingering = looked(HEIGHT + 3, { invoice: held, lock: unspent(0) });
    assert.deepEqual(deeds(holdSeller.locking, lingering), ['broadcast', 'bump_lock']);
  });

  test('locking: unconfirmed at the height to give up, it is spent back to the seller', () => {
    const giveUp = lockGiveUpHeight({ acceptedHeight: HEIGHT });
    const waits = looked(giveUp - 1, { invoice: held, lock: unspent(0) });
    assert.notEqual(stateAfter(holdSeller.locking, waits), 'aborting');
    assert.equal(aborting.state, 'aborting');
    assert.deepEqual(deeds(holdSeller.locking, looked(giveUp, { invoice: held, lock: unspent(0) })), ['build_abort']);
  });

  test('locking: a hold that is gone while the lock is unconfirmed aborts it', () => {
    assert.equal(stateAfter(holdSeller.locking, looked(HEIGHT, { invoice: canceled, lock: unspent(0) })), 'aborting');
  });

  test('locking: a lock that was too late to be sent, or whose payment is gone, is taken back', () => {
    for (const code of ['too_late', 'invoice_not_held']) {
      const refused: TradeEvent = {
        type: 'effect_failed',
        attempts: 0,
        at: at(HEIGHT + 1),
        effect: 'broadcast',
        code,
        sentence: '',
      };
      assert.equal(stateAfter(holdSeller.locking, refused), 'aborting');
    }
    const passing: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT + 1),
      effect: 'broadcast',
      code: 'broadcast_refused',
      sentence: '',
    };
    assert.equal(stateAfter(holdSeller.locking, passing), 'locking');
  });

  test('a lock may leave only in time and while its payment is held', () => {
    const built: TradeEvent = { type: 'lock_built', at: at(HEIGHT), lock };
    const [broadcast] = step(holdSeller.building, built).effects;
    const only = { untilHeight: lastLockHeight(holdTerms), heldHash: holdTerms.paymentHash };
    assert.deepEqual(broadcast?.effect.do === 'broadcast' && broadcast.effect.only, only);
  });

  test('aborting: the hold is canceled only when the spend back is buried six deep', () => {
    const abort = abortFor(holdTerms);
    const at5 = looked(HEIGHT + 20, { invoice: held, lock: absent, source: spentBy(abort, 5) });
    const at6 = looked(HEIGHT + 21, { invoice: held, lock: absent, source: spentBy(abort, 6) });
    assert.equal(stateAfter(aborting, at5), 'aborting');
    assert.equal(stateAfter(aborting, at6), 'canceling');
    assert.deepEqual(deeds(aborting, at6), ['cancel_invoice']);
  });

  test('aborting: a lock that confirms after all is a lock', () => {
    const confirmed = looked(HEIGHT + 20, { invoice: held, lock: unspent(1), source: spentBy(lock, 1) });
    assert.equal(stateAfter(aborting, confirmed), 'locked');
  });

  test('aborting: every block without a result raises the fee of the spend back', () => {
    const again = looked(HEIGHT + 13, { invoice: held, lock: unspent(0), source: spentBy(lock, 0) });
    assert.deepEqual(deeds(aborting, again), ['build_abort']);
  });

  test('aborting: every block sends the last spend back again, which the mempool may have dropped', () => {
    const spentBack = after(aborting, { type: 'abort_built', at: at(HEIGHT + 12), abort: abortFor(holdTerms) });
    const dropped = looked(HEIGHT + 13, { invoice: held, lock: absent, source: unspent(20) });
    assert.deepEqual(deeds(spentBack, dropped), ['broadcast', 'build_abort']);
    assert.deepEqual(deeds(after(spentBack, dropped), dropped), []);
  });
});

describe('the seller in hold-first, locked', () => {
  test('locked: the preimage is found in the mempool, stored, and the payment settled', () => {
    assert.equal(settling.state, 'settling');
    assert.deepEqual(deeds(holdSeller.locked, looked(HEIGHT + 2, { invoice: held, lock: spentBy(claim, 0) })), [
      'settle',
    ]);
    assert.equal(stateAfter(settling, looked(HEIGHT + 2, { invoice: settled, lock: spentBy(claim, 0) })), 'ended');
  });

  test('a preimage that a spend of the lock has shown, if only for a moment, settles the payment', () => {
    const preimage = findPreimage(claim.raw, holdTerms.paymentHash) ?? '';
    const shown: TradeEvent = { type: 'preimage_seen', at: at(R), preimage, txid: claim.txid };
    for (const trade of [holdSeller.locking, holdSeller.locked, refunded]) {
      assert.deepEqual(deeds(trade, shown), ['settle']);
      assert.equal(stateAfter(trade, shown), 'settling');
    }
  });

  test('aborting: what a claim has shown is not settled with while the spend back may win', () => {
    const preimage = findPreimage(claim.raw, holdTerms.paymentHash) ?? '';
    assert.deepEqual(deeds(aborting, { type: 'preimage_seen', at: at(R), preimage, txid: claim.txid }), []);
    assert.deepEqual(deeds(aborting, looked(R, { invoice: held, lock: spentBy(claim, 0) })), ['settle']);
  });

  test('a preimage of another hash is none', () => {
    const shown: TradeEvent = { type: 'preimage_seen', at: at(R), preimage: '00'.repeat(32), txid: claim.txid };
    for (const trade of [holdSeller.locking, aborting, holdSeller.locked, refunded])
      assert.deepEqual(step(trade, shown), { trade, effects: [] });
  });

  test('locked: the refund begins at R and not one block before', () => {
    assert.equal(stateAfter(holdSeller.locked, looked(R - 1, { invoice: held, lock: unspent(90) })), 'locked');
    assert.equal(refunding.state, 'refunding');
    assert.deepEqual(deeds(holdSeller.locked, looked(R, { invoice: held, lock: unspent(90) })), ['build_refund']);
  });

  test('locked: a reorg that takes the lock away brings it back before R, and stops it after', () => {
    assert.deepEqual(deeds(holdSeller.locked, looked(HEIGHT + 2, { invoice: held, lock: absent })), ['broadcast']);
    assert.equal(stateAfter(holdSeller.locked, looked(R, { invoice: held, lock: absent })), 'aborting');
  });

  test('refunding: a lock that a reorg took away is not brought back but taken back', () => {
    assert.equal(stateAfter(refunding, looked(R + 1, { invoice: held, lock: absent })), 'aborting');
    assert.equal(stateAfter(refunding, looked(R, { invoice: held, lock: absent })), 'refunding');
  });

  test('refunding: the hold is canceled only when the refund is buried six deep', () => {
    assert.equal(stateAfter(refunded, looked(R + 5, { invoice: held, lock: spentBy(refund, 5) })), 'refunding');
    assert.equal(stateAfter(refunded, looked(R + 6, { invoice: held, lock: spentBy(refund, 6) })), 'canceling');
  });

  describe('a claim that a source shows without its witness', () => {
    const { inputs, ...rest } = readTransaction(claim.raw);
    const bare = writeTransaction({ ...rest, inputs: inputs.map((input) => ({ ...input, witness: [] })) });
    const stripped = (confirmations: number) => spentBy({ txid: claim.txid, raw: bare }, confirmations);

    test('refunding: the hold is not canceled for it, and a human is called', () => {
      const buried = looked(R + 6, { invoice: held, lock: stripped(6) });
      assert.equal(stateAfter(refunded, buried), 'refunding');
      assert.deepEqual(deeds(refunded, buried), ['alert']);
      const shown = looked(R + 7, { invoice: held, lock: spentBy(claim, 7) });
      assert.deepEqual(deeds(refunded, shown), ['settle']);
    });

    test('refunding: where the hold is gone anyway, nothing is waited for', () => {
      assert.equal(stateAfter(refunded, looked(R + 6, { invoice: canceled, lock: stripped(6) })), 'canceling');
    });

    test('locked: it calls a human once it is confirmed, and keeps nobody from refunding at R', () => {
      const { locked } = holdSeller;
      assert.deepEqual(deeds(locked, looked(HEIGHT + 3, { invoice: held, lock: stripped(0) })), []);
      assert.deepEqual(deeds(locked, looked(HEIGHT + 4, { invoice: held, lock: stripped(1) })), ['alert']);
      assert.equal(stateAfter(locked, looked(R, { invoice: held, lock: stripped(0) })), 'refunding');
    });
  });

  test('refunding: a claim that comes first settles the payment, even from the mempool', () => {
    assert.deepEqual(deeds(refunded, looked(R + 1, { invoice: held, lock: spentBy(claim, 0) })), ['settle']);
  });

  test('refunding: every block sends the refund again and raises its fee', () => {
    assert.deepEqual(deeds(refunded, looked(R + 1, { invoice: held, lock: spentBy(refund, 0) })), [
      'broadcast',
      'build_refund',
    ]);
    assert.deepEqual(deeds(refunded, looked(R, { invoice: held, lock: spentBy(refund, 0) })), []);
  });

  test('refunding: a human is called when the held payment is about to expire', () => {
    const near = guardianHeight({ expiryHeight: held.expiryHeight });
    assert.ok(!deeds(refunded, looked(near - 1, { invoice: held, lock: unspent(1) })).includes('alert'));
    assert.ok(deeds(refunded, looked(near, { invoice: held, lock: unspent(1) })).includes('alert'));
  });

  test('refunding: a claim for which no payment is held any more is outbid, and the trade is lost only when it is buried', () => {
    const contested = looked(R + 60, { invoice: canceled, lock: spentBy(claim, 0) });
    assert.deepEqual(deeds(refunded, contested), ['build_refund']);
    const buried = after(refunded, looked(R + 66, { invoice: canceled, lock: spentBy(claim, 6) }));
    assert.equal('outcome' in buried && buried.outcome, 'lost');
  });

  test('settling: an unsettled payment is settled again with every block', () => {
    const still = looked(HEIGHT + 3, { invoice: held, lock: spentBy(claim, 1) });
    assert.deepEqual(deeds(settling, still), ['settle']);
    assert.deepEqual(deeds(after(settling, still), still), []);
  });

  test('canceling: a lock that is found on the chain is gone on with as one on its way, but not by who knew of a lock', () => {
    const found = { type: 'lock_found', at: at(HEIGHT + 30), lock, expiryHeight: 999 } as const;
    const canceling = after(holdSeller.invoiced, { type: 'abort_requested', at: at(HEIGHT), reason: 'x' });
    const locking = after(canceling, found);
    assert.ok(locking.state === 'locking' && 'expiryHeight' in locking);
    assert.deepEqual([locking.expiryHeight, locking.lock], [999, lock]);
    assert.equal(stateAfter(locking, looked(HEIGHT + 31, { invoice: held, lock: unspent(0) })), 'locking');
    assert.equal(stateAfter(locking, looked(HEIGHT + 31, { invoice: held, lock: unspent(6) })), 'locked');
    assert.equal(stateAfter(locking, looked(HEIGHT + 31, { invoice: held, lock: spentBy(claim, 0) })), 'settling');
    const back = after(refunded, looked(R + 6, { invoice: held, lock: spentBy(refund, 6) }));
    assert.equal(stateAfter(back, found), 'canceling');
  });

  test('a payment that settled while it was being canceled counts as traded', () => {
    const canceling = after(holdSeller.invoiced, { type: 'abort_requested', at: at(HEIGHT), reason: 'x' });
    const ended = after(canceling, looked(HEIGHT, { invoice: settled }));
    assert.equal('outcome' in ended && ended.outcome, 'traded');
  });
});

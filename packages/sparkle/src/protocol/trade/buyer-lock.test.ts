import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { lastPayHeight } from '../deadlines.ts';
import { findPreimage } from '../spend.ts';
import type { TradeEvent } from './event.ts';
import {
  accept,
  after,
  at,
  claimFor,
  factsFor,
  heard,
  HEIGHT,
  inscriptionId,
  lockBuyer,
  lockTerms,
  looked,
  NOW,
  presignedFor,
  sellerKeys,
  spentBy,
  deeds,
  stateAfter,
  outcomeOf as outcome,
} from './fixtures.suite.ts';
import { step, type Trade } from './step.ts';

const codes = (trade: Trade) => ('codes' in trade ? trade.codes : []);
const settled = { state: 'settled', preimage: sellerKeys.preimage, feeMsat: 0n } as const;
const lastPay = lastPayHeight({ refundHeight: lockTerms.refundHeight, routeCapBlocks: 144 });
const presigned: TradeEvent = { type: 'claim_presigned', at: at(HEIGHT + 1), presigned: presignedFor(lockTerms) };
const facts = factsFor(lockTerms);

describe('the buyer in lock-first', () => {
  test('requested: an accept that differs from what he wants is refused with every code', () => {
    const { signed } = accept;
    assert.ok(signed !== undefined);
    const wrong = { ...accept, signed: { ...signed, priceSats: 90_001n, script: 'sip3' as const } };
    const ended = after(lockBuyer.requested, heard(wrong, HEIGHT + 1));
    assert.equal(outcome(ended), 'refused');
    assert.ok(codes(ended).includes('wrong_price') && codes(ended).length > 1);
  });

  test('requested: a refusal of the seller ends it', () => {
    const signed = { tradeId: lockTerms.tradeId, from: lockTerms.sellerId, expiresAt: NOW + 60 };
    const refusal = heard({ op: 'trade_abort', inscriptionId, code: 'not_for_sale', signed });
    assert.deepEqual(codes(after(lockBuyer.requested, refusal)), ['not_for_sale']);
  });

  test('verifying: an unconfirmed lock is waited for, until paying would be too late', () => {
    const unconfirmed = factsFor(lockTerms, 0);
    assert.equal(stateAfter(lockBuyer.verifying, looked(HEIGHT + 1, { facts: unconfirmed })), 'verifying');
    assert.equal(outcome(after(lockBuyer.verifying, looked(lastPay + 1, { facts }))), 'expired');
  });

  test('verifying: a stale best block is waited out', () => {
    const event = looked(HEIGHT + 1, { facts });
    assert.ok(event.type === 'looked');
    const stale = { ...event, view: { ...event.view, tip: { ...event.view.tip, timeSeconds: NOW - 200_000 } } };
    assert.ok(['verifying', 'arming'].includes(stateAfter(lockBuyer.verifying, stale)));
  });

  test('verifying: a lock that is not what was promised is refused before a sat moves', () => {
    const moved = { ...facts, satpoint: `${'dd'.repeat(32)}:0:0` };
    assert.equal(outcome(after(lockBuyer.verifying, looked(HEIGHT + 1, { facts: moved }))), 'refused');
  });

  test('arming: a claim is signed before the payment leaves', () => {
    assert.deepEqual(deeds(lockBuyer.verifying, looked(HEIGHT + 1, { facts })), ['presign_claim']);
    assert.deepEqual(deeds(lockBuyer.arming, presigned), ['pay']);
  });

  test('arming: the route is capped by what the refund height leaves room for', () => {
    const [pay] = step(lockBuyer.arming, presigned).effects;
    assert.equal(pay?.effect.do === 'pay' && pay.effect.maxCltvBlocks, 144);
    assert.equal(pay?.effect.do === 'pay' && pay.effect.notAfterHeight, lastPay);
  });

  test('arming: too late to pay when the claim is signed, nothing is paid', () => {
    const late = { ...presigned, at: at(lastPay + 1) };
    assert.deepEqual(deeds(lockBuyer.arming, late), []);
    assert.deepEqual(codes(after(lockBuyer.arming, late)), ['pay_too_late']);
  });

  test('arming: a claim that cannot be signed ends the trade unpaid', () => {
    const failed: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT + 1),
      effect: 'presign_claim',
      code: 'fee_too_high',
      sentence: '',
    };
    assert.equal(outcome(after(lockBuyer.arming, failed)), 'abandoned');
  });

  test('paying: a restart and an unknown outcome never pay again', () => {
    assert.deepEqual(deeds(lockBuyer.paying, { type: 'restarted', at: at(HEIGHT + 2) }), []);
    assert.deepEqual(deeds(lockBuyer.paying, looked(HEIGHT + 2, { payment: { state: 'unknown' } })), []);
    assert.deepEqual(deeds(lockBuyer.paying, looked(HEIGHT + 2, { payment: { state: 'pending' } })), []);
  });

  test('paying: an abort is too late', () => {
    assert.equal(stateAfter(lockBuyer.paying, { type: 'abort_requested', at: at(HEIGHT + 2), reason: 'x' }), 'paying');
  });

  test('paying: a settled payment completes the claim that was signed before, without another step', () => {
    const change = step(lockBuyer.paying, looked(HEIGHT + 2, { payment: settled }));
    const [broadcast] = change.effects;
    assert.ok(broadcast?.effect.do === 'broadcast');
    assert.equal(findPreimage(broadcast.effect.raw, lockTerms.paymentHash), sellerKeys.preimage);
    assert.equal(broadcast.effect.txid, presignedFor(lockTerms).txid);
  });

  test('paying: a preimage that does not fit is ignored, whoever says it', () => {
    const wrong = { ...settled, preimage: '00'.repeat(32) };
    assert.equal(stateAfter(lockBuyer.paying, looked(HEIGHT + 2, { payment: wrong })), 'paying');
  });

  test('paying: only a terminal failure ends it', () => {
    const failed = { state: 'failed', reason: 'no route' } as const;
    assert.equal(outcome(after(lockBuyer.paying, looked(HEIGHT + 2, { payment: failed }))), 'abandoned');
  });

  test('claiming: past R he still claims, because the payment is gone', () => {
    const late = looked(lockTerms.refundHeight + 3, {
      payment: settled,
      lock: { state: 'unspent', confirmations: 300 },
    });
    assert.deepEqual(deeds(lockBuyer.claiming, late), ['broadcast', 'build_claim']);
  });

  test('claiming: it ends when the claim is final', () => {
    const claim = claimFor(lockTerms);
    const ended = after(lockBuyer.claiming, looked(HEIGHT + 9, { payment: settled, lock: spentBy(claim, 6) }));
    assert.equal(outcome(ended), 'traded');
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FINAL_CONFIRMATIONS, lastRevealHeight } from '../deadlines.ts';
import type { TradeEvent } from './event.ts';
import {
  abortFor,
  after,
  announcement,
  at,
  claimFor,
  factsFor,
  heard,
  HEIGHT,
  holdBuyer,
  holdTerms,
  looked,
  NOW,
  quote,
  R,
  refundFor,
  spentBy,
  deeds,
  stateAfter,
  outcomeOf as outcome,
} from './fixtures.suite.ts';
import { step } from './step.ts';
import type { View } from './view.ts';

const pending = { state: 'pending' } as const;
const failed = { state: 'failed', reason: 'RecipientRejected' } as const;
const settled = { state: 'settled', preimage: '00'.repeat(32), feeMsat: 0n } as const;
const claim = claimFor(holdTerms);
const refund = refundFor(holdTerms);
const sent: TradeEvent = { type: 'broadcast_done', at: at(HEIGHT + 1), what: 'claim', txid: claim.txid };
const revealed = after(holdBuyer.claimed, sent);
const last = lastRevealHeight(holdTerms);

describe('the buyer in hold-first, before he reveals', () => {
  test('requested: a quote that differs from what he wants is refused before a sat moves', () => {
    const dearer = { ...quote, signed: { ...quote.signed, priceSats: 90_001n } };
    const ended = after(holdBuyer.requested, heard(dearer));
    assert.deepEqual(['codes' in ended && ended.codes[0], ended.state], ['wrong_price', 'ended']);
    assert.deepEqual(deeds(holdBuyer.requested, heard(dearer)), []);
  });

  test('requested: a good quote is paid, once', () => {
    assert.deepEqual(deeds(holdBuyer.requested, heard(quote)), ['pay']);
    assert.deepEqual(deeds(holdBuyer.paying, heard(quote)), []);
  });

  test('requested: nobody answered until the request expired', () => {
    assert.equal(stateAfter(holdBuyer.requested, looked(HEIGHT, {}, NOW + 3600)), 'requested');
    assert.equal(stateAfter(holdBuyer.requested, looked(HEIGHT, {}, NOW + 3601)), 'ended');
  });

  test('paying: a lock other than the agreed one makes him withdraw and tell the seller', () => {
    const other = { ...announcement, refundHeight: announcement.refundHeight + 1 };
    assert.equal(stateAfter(holdBuyer.paying, heard(other)), 'withdrawn');
    assert.deepEqual(deeds(holdBuyer.paying, heard(other)), ['send']);
  });

  test('paying: a payment that surely failed ends the trade', () => {
    assert.equal(stateAfter(holdBuyer.paying, looked(HEIGHT, { payment: failed })), 'ended');
    assert.equal(stateAfter(holdBuyer.paying, looked(HEIGHT, { payment: { state: 'unknown' } })), 'paying');
  });

  test('paying: a hold that settled although nothing was revealed calls a human', () => {
    assert.deepEqual(deeds(holdBuyer.paying, looked(HEIGHT, { payment: settled })), ['alert']);
  });

  test('verifying: a payment that settled although nothing was shown is claimed for at once, at any height', () => {
    const facts = factsFor(holdTerms);
    for (const height of [HEIGHT + 1, R + 5])
      assert.deepEqual(deeds(holdBuyer.verifying, looked(height, { payment: settled, facts })), [
        'build_claim',
        'alert',
      ]);
    assert.deepEqual(deeds(holdBuyer.verifying, looked(HEIGHT + 1, { payment: settled })), ['alert']);
  });

  test('verifying: an unconfirmed lock is waited for', () => {
    const facts = factsFor(holdTerms, 0);
    assert.equal(stateAfter(holdBuyer.verifying, looked(HEIGHT + 1, { payment: pending, facts })), 'verifying');
  });

  test('verifying: a moved sat, a wrong value or a spent lock makes him withdraw', () => {
    const facts = factsFor(holdTerms);
    for (const wrong of [
      { ...facts, satpoint: `${'dd'.repeat(32)}:0:0` },
      { ...facts, satpoint: facts.satpoint.replace(/:0$/, ':1') },
      { ...facts, inscriptions: [...facts.inscriptions, `${'ee'.repeat(32)}i0`] },
    ])
      assert.equal(
        stateAfter(holdBuyer.verifying, looked(HEIGHT + 1, { payment: pending, facts: wrong })),
        'withdrawn',
      );
  });

  test('verifying: nothing is revealed while the payment is not surely on its way', () => {
    const facts = factsFor(holdTerms);
    const unknown = looked(HEIGHT + 1, { payment: { state: 'unknown' }, facts });
    assert.deepEqual(deeds(holdBuyer.verifying, unknown), []);
    assert.equal(stateAfter(holdBuyer.verifying, looked(HEIGHT + 1, { payment: failed, facts })), 'ended');
  });

  test('verifying: the last height to reveal is R - 36, and one block later he withdraws', () => {
    const facts = factsFor(holdTerms);
    assert.deepEqual(deeds(holdBuyer.verifying, looked(last, { payment: pending, facts })), ['build_claim']);
    assert.equal(stateAfter(holdBuyer.verifying, looked(last + 1, { payment: pending, facts })), 'withdrawn');
  });

  test('claiming: a claim that is built too late never leaves', () => {
    const built: TradeEvent = { type: 'claim_built', at: at(last + 1), claim };
    assert.equal(stateAfter(holdBuyer.claiming, built), 'withdrawn');
    assert.deepEqual(deeds(holdBuyer.claiming, built), []);
  });

  test('claiming: the first broadcast may not run after the last height to reveal', () => {
    const built: TradeEvent = { type: 'claim_built', at: at(last), claim };
    const [broadcast] = step(holdBuyer.claiming, built).effects;
    assert.equal(broadcast?.effect.do === 'broadcast' && broadcast.effect.firstRunUntilHeight, last);
  });

  test('claiming: told that it was too late to reveal, he withdraws', () => {
    const late: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(last + 1),
      effect: 'broadcast',
      code: 'too_late',
      sentence: '',
    };
    assert.equal(stateAfter(holdBuyer.claimed, late), 'withdrawn');
  });

  describe('claiming: when the first broadcast was refused', () => {
    const refused: TradeEvent = {
      type: 'effect_failed',
      attempts: 0,
      at: at(HEIGHT + 1),
      effect: 'broadcast',
      code: 'broadcast_refused',
      sentence: '',
    };
    const unsent = after(holdBuyer.claimed, refused);
    const lockAt = (confirmations: number) => ({ state: 'unspent', confirmations }) as const;

    test('he claims again when the lock is as deep as agreed', () => {
      assert.deepEqual(deeds(unsent, looked(HEIGHT + 2, { payment: pending, lock: lockAt(0) })), []);
      assert.deepEqual(deeds(unsent, looked(HEIGHT + 2, { payment: pending, lock: { state: 'absent' } })), []);
      assert.deepEqual(deeds(unsent, looked(HEIGHT + 2, { payment: pending, lock: lockAt(1) })), ['build_claim']);
    });

    test('he keeps the preimage to himself while his node cannot say whether the payment is still held', () => {
      assert.deepEqual(deeds(unsent, looked(HEIGHT + 2, { lock: lockAt(1) })), []);
    });

    test('the same claim may be sent again', () => {
      const planned = after(unsent, looked(HEIGHT + 2, { payment: pending, lock: lockAt(1) }));
      const first = step(holdBuyer.claiming, { type: 'claim_built', at: at(HEIGHT + 1), claim }).effects;
      const second = step(planned, { type: 'claim_built', at: at(HEIGHT + 2), claim }).effects;
      assert.notEqual(first[0]?.key, second[0]?.key);
      assert.equal(second[0]?.effect.do === 'broadcast' && second[0].effect.firstRunUntilHeight, last);
    });

    test('he never shows the preimage after the last height to reveal', () => {
      assert.deepEqual(deeds(unsent, looked(last, { payment: pending, lock: lockAt(9) })), ['build_claim']);
      assert.deepEqual(deeds(unsent, looked(last + 1, { payment: pending, lock: lockAt(9) })), []);
    });

    test('he is done when his payment has come back', () => {
      for (const lock of [{ state: 'absent' } as const, lockAt(9), spentBy(refund, 1)]) {
        const ended = after(unsent, looked(R + 90, { payment: failed, lock }));
        assert.equal('outcome' in ended && ended.outcome, 'abandoned');
      }
    });

    test('it counts as a reveal if it had been begun before: the first time it may have left', () => {
      const next = after(holdBuyer.claimed, { ...refused, attempts: 1 });
      assert.equal('revealed' in next && next.revealed, true);
    });

    test('a claim of his that confirms all the same is a finished trade', () => {
      const ended = after(unsent, looked(HEIGHT + 9, { payment: settled, lock: spentBy(claim, 6) }));
      assert.equal('outcome' in ended && ended.outcome, 'traded');
    });
  });

  test('withdrawn: he waits until the payment came back, and never reveals', () => {
    const withdrawn = after(holdBuyer.verifying, { type: 'abort_requested', at: at(HEIGHT), reason: 'x' });
    assert.equal(withdrawn.state, 'withdrawn');
    assert.deepEqual(deeds(withdrawn, looked(R + 200, { payment: settled })), ['alert']);
    assert.equal(stateAfter(withdrawn, looked(R + 200, { payment: pending })), 'withdrawn');
    assert.equal(stateAfter(withdrawn, looked(R + 200, { payment: failed })), 'ended');
    assert.deepEqual(deeds(withdrawn, looked(HEIGHT, { payment: pending, facts: factsFor(holdTerms) })), []);
  });
});

describe('the buyer in hold-first, once the preimage may be known', () => {
  test('claiming: a settled payment shows that the preimage is out, and then nothing is too late', () => {
    const next = looked(R - 1, { payment: settled, lock: { state: 'unspent', confirmations: 90 } });
    assert.deepEqual(deeds(holdBuyer.claimed, next), ['broadcast', 'build_claim']);
  });

  test('claiming: an abort is too late', () => {
    assert.equal(stateAfter(revealed, { type: 'abort_requested', at: at(HEIGHT + 1), reason: 'x' }), 'claiming');
  });

  test('claiming: every block without confirmation sends the claim again and plans a dearer one', () => {
    const next = looked(HEIGHT + 2, { payment: pending, lock: spentBy(claim, 0) });
    assert.deepEqual(deeds(revealed, next), ['broadcast', 'build_claim']);
    assert.deepEqual(deeds(after(revealed, next), next), []);
  });

  test('claiming: a lock that a reorg took away comes back together with the claim', () => {
    const gone = looked(HEIGHT + 2, { payment: pending, lock: { state: 'absent' } });
    assert.deepEqual(deeds(revealed, gone), ['broadcast', 'broadcast', 'build_claim']);
  });

  test('claiming: when the payment came back and nothing is in the chain, he leaves the inscription alone', () => {
    const state = (lock: View['lock']) =>
      stateAfter(revealed, looked(R + 90, { payment: failed, ...(lock && { lock }) }));
    assert.equal(state({ state: 'absent' }), 'ended');
    assert.equal(state({ state: 'unspent', confirmations: 99 }), 'ended');
    assert.equal(state(spentBy(claim, 1)), 'claiming');
  });

  test('claiming: the trade is done when the claim is final, and the seller hears of it', () => {
    const deep = looked(HEIGHT + 8, { payment: settled, lock: spentBy(claim, FINAL_CONFIRMATIONS) });
    const shallow = looked(HEIGHT + 7, { payment: settled, lock: spentBy(claim, FINAL_CONFIRMATIONS - 1) });
    assert.equal(stateAfter(revealed, shallow), 'claiming');
    const ended = after(revealed, deep);
    assert.equal('outcome' in ended && ended.outcome, 'traded');
    assert.deepEqual(deeds(revealed, deep), ['send']);
  });

  test('claiming: a refund in the mempool is outbid', () => {
    const contested = looked(R, { payment: pending, lock: spentBy(refund, 0) });
    assert.deepEqual(deeds(revealed, contested), ['broadcast', 'build_claim']);
  });

  test('claiming: a buried refund ends the trade by what became of the payment', () => {
    const buried = (payment: typeof failed | typeof settled | typeof pending) =>
      after(revealed, looked(R + 6, { payment, lock: spentBy(refund, 6) }));
    assert.equal(outcome(buried(failed)), 'abandoned');
    assert.equal(outcome(buried(settled)), 'lost');
    assert.equal(outcome(buried(pending)), 'claiming');
  });

  test('claiming: another claim of his that confirmed is as good as the last one', () => {
    const dearer = claimFor(holdTerms, 3);
    const two = after(revealed, { type: 'claim_built', at: at(HEIGHT + 2), claim: dearer });
    const ended = after(two, looked(HEIGHT + 9, { payment: settled, lock: spentBy(claim, 6) }));
    assert.deepEqual('txid' in ended && ended.txid, claim.txid);
  });

  test('an unrelated transaction is no preimage', () => {
    const other = looked(HEIGHT + 2, { payment: pending, lock: spentBy(abortFor(holdTerms), 0) });
    assert.equal(stateAfter(holdBuyer.claiming, other), 'claiming');
  });
});

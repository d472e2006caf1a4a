import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Listing } from '../listing.ts';
import {
  abortFor,
  at,
  deeds,
  heard,
  held,
  HEIGHT,
  holdSeller,
  holdTerms,
  inscriptionId,
  looked,
  lockFor,
  NOW,
  outcomeOf,
  spentBy,
  stateAfter,
  absent,
  unspent,
  after,
} from './fixtures.suite.ts';
import { lookOf } from './look.ts';
import type { HoldSeller, Seller } from './state.ts';

const listing = { payout: { script: '51', valueSats: 60_000n } } as unknown as Listing;
const fill = { listing, payouts: [] };
/** The same seller, who sells what somebody else has listed. */
const filling = (trade: Seller): HoldSeller =>
  ('offer' in trade ? { ...trade, offer: { ...trade.offer, fill } } : trade) as HoldSeller;
const invoiced = filling(holdSeller.invoiced);
const locking = filling(holdSeller.locking);
const lock = lockFor(holdTerms);
const other = abortFor(holdTerms);
const next = HEIGHT + 1;

describe('a seller who fills a listing', () => {
  test('fills it when the payment is held, and builds no lock of his own', () => {
    assert.deepEqual(deeds(invoiced, looked(HEIGHT, { invoice: held })), ['fill_listing']);
  });

  test('ends the hold when it cannot be filled', () => {
    const building = after(invoiced, looked(HEIGHT, { invoice: held }));
    const failed = {
      type: 'effect_failed',
      at: at(HEIGHT),
      effect: 'fill_listing',
      code: 'refused',
      sentence: '',
      attempts: 0,
    } as const;
    assert.equal(stateAfter(building, failed), 'canceling');
  });

  test('watches a coin of his own besides the inscription: by either the fill may become impossible', () => {
    const { source, coin } = lookOf(locking);
    assert.equal(coin?.outpoint, lock.spent[0]?.outpoint);
    assert.ok(source !== undefined && 'coin' in lookOf(locking) && !('coin' in lookOf(holdSeller.locking)));
  });

  test('takes the fill back, by coins of his own, as soon as the owner has spent what he listed', () => {
    const gone = looked(next, { invoice: held, lock: absent, source: spentBy(other, 0), coin: unspent(1) });
    assert.equal(stateAfter(locking, gone), 'aborting');
    assert.deepEqual(deeds(locking, gone), ['abort_fill']);
    // Somebody whose own inscription it is spends it himself alone.
    assert.equal(stateAfter(holdSeller.locking, gone), 'locking');
  });

  test('keeps the hold until the spend is six deep, of the listing or of his own coin', () => {
    const aborting = after(locking, looked(next, { invoice: held, lock: absent, source: spentBy(other, 0) }));
    const seen = (depth: number) => looked(next, { invoice: held, lock: absent, coin: spentBy(other, depth) });
    assert.equal(stateAfter(aborting, seen(5)), 'aborting');
    assert.equal(stateAfter(aborting, seen(6)), 'canceling');
    const sold = (depth: number) => looked(next, { invoice: held, lock: absent, source: spentBy(other, depth) });
    assert.equal(stateAfter(aborting, sold(5)), 'aborting');
    assert.equal(outcomeOf(after(aborting, sold(6))), 'canceled');
  });

  test('takes nothing back because a buyer asks for it: each time would cost more than letting it confirm', () => {
    const asked = heard({
      op: 'trade_abort',
      inscriptionId,
      code: 'abort_requested',
      signed: { tradeId: holdTerms.tradeId, from: holdTerms.buyerId, expiresAt: NOW + 60 },
    });
    assert.equal(stateAfter(locking, asked), 'locking');
    assert.equal(stateAfter(holdSeller.locking, asked), 'aborting');
  });

  test('takes it back when his operator asks', () => {
    assert.equal(stateAfter(locking, { type: 'abort_requested', at: at(next), reason: 'asked for' }), 'aborting');
  });
});

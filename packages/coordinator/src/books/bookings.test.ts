import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressScript, encodeDraft, type Prevout } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildFillTransaction } from 'sparkle-protocol/protocol/fill';
import { changeAddress, terms } from 'sparkle-protocol/protocol/fill.suite';
import { readListing } from 'sparkle-protocol/protocol/listing';
import { keyPath, listed, payoutScript } from 'sparkle-protocol/protocol/listing.suite';
import { deliveredBooking, feeBooking, lockBooking, refundBooking, settledBooking } from './bookings.ts';
import type { Booking } from './ledger.ts';

const OF = { tradeId: 't1', at: 1_793_491_200 };
const own = addressScript(changeAddress, 'regtest');
const coin = (index: number, valueSats: bigint): Prevout => ({
  outpoint: `${'bb'.repeat(32)}:${index}`,
  valueSats,
  script: own,
});
const listing = readListing({ psbt: listed(keyPath), network: 'regtest' });
// The creator sells it himself: his royalty goes to the script that the price goes to.
const royalty = { script: payoutScript, valueSats: 7_500n };
const fill = buildFillTransaction({
  ...{ terms, listing, dummies: [coin(0, 600n), coin(1, 700n)], payouts: [royalty], changeAddress },
  ...{ feerateSatVb: 5, maxFeeSats: 20_000n, coins: [coin(2, 200_000n)] },
});
const offer = { sourceOutpoint: listing.source.outpoint, fill: { listing, payouts: [royalty] } };

const inSats = ({ entries }: Booking) =>
  Object.fromEntries(entries.map(({ account, msat }) => [account, Number(msat / 1000n)]));
const total = (bookings: readonly Booking[]) =>
  bookings
    .flatMap(({ entries }) => entries)
    .reduce<Record<string, bigint>>((sums, { account, msat }) => {
      sums[account] = (sums[account] ?? 0n) + msat;
      return sums;
    }, {});
const sumOf = ({ entries }: Booking) => entries.reduce((sum, { msat }) => sum + msat, 0n);

const filled = lockBooking({ ...OF, offer, lock: fill });
const settled = settledBooking({ ...OF, amountMsat: 180_000_000n });
const delivered = deliveredBooking({ ...OF, terms });

test('a fill pays the seller what he asks beyond the postage that he gives, and the royalty by itself', () => {
  assert.deepEqual(inSats(filled), {
    coins: Number(-(13_000n + 150_000n - 10_000n + 7_500n + fill.feeSats)),
    sellers: 150_000 - 10_000,
    locks: 13_000,
    royalties: 7_500,
    chain_fees: Number(fill.feeSats),
  });
});

test('a trade earns its price less what everybody else was paid, to the sat', () => {
  const sums = total([filled, settled, delivered]);
  const has = (sums['coins'] ?? 0n) + (sums['locks'] ?? 0n) + (sums['lightning'] ?? 0n);
  assert.equal(has, (180_000n - 140_000n - 7_500n - 13_000n - fill.feeSats) * 1000n);
  assert.equal(sums['locks'], 0n);
  assert.equal(sums['sales'], -180_000_000n);
});

test('every booking adds up to nothing', () => {
  for (const booking of [filled, settled, delivered]) assert.equal(sumOf(booking), 0n);
});

test('a buyer who walked away leaves the item at cost', () => {
  const lockOutpoint = `${fill.txid}:${fill.vout}`;
  const lock = { outpoint: lockOutpoint, valueSats: 13_000n, script: '51' };
  const inputs = [lock, coin(7, 5_000n)].map((spent) => ({ ...spent, sequence: 0, witness: [] }));
  const outputs = [
    { script: own, valueSats: 12_500n },
    { script: own, valueSats: 4_800n },
  ];
  const raw = encodeDraft({ lockHeight: 0, inputs, outputs });
  const refunded = refundBooking({ ...OF, raw, spent: inputs, lockOutpoint });
  assert.deepEqual(inSats(refunded), { locks: -13_000, coins: -200, items: 12_500, chain_fees: 700 });
  const sums = total([filled, refunded]);
  assert.deepEqual([sums['locks'], sums['lightning'], sums['items']], [0n, undefined, 12_500_000n]);
});

test('an item of our own is locked without paying anybody', () => {
  const item = { outpoint: `${'cc'.repeat(32)}:0`, valueSats: 10_000n, script: own };
  const inputs = [item, coin(3, 9_000n)].map((spent) => ({ ...spent, sequence: 0, witness: [] }));
  const outputs = [
    { script: '51', valueSats: 13_000n },
    { script: own, valueSats: 5_000n },
  ];
  const lock = { raw: encodeDraft({ lockHeight: 0, inputs, outputs }), spent: inputs, vout: 0 };
  const booking = lockBooking({ ...OF, offer: { sourceOutpoint: item.outpoint }, lock });
  assert.deepEqual(inSats(booking), { items: -10_000, coins: -4_000, locks: 13_000, chain_fees: 1_000 });
});

test('a child that hurried a lock costs its fee', () => {
  const inputs = [{ ...coin(4, 9_000n), sequence: 0, witness: [] }];
  const raw = encodeDraft({ lockHeight: 0, inputs, outputs: [{ script: own, valueSats: 8_000n }] });
  const booking = feeBooking({ ...OF, why: 'bumped', raw, spent: inputs });
  assert.deepEqual(inSats(booking), { coins: -1_000, chain_fees: 1_000 });
});

test('a transaction is not booked with other inputs than it has', () => {
  const refused = (error: unknown) => error instanceof SparkleError && error.code === 'bad_transaction';
  for (const spent of [fill.spent.slice(1), fill.spent.toReversed(), [...fill.spent, coin(9, 1n)]])
    assert.throws(() => lockBooking({ ...OF, offer, lock: { ...fill, spent } }), refused);
});

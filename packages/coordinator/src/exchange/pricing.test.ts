import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_SATS } from 'sparkle-protocol/protocol/amount';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { royaltySats } from 'sparkle-protocol/protocol/metadata';
import {
  assertPricing,
  checkPricing,
  leastSellerSats,
  marketFeeSats,
  type Pricing,
  pricingOf,
  pricingWire,
  totalSats,
} from './pricing.ts';

/** Part 4 of the coordinator API: 500 basis points of 1,400,000 are 70,000. */
const OURS = pricingOf({
  sellerSats: 1_400_000n,
  royaltySats: royaltySats({ sellerSats: 1_400_000n, bps: 500 }),
  fees: { fixedSats: 20_000n, bps: 0 },
  l1FeeSats: 10_000n,
});
const RULES = { ours: OURS, minTotalSats: 10_000n, maxTotalSats: 10_000_000n };
const GOOD = { pricing: pricingWire(OURS), maxTotalSats: 1_500_000 };

const sats = fc.bigInt({ min: 0n, max: MAX_SATS / 10n });
const bps = fc.integer({ min: 0, max: 10_000 });
const fees = fc.record({ fixedSats: sats, bps });

test('the published example is priced as it is published', () => {
  assert.deepEqual(pricingWire(OURS), {
    seller_sats: 1_400_000,
    creator_royalty_sats: 70_000,
    market_fee_sats: 20_000,
    estimated_l1_fee_sats: 10_000,
  });
  assert.equal(totalSats(OURS), 1_500_000n);
  assert.deepEqual(checkPricing(GOOD, RULES), []);
});

test('the fee is rounded up', () => {
  const fee = (sellerSats: bigint) => marketFeeSats({ sellerSats, fees: { fixedSats: 1000n, bps: 1 } });
  assert.deepEqual([fee(0n), fee(1n), fee(10_000n), fee(10_001n)], [1000n, 1001n, 1001n, 1002n]);
});

test('the fee is the least whole number that is not below the share', () => {
  fc.assert(
    fc.property(sats, fees, (sellerSats, of) => {
      const share = marketFeeSats({ sellerSats, fees: of }) - of.fixedSats;
      const exact = sellerSats * BigInt(of.bps);
      assert.ok(share * 10_000n >= exact && (share - 1n) * 10_000n < exact);
    }),
  );
});

test('every price of ours is taken, in its parts and in its sum, and no sat of it is lost', () => {
  fc.assert(
    fc.property(sats, bps, fees, sats, (sellerSats, share, of, l1FeeSats) => {
      const royalty = royaltySats({ sellerSats, bps: share });
      const ours = pricingOf({ sellerSats, royaltySats: royalty, fees: of, l1FeeSats });
      const { sellerSats: a, royaltySats: b, marketFeeSats: c, l1FeeSats: d } = ours;
      assert.equal(totalSats(ours), a + b + c + d);
      assert.deepEqual([a, b, d], [sellerSats, royalty, l1FeeSats]);
      const named = { pricing: pricingWire(ours), maxTotalSats: Number(totalSats(ours)) };
      assert.deepEqual(checkPricing(named, { ours, minTotalSats: 0n, maxTotalSats: MAX_SATS }), []);
    }),
  );
});

test('a price with one sat moved anywhere is refused', () => {
  const parts = fc.constantFrom(...(Object.keys(GOOD.pricing) as (keyof typeof GOOD.pricing)[]));
  fc.assert(
    fc.property(parts, parts, fc.integer({ min: 1, max: 5_000 }), (from, to, moved) => {
      fc.pre(from !== to);
      const pricing = { ...GOOD.pricing, [from]: GOOD.pricing[from] - moved, [to]: GOOD.pricing[to] + moved };
      const fields = checkPricing({ ...GOOD, pricing }, RULES).map(({ field }) => field);
      // More for the chain is the buyer's to give; it is missing elsewhere, and there it is refused.
      const wrong = [from, to].filter((field) => field !== 'estimated_l1_fee_sats' || field === from);
      assert.deepEqual(fields.toSorted(), wrong.map((field) => `pricing.${field}`).toSorted());
    }),
  );
});

for (const [said, change, fields] of [
  ['a sum that is one too high', { maxTotalSats: 1_500_001 }, ['max_total_sats']],
  ['a sum that is one too low', { maxTotalSats: 1_499_999 }, ['max_total_sats']],
  [
    'a royalty below its declaration',
    { pricing: { ...GOOD.pricing, creator_royalty_sats: 20_000 } },
    ['pricing.creator_royalty_sats', 'max_total_sats'],
  ],
  ['a fraction', { pricing: { ...GOOD.pricing, seller_sats: 0.5 } }, ['pricing.seller_sats']],
  ['a negative part', { pricing: { ...GOOD.pricing, market_fee_sats: -1 } }, ['pricing.market_fee_sats']],
  ['a negative zero', { pricing: { ...GOOD.pricing, market_fee_sats: -0 } }, ['pricing.market_fee_sats']],
  ['a number beyond exactness', { pricing: { ...GOOD.pricing, seller_sats: 2 ** 53 } }, ['pricing.seller_sats']],
  ['text', { pricing: { ...GOOD.pricing, seller_sats: '1400000' } }, ['pricing.seller_sats']],
  ['nothing', { pricing: { ...GOOD.pricing, seller_sats: undefined } }, ['pricing.seller_sats']],
  ['a total that is no number', { maxTotalSats: Number.NaN }, ['max_total_sats']],
  [
    'too little for the chain',
    { pricing: { ...GOOD.pricing, estimated_l1_fee_sats: 9_999 }, maxTotalSats: 1_499_999 },
    ['pricing.estimated_l1_fee_sats'],
  ],
] as const)
  test(`refused: ${said}`, () => {
    assert.deepEqual(
      checkPricing({ ...GOOD, ...change }, RULES).map(({ field }) => field),
      fields,
    );
  });

test('more for the chain than we ask for is taken when the sum says so', () => {
  const pricing = { ...GOOD.pricing, estimated_l1_fee_sats: 50_000 };
  assert.deepEqual(checkPricing({ pricing, maxTotalSats: 1_540_000 }, RULES), []);
});

test('a total outside of the limits is refused, and the limits themselves are inside', () => {
  const fields = (minTotalSats: bigint, maxTotalSats: bigint) =>
    checkPricing(GOOD, { ours: OURS, minTotalSats, maxTotalSats }).map(({ sentence }) => sentence);
  assert.deepEqual(fields(1_500_000n, 1_500_000n), []);
  assert.deepEqual(fields(1_500_001n, 2_000_000n), ['max_total_sats must be from 1500001 to 2000000; got 1500000']);
  assert.deepEqual(fields(1n, 1_499_999n), ['max_total_sats must be from 1 to 1499999; got 1500000']);
});

test('all failures are told at once, and the error names the first field', () => {
  const pricing = { ...GOOD.pricing, seller_sats: 1, creator_royalty_sats: 'x' };
  assert.throws(
    () => assertPricing({ pricing, maxTotalSats: 5 }, RULES),
    (error) => {
      assert.ok(error instanceof SparkleError && error.code === 'bad_amount');
      assert.equal(error.detail['field'], 'pricing.seller_sats');
      assert.match(
        error.message,
        /seller_sats must be 1400000; got 1; .*royalty_sats must be a whole.*max_total_sats must be from/,
      );
      return true;
    },
  );
  assertPricing(GOOD, RULES);
});

for (const share of [-1, 10_001, 0.5, Number.NaN])
  test(`a fee of ${share} basis points is refused`, () => {
    const refused = (error: unknown) => error instanceof SparkleError && error.code === 'bad_amount';
    assert.throws(() => marketFeeSats({ sellerSats: 1n, fees: { fixedSats: 0n, bps: share } }), refused);
  });

test('more bitcoin than there is cannot be asked for', () => {
  const huge: Pricing = { sellerSats: MAX_SATS, royaltySats: 1n, marketFeeSats: 0n, l1FeeSats: 0n };
  assert.throws(
    () => totalSats(huge),
    (error) => error instanceof SparkleError && error.code === 'bad_amount',
  );
});

test('the price found for what a buyer pays is the least that comes to it with the fee', () => {
  const small = fc.record({ fixedSats: fc.bigInt({ min: 0n, max: 5_000n }), bps });
  fc.assert(
    fc.property(small, fc.bigInt({ min: 0n, max: 1_000_000n }), (each, asked) => {
      const paid = (sellerSats: bigint) =>
        totalSats(pricingOf({ sellerSats, royaltySats: 0n, fees: each, l1FeeSats: 0n }));
      const found = leastSellerSats({ totalSats: asked, fees: each });
      assert.ok(paid(found) >= asked);
      assert.ok(found === 0n || paid(found - 1n) < asked);
    }),
  );
});

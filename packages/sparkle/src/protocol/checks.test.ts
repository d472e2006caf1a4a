import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeInvoice, type InvoiceTerms } from './bolt11.ts';
import { checkPaidQuote, checkQuote } from './checks.ts';
import {
  billed,
  buyer,
  claim,
  codesOf,
  height,
  hint,
  holdWant,
  inscriptionId,
  invoice,
  NO_POINT,
  nowSeconds,
  NUMS,
  OFF_CURVE,
  payeeSecret,
  paymentHash,
  quote,
  quoted,
  quotedWith,
  quoteWith,
  refund,
  seller,
  tradeId,
  wanted,
  type Row,
  bill,
} from './checks.suite.ts';
import type { TradeQuote } from './messages.ts';

test('a good quote has no failure, with a tip and without', () => {
  assert.deepEqual(quoted(), []);
  assert.deepEqual(checkQuote({ want: holdWant, quote, height, nowSeconds }), []);
});

const onlyQuote: Row[] = [
  [
    'wrong_trade',
    () => quotedWith({ tradeId: 'ff'.repeat(16) }),
    `trade_id must be ${tradeId}; got ${'ff'.repeat(16)}`,
    { field: 'trade_id', expected: tradeId, came: 'ff'.repeat(16) },
  ],
  [
    'wrong_sender',
    () => quotedWith({ from: buyer.public }),
    `from must be ${seller.public}; got ${buyer.public}`,
    { field: 'from', expected: seller.public, came: buyer.public },
  ],
  [
    'wrong_inscription',
    () => quotedWith({}, { inscriptionId: `${'ab'.repeat(32)}i1` }),
    `inscription_id must be ${inscriptionId}; got ${'ab'.repeat(32)}i1`,
    { field: 'inscription_id', expected: inscriptionId, came: `${'ab'.repeat(32)}i1` },
  ],
  [
    'wrong_mode',
    () => quotedWith({ mode: 'lock-first' }),
    'mode must be hold-first on both sides; it is hold-first and lock-first',
    { expected: 'hold-first', came: 'lock-first' },
  ],
  [
    'wrong_network',
    () => quotedWith({ network: 'signet' }),
    'network must be regtest; got signet',
    { field: 'network', expected: 'regtest', came: 'signet' },
  ],
  [
    'wrong_script_version',
    () => quotedWith({ script: 'sip3' }),
    'script must be v1; got sip3',
    { field: 'script', expected: 'v1', came: 'sip3' },
  ],
  [
    'wrong_internal_key',
    () => quotedWith({ internalKey: 'nums' }),
    'internal_key must be musig; got nums',
    { field: 'internal_key', expected: 'musig', came: 'nums' },
  ],
  [
    'wrong_price',
    () => quotedWith({ priceSats: 100_001n }),
    'price_sats must be 100000; got 100001',
    { field: 'price_sats', expected: 100_000n, came: 100_001n },
  ],
  [
    'wrong_payment_hash',
    () => quotedWith({}, { paymentHash: 'cf'.repeat(32) }),
    `payment_hash must be ${paymentHash}; got ${'cf'.repeat(32)}`,
    { field: 'payment_hash', expected: paymentHash, came: 'cf'.repeat(32) },
  ],
  [
    'script_not_allowed',
    () =>
      quoted({
        want: wanted({ script: 'sip3', internalKey: 'nums' }),
        quote: quoteWith({ script: 'sip3', internalKey: 'nums' }),
      }),
    'a sip3 lock must be lock-first and have a nums internal key; it is hold-first with nums',
    { mode: 'hold-first', script: 'sip3', internalKey: 'nums' },
  ],
  [
    'too_few_confirmations',
    () => quotedWith({ confirmations: 2 }),
    'the lock must have 3 confirmations or more; 2 are offered',
    { least: 3, confirmations: 2 },
  ],
  [
    'too_many_confirmations',
    () => quotedWith({ confirmations: 40 }),
    'a payment accepted in time must leave time for 40 confirmations; a lock must start by 900011',
    { confirmations: 40, lastLock: 900_011 },
  ],
  [
    'postage_small',
    () => quotedWith({ postageSats: 545n }),
    'at least 546 sats must stay with the inscription; 545 are offered',
    { least: 546n, postageSats: 545n },
  ],
  [
    'reserve_small',
    () => quotedWith({ reserveSats: 155n }),
    "at least 156 sats of the lock must be there for the claim's fee; 155 are offered",
    { least: 156n, reserveSats: 155n },
  ],
  [
    'offset_outside',
    () => quotedWith({ offsetSats: 10_000n }),
    'the inscription must lie within the postage of 10000 sats; its offset is 10000',
    { offsetSats: 10_000n, postageSats: 10_000n },
  ],
  [
    'bad_refund_key',
    () => quotedWith({ refundKey: OFF_CURVE }),
    `the key must be the x coordinate of a point on the curve that somebody can hold; got ${OFF_CURVE}`,
    { key: OFF_CURVE },
  ],
  [
    'own_key',
    () => quotedWith({ refundKey: claim.public }),
    `the refund key must not be the buyer's own claim key; it is ${claim.public}`,
    { refundKey: claim.public },
  ],
  [
    'lock_unbuildable',
    () => quoted({ want: wanted({ claimKey: OFF_CURVE }) }),
    `the terms must make a lock: ${NO_POINT}`,
    { problem: NO_POINT },
  ],
  [
    'quote_height',
    () => quotedWith({ quoteHeight: height - 3 }, { refundHeight: height + 96 }),
    'quote_height must be the best height 900000, one more or two less; got 899997',
    { quoteHeight: height - 3, height },
  ],
  [
    'wrong_heights',
    () => quotedWith({}, { refundHeight: height + 100 }),
    'refund_locktime and final_cltv must follow from quote_height 900000; got 900100 and 171',
    { quoteHeight: height, refundHeight: height + 100, finalCltv: 171 },
  ],
  [
    'quote_expired',
    () => quotedWith({ expiresAt: nowSeconds }),
    'the quote must last beyond second 1800000000; it expired at 1800000000',
    { expiresAt: nowSeconds, nowSeconds },
  ],
  [
    'want_expired',
    () => quoted({ want: wanted({ expiresAt: nowSeconds }) }),
    'the wish to buy must last beyond second 1800000000; it expired at 1800000000',
    { expiresAt: nowSeconds, nowSeconds },
  ],
];

const onlyInvoice: Row[] = [
  [
    'invoice_unreadable',
    () => quotedWith({}, { invoice: 'lnbcrt1' }),
    'the invoice must be one that BOLT 11 allows: the checksum does not match',
    { rule: 'checksum' },
  ],
  [
    'invoice_network',
    () => billed({ network: 'signet' }),
    'the invoice must be for regtest; it is for signet',
    { expected: 'regtest', came: 'signet' },
  ],
  [
    'invoice_hash',
    () => billed({ paymentHash: 'cf'.repeat(32) }),
    `the payment hash of the invoice must be ${paymentHash}; got ${'cf'.repeat(32)}`,
    { field: 'the payment hash of the invoice', expected: paymentHash, came: 'cf'.repeat(32) },
  ],
  [
    'invoice_amount',
    () => billed({ amountMsat: 100_000_001n }),
    'the amount of the invoice in msat must be 100000000; got 100000001',
    { field: 'the amount of the invoice in msat', expected: 100_000_000n, came: 100_000_001n },
  ],
  [
    'invoice_description',
    () => billed({ description: 'Sparkle' }),
    `the description of the invoice must name the trade ${tradeId}; it does not`,
    { tradeId },
  ],
  [
    'invoice_expired',
    () => billed({ timestampSeconds: nowSeconds - 841 }),
    'the invoice must last 60 seconds more; it lasts 59',
    { left: 59 },
  ],
  [
    'invoice_window',
    () => billed({ expirySeconds: 1201 }),
    'the invoice must not last longer than 900 seconds; it lasts 1201 more',
    { left: 1201, windowSeconds: 900 },
  ],
  [
    'invoice_final_cltv',
    () => billed({ minFinalCltv: 170 }),
    'the invoice must ask for a final CLTV of 171 or up to three more; it asks for 170',
    { expected: 171, came: 170 },
  ],
  [
    'route_cap',
    () => billed({ routeHints: [hint(200, 190)] }),
    'the shortest route to the payee must fit into 603 blocks; it needs 604',
    { routeCapBlocks: 603, least: 604 },
  ],
];

for (const [code, failures, sentence, detail] of [...onlyQuote, ...onlyInvoice])
  test(`quote: ${code} alone, and for good`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: false }]);
  });

test('several things wrong are all told', () => {
  const failures = quotedWith(
    { from: buyer.public, postageSats: 1n, offsetSats: 5n, priceSats: 1n },
    { invoice: invoice({ amountMsat: 1n, description: 'x' }) },
  );
  const codes = [
    'wrong_sender',
    'wrong_price',
    'postage_small',
    'offset_outside',
    'invoice_amount',
    'invoice_description',
  ];
  assert.deepEqual(codesOf(failures), codes);
});

test('a lock that cannot be built for a named reason is not told twice', () => {
  assert.deepEqual(codesOf(quotedWith({ refundKey: NUMS })), ['bad_refund_key']);
  assert.deepEqual(codesOf(quotedWith({ refundKey: claim.public.toUpperCase() })), ['bad_refund_key']);
  assert.deepEqual(codesOf(quotedWith({ refundKey: `02${refund.public}` })), ['bad_refund_key']);
  assert.deepEqual(codesOf(quotedWith({ refundKey: `${refund.public}\n` })), ['bad_refund_key']);
  assert.deepEqual(codesOf(quotedWith({ refundKey: `0${refund.public.slice(1)}0` })), ['bad_refund_key']);
});

test('a quote is held to its bounds and not to less', () => {
  const passes = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeQuote> = {}) =>
    assert.deepEqual(codesOf(quotedWith(signed, rest)), []);
  passes({ confirmations: 39 });
  passes({ postageSats: 546n });
  passes({ reserveSats: 156n });
  passes({ offsetSats: 9_999n });
  passes({ expiresAt: nowSeconds + 1 });
  passes({ quoteHeight: height - 2 }, { refundHeight: height + 97 });
  passes({ quoteHeight: height + 1 }, { refundHeight: height + 100 });
  passes({ finalCltv: 243 }, { refundHeight: height + 171, invoice: invoice({ minFinalCltv: 243 }) });
  assert.deepEqual(quoted({ want: wanted({ expiresAt: nowSeconds + 1 }) }), []);
});

test("a forwarder's final CLTV is taken by who asked a forwarder, before he pays and after, and by nobody else", () => {
  const asked = fc.record({ window: fc.integer({ min: 72, max: 144 }), isLong: fc.boolean(), isAsked: fc.boolean() });
  fc.assert(
    fc.property(asked, ({ window, isLong, isAsked }) => {
      const finalCltv = 27 + window + 72 + (isLong ? 80 + 144 : 0);
      const rest = { refundHeight: height + 27 + window, invoice: invoice({ minFinalCltv: finalCltv }) };
      const given = {
        want: isAsked ? { ...holdWant, forwarded: true as const } : holdWant,
        quote: quoteWith({ finalCltv }, rest),
      };
      const codes = isLong && !isAsked ? ['wrong_heights'] : [];
      assert.deepEqual(codesOf(quoted(given)), codes);
      assert.deepEqual(codesOf(checkPaidQuote(given)), codes);
    }),
  );
});

test('the buyer may ask for more confirmations and postage than the rules', () => {
  assert.deepEqual(codesOf(quoted({ want: wanted({ minConfirmations: 4 }) })), ['too_few_confirmations']);
  assert.deepEqual(quoted({ want: wanted({ minConfirmations: 3 }) }), []);
  assert.deepEqual(codesOf(quoted({ want: wanted({ minPostageSats: 10_001n }) })), ['postage_small']);
  assert.deepEqual(quoted({ want: wanted({ minPostageSats: 10_000n }) }), []);
});

test('postage below what the network relays is refused whatever the buyer says', () => {
  const careless = (postageSats: bigint) =>
    codesOf(quoted({ want: wanted({ minPostageSats: 0n }), quote: quoteWith({ postageSats }) }));
  assert.deepEqual(careless(330n), []);
  assert.deepEqual(careless(329n), ['postage_small']);
});

test('an invoice is held to its bounds and not to less', () => {
  const passes = (changed: Partial<InvoiceTerms>) => assert.deepEqual(codesOf(billed(changed)), []);
  passes({ timestampSeconds: nowSeconds - 840 });
  passes({ expirySeconds: 1200 });
  passes({ minFinalCltv: 174 });
  passes({ routeHints: [hint(200, 189)] });
  passes({ description: tradeId });
  assert.deepEqual(codesOf(billed({ minFinalCltv: 175 })), ['invoice_final_cltv']);
  assert.deepEqual(codesOf(billed({ amountMsat: 99_999_999n })), ['invoice_amount']);
});

test('one route hint that fits is enough, and all its hops count', () => {
  assert.deepEqual(billed({ routeHints: [hint(500), hint(100, 100)] }), []);
  assert.deepEqual(billed({ routeHints: [hint(100, 100), hint(500)] }), []);
  assert.deepEqual(codesOf(billed({ routeHints: [hint(500), hint(100, 290)] })), ['route_cap']);
});

test('an invoice without an amount is not one for the price', () => {
  const { amountMsat: _amount, ...rest } = { ...bill, amountMsat: 0n };
  const failures = quotedWith({}, { invoice: encodeInvoice(rest as InvoiceTerms, payeeSecret) });
  assert.deepEqual(codesOf(failures), ['invoice_amount']);
});

test('an invoice that hides its description behind a hash does not name the trade', () => {
  const { description: _description, ...rest } = { ...bill, description: '' };
  const hashed = { ...rest, descriptionHash: '07'.repeat(32) } as InvoiceTerms;
  assert.deepEqual(codesOf(quotedWith({}, { invoice: encodeInvoice(hashed, payeeSecret) })), ['invoice_description']);
});

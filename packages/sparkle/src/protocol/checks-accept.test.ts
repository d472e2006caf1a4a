import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkAccept,
  checkAnnouncement,
  checkPay,
  checkReveal,
  termsOfAccept,
  termsOfQuote,
  type CheckCode,
  type Failure,
} from './checks.ts';
import {
  accept,
  accepted,
  acceptedWith,
  acceptWith,
  buyer,
  claim,
  codesOf,
  height,
  holdTerms,
  holdWant,
  inscriptionId,
  invoice,
  lastPay,
  lockInvoice,
  lockTerms,
  lockWant,
  NO_POINT,
  nowSeconds,
  OFF_CURVE,
  paymentHash,
  plain,
  quote,
  quoted,
  quoteWith,
  refund,
  seller,
  tip,
  tradeId,
  wanted,
  type Row,
} from './checks.suite.ts';
import type { TradeAccept, TradeQuote } from './messages.ts';

test('a good accept has no failure, with a tip and without', () => {
  assert.deepEqual(accepted(), []);
  assert.deepEqual(checkAccept({ want: lockWant, accept, height, nowSeconds }), []);
});

const onlyAccept: Row[] = [
  [
    'unsigned',
    () => accepted({ accept: plain }),
    'a trade_accept must have signed fields to trade on; a plain SIP-3 message names no network and no sender',
    { op: 'trade_accept' },
  ],
  [
    'wrong_sender',
    () => acceptedWith({ from: buyer.public }),
    `from must be ${seller.public}; got ${buyer.public}`,
    { field: 'from', expected: seller.public, came: buyer.public },
  ],
  [
    'too_few_confirmations',
    () => acceptedWith({ confirmations: 2 }),
    'the lock must have 3 confirmations or more; 2 are offered',
    { least: 3, confirmations: 2 },
  ],
  [
    'script_not_allowed',
    () => accepted({ want: { ...lockWant, script: 'sip3' }, accept: acceptWith({ script: 'sip3' }) }),
    'a sip3 lock must be lock-first and have a nums internal key; it is lock-first with musig',
    { mode: 'lock-first', script: 'sip3', internalKey: 'musig' },
  ],
  [
    'lock_unbuildable',
    () => accepted({ want: { ...lockWant, claimKey: OFF_CURVE } }),
    `the terms must make a lock: ${NO_POINT}`,
    { problem: NO_POINT },
  ],
  [
    'want_expired',
    () => accepted({ want: { ...lockWant, expiresAt: nowSeconds } }),
    'the wish to buy must last beyond second 1800000000; it expired at 1800000000',
    { expiresAt: nowSeconds, nowSeconds },
  ],
  [
    'pay_too_late',
    () => accepted({ height: lastPay + 1 }),
    'a payment over 432 blocks must leave by height 900023; it is 900024',
    { height: 900_024, lastPay: 900_023, routeCapBlocks: 432 },
  ],
  [
    'refund_too_far',
    () => acceptedWith({ quoteHeight: height + 1 }, { refundHeight: height + 4101 }),
    'the refund must open within 4100 blocks of 900000; it opens at 904101',
    { refundHeight: height + 4101, height },
  ],
  [
    'quote_height',
    () => acceptedWith({ quoteHeight: height + 2 }),
    'quote_height must be near the best height 900000 and the refund height 900887; got 900002',
    { quoteHeight: height + 2, height, refundHeight: 900_887 },
  ],
  [
    'route_cap',
    () => accepted({ want: { ...lockWant, routeCapBlocks: 122 } }),
    'the shortest route to the payee must fit into 122 blocks; it needs 123',
    { routeCapBlocks: 122, least: 123 },
  ],
  [
    'invoice_window',
    () => acceptedWith({}, { invoice: lockInvoice({ expirySeconds: 3901 }) }),
    'the invoice must not last longer than 3600 seconds; it lasts 3901 more',
    { left: 3901, windowSeconds: 3600 },
  ],
];

for (const [code, failures, sentence, detail] of onlyAccept)
  test(`accept: ${code} alone, and for good`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: false }]);
  });

test('a stale tip is a reason to wait, for a quote, an accept, a payment and a reveal', () => {
  const timeSeconds = nowSeconds - 3600;
  const failure = {
    code: 'tip_stale',
    sentence: 'the best block must be less than an hour old; it is of second 1799996400 and it is 1800000000',
    detail: { tipTimeSeconds: timeSeconds, nowSeconds },
    wait: true,
  };
  const signet = { network: 'signet' } as const;
  const stale = { height, nowSeconds, tip: { timeSeconds } };
  const want = wanted(signet);
  const lock = { ...lockWant, ...signet };
  const terms = { ...lockTerms, ...signet };
  const bill = lockInvoice(signet);
  assert.deepEqual(quoted({ ...stale, want, quote: quoteWith(signet, { invoice: invoice(signet) }) }), [failure]);
  assert.deepEqual(checkPay({ ...stale, terms, want: lock, invoice: bill }), [failure]);
  assert.deepEqual(checkReveal({ ...stale, terms: { ...holdTerms, ...signet } }), [failure]);
  const late = accepted({ ...stale, want: lock, accept: { ...acceptWith(signet), invoice: bill } });
  assert.deepEqual(late, [failure]);
});

test('an accept is held to its bounds and not to less', () => {
  assert.deepEqual(accepted({ height: lastPay }), []);
  assert.deepEqual(accepted({ want: { ...lockWant, routeCapBlocks: 123 } }), []);
  assert.deepEqual(accepted({ want: { ...lockWant, expiresAt: nowSeconds + 1 } }), []);
  assert.deepEqual(acceptedWith({ quoteHeight: height + 1 }), []);
  assert.deepEqual(acceptedWith({ quoteHeight: height }, { refundHeight: height + 4100 }), []);
  assert.deepEqual(acceptedWith({}, { invoice: lockInvoice({ expirySeconds: 3900 }) }), []);
  assert.deepEqual(acceptedWith({}, { invoice: lockInvoice({ timestampSeconds: nowSeconds - 3540 }) }), []);
  const sooner = acceptedWith({ quoteHeight: height - 1 }, { refundHeight: height + 4100 });
  assert.deepEqual(codesOf(sooner), ['quote_height']);
});

test('a sip3 lock with the NUMS key is allowed in lock-first', () => {
  const sip3 = { script: 'sip3', internalKey: 'nums' } as const;
  assert.deepEqual(accepted({ want: { ...lockWant, ...sip3 }, accept: acceptWith(sip3) }), []);
});

test('an answer to the other kind of wish is refused, even when the words agree', () => {
  assert.deepEqual(codesOf(quoted({ want: lockWant, quote: quoteWith({ mode: 'lock-first' }) })).slice(0, 2), [
    'wrong_mode',
    'wrong_payment_hash',
  ]);
  const other = { ...acceptWith({}), signed: { ...accept.signed, mode: 'hold-first' } } as TradeAccept;
  assert.ok(codesOf(accepted({ want: holdWant, accept: other })).includes('wrong_mode'));
  assert.ok(codesOf(accepted({ want: holdWant })).includes('wrong_mode'));
});

test('terms take from the buyer what is his, and from the seller what he may choose', () => {
  assert.deepEqual(holdTerms, {
    tradeId,
    mode: 'hold-first',
    network: 'regtest',
    script: 'v1',
    internalKey: 'musig',
    inscriptionId,
    priceSats: 100_000n,
    paymentHash,
    claimKey: claim.public,
    refundKey: refund.public,
    refundHeight: 900_099,
    quoteHeight: 900_000,
    finalCltv: 171,
    confirmations: 3,
    postageSats: 10_000n,
    reserveSats: 2_000n,
    offsetSats: 0n,
    buyerId: buyer.public,
    sellerId: seller.public,
  });
  const theirs = quoteWith(
    { priceSats: 1n, from: buyer.public, mode: 'lock-first', network: 'signet' },
    { paymentHash: '00'.repeat(32) },
  );
  assert.deepEqual(termsOfQuote(holdWant, theirs), holdTerms);
  assert.equal(termsOfAccept(lockWant, { ...accept, paymentHash: '11'.repeat(32) }).paymentHash, '11'.repeat(32));
  assert.throws(() => termsOfAccept(lockWant, plain), { code: 'bad_message' });
});

const announcement: TradeAccept = {
  ...plain,
  invoice: quote.invoice,
  refundHeight: quote.refundHeight,
  signed: quote.signed,
};
const announced = (signed: Partial<TradeQuote['signed']>, rest: Partial<TradeAccept> = {}): Failure[] =>
  checkAnnouncement({ terms: holdTerms, accept: { ...announcement, ...rest, signed: { ...quote.signed, ...signed } } });

test('an announcement that repeats the quote has no failure', () => {
  assert.deepEqual(announced({}), []);
  assert.deepEqual(announced({ expiresAt: nowSeconds - 1 }), []);
});

const changes: [CheckCode, string, Partial<TradeQuote['signed']>, Partial<TradeAccept>][] = [
  ['wrong_trade', 'trade_id', { tradeId: 'ff'.repeat(16) }, {}],
  ['wrong_sender', 'from', { from: buyer.public }, {}],
  ['wrong_inscription', 'inscription_id', {}, { inscriptionId: `${'ab'.repeat(32)}i1` }],
  ['wrong_mode', 'mode', { mode: 'lock-first' }, {}],
  ['wrong_network', 'network', { network: 'signet' }, {}],
  ['wrong_script_version', 'script', { script: 'sip3' }, {}],
  ['wrong_internal_key', 'internal_key', { internalKey: 'nums' }, {}],
  ['wrong_price', 'price_sats', { priceSats: 100_001n }, {}],
  ['wrong_payment_hash', 'payment_hash', {}, { paymentHash: 'cf'.repeat(32) }],
  ['wrong_refund_key', 'seller_pubkey', { refundKey: buyer.public }, {}],
  ['wrong_refund_height', 'refund_locktime', {}, { refundHeight: height + 100 }],
  ['wrong_quote_height', 'quote_height', { quoteHeight: height + 1 }, {}],
  ['wrong_final_cltv', 'final_cltv', { finalCltv: 172 }, {}],
  ['wrong_confirmations', 'confirmations', { confirmations: 4 }, {}],
  ['wrong_postage', 'postage_sats', { postageSats: 10_001n }, {}],
  ['wrong_reserve', 'reserve_sats', { reserveSats: 2_001n }, {}],
  ['wrong_offset', 'offset_sats', { offsetSats: 1n }, {}],
];

for (const [code, field, signed, rest] of changes)
  test(`announcement: ${code} alone when ${field} differs from the quote`, () => {
    const failures = announced(signed, rest);
    assert.deepEqual(codesOf(failures), [code]);
    assert.equal(failures[0]?.detail['field'], field);
  });

test('an announcement without signed fields is refused', () => {
  const { signed: _gone, ...unsigned } = announcement;
  assert.deepEqual(codesOf(checkAnnouncement({ terms: holdTerms, accept: unsigned })), ['unsigned']);
});

test('right before paying, height, invoice and route are looked at again', () => {
  const pay = (changed: Partial<Parameters<typeof checkPay>[0]>) =>
    codesOf(
      checkPay({ terms: lockTerms, invoice: accept.invoice, want: lockWant, height, nowSeconds, tip, ...changed }),
    );
  assert.deepEqual(pay({}), []);
  assert.deepEqual(pay({ height: lastPay }), []);
  assert.deepEqual(pay({ height: lastPay + 1 }), ['pay_too_late']);
  assert.deepEqual(pay({ nowSeconds: nowSeconds + 3540 }), []);
  assert.deepEqual(pay({ nowSeconds: nowSeconds + 3541, tip: { timeSeconds: nowSeconds } }), ['invoice_expired']);
  assert.deepEqual(pay({ want: { ...lockWant, routeCapBlocks: 122 } }), ['route_cap']);
  assert.deepEqual(pay({ invoice: lockInvoice({ paymentHash: 'cf'.repeat(32) }) }), ['invoice_hash']);
});

test('an invoice that is no text is a fault of the caller, and not told as one of the seller', () => {
  const invoice = undefined as unknown as string;
  assert.throws(() => checkPay({ terms: lockTerms, invoice, want: lockWant, height, nowSeconds, tip }), TypeError);
});

test('the preimage is shown up to the last reveal and not a block later', () => {
  const reveal = (at: number) => checkReveal({ terms: holdTerms, height: at, tip, nowSeconds });
  assert.deepEqual(reveal(900_063), []);
  const sentence = 'the preimage must be shown by height 900063; it is 900064';
  const detail = { height: 900_064, lastReveal: 900_063 };
  assert.deepEqual(reveal(900_064), [{ code: 'reveal_too_late', sentence, detail, wait: false }]);
});

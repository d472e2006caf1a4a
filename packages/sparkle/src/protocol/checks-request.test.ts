import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckCode, checkHeld, checkRequest, type Failure, isHeldInFull } from './checks.ts';
import {
  buyer,
  claim,
  codesOf,
  height,
  holdTerms,
  inscriptionId,
  NUMS,
  nowSeconds,
  OFF_CURVE,
  paymentHash,
  type Row,
  seller,
  tradeId,
} from './checks.suite.ts';
import type { TradeRequest } from './messages.ts';
import type { Offer, Terms } from './trade/terms.ts';

const offer: Offer = {
  inscriptionId,
  priceSats: 100_000n,
  modes: ['hold-first', 'lock-first'],
  network: 'regtest',
  sourceOutpoint: `${'ab'.repeat(32)}:0`,
  sourceValueSats: 10_000n,
  offsetSats: 0n,
  postageSats: 10_000n,
  reserveSats: 2_000n,
  confirmations: 1,
  finalCltv: 80,
  routeCapBlocks: 432,
  maxRefundFeeSats: 5_000n,
  sellerId: seller.public,
  expiresAt: nowSeconds + 600,
};
type Signed = NonNullable<TradeRequest['signed']>;
const signed: Signed = {
  tradeId,
  from: buyer.public,
  expiresAt: nowSeconds + 600,
  mode: 'hold-first',
  network: 'regtest',
  script: 'v1',
  internalKey: 'musig',
  paymentHash,
};
const plain: TradeRequest = { op: 'trade_request', inscriptionId, claimKey: claim.public, offerSats: 100_000n };
const request = { ...plain, signed };

type Check = Parameters<typeof checkRequest>[0];
const asked = (check: Partial<Check> = {}): Failure[] => checkRequest({ request, offer, height, nowSeconds, ...check });
const askedWith = (changed: Partial<Signed>, rest: Partial<TradeRequest> = {}): Failure[] =>
  asked({ request: { ...request, ...rest, signed: { ...signed, ...changed } } });
const { paymentHash: _hash, ...lockSigned } = { ...signed, mode: 'lock-first' as const };
const askedToLock = (changed: Partial<Offer> = {}): Failure[] =>
  asked({ request: { ...plain, signed: lockSigned }, offer: { ...offer, ...changed } });
const offeredAt = (priceSats: bigint): Failure[] =>
  asked({ request: { ...request, offerSats: priceSats }, offer: { ...offer, priceSats } });

test('a good request has no failure, in either mode', () => {
  assert.deepEqual(asked(), []);
  assert.deepEqual(askedToLock(), []);
});

const rows: Row[] = [
  [
    'unsigned',
    () => asked({ request: plain }),
    'a trade_request must have signed fields to trade on; a plain SIP-3 message names no network and no sender',
    { op: 'trade_request' },
  ],
  [
    'wrong_inscription',
    () => askedWith({}, { inscriptionId: `${'ab'.repeat(32)}i1` }),
    `inscription_id must be ${inscriptionId}; got ${'ab'.repeat(32)}i1`,
    { field: 'inscription_id', expected: inscriptionId, came: `${'ab'.repeat(32)}i1` },
  ],
  [
    'wrong_price',
    () => askedWith({}, { offerSats: 99_999n }),
    'offer_sats must be 100000; got 99999',
    { field: 'offer_sats', expected: 100_000n, came: 99_999n },
  ],
  [
    'price_limits',
    () => offeredAt(9_999n),
    'the price must be 10000 to 10000000 sats; it is 9999',
    { priceSats: 9_999n, minSats: 10_000n, maxSats: 10_000_000n },
  ],
  [
    'wrong_network',
    () => askedWith({ network: 'mainnet' }),
    'network must be regtest; got mainnet',
    { field: 'network', expected: 'regtest', came: 'mainnet' },
  ],
  [
    'mode_not_offered',
    () => asked({ offer: { ...offer, modes: ['lock-first'] } }),
    'mode must be one of lock-first; got hold-first',
    { offered: ['lock-first'], mode: 'hold-first' },
  ],
  [
    'script_not_allowed',
    () => askedWith({ script: 'sip3', internalKey: 'nums' }),
    'a sip3 lock must be lock-first and have a nums internal key; it is hold-first with nums',
    { mode: 'hold-first', script: 'sip3', internalKey: 'nums' },
  ],
  [
    'bad_claim_key',
    () => askedWith({}, { claimKey: OFF_CURVE }),
    `the key must be the x coordinate of a point on the curve that somebody can hold; got ${OFF_CURVE}`,
    { key: OFF_CURVE },
  ],
  [
    'own_key',
    () => askedWith({}, { claimKey: seller.public }),
    `the claim key must not be the seller's own; it is ${seller.public}`,
    { claimKey: seller.public },
  ],
  [
    'self_trade',
    () => askedWith({ from: seller.public }),
    `the buyer must not be the seller; both are ${seller.public}`,
    { buyerId: seller.public },
  ],
  [
    'payment_hash_missing',
    () => asked({ request: { ...plain, signed: { ...lockSigned, mode: 'hold-first' } } }),
    'a hold-first request must have a payment_hash; got none',
    {},
  ],
  [
    'payment_hash_unexpected',
    () => askedWith({ mode: 'lock-first' }),
    'a lock-first request must not have a payment_hash, the seller makes it; got one',
    {},
  ],
  [
    'offer_expired',
    () => asked({ offer: { ...offer, expiresAt: nowSeconds } }),
    'the offer must last beyond second 1800000000; it expired at 1800000000',
    { expiresAt: nowSeconds, nowSeconds },
  ],
  [
    'request_expired',
    () => askedWith({ expiresAt: nowSeconds }),
    'the request must last beyond second 1800000000; it expired at 1800000000',
    { expiresAt: nowSeconds, nowSeconds },
  ],
  [
    'refund_too_far',
    () => askedToLock({ routeCapBlocks: 2034 }),
    'the refund must open within 4100 blocks of 900000; it opens at 904101',
    { refundHeight: 904_101, height },
  ],
];

for (const [code, failures, sentence, detail] of rows)
  test(`request: ${code} alone, and for good`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: false }]);
  });

test('several things wrong with a request are all told', () => {
  const failures = askedWith({ network: 'signet', from: seller.public }, { claimKey: NUMS, offerSats: 1n });
  assert.deepEqual(codesOf(failures), ['wrong_price', 'wrong_network', 'bad_claim_key', 'self_trade']);
});

test('a price within the limits is served, both ends included', () => {
  assert.deepEqual(offeredAt(10_000n), []);
  assert.deepEqual(offeredAt(10_000_000n), []);
  assert.deepEqual(codesOf(offeredAt(10_000_001n)), ['price_limits']);
});

test('a price of nothing is told, and does not stop the other checks', () => {
  const lock = { request: { ...plain, offerSats: 0n, signed: lockSigned }, offer: { ...offer, priceSats: 0n } };
  assert.deepEqual(codesOf(asked(lock)), ['price_limits']);
});

test('a request that lasts one second more is served', () => {
  assert.deepEqual(askedWith({ expiresAt: nowSeconds + 1 }), []);
  assert.deepEqual(asked({ offer: { ...offer, expiresAt: nowSeconds + 1 } }), []);
});

test('a sip3 lock is served only in lock-first and with the NUMS key', () => {
  const lock = (changed: Partial<Signed>): CheckCode[] =>
    codesOf(asked({ request: { ...plain, signed: { ...lockSigned, ...changed } } }));
  assert.deepEqual(lock({ script: 'sip3', internalKey: 'nums' }), []);
  assert.deepEqual(lock({ script: 'sip3' }), ['script_not_allowed']);
  assert.deepEqual(lock({ internalKey: 'nums' }), []);
});

test('the distance of the refund counts the larger of the confirmations, and only in lock-first', () => {
  // 12 + 3 + 18 + 2 * 2033 = 4099, and one block for each confirmation more.
  assert.deepEqual(askedToLock({ routeCapBlocks: 2033 }), []);
  assert.deepEqual(askedToLock({ routeCapBlocks: 2033, confirmations: 4 }), []);
  assert.deepEqual(codesOf(askedToLock({ routeCapBlocks: 2033, confirmations: 5 })), ['refund_too_far']);
  assert.deepEqual(asked({ offer: { ...offer, routeCapBlocks: 9000 } }), []);
});

const held = (changed: { amountMsat?: bigint; expiryHeight?: number; height?: number; terms?: Partial<Terms> }) =>
  checkHeld({
    terms: { ...holdTerms, ...changed.terms },
    held: { amountMsat: changed.amountMsat ?? 100_000_000n, expiryHeight: changed.expiryHeight ?? height + 171 },
    height: changed.height ?? height,
  });

test('a good held payment has no failure', () => {
  assert.deepEqual(held({}), []);
});

const heldRows: Row[] = [
  [
    'accepted_late',
    () => held({ height: height + 13 }),
    'the payment must arrive by height 900012; it is 900013',
    { height: height + 13, lastAccept: height + 12 },
  ],
  [
    'hold_gap',
    () => held({ expiryHeight: height + 170 }),
    'the payment must be held for long after the refund height 900099; it expires at 900170',
    { expiryHeight: height + 170, refundHeight: height + 99 },
  ],
  [
    'underpaid',
    () => held({ amountMsat: 99_999_999n }),
    'at least 100000000 msat must be held; got 99999999',
    { least: 100_000_000n, amountMsat: 99_999_999n },
  ],
  [
    'overpaid',
    () => held({ amountMsat: 101_000_001n }),
    'at most 101000000 msat may be held; got 101000001',
    { most: 101_000_000n, amountMsat: 101_000_001n },
  ],
  [
    'lock_too_late',
    () => held({ height: height + 2, terms: { confirmations: 50 } }),
    'the lock must start by height 900001; it is 900002',
    { height: height + 2, lastLock: height + 1 },
  ],
];

for (const [code, failures, sentence, detail] of heldRows)
  test(`held: ${code} alone, and for good`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: false }]);
  });

test('a held payment is taken up to its bounds', () => {
  assert.deepEqual(held({ height: height + 12 }), []);
  assert.deepEqual(held({ amountMsat: 101_000_000n }), []);
  assert.deepEqual(held({ expiryHeight: height + 1000 }), []);
  assert.deepEqual(held({ height: height + 1, terms: { confirmations: 50 } }), []);
});

test('a held payment is there in full down to the last millisatoshi of the price', () => {
  const isThere = (amountMsat: bigint) => isHeldInFull({ terms: holdTerms, held: { amountMsat } });
  const priceMsat = holdTerms.priceSats * 1000n;
  assert.deepEqual([priceMsat - 1n, priceMsat, priceMsat + 1n, 0n].map(isThere), [false, true, true, false]);
});

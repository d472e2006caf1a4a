import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { PreparedWire, PrepareWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { keyPath } from 'sparkle-protocol/protocol/listing.suite';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import { NUMS_KEY } from 'sparkle-protocol/protocol/lock';
import { type TradeMessage, writeMessage } from 'sparkle-protocol/protocol/messages';
import { Booth, seeds } from './booth.ts';
import { buyerWith, checkoutBody } from './buyer-http.ts';

/** Above the field's prime: the x of no point. */
const NO_POINT = 'ff'.repeat(32);
/** Below it, and still of no point. */
const NO_SQUARE = `${'00'.repeat(31)}05`;

type Problem = { error: string; message: string; field?: string };
type Refusal = { status: number; answer: Problem };

describe('what is refused names its field by its path in the body', () => {
  let booth: Booth;
  let body: PrepareWire;
  let listingId: string;
  let checkout: PreparedWire;

  before(async () => {
    booth = await Booth.open();
    const listed = await booth.listed('for refusals');
    listingId = listed.tradeId;
    const asked = { body: { inscription_id: listed.inscriptionId } };
    const { answer } = await booth.ask<QuoteWire>('POST', '/v1/quote', asked);
    body = checkoutBody(answer, buyerWith(booth.keys(), keyPath.address));
    const withoutKeys = { ...body, buyer: { ord_address: keyPath.address } };
    checkout = (await booth.ask<PreparedWire>('POST', '/api/checkout/prepare', { body: withoutKeys })).answer;
  });
  after(() => booth.close());

  const preparing = (buyer: Partial<PrepareWire['buyer']>): Promise<Refusal> =>
    booth.ask<Problem>('POST', '/api/checkout/prepare', { body: { ...body, buyer: { ...body.buyer, ...buyer } } });
  /** For a listing, by anybody, and for a checkout, by its buyer. */
  const naming = async (named: object): Promise<Refusal[]> => [
    await booth.ask<Problem>('POST', `/v1/trade/${listingId}/invoice`, { body: named }),
    await booth.ask<Problem>('POST', `/v1/trade/${checkout.trade_id}/invoice`, { body: named, token: checkout.token }),
  ];
  const shown = ({ status, answer: { error, field } }: Refusal) => [status, error, field];

  for (const [said, key] of [
    ['above the prime', NO_POINT],
    ['of no point', NO_SQUARE],
    ['that nobody can hold', NUMS_KEY],
  ] as const)
    test(`a claim key ${said}`, async () => {
      const refused = await preparing({ claim_key: key });
      assert.deepEqual(shown(refused), [400, 'bad_message', 'buyer.claim_key']);
      assert.match(refused.answer.message, /^buyer\.claim_key must be an x-only key .*; got 64 characters$/);
      const { payment_hash } = body.buyer;
      for (const each of await naming({ payment_hash, claim_key: key }))
        assert.deepEqual(shown(each), [400, 'bad_message', 'claim_key']);
    });

  test('a public key that is no point of the curve, wherever it is asked for', async () => {
    const session = { public_key: NO_POINT, challenge: '00'.repeat(32), signature: '00'.repeat(64) };
    const wrong = [
      ['POST', '/v1/auth/challenge', 'public_key', { public_key: NO_POINT }],
      ['POST', '/v1/auth/session', 'public_key', session],
      ['GET', `/v1/offers?seller=${NO_POINT}`, 'seller', undefined],
    ] as const;
    for (const [method, path, field, sent] of wrong)
      assert.deepEqual(shown(await booth.ask<Problem>(method, path, { body: sent })), [400, 'bad_message', field]);
  });

  test('a payment hash that is not 64 lowercase hex characters', async () => {
    for (const payment_hash of ['', 'FF'.repeat(32), 'ff'.repeat(33), `0x${'ff'.repeat(31)}`, ` ${'ff'.repeat(32)}`])
      assert.deepEqual(shown(await preparing({ payment_hash })), [400, 'bad_message', 'buyer.payment_hash']);
  });

  test('a payment hash without its claim key, and the other way round', async () => {
    const { payment_hash, claim_key } = body.buyer;
    const { answer } = await preparing({ claim_key: undefined });
    assert.deepEqual(
      [answer.field, answer.message],
      ['buyer.claim_key', 'buyer.payment_hash and buyer.claim_key must be given together; buyer.claim_key is missing'],
    );
    assert.equal((await preparing({ payment_hash: undefined })).answer.field, 'buyer.payment_hash');
    for (const { answer } of await naming({ payment_hash })) assert.equal(answer.field, 'claim_key');
    for (const { answer } of await naming({ claim_key })) assert.equal(answer.field, 'payment_hash');
  });

  for (const [said, text, message] of [
    ['no JSON', 'junk', 'a message must be JSON text'],
    ['no message', '{}', '"op" must be one of '],
    ['a message of another kind', '{"op":"trade_request"}', '"'],
  ] as const)
    test(`a signed request that is ${said}, with the reason from within`, async () => {
      const refused = await preparing({ trade_request: text });
      assert.deepEqual(shown(refused), [400, 'bad_message', 'buyer.trade_request']);
      const start = `buyer.trade_request must be a signed trade_request: ${message}`;
      assert.ok(refused.answer.message.startsWith(start), refused.answer.message);
      for (const each of await naming({ trade_request: text }))
        assert.deepEqual(shown(each), [400, 'bad_message', 'trade_request']);
    });

  test('a signed request whose claim key is no point of the curve, and one whose signature is not its own', async () => {
    const { trade_request } = signedRequest(NO_POINT);
    assert.deepEqual(shown(await preparing({ trade_request })), [400, 'bad_message', 'buyer.trade_request']);
    const forged = signedRequest(body.buyer.claim_key ?? '').trade_request.replace(/"sig":"../, '"sig":"00');
    assert.deepEqual(shown(await preparing({ trade_request: forged })), [400, 'bad_signature', 'buyer.trade_request']);
  });

  test('a word or a number that there is one of alone', async () => {
    const changed = async (change: object) =>
      (await booth.ask<Problem>('POST', '/api/checkout/prepare', { body: { ...body, ...change } })).answer.message;
    assert.equal(await changed({ version: 2 }), 'version must be 1; got 2');
    assert.equal(await changed({ op: 'sell' }), 'op must be checkout; got "sell"');
    assert.equal(await changed({ network: 'btc' }), 'network must be one of spark, ln-mainnet, lightning; got "btc"');
    assert.equal(await changed({ expiry_block: 0 }), 'expiry_block must be a block height from 1 to 499999999; got 0');
    assert.equal(await changed({ buyer: 'me' }), 'buyer must be a JSON object; got "me"');
  });

  test('what is no address at all, and an address of another network', async () => {
    const mainnet = 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr';
    const misspelled = `${keyPath.address.slice(0, -1)}${keyPath.address.endsWith('q') ? 'p' : 'q'}`;
    const listing = booth.listing(await booth.inscribed('for an address'));
    for (const [code, address] of [
      ['bad_address', 'abcdefghijk'],
      ['bad_address', misspelled],
      ['wrong_network', mainnet],
    ] as const) {
      const refused = await preparing({ ord_address: address });
      assert.deepEqual(shown(refused), [400, code, 'buyer.ord_address']);
      const wanted = code === 'bad_address' ? 'a Bitcoin address' : 'an address of regtest';
      assert.equal(refused.answer.message, `buyer.ord_address must be ${wanted}; got ${address}`);
      const body = { ...listing, seller_address: address };
      const listed = await booth.ask<Problem>('POST', '/v1/trade', { body });
      assert.deepEqual(shown(listed), [400, code, 'seller_address']);
    }
  });

  function signedRequest(claimKey: string): { trade_request: string } {
    const me = identityKey({ seed: seeds.buyer, network: 'regtest' });
    const { inscription_id: inscriptionId, max_total_sats: total, buyer } = body;
    const message: TradeMessage = {
      ...{ op: 'trade_request', inscriptionId, claimKey, offerSats: BigInt(total) },
      signed: {
        ...{ tradeId: 'ab'.repeat(16), from: me.public, expiresAt: booth.nowSeconds() + 60, mode: 'hold-first' },
        ...{ network: 'regtest', script: 'v1', internalKey: 'nums', paymentHash: buyer.payment_hash ?? '' },
      },
    };
    return { trade_request: writeMessage(message, { secret: me.secret, auxRand: new Uint8Array(32) }) };
  }
});

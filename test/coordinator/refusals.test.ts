import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { PreparedWire } from 'sparkle-protocol/market/checkout-wire';
import { readMessage, type TradeQuote } from 'sparkle-protocol/protocol/messages';
import { until } from '../regtest/kept-process.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { House, houseLimits } from '../../world/house.ts';
import { ASKED_SATS, type Bought, type Refused, Shop } from './shop.ts';

const NOBODY = '00000000-0000-0000-0000-000000000000';

describe('what a coordinator refuses', { skip: withoutBitcoind }, () => {
  let shop: Shop;
  let inscriptionId: string;

  before(async () => {
    shop = await Shop.open();
    ({ inscriptionId } = (await shop.listed('for refusals')).inscribed);
  });
  after(() => shop?.close());

  const preparing = async (change: (body: Record<string, unknown>) => void): Promise<[number, string]> => {
    const { body } = await shop.asked(inscriptionId);
    const changed = structuredClone(body) as Record<string, unknown>;
    change(changed);
    return shop.refusal('POST', '/api/checkout/prepare', { body: changed });
  };
  const part = (body: Record<string, unknown>, name: string) => body[name] as Record<string, unknown>;

  test('a checkout of another form, naming the field', async () => {
    const wrong: [string, (body: Record<string, unknown>) => void][] = [
      ['bad_message p', (body) => (body['p'] = 'brc-20')],
      ['bad_message op', (body) => (body['op'] = 'sell')],
      ['bad_message version', (body) => (body['version'] = 2)],
      ['bad_message inscription_id', (body) => (body['inscription_id'] = 'abc123i0')],
      ['bad_message network', (body) => (body['network'] = 'dogecoin')],
      ['bad_message pricing.seller_sats', (body) => (part(body, 'pricing')['seller_sats'] = 1.5)],
      ['bad_message max_total_sats', (body) => (body['max_total_sats'] = '90000')],
      ['bad_message buyer.payment_hash', (body) => (part(body, 'buyer')['payment_hash'] = 'ff')],
      ['bad_message buyer.ord_address', (body) => delete part(body, 'buyer')['ord_address']],
      ['bad_message buyer.claim_key', (body) => delete part(body, 'buyer')['claim_key']],
      ['bad_message buyer.payment_hash', (body) => delete part(body, 'buyer')['payment_hash']],
      ['bad_message hat', (body) => (body['hat'] = 'red')],
    ];
    for (const [code, change] of wrong) assert.deepEqual(await preparing(change), [400, code]);
  });

  test('a price that is not the one quoted, or that does not add up', async () => {
    const add = (name: string, sats: number) => (body: Record<string, unknown>) => {
      const pricing = part(body, 'pricing') as Record<string, number>;
      pricing[name] = (pricing[name] ?? 0) + sats;
      body['max_total_sats'] = Number(body['max_total_sats']) + sats;
    };
    for (const name of ['seller_sats', 'creator_royalty_sats', 'market_fee_sats'])
      assert.deepEqual(await preparing(add(name, 1)), [400, `bad_amount pricing.${name}`]);
    assert.deepEqual(await preparing(add('estimated_l1_fee_sats', -1)), [
      400,
      'bad_amount pricing.estimated_l1_fee_sats',
    ]);
    assert.deepEqual(await preparing((body) => (body['max_total_sats'] = Number(body['max_total_sats']) - 1)), [
      400,
      'bad_amount max_total_sats',
    ]);
  });

  test('an address of another network, and a checkout that is over', async () => {
    const mainnet = 'bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr';
    const elsewhere = await preparing((body) => (part(body, 'buyer')['ord_address'] = mainnet));
    assert.deepEqual(elsewhere, [400, 'wrong_network buyer.ord_address']);
    assert.deepEqual(await preparing((body) => (body['expiry_block'] = 1)), [409, 'too_late expiry_block']);
  });

  test('what nobody sells (404), and what is held for another (409)', async () => {
    const nothing = { inscription_id: `${'ab'.repeat(32)}i0` };
    assert.deepEqual(await shop.refusal('POST', '/v1/quote', { body: nothing }), [404, 'not_found inscription_id']);
    const { inscribed } = await shop.listed('for one alone');
    const first = await shop.prepared(inscribed.inscriptionId);
    const second = await shop.asked(inscribed.inscriptionId);
    await shop.pay(first);
    await shop.reaches(first.checkout, 'broadcast');
    assert.deepEqual(await shop.refusal('POST', '/api/checkout/prepare', { body: second.body }), [
      409,
      'in_progress inscription_id',
    ]);
  });

  test('a payment hash that was used before', async () => {
    const { body } = await shop.asked(inscriptionId);
    assert.equal((await shop.house.ask('POST', '/api/checkout/prepare', { body })).status, 200);
    assert.deepEqual(await shop.refusal('POST', '/api/checkout/prepare', { body }), [409, 'duplicate_trade']);
  });

  test('to tell anybody of a trade that is not his, in the words for one that does not exist', async () => {
    const mine = await shop.prepared(inscriptionId);
    const other = await shop.prepared(inscriptionId);
    for (const path of ['', '/invoice', '/proof', '/rescue']) {
      const foreign = await shop.refusal('GET', `/v1/trade/${other.checkout.trade_id}${path}`, {
        token: mine.checkout.token,
      });
      const absent = await shop.refusal('GET', `/v1/trade/${NOBODY}${path}`, { token: mine.checkout.token });
      assert.deepEqual(
        [foreign, absent],
        [
          [404, 'unknown_trade trade_id'],
          [404, 'unknown_trade trade_id'],
        ],
        path,
      );
      assert.deepEqual((await shop.refusal('GET', `/v1/trade/${mine.checkout.trade_id}${path}`))[0], 401, path);
    }
    const unknown = { checkout_id: `chk_${'00'.repeat(16)}` };
    assert.deepEqual(await shop.refusal('POST', '/api/checkout/status', { body: unknown }), [
      404,
      'not_found checkout_id',
    ]);
  });

  test('a preimage that comes too early, is wrong, or comes without the claim that it completes', async () => {
    const bought: Bought = await shop.prepared((await shop.listed('for a preimage')).inscribed.inscriptionId);
    const { checkout, keys } = bought;
    const finalize = (body: unknown) =>
      shop.refusal('POST', `/v1/trade/${checkout.trade_id}/finalize`, { token: checkout.token, body });
    assert.deepEqual(await finalize({ payment_preimage: '00'.repeat(32) }), [400, 'bad_preimage payment_preimage']);
    assert.deepEqual(await finalize({ payment_preimage: keys.preimage }), [409, 'refused']);
    await shop.pay(bought);
    await shop.reaches(checkout, 'broadcast');
    await shop.mine(1);
    assert.deepEqual(await finalize({ payment_preimage: keys.preimage }), [400, 'bad_transaction claim']);
    const { raw } = (await shop.proof(checkout)).lock ?? { raw: '' };
    assert.deepEqual(await finalize({ payment_preimage: keys.preimage, claim: raw }), [400, 'bad_transaction claim']);
    const forged = await shop.forgedClaim(bought);
    assert.deepEqual(await finalize({ payment_preimage: keys.preimage, claim: forged }), [400, 'bad_signature']);
    assert.equal((await shop.state(checkout)).status, 'broadcast');
  });

  test('a listing whose signature, price or address is not what was said, and one that is there already', async () => {
    const inscribed = await shop.owner.inscribe('for a listing');
    const { psbt, payoutAddress } = await shop.owner.list(inscribed, ASKED_SATS);
    const listing = {
      ...{ inscription_id: inscribed.inscriptionId, price_sats: Number(ASKED_SATS) },
      ...{ seller_address: payoutAddress, psbt },
    };
    const create = (change: object) => shop.refusal('POST', '/v1/trade', { body: { ...listing, ...change } });
    assert.deepEqual(await create({ price_sats: 59_999 }), [409, 'refused']);
    assert.deepEqual(await create({ seller_address: await shop.owner.address() }), [409, 'refused']);
    assert.deepEqual(await create({ inscription_id: inscriptionId }), [409, 'refused']);
    assert.deepEqual(await create({ inscription_id: `${'ab'.repeat(32)}i0` }), [404, 'unknown_inscription']);
    assert.deepEqual(await create({ psbt: 'cHNidP8=' }), [400, 'bad_message']);
    assert.equal((await shop.house.ask('POST', '/v1/trade', { body: listing })).status, 201);
    assert.deepEqual(await create({}), [409, 'in_progress']);
  });

  test('a listing by somebody whom the operator has not named, and one of an output full of sats', async () => {
    const inscribed = await shop.owner.inscribe('by a stranger');
    const { psbt, payoutAddress } = await shop.owner.list(inscribed, ASKED_SATS);
    const named = '0f'.repeat(32);
    const closed = await House.open(shop.world.seller, { listers: [named] });
    const listing = {
      inscription_id: inscribed.inscriptionId,
      price_sats: Number(ASKED_SATS),
      seller_address: payoutAddress,
      psbt,
    };
    const { status, answer } = await closed.ask<{ error: string }>('POST', '/v1/trade', { body: listing });
    await closed.close();
    assert.deepEqual([status, answer.error], [403, 'forbidden']);
    const rich = await shop.owner.inscribe('in a rich output', 50_000n);
    const { psbt: richPsbt, payoutAddress: to } = await shop.owner.list(rich, ASKED_SATS);
    const body = {
      inscription_id: rich.inscriptionId,
      price_sats: Number(ASKED_SATS),
      seller_address: to,
      psbt: richPsbt,
    };
    assert.deepEqual(await shop.refusal('POST', '/v1/trade', { body }), [409, 'refused psbt']);
  });

  test('more payments of one buyer than he may have open: of an address, or of a key that was proven; what ends makes room', async (context) => {
    const limits = { ...houseLimits, maxOpenHoldsPerBuyer: 2, claimWindowBlocks: 80 };
    const few = await Shop.beside(shop, { limits });
    context.after(() => few.house.close());
    const { inscribed, tradeId, token } = await few.listed('for few');
    const { inscriptionId: wanted } = inscribed;
    const ask = async (as: { token?: string } = {}) => {
      const { body } = await few.asked(wanted);
      return few.house.ask<PreparedWire & Refused>('POST', '/api/checkout/prepare', { body, ...as });
    };
    const answerOf = async (as: { token?: string } = {}) => {
      const { status, answer } = await ask(as);
      return status === 200 ? status : [status, answer.error];
    };
    const session = { token: await few.session() };
    const { answer: first } = await ask();
    // W of the operator is that of the trade: R is 12 + 15 + W blocks from its quote.
    const proof = await few.proof(first);
    const quote = readMessage(proof.messages[0] ?? '', { nowSeconds: 0 }).message as TradeQuote;
    assert.equal(quote.refundHeight - quote.signed.quoteHeight, 107);
    // Nobody signed for the claim key that was named: its mailbox, which may be another's, stays empty.
    const { tables } = few.house.database;
    assert.deepEqual(await tables.selectFrom('mailbox').select('recipient').execute(), []);
    assert.equal(await answerOf(), 200);
    assert.deepEqual(await answerOf(), [429, 'too_many_holds']);
    assert.deepEqual([await answerOf(session), await answerOf(session)], [200, 200]);
    assert.deepEqual(await answerOf(session), [429, 'too_many_holds']);
    assert.deepEqual(await answerOf({ token: 'made up' }), [401, 'unauthorized']);
    await few.house.ask('DELETE', `/v1/trade/${tradeId}`, { token });
    const other = await few.listed('for room');
    const { body } = await few.asked(other.inscribed.inscriptionId);
    await until('the places of what was withdrawn to be free', async () => {
      const { status } = await few.house.ask('POST', '/api/checkout/prepare', { body });
      return status === 200;
    });
  });

  test('to sell what its owner has moved, or has taken off the shelf', async () => {
    const moved = await shop.listed('for a move');
    await shop.owner.moveAway(moved.inscribed);
    await shop.mine(1);
    assert.equal(
      (await shop.refusal('POST', '/v1/quote', { body: { inscription_id: moved.inscribed.inscriptionId } }))[0],
      404,
    );
    const withdrawn = await shop.listed('for a withdrawal');
    const path = `/v1/trade/${withdrawn.tradeId}`;
    assert.equal((await shop.refusal('DELETE', path))[0], 401);
    const { status, answer } = await shop.house.ask<{ status: string; reason: string }>('DELETE', path, {
      token: withdrawn.token,
    });
    assert.deepEqual([status, answer.status, answer.reason], [200, 'failed', 'withdrawn']);
    assert.equal(
      (await shop.refusal('POST', '/v1/quote', { body: { inscription_id: withdrawn.inscribed.inscriptionId } }))[0],
      404,
    );
  });
});

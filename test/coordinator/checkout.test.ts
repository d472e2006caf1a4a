import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { checkQuote } from 'sparkle-protocol/protocol/checks';
import { rescueSeed, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { readMessage, type TradeAccept, type TradeQuote } from 'sparkle-protocol/protocol/messages';
import type { CheckoutStateWire, PreparedWire, ProofWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { Want } from 'sparkle-protocol/protocol/trade/terms';
import { ldkNodes } from '../../world/nodes.ts';
import { purchase } from '../../world/story.ts';
import { createWorld, type World } from '../../world/world.ts';
import { type Inscribed, withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { guest, House } from '../../world/house.ts';
import { Owner } from '../../world/owner.ts';

const ASKED_SATS = 60_000n;
const BUYER_SEED = rescueSeed('letter advice cage absurd amount doctor acoustic avoid letter advice cage above');
const GUEST_PHRASE = 'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong';
const PATIENCE = { patienceMilliseconds: 60_000 };

describe('a checkout of what its owner has listed', { skip: withoutBitcoind }, () => {
  let world: World;
  let owner: Owner;
  let house: House;
  let index = 0;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: ldkNodes });
    owner = await Owner.open(world, 'owner');
    for (let coins = 0; coins < 6; coins++)
      await world.regtest.pay({ to: await world.seller.wallet.address(), sats: 300_000n });
    await world.mine(1);
    house = await House.open(world.seller);
  });
  after(async () => {
    await house?.close();
    await world?.stop();
  });

  const mine = async (blocks: number) => {
    await world.mine(blocks);
    await house.service.trader.look();
  };

  async function listed(text: string): Promise<{ inscribed: Inscribed; payoutAddress: string; tradeId: string }> {
    const inscribed = await owner.inscribe(text);
    const { psbt, payoutAddress } = await owner.list(inscribed, ASKED_SATS);
    const body = {
      ...{ inscription_id: inscribed.inscriptionId, price_sats: Number(ASKED_SATS) },
      ...{ seller_address: payoutAddress, psbt },
    };
    const { status, answer } = await house.ask<{ trade_id: string; status: string }>('POST', '/v1/trade', { body });
    assert.deepEqual([status, answer.status], [201, 'pending'], JSON.stringify(answer));
    return { inscribed, payoutAddress, tradeId: answer.trade_id };
  }

  async function quoted(inscriptionId: string): Promise<QuoteWire> {
    const body = { inscription_id: inscriptionId };
    const { status, answer } = await house.ask<QuoteWire>('POST', '/v1/quote', { body });
    assert.equal(status, 200, JSON.stringify(answer));
    return answer;
  }

  async function prepared(inscriptionId: string) {
    const quote = await quoted(inscriptionId);
    const keys = tradeKeys({ seed: BUYER_SEED, network: 'regtest', index: (index += 1) });
    const body = {
      ...{ p: 'sparkle', op: 'checkout', version: 1, inscription_id: inscriptionId, network: 'ln-mainnet' },
      buyer: {
        ord_address: await world.buyer.wallet.address(),
        ...{ payment_hash: keys.paymentHash, claim_key: keys.claim.public },
      },
      ...{ max_total_sats: quote.max_total_sats, pricing: quote.pricing },
    };
    const { status, answer } = await house.ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
    assert.equal(status, 200, JSON.stringify(answer));
    return { quote, keys, checkout: answer };
  }

  const state = async ({ checkout_id }: PreparedWire): Promise<CheckoutStateWire> =>
    (await house.ask<CheckoutStateWire>('POST', '/api/checkout/status', { body: { checkout_id } })).answer;
  const proof = async ({ trade_id: id, token }: PreparedWire): Promise<ProofWire> =>
    (await house.ask<ProofWire>('GET', `/v1/trade/${id}/proof`, { token })).answer;
  const reaches = (checkout: PreparedWire, status: string) =>
    until(
      `the checkout is ${status}`,
      async () => {
        if ((await state(checkout)).status === status) return true;
        if ((await world.regtest.rpc<string[]>('getrawmempool')).length > 0) await mine(1);
        return false;
      },
      PATIENCE,
    );

  test('it goes from pending_payment to confirmed, and a buyer who believes nothing can see why at each step', async () => {
    const { inscribed, payoutAddress, tradeId } = await listed('a sale');
    const { quote, keys, checkout } = await prepared(inscribed.inscriptionId);
    assert.equal(checkout.status, 'pending_payment');
    assert.equal(
      quote.max_total_sats,
      Object.values(quote.pricing).reduce((sum, part) => sum + part, 0),
    );

    const said = readMessage((await proof(checkout)).messages[0] ?? '', { nowSeconds: Math.floor(Date.now() / 1000) });
    const offered = said.message as TradeQuote;
    const want: Want = {
      ...{ tradeId: offered.signed.tradeId, network: 'regtest', script: 'v1', internalKey: 'nums', mode: 'hold-first' },
      ...{ inscriptionId: inscribed.inscriptionId, priceSats: BigInt(quote.max_total_sats) },
      ...{ paymentHash: keys.paymentHash, claimKey: keys.claim.public, buyerId: keys.claim.public },
      ...{ sellerId: house.service.trader.id, minConfirmations: 1, minPostageSats: 546n, routeCapBlocks: 432 },
      ...{ maxFeeMsat: 100_000n, maxClaimFeeSats: 50_000n, expiresAt: checkout.expires_at },
    };
    const at = { height: await world.regtest.height(), nowSeconds: Math.floor(Date.now() / 1000) };
    assert.equal(said.signedBy, house.service.trader.id);
    assert.equal(offered.invoice, checkout.invoice);
    assert.deepEqual(checkQuote({ want, quote: offered, ...at }), []);

    const before = await world.buyer.lightning.balance();
    const pay = { bolt11: offered.invoice, maxFeeMsat: 100_000n, maxCltvBlocks: 432, timeoutSeconds: 60 };
    await world.buyer.lightning.pay(pay);
    await reaches(checkout, 'broadcast');
    await mine(1);

    const { messages, lock } = await proof(checkout);
    const accept = readMessage(messages[1] ?? '', { nowSeconds: at.nowSeconds }).message as TradeAccept;
    const terms = { ...want, ...offered.signed, refundHeight: offered.refundHeight, paymentHash: keys.paymentHash };
    const outpoint = `${accept.fundingTxid}:${accept.fundingVout}`;
    assert.equal(lock?.outpoint, outpoint);
    const unspent = await world.buyer.chain.unspent(outpoint);
    assert.equal(unspent?.script, buildLock(terms).script);
    assert.equal((await world.buyer.ordinals.locate(inscribed.inscriptionId)).satpoint, `${outpoint}:0`);

    const claim = buildClaim({
      ...{ terms, lockOutpoint: outpoint, destination: await world.buyer.wallet.address() },
      ...{ claimSecret: keys.claim.secret, preimage: keys.preimage, auxRand: new Uint8Array(32) },
      ...{ feerateSatVb: 2, maxFeeSats: 10_000n },
    });
    const finalized = await house.ask<{ txid: string }>('POST', `/v1/trade/${checkout.trade_id}/finalize`, {
      token: checkout.token,
      body: { payment_preimage: keys.preimage, claim: claim.raw },
    });
    assert.deepEqual([finalized.status, finalized.answer.txid], [200, claim.txid], JSON.stringify(finalized.answer));
    await reaches(checkout, 'confirmed');
    const { transfer, payment } = await state(checkout);
    assert.equal(transfer?.txid, claim.txid);
    assert.equal(payment?.received_sats, quote.max_total_sats);
    assert.equal(await world.holderOf(`${claim.txid}:0:0`), 'buyer');
    assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
    const paidMsat = BigInt(quote.max_total_sats) * 1000n;
    await until(
      'the sats are the seller side`s',
      async () => before.ownedMsat - (await world.buyer.lightning.balance()).ownedMsat === paidMsat,
      PATIENCE,
    );
    const sold = await house.ask<{ error: string }>('POST', '/v1/quote', {
      body: { inscription_id: inscribed.inscriptionId },
    });
    assert.deepEqual([sold.status, sold.answer.error], [404, 'not_found']);
    assert.equal(decodeTransaction(claim.raw).inputs[0]?.outpoint, outpoint);
    assert.notEqual(tradeId, checkout.trade_id);
  });

  test('a trader of our own buys over the coordinator, and needs nobody to check for him', async () => {
    const { inscribed, payoutAddress } = await listed('to a trader');
    const { inscriptionId } = inscribed;
    const quote = await quoted(inscriptionId);
    const trader = await guest({ party: world.buyer, house, phrase: GUEST_PHRASE });
    const priceSats = BigInt(quote.max_total_sats);
    const tradeId = await trader.buy({
      ...purchase(world, inscriptionId, { mode: 'hold-first', priceSats }),
      sellerId: house.service.trader.id,
    });
    await until(
      'the trader has it',
      async () => {
        const trade = await trader.trade(tradeId);
        if (trade?.state === 'ended') return true;
        const waits = trade?.state === 'claiming' || (await world.regtest.rpc<string[]>('getrawmempool')).length > 0;
        await mine(waits ? 1 : 0);
        await trader.look();
        return false;
      },
      PATIENCE,
    );
    const trade = await trader.trade(tradeId);
    assert.equal(trade?.state === 'ended' && trade.outcome, 'traded');
    assert.equal(await world.holderOf((await world.buyer.ordinals.locate(inscriptionId)).satpoint), 'buyer');
    assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { TradeStateWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import { type Announced, type Bought as Wanted, checkPrepared } from 'sparkle-protocol/protocol/checks-delivery';
import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { verifyDelivery } from 'sparkle-protocol/trader/delivery';
import { guest } from '../../world/house.ts';
import { purchase } from '../../world/story.ts';
import { forSale } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { ASKED_SATS, type Bought, PATIENCE, Shop } from './shop.ts';

const nowSeconds = (): number => Math.floor(Date.now() / 1000);
const GUEST_PHRASE = 'zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong';
const SELLER_PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';

describe('a checkout', { skip: withoutBitcoind }, () => {
  let shop: Shop;

  before(async () => {
    shop = await Shop.open();
  });
  after(() => shop?.close());

  /** What a buyer checks before he pays, out of what the coordinator signed. */
  async function quoteChecked({ quote, keys, checkout }: Bought): Promise<Wanted> {
    const { house, world } = shop;
    const { height, ...tip } = await world.buyer.chain.tip();
    const want: Wanted['want'] = {
      ...{ tradeId: checkout.trade_id.replaceAll('-', ''), network: 'regtest', script: 'v1', internalKey: 'nums' },
      ...{ mode: 'hold-first', inscriptionId: quote.inscription_id, priceSats: BigInt(quote.max_total_sats) },
      ...{ paymentHash: keys.paymentHash, claimKey: keys.claim.public, buyerId: keys.claim.public },
      ...{ sellerId: house.service.trader.id, minConfirmations: 1, minPostageSats: 546n, routeCapBlocks: 432 },
      ...{ maxFeeMsat: 100_000n, maxClaimFeeSats: 50_000n, expiresAt: checkout.expires_at },
    };
    const wanted = { want, invoice: checkout.invoice ?? '' };
    const { messages } = shownBy(await shop.proof(checkout));
    const parts = Object.values(quote.pricing).map(BigInt);
    assert.deepEqual(checkPrepared({ ...wanted, messages, parts, height, tip, nowSeconds: nowSeconds() }), []);
    return wanted;
  }

  /** The lock as it was announced, found on the buyer's own chain; by the sat proof alone, and by his own index. */
  async function lockChecked({ checkout }: Bought, wanted: Wanted): Promise<Announced> {
    const { chain, ordinals } = shop.world.buyer;
    const check = { ...wanted, shown: shownBy(await shop.proof(checkout)), chain, nowSeconds: nowSeconds() };
    const { failures, lock } = await verifyDelivery(check);
    assert.deepEqual(failures, []);
    assert.deepEqual((await verifyDelivery({ ...check, ordinals })).failures, []);
    assert.ok(lock !== undefined);
    return lock;
  }

  test('goes from pending_payment to confirmed, and a buyer who believes nothing can see why at each step', async () => {
    const { world, house, owner } = shop;
    const { inscribed, payoutAddress } = await shop.listed('a sale');
    const bought = await shop.prepared(inscribed.inscriptionId);
    const { quote, keys, checkout } = bought;
    assert.equal(checkout.status, 'pending_payment');
    assert.equal(
      quote.max_total_sats,
      Object.values(quote.pricing).reduce((sum, part) => sum + part, 0),
    );
    const checked = await quoteChecked(bought);
    const before = await world.buyer.lightning.balance();
    await shop.pay(bought);
    await shop.reaches(checkout, 'broadcast');
    await shop.mine(1);
    const { terms, outpoint } = await lockChecked(bought, checked);
    const claim = buildClaim({
      ...{ terms, lockOutpoint: outpoint, destination: await world.buyer.wallet.address() },
      ...{ claimSecret: keys.claim.secret, preimage: keys.preimage, auxRand: new Uint8Array(32) },
      ...{ feerateSatVb: 2, maxFeeSats: 10_000n },
    });
    const path = `/v1/trade/${checkout.trade_id}/finalize`;
    const body = { payment_preimage: keys.preimage, claim: claim.raw };
    const finalized = await house.ask<{ txid: string }>('POST', path, { token: checkout.token, body });
    assert.deepEqual([finalized.status, finalized.answer.txid], [200, claim.txid], JSON.stringify(finalized.answer));
    await shop.reaches(checkout, 'confirmed');
    const { transfer, payment } = await shop.state(checkout);
    assert.equal(transfer?.txid, claim.txid);
    assert.equal(payment?.received_sats, quote.max_total_sats);
    assert.equal(await world.holderOf(`${claim.txid}:0:0`), 'buyer');
    assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
    const paidMsat = BigInt(quote.max_total_sats) * 1000n;
    const isPaid = async () => before.ownedMsat - (await world.buyer.lightning.balance()).ownedMsat === paidMsat;
    await until('exactly what was quoted has left the buyer', isPaid, PATIENCE);
  });

  test('whose buyer walks away leaves the item to the coordinator, who sells it to the next', async () => {
    const { world, house } = shop;
    const { inscribed, tradeId, token, payoutAddress } = await shop.listed('a walk');
    const first = await shop.prepared(inscribed.inscriptionId);
    await shop.pay(first);
    await shop.reaches(first.checkout, 'broadcast');
    const isOver = async () => {
      if ((await shop.state(first.checkout)).status === 'failed') return true;
      await shop.mine(5);
      return false;
    };
    await until('the lock was taken back', isOver, PATIENCE);
    assert.match((await shop.state(first.checkout)).reason ?? '', /^refunded/);
    // Its owner reads the same, and was paid by the fill all the same.
    const { answer: toldOwner } = await house.ask<TradeStateWire>('GET', `/v1/trade/${tradeId}`, { token });
    assert.deepEqual([toldOwner.status, toldOwner.reason], ['failed', 'refunded']);
    assert.equal(await shop.owner.receivedSats(payoutAddress), ASKED_SATS);
    const isForSale = async () => {
      const body = { inscription_id: inscribed.inscriptionId };
      return (await house.ask('POST', '/v1/quote', { body })).status === 200;
    };
    await until('it is for sale again', isForSale, PATIENCE);
    const second = await shop.prepared(inscribed.inscriptionId);
    const checked = await quoteChecked(second);
    await shop.pay(second);
    await shop.reaches(second.checkout, 'broadcast');
    await shop.mine(1);
    const { terms, outpoint } = await lockChecked(second, checked);
    const { claim: key, preimage } = second.keys;
    const claim = buildClaim({
      ...{ terms, lockOutpoint: outpoint, destination: await world.buyer.wallet.address(), preimage },
      ...{ claimSecret: key.secret, auxRand: new Uint8Array(32), feerateSatVb: 2, maxFeeSats: 10_000n },
    });
    // He needs nobody to send it.
    await world.buyer.chain.broadcast([claim.raw]);
    await shop.reaches(second.checkout, 'confirmed');
    assert.equal((await shop.state(second.checkout)).transfer?.txid, claim.txid);
  });

  async function hasTraded(trader: Awaited<ReturnType<typeof guest>>, tradeId: string): Promise<boolean> {
    const trade = await trader.trade(tradeId);
    if (trade?.state === 'ended') return true;
    const waits = trade?.state === 'claiming' || (await shop.world.regtest.rpc<string[]>('getrawmempool')).length > 0;
    await shop.mine(waits ? 1 : 0);
    await trader.look();
    return false;
  }

  test('is not needed by a trader of our own: he asks over the market, and needs nobody to check for him', async () => {
    const { world, house, owner } = shop;
    const { inscribed, payoutAddress } = await shop.listed('to a trader');
    const { inscriptionId } = inscribed;
    const priceSats = BigInt((await shop.quoted(inscriptionId)).max_total_sats);
    const trader = await guest({ party: world.buyer, house, phrase: GUEST_PHRASE });
    const wanted = purchase(world, inscriptionId, { mode: 'hold-first', priceSats });
    const tradeId = await trader.buy({ ...wanted, sellerId: house.service.trader.id });
    await until('the trader has it', () => hasTraded(trader, tradeId), PATIENCE);
    const trade = await trader.trade(tradeId);
    assert.equal(trade?.state === 'ended' && trade.outcome, 'traded');
    assert.equal(await world.holderOf((await world.buyer.ordinals.locate(inscriptionId)).satpoint), 'buyer');
    assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
  });

  test('is not needed by two traders who have Lightning: the coordinator carries their letters and is no part of it', async () => {
    const { world, house } = shop;
    const inscribed = await world.inscribe(world.seller, 'between two');
    await world.mine(0);
    const seller = await guest({ party: world.seller, house, phrase: SELLER_PHRASE });
    const buyer = await guest({ party: world.buyer, house, phrase: `${'abandon '.repeat(11)}about` });
    await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: 50_000n }));
    const wanted = purchase(world, inscribed.inscriptionId, { mode: 'hold-first', priceSats: 50_000n });
    const tradeId = await buyer.buy({ ...wanted, sellerId: seller.id });
    await until('the buyer has it', () => hasTraded(buyer, tradeId), PATIENCE);
    const trade = await buyer.trade(tradeId);
    assert.equal(trade?.state === 'ended' && trade.outcome, 'traded');
    assert.equal(await house.service.trader.trade(tradeId), undefined);
  });
});

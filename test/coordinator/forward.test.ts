import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CheckoutStateWire, PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { shownBy } from 'sparkle-protocol/market/coordinator-proof';
import { type Announced, type Bought as Wanted, checkPrepared } from 'sparkle-protocol/protocol/checks-delivery';
import { rescueSeed, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { verifyDelivery } from 'sparkle-protocol/trader/delivery';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { guest, House } from '../../world/house.ts';
import { purchase } from '../../world/story.ts';
import { createWorld, forSale, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndRow } from '../trades/nodes.ts';
import { buyerWith, checkoutBody, claimOf } from './buyer-http.ts';
import { Said } from '../trades/said.ts';

const PATIENCE = { patienceMilliseconds: 90_000 };
const SELLER_PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';
const BUYER_PHRASE = `${'abandon '.repeat(11)}about`;

describe(
  'a coordinator between a buyer and a seller whom he cannot reach',
  { skip: withoutBitcoind || withoutLnd },
  () => {
    const said = new Said();
    const row = new LndRow(said);
    let world: World;
    let house: House;
    let seller: Trader;
    let buyer: Trader;

    before(async () => {
      world = await createWorld({ log: () => {}, openNodes: row.open, traderLog: said.log });
      const lightning = driverOver(row.lnds.node('middle'), said.warn);
      house = await House.open({ ...world.buyer, lightning });
      house.leaving(() => lightning.close());
      seller = await guest({ party: world.seller, house, phrase: SELLER_PHRASE });
      buyer = await guest({ party: world.buyer, house, phrase: BUYER_PHRASE });
    });
    after(async () => {
      await house?.close();
      await world?.stop();
    });

    const goOn = async (): Promise<void> => {
      if ((await world.regtest.rpc<string[]>('getrawmempool')).length > 0) await world.mine(1);
      await Promise.all([house.service.trader, seller, buyer].map((trader) => trader.look()));
    };
    const outcomesOf = async (tradeId: string) =>
      Promise.all(
        [seller, house.service.trader, buyer].map(async (trader) => {
          const trade = await trader.trade(tradeId);
          return trade?.state === 'ended' ? trade.outcome : undefined;
        }),
      );
    const owned = async (name: string): Promise<bigint> => {
      const node = driverOver(row.lnds.node(name), said.warn);
      const { ownedMsat } = await node.balance();
      await node.close();
      return ownedMsat;
    };

    test('quotes his price and its fee, and ends with the price at the seller and the fee at itself', async () => {
      const inscribed = await world.inscribe(world.seller, 'passed on');
      await world.mine(0);
      const { inscriptionId } = inscribed;
      const asked = { method: 'POST', path: '/v1/quote', body: { inscription_id: inscriptionId } } as const;
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: 50_000n }));
      assert.equal((await house.ask(asked.method, asked.path, asked)).status, 404);
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: 50_000n }), { forward: true });
      const { answer: quote } = await house.ask<QuoteWire>(asked.method, asked.path, asked);
      assert.deepEqual([quote.max_total_sats, quote.forward], [51_500, true]);
      const before = await Promise.all(['seller', 'middle', 'buyer'].map(owned));
      const wanted = purchase(world, inscriptionId, { mode: 'hold-first', priceSats: 51_500n });
      const tradeId = await buyer.buy({ ...wanted, sellerId: house.service.trader.id, forwarded: true });
      const isOver = async () => {
        await goOn();
        const needsBlock = (await buyer.trade(tradeId))?.state === 'claiming';
        if (needsBlock) await world.mine(1);
        return (await outcomesOf(tradeId)).every((outcome) => outcome !== undefined);
      };
      await until('all three end', isOver, PATIENCE);
      assert.deepEqual(await outcomesOf(tradeId), ['traded', 'traded', 'traded']);
      assert.equal(await world.holderOf((await world.buyer.ordinals.locate(inscriptionId)).satpoint), 'buyer');
      const moved = async () => {
        const now = await Promise.all(['seller', 'middle', 'buyer'].map(owned));
        return now.map((msat, index) => msat - (before[index] ?? 0n));
      };
      const expected = [50_000_000n, 1_500_000n, -51_500_000n];
      await until('the balances', async () => String(await moved()) === String(expected), PATIENCE).catch(() => {});
      assert.deepEqual(await moved(), expected);
      const lines = () => house.ledger.ofTrade(tradeId);
      await until('both payments are in the books', async () => (await lines()).length === 5, PATIENCE);
      const sumIn = async (name: string) =>
        (await lines()).reduce((sum, { account, msat }) => (account === name ? sum + msat : sum), 0n);
      assert.deepEqual(await Promise.all(['lightning', 'sellers', 'routing_fees', 'sales'].map(sumIn)), [
        1_500_000n,
        50_000_000n,
        0n,
        -51_500_000n,
      ]);
    });

    test('serves a buyer who knows HTTP alone, and believes nothing: he checks quote and lock, claims, and has it', async () => {
      const inscribed = await world.inscribe(world.seller, 'by the checkout');
      await world.mine(0);
      const { inscriptionId } = inscribed;
      const { chain, wallet, lightning } = world.buyer;
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: 50_000n }), { forward: true });
      const before = await Promise.all(['seller', 'middle', 'buyer'].map(owned));
      const asked = { body: { inscription_id: inscriptionId } };
      const { answer: quote } = await house.ask<QuoteWire>('POST', '/v1/quote', asked);
      const keys = tradeKeys({ seed: rescueSeed(BUYER_PHRASE), network: 'regtest', index: 77 });
      const body = checkoutBody(quote, buyerWith(keys, await wallet.address()));
      const { answer: prepared } = await house.ask<PreparedWire>('POST', '/api/checkout/prepare', { body });
      const { checkout_id, trade_id: id, token } = prepared;
      const state = async () =>
        (await house.ask<CheckoutStateWire>('POST', '/api/checkout/status', { body: { checkout_id } })).answer;
      const shown = async () => shownBy((await house.ask<unknown>('GET', `/v1/trade/${id}/proof`, { token })).answer);
      const nowSeconds = (): number => Math.floor(Date.now() / 1000);
      let invoice = '';
      await until('the invoice', async () => (invoice = (await state()).invoice ?? '') !== '', PATIENCE);
      const want: Wanted['want'] = {
        ...{ tradeId: id.replaceAll('-', ''), network: 'regtest', script: 'v1', internalKey: 'nums', inscriptionId },
        ...{ mode: 'hold-first', priceSats: 51_500n, paymentHash: keys.paymentHash, claimKey: keys.claim.public },
        ...{ buyerId: keys.claim.public, sellerId: house.service.trader.id, forwarded: true, minConfirmations: 1 },
        ...{ minPostageSats: 546n, routeCapBlocks: 432, maxFeeMsat: 100_000n, maxClaimFeeSats: 50_000n },
        expiresAt: nowSeconds() + 3_600,
      };
      const { height, ...tip } = await chain.tip();
      const parts = Object.values(quote.pricing).map(BigInt);
      const { messages } = await shown();
      assert.deepEqual(checkPrepared({ want, invoice, messages, parts, height, tip, nowSeconds: nowSeconds() }), []);
      await lightning.pay({ bolt11: invoice, maxFeeMsat: 100_000n, maxCltvBlocks: 900, timeoutSeconds: 60 });
      const found = async () => {
        await goOn();
        const check = { want, invoice, shown: await shown(), chain, nowSeconds: nowSeconds() };
        return (await verifyDelivery(check)).lock;
      };
      let lock: Announced | undefined;
      await until('a lock that holds', async () => (lock = await found()) !== undefined, PATIENCE);
      assert.ok(lock);
      const at = { terms: lock.terms, lockOutpoint: lock.outpoint };
      const claim = claimOf({ keys, address: await wallet.address() }, at);
      const finalized = await house.ask<{ txid: string }>('POST', `/v1/trade/${id}/finalize`, {
        ...{ token, body: { payment_preimage: keys.preimage, claim } },
      });
      assert.equal(finalized.status, 200, JSON.stringify(finalized.answer));
      const isDelivered = async () => {
        await goOn();
        return (await state()).status === 'confirmed';
      };
      await until('the delivery', isDelivered, PATIENCE);
      assert.equal((await state()).transfer?.txid, finalized.answer.txid);
      assert.equal(await world.holderOf(`${finalized.answer.txid}:0:0`), 'buyer');
      const expected = [50_000_000n, 1_500_000n, -51_500_000n];
      const moved = async () => {
        await goOn();
        const now = await Promise.all(['seller', 'middle', 'buyer'].map(owned));
        return now.map((msat, index) => msat - (before[index] ?? 0n));
      };
      await until('the balances', async () => String(await moved()) === String(expected), PATIENCE);
    });

    test('refuses a price that it does not quote, and moves nothing', async () => {
      const inscribed = await world.inscribe(world.seller, 'at another price');
      await world.mine(0);
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: 50_000n }), { forward: true });
      const wanted = purchase(world, inscribed.inscriptionId, { mode: 'hold-first', priceSats: 51_499n });
      const tradeId = await buyer.buy({ ...wanted, sellerId: house.service.trader.id, forwarded: true });
      const isRefused = async () => (await buyer.trade(tradeId))?.state === 'ended';
      await until('the refusal', isRefused, PATIENCE);
      const trade = await buyer.trade(tradeId);
      assert.deepEqual(trade?.state === 'ended' && [trade.outcome, trade.codes], ['refused', ['bad_amount']]);
      assert.equal(await seller.trade(tradeId), undefined);
    });
  },
);

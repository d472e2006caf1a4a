import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bitcoindWallet } from 'sparkle-protocol/chain/bitcoind-wallet';
import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { ordOrdinals } from 'sparkle-protocol/ordinals/ord';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import type { Purchase, Trader } from 'sparkle-protocol/trader/trader';
import { ordOptions } from '../../packages/coordinator/src/operate/drivers.ts';
import { guest, House } from '../../world/house.ts';
import { Owner } from '../../world/owner.ts';
import { accessOf } from '../../world/party.ts';
import { purchase } from '../../world/story.ts';
import { createWorld, forSale, type World } from '../../world/world.ts';
import { type Inscribed, withoutBitcoind } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { type OrdServer, startOrd } from '../regtest/ord.ts';
import { withoutLnd, withoutOrd, withoutPostgres } from '../regtest/parts.ts';
import { startPostgres } from '../regtest/postgres.ts';
import { LndRow } from '../trades/nodes.ts';
import { Said } from '../trades/said.ts';

const PATIENCE = { patienceMilliseconds: 90_000 };
const SELLER_PHRASE = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';
const BUYER_PHRASE = `${'abandon '.repeat(11)}about`;
const OTHER_PHRASE = `${'zoo '.repeat(11)}wrong`;
const ASKED_SATS = 50_000n;
const COINS = 8;
const COIN_SATS = 300_000n;

describe(
  'a coordinator over LND, PostgreSQL and ord, and a buyer who reaches it by HTTP',
  { skip: withoutBitcoind || withoutLnd || withoutOrd || withoutPostgres },
  () => {
    const said = new Said();
    const row = new LndRow(said);
    const undo: (() => Promise<unknown>)[] = [];
    let world: World;
    let ord: OrdServer;
    let ordinals: Ordinals;
    let house: House;
    let buyer: Trader;

    before(async () => {
      world = await createWorld({ log: () => {}, openNodes: row.open, traderLog: said.log });
      undo.push(() => world.stop());
      const { regtest } = world;
      ord = await startOrd({ regtest });
      undo.push(() => ord.stop());
      const postgres = await startPostgres({ writes: 'fast' });
      undo.push(() => postgres.stop());
      const name = await regtest.fundedWallet({ name: 'coordinator', sats: COIN_SATS });

      const { url, credentials } = accessOf(regtest);
      const wallet = bitcoindWallet({ url, credentials, timeoutMilliseconds: 30_000, wallet: name });
      for (let coin = 0; coin < COINS; coin += 1) await regtest.pay({ to: await wallet.address(), sats: COIN_SATS });
      await world.mine(1);
      ordinals = ordOrdinals(ordOptions(ord.url, world.buyer.chain));
      const lightning = overNode('middle');
      const databaseUrl = await postgres.newDatabase();
      house = await House.open({ ...world.buyer, wallet, lightning, ordinals }, { databaseUrl });
      undo.push(() => house.close());
      buyer = await guest({ party: { ...world.buyer, ordinals }, house, phrase: BUYER_PHRASE });
    });
    after(async () => {
      for (const step of undo.toReversed()) await step();
    });

    function overNode(name: string) {
      const lightning = driverOver(row.lnds.node(name), said.warn);
      undo.push(() => lightning.close());
      return lightning;
    }

    const indexed = async (): Promise<void> => {
      await world.mine(0);
      await ord.caughtUp();
    };
    const ofSeller = async (text: string): Promise<Inscribed> => {
      const inscribed = await world.inscribe(world.seller, text);
      await indexed();
      return inscribed;
    };
    const quoted = async ({ inscriptionId }: Inscribed): Promise<bigint> => {
      const body = { inscription_id: inscriptionId };
      const { status, answer } = await house.ask<QuoteWire>('POST', '/v1/quote', { body });
      assert.equal(status, 200, JSON.stringify(answer));
      return BigInt(answer.max_total_sats);
    };

    /** Returns when the buyer's trade has ended as traded, with his sats gone and the inscription, as ord has it, his. */
    async function bought(
      { inscriptionId }: Inscribed,
      of: Pick<Purchase, 'sellerId' | 'priceSats' | 'forwarded'>,
    ): Promise<string> {
      const { priceSats } = of;
      const before = await world.buyer.lightning.balance();
      const tradeId = await buyer.buy({
        ...purchase(world, inscriptionId, { mode: 'hold-first', priceSats }),
        ...of,
      });
      const isOver = async (): Promise<boolean> => {
        const trade = await buyer.trade(tradeId);
        const waits = (await world.regtest.rpc<string[]>('getrawmempool')).length > 0;
        await world.mine(waits || trade?.state === 'claiming' ? 1 : 0);
        await ord.caughtUp();
        await Promise.all([house.service.trader, buyer].map((trader) => trader.look()));
        return trade?.state === 'ended';
      };
      await until('the buyer’s trade ends', isOver, PATIENCE);
      const trade = await buyer.trade(tradeId);
      assert.deepEqual(trade?.state === 'ended' && [trade.outcome, trade.codes], ['traded', []]);
      await ord.caughtUp();
      assert.equal(await world.holderOf((await ordinals.locate(inscriptionId)).satpoint), 'buyer');
      const isPaid = async () =>
        before.ownedMsat - (await world.buyer.lightning.balance()).ownedMsat === priceSats * 1000n;
      await until('exactly the price has left the buyer', isPaid, PATIENCE);
      return tradeId;
    }

    test('direct: his payment goes to the seller’s node, and the coordinator is no part of the trade', async () => {
      const inscribed = await ofSeller('direct');
      const lightning = overNode('middle');
      const seller = await guest({ party: { ...world.seller, lightning, ordinals }, house, phrase: SELLER_PHRASE });
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: ASKED_SATS }));
      const tradeId = await bought(inscribed, { sellerId: seller.id, priceSats: ASKED_SATS });
      assert.equal(await house.service.trader.trade(tradeId), undefined);
    });

    test('forward: his payment is passed on to a seller whom he cannot reach', async () => {
      const inscribed = await ofSeller('forward');
      const seller = await guest({ party: { ...world.seller, ordinals }, house, phrase: OTHER_PHRASE });
      await seller.sell(forSale(inscribed, { mode: 'hold-first', priceSats: ASKED_SATS }), { forward: true });
      const priceSats = await quoted(inscribed);
      assert.equal(priceSats, ASKED_SATS + 1_500n);
      const of = { sellerId: house.service.trader.id, priceSats, forwarded: true } as const;
      const tradeId = await bought(inscribed, of);
      assert.equal((await house.service.trader.trade(tradeId))?.role, 'forwarder');
    });

    test('principal: the coordinator fills what an owner without Lightning has listed', async () => {
      const owner = await Owner.open(world, 'owner');
      const inscribed = await owner.inscribe('principal');
      await indexed();
      const { psbt, payoutAddress } = await owner.list(inscribed, ASKED_SATS);
      const { inscriptionId } = inscribed;
      const listing = { price_sats: Number(ASKED_SATS), seller_address: payoutAddress, psbt };
      const body = { inscription_id: inscriptionId, ...listing };
      const { status, answer } = await house.ask('POST', '/v1/trade', { body });
      assert.equal(status, 201, JSON.stringify(answer));
      const priceSats = await quoted(inscribed);
      const tradeId = await bought(inscribed, { sellerId: house.service.trader.id, priceSats });
      assert.equal((await house.service.trader.trade(tradeId))?.role, 'seller');
      assert.equal(await owner.receivedSats(payoutAddress), ASKED_SATS);
    });
  },
);

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { getPayments } from 'lightning';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { sqliteStore } from 'sparkle-protocol/store/sqlite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import type { Checkpoint } from 'sparkle-protocol/trader/engine';
import { Trader } from 'sparkle-protocol/trader/trader';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { until } from '../regtest/kept-process.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndRow } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

const PRICE = { priceSats: 90_000n, feeSats: 1_000n };
const SEED = new Uint8Array(64).fill(77);

/** A forwarder over the LND in the middle, whose database stays when he is killed. */
class Middle {
  readonly #world: World;
  readonly #row: LndRow;
  readonly #said: Said;
  readonly #dir: string;
  readonly #forSale = new Set<string>();
  #open: { trader: Trader; lightning: Lightning; close(): Promise<void> } | undefined;

  private constructor(of: { world: World; row: LndRow; said: Said; dir: string }) {
    this.#world = of.world;
    this.#row = of.row;
    this.#said = of.said;
    this.#dir = of.dir;
  }

  static async open(of: { world: World; row: LndRow; said: Said }): Promise<Middle> {
    const middle = new Middle({ ...of, dir: await mkdtemp(join(tmpdir(), 'sparkle-middle-')) });
    await middle.start();
    return middle;
  }

  get trader(): Trader {
    if (this.#open === undefined) throw new Error('the forwarder is not there');
    return this.#open.trader;
  }

  get lightning(): Lightning {
    if (this.#open === undefined) throw new Error('the forwarder is not there');
    return this.#open.lightning;
  }

  async start(checkpoint?: Checkpoint): Promise<void> {
    const { buyer, seller } = this.#world;
    const store = await sqliteStore({ path: join(this.#dir, 'trades.sqlite'), network: 'regtest' });
    const lightning = driverOver(this.#row.lnds.node('middle'), this.#said.warn);
    const market = this.#world.market();
    const shared = { chain: buyer.chain, wallet: buyer.wallet, ordinals: buyer.ordinals, log: this.#said.log };
    const own = { seed: SEED, lightning, market, store, clock: systemClock(), tickMilliseconds: 1_000 };
    const trader = new Trader({ network: 'regtest', ...shared, ...own }, checkpoint);
    const { priceSats: sellerSats, feeSats } = PRICE;
    trader.answerWith(async ({ inscriptionId, signed }) =>
      this.#forSale.has(inscriptionId) && signed !== undefined
        ? {
            ...{ inscriptionId, sellerId: seller.trader.id, expiresAt: signed.expiresAt },
            ...{ sellerSats, totalSats: sellerSats + feeSats, maxFeeMsat: feeSats * 1000n },
          }
        : undefined,
    );
    await trader.start();
    const close = async () => {
      await trader.stop();
      await market.close();
      await lightning.close();
      await store.close();
    };
    this.#open = { trader, lightning, close };
  }

  async stop(): Promise<void> {
    await this.#open?.close();
    this.#open = undefined;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  begin(): Promise<Staged> {
    const { priceSats, feeSats } = PRICE;
    const onSale = (inscriptionId: string) => void this.#forSale.add(inscriptionId);
    const through = { sellerId: this.trader.id, feeSats, onSale };
    return Staged.begin(this.#world, { mode: 'hold-first', priceSats, through });
  }

  async outcomeOf(tradeId: string): Promise<string> {
    const ended = async () => (await this.trader.trade(tradeId))?.state === 'ended';
    await until('the forwarder to end', ended, { patienceMilliseconds: 60_000 });
    const trade = await this.trader.trade(tradeId);
    return trade?.state === 'ended' ? trade.outcome : '';
  }
}

describe('trades through a forwarder, over three LND nodes', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const row = new LndRow(said);
  let world: World;
  let middle: Middle;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: row.open, traderLog: said.log });
    middle = await Middle.open({ world, row, said });
  });
  after(async () => {
    await middle?.remove();
    await world?.stop();
  });

  const payments = async (hash: string) => {
    const { payments: all } = await getPayments({ lnd: row.lnds.node('middle').lnd });
    return all.filter(({ id }) => id === hash).map(({ is_confirmed, attempts }) => [is_confirmed, attempts.length]);
  };

  test('a seller whom the buyer cannot reach gets his price, the forwarder the difference', async () => {
    const { ownedMsat } = await middle.lightning.balance();
    const trade = await middle.begin();
    const hash = await trade.held();
    const [held, paid] = [await middle.lightning.invoice(hash), await middle.lightning.payment(hash)];
    assert.ok(held.state === 'held' && paid.state === 'pending' && paid.expiryHeight !== undefined);
    assert.ok(held.expiryHeight - paid.expiryHeight >= 80, `${held.expiryHeight} - ${paid.expiryHeight}`);
    await trade.finish();
    await trade.assertTraded({ feeMsat: 1_000_000n });
    assert.equal(await middle.outcomeOf(trade.tradeId), 'traded');
    assert.deepEqual(await payments(hash), [[true, 1]]);
    const earned = async () => (await middle.lightning.balance()).ownedMsat - ownedMsat === 1_000_000n;
    await until('the difference', earned, { patienceMilliseconds: 10_000 });
  });

  test('killed between paying the seller and writing that down, and its node with kill -9: paid once, and all three end', async () => {
    await middle.stop();
    let crashed = false;
    await middle.start((at, what) => {
      if (at !== 'after_act' || what !== 'forward_payment') return;
      crashed = true;
      throw new Error('the process is gone');
    });
    const trade = await middle.begin();
    const hash = await trade.held();
    await trade.waitFor('the lock is sent', async () => (await world.regtest.rpc<[]>('getrawmempool')).length > 0);
    await middle.stop();
    await row.lnds.kill('middle');
    assert.ok(crashed);
    assert.equal((await world.seller.lightning.invoice(hash)).state, 'held');
    await row.up('middle');
    await middle.start();
    await trade.finish();
    await trade.assertTraded({ feeMsat: 1_000_000n });
    assert.equal(await middle.outcomeOf(trade.tradeId), 'traded');
    assert.deepEqual(await payments(hash), [[true, 1]]);
  });

  test('a buyer who goes silent: the inscription goes back, then the one payment, then the other', async () => {
    const trade = await middle.begin();
    await trade.buyerLeaves();
    await trade.finish();
    await trade.assertRefunded();
    assert.equal(await middle.outcomeOf(trade.tradeId), 'canceled');
  });
});

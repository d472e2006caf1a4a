import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { until } from '../../../../test/regtest/kept-process.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { buildClaim } from '../protocol/claim.ts';
import { tradeKeys } from '../protocol/keys.ts';
import { postgresStore } from '../store/postgres.ts';
import type { Store } from '../store/store.ts';
import type { Parts } from './parts.ts';
import { outcomeOf, play, settle, type Stage, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

/** Leases that end only when a test ends them. */
const STILL = { leaseMilliseconds: 3_600_000, renewMilliseconds: 3_600_000 };
/** Leases as they are by default. */
const USUAL = {};
/** Each point of a sale at which one may stand still takes seconds: a sample of them. */
const BETWEEN_CALLS = 24;
const PRICE_MSAT = 90_000_000n;
const BEFORE_MSAT = 1_000_000_000n;

/** One seller, as two instances that share everything, and his buyer. */
class Shop {
  readonly on: Stage;
  readonly stores: Store[] = [];
  readonly traders: Trader[] = [];
  readonly buyer: Trader;
  readonly errors: string[] = [];
  readonly #hand: Client;
  readonly #url: string;
  #isClosed = false;

  private constructor(of: { on: Stage; url: string; hand: Client }) {
    this.on = of.on;
    this.#url = of.url;
    this.#hand = of.hand;
    this.buyer = new Trader(of.on.parts.buyer);
  }

  static async open(context: TestContext, server: Postgres): Promise<Shop> {
    const url = await server.newDatabase();
    const hand = new Client({ connectionString: url });
    hand.on('error', () => undefined);
    await hand.connect();
    const shop = new Shop({ on: await stage(), url, hand });
    context.after(() => shop.close());
    await shop.buyer.start();
    return shop;
  }

  /** Begins one more instance; `through` is what it sees of its store. */
  async instance(name: string, options: object, given: Partial<Parts> = {}, through = (store: Store) => store) {
    const store = await postgresStore({ url: this.#url, network: 'regtest', instance: name, ...options });
    this.stores.push(store);
    const log = { ...this.on.parts.seller.log, error: (...said: unknown[]) => this.errors.push(JSON.stringify(said)) };
    const trader = new Trader({ ...this.on.parts.seller, log, store: through(store), ...given });
    // What instances answer to a request must be the same: each of them is asked.
    trader.answerWith(async () => this.on.offer);
    await trader.start();
    this.traders.push(trader);
    return trader;
  }

  /** Sells from this instance; returns the trade once it has begun there. */
  async sale(seller: Trader): Promise<string> {
    const tradeId = await this.buyer.buy(this.on.purchase(seller.id, 'hold-first'));
    await until('the sale to begin', async () => (await seller.trade(tradeId)) !== undefined);
    return tradeId;
  }

  /** A trade that is locked and whose buyer says nothing more; `cycle` shows his claim and takes it back before anybody can look. */
  async left(seller: Trader): Promise<{ tradeId: string; cycle: () => Promise<void> }> {
    const { on } = this;
    const tradeId = await this.sale(seller);
    await play(on, [seller, this.buyer], async () => (await seller.trade(tradeId))?.state === 'locking');
    await this.buyer.stop();
    await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'locked');
    const trade = await seller.trade(tradeId);
    assert.ok(trade?.role === 'seller' && trade.state === 'locked');
    const { claim, preimage } = tradeKeys({ seed: on.parts.buyer.seed, network: 'regtest', index: 0 });
    const built = buildClaim({
      ...{ terms: trade.terms, lockOutpoint: `${trade.lock.txid}:${trade.lock.vout}`, maxFeeSats: 50_000n },
      ...{ destination: await on.parts.buyer.wallet.address(), feerateSatVb: 2 },
      ...{ claimSecret: claim.secret, preimage, auxRand: new Uint8Array(32) },
    });
    const cycle = async () => {
      void on.chain.broadcast([built.raw]);
      on.chain.control.evict(built.txid);
    };
    return { tradeId, cycle };
  }

  /** As if this instance had given no sign of life for long. */
  async expire(instance: string): Promise<void> {
    await this.#hand.query(`update sparkle.instance set expires_at = '-infinity' where name = $1`, [instance]);
  }

  /** Plays until the sale has ended on both sides. */
  async end(tradeId: string): Promise<void> {
    const everybody = () => [...this.traders, this.buyer];
    const isEnded = async () => (await Promise.all(everybody().map((each) => outcomeOf(each, tradeId)))).every(Boolean);
    await play(this.on, everybody, isEnded);
  }

  async assertSoldOnce(tradeId: string): Promise<void> {
    const [seller] = this.traders;
    assert.ok(seller !== undefined);
    assert.deepEqual([await outcomeOf(seller, tradeId), await outcomeOf(this.buyer, tradeId)], ['traded', 'traded']);
    assert.equal(this.on.nodes.seller.balanceMsat(), BEFORE_MSAT + PRICE_MSAT);
    assert.deepEqual(this.errors, []);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const trader of [...this.traders, this.buyer]) await trader.stop();
    await Promise.all(this.stores.map((store) => store.close()));
    await this.#hand.end();
  }
}

const deeds: readonly (keyof Store)[] = ['create', 'update', 'due', 'done', 'postpone', 'reserve', 'load'];

/** The same store, which does `first` before the call of this number. */
function interrupted(store: Store, { at, first }: { at: number; first: () => Promise<void> }): Store {
  let calls = 0;
  return new Proxy(store, {
    get(target, name: keyof Store): unknown {
      const member = target[name];
      if (typeof member !== 'function') return member;
      const call = (member as (...given: unknown[]) => unknown).bind(target);
      if (!deeds.includes(name)) return call;
      return async (...given: unknown[]) => {
        if ((calls += 1) === at) await first();
        return call(...given);
      };
    },
  });
}

describe('two instances of one trader on one PostgreSQL', { skip: withoutPostgres }, () => {
  let server: Postgres;
  before(async () => void (server = await startPostgres({ writes: 'fast' })));
  after(() => server.stop());

  const run = (sentence: string, body: (shop: Shop) => Promise<void>): void => {
    test(sentence, async (context) => body(await Shop.open(context, server)));
  };

  run('what one has begun the other takes over within five seconds of its death, and ends it', async (shop) => {
    // It gives one sign of life, and no other.
    const anna = await shop.instance('anna', { renewMilliseconds: STILL.renewMilliseconds });
    const tradeId = await shop.sale(anna);
    await anna.stop();
    const bert = await shop.instance('bert', USUAL);
    let isTaken = false;
    bert.onChange((trade) => (isTaken ||= trade.tradeId === tradeId));
    await until('the other to have it', () => isTaken, { patienceMilliseconds: 5_000 });
    await shop.end(tradeId);
    await shop.assertSoldOnce(tradeId);
  });

  run('one that is closed hands its trades on at once', async (shop) => {
    const anna = await shop.instance('anna', STILL);
    const tradeId = await shop.sale(anna);
    const bert = await shop.instance('bert', STILL);
    let isTaken = false;
    bert.onChange((trade) => (isTaken ||= trade.tradeId === tradeId));
    await anna.stop();
    await shop.stores[0]?.close();
    await until('the other to have it', () => isTaken);
    shop.traders.shift();
    await shop.end(tradeId);
    await shop.assertSoldOnce(tradeId);
  });

  run('asked at the wrong one to end, a trade ends', async (shop) => {
    const anna = await shop.instance('anna', STILL);
    shop.on.nodes.buyer.crash();
    const tradeId = await shop.sale(anna);
    const bert = await shop.instance('bert', STILL);
    await bert.abort(tradeId, 'withdrawn');
    await play(shop.on, [anna, bert], async () => (await outcomeOf(anna, tradeId)) === 'canceled');
    assert.deepEqual(shop.errors, []);
  });

  run('asked at the wrong one to look, a trade is looked at there, and back again', async (shop) => {
    const anna = await shop.instance('anna', STILL);
    const tradeId = await shop.sale(anna);
    const bert = await shop.instance('bert', STILL);
    const held = async (store: Store | undefined) => (await store?.live())?.map((trade) => trade.tradeId);
    for (const [trader, store] of [
      [bert, shop.stores[1]],
      [anna, shop.stores[0]],
      [bert, shop.stores[1]],
    ] as const) {
      await trader.lookAt(tradeId);
      assert.deepEqual(await held(store), [tradeId]);
    }
    await shop.end(tradeId);
    await shop.assertSoldOnce(tradeId);
  });

  /** A store in which nothing can be written for once that leaves this state. */
  const faulty = (store: Store, state: string): Store => {
    let isWell = false;
    const update: Store['update'] = (tradeId, change) =>
      store.update(tradeId, (trade) => {
        const next = change(trade);
        if (isWell || trade.state !== state || next.trade.state === state) return next;
        isWell = true;
        throw new TypeError('a defect');
      });
    return new Proxy(store, { get: (target, name: keyof Store) => (name === 'update' ? update : target[name]) });
  };

  for (const { sentence, through, errors } of [
    {
      sentence: 'a letter that only the wrong one has reaches the trade when its holder is gone',
      through: (store: Store) => store,
      errors: 0,
    },
    {
      sentence: 'so does one that a fault of our own kept from being taken',
      through: (store: Store) => faulty(store, 'invoiced'),
      errors: 1,
    },
  ] as const)
    run(sentence, async (shop) => {
      const deaf = { ...shop.on.parts.seller.market };
      let isDeaf = false;
      deaf.inbox = (me, receive) =>
        shop.on.parts.seller.market.inbox(me, async (letter) => (isDeaf ? undefined : receive(letter)));
      const anna = await shop.instance('anna', STILL, { market: deaf });
      shop.on.nodes.buyer.crash();
      const tradeId = await shop.sale(anna);
      const bert = await shop.instance('bert', STILL, {}, through);
      await play(shop.on, [anna], async () => (await anna.trade(tradeId))?.state === 'invoiced');
      isDeaf = true;
      await shop.buyer.abort(tradeId, 'no longer wanted');
      await settle([anna, bert, shop.buyer]);
      assert.equal((await anna.trade(tradeId))?.state, 'invoiced');
      await anna.stop();
      await shop.expire('anna');
      await play(shop.on, [bert], async () => (await outcomeOf(bert, tradeId)) !== undefined);
      const trade = await bert.trade(tradeId);
      assert.deepEqual(trade?.state === 'ended' && trade.codes, ['abort_requested']);
      assert.equal(shop.errors.length, errors);
    });

  run('the wrong one does not hold up its mailbox for as long as a trade lives elsewhere', async (shop) => {
    const { market } = shop.on.parts.seller;
    let taken = 0;
    const counting = { ...market };
    counting.inbox = (me, receive) => market.inbox(me, async (letter) => receive(letter).then(() => void (taken += 1)));
    const anna = await shop.instance('anna', STILL);
    shop.on.nodes.buyer.crash();
    const tradeId = await shop.sale(anna);
    await play(shop.on, [anna], async () => (await anna.trade(tradeId))?.state === 'invoiced');
    await shop.instance('bert', STILL, { market: counting });
    await until('the letter that came before to be taken', () => taken > 0);
    assert.equal((await anna.trade(tradeId))?.state, 'invoiced');
    assert.deepEqual(await shop.stores[1]?.live(), []);
    assert.deepEqual(shop.errors, []);
  });

  run('a preimage that only the wrong one has seen is not lost with its holder (R7)', async (shop) => {
    const anna = await shop.instance('anna', STILL);
    const { tradeId, cycle } = await shop.left(anna);
    const bert = await shop.instance('bert', STILL);
    await anna.stop();
    await cycle();
    await settle([bert]);
    assert.equal((await bert.trade(tradeId))?.state, 'locked');
    await shop.expire('anna');
    await play(shop.on, [bert], async () => (await outcomeOf(bert, tradeId)) === 'traded');
    assert.equal(shop.on.nodes.seller.balanceMsat(), BEFORE_MSAT + PRICE_MSAT);
  });

  run(
    'a database that is away for a while stops nothing, nor loses a preimage that is seen meanwhile',
    async (shop) => {
      const anna = await shop.instance('anna', USUAL);
      const { tradeId, cycle } = await shop.left(anna);
      await server.kill();
      await cycle();
      await anna.idle();
      await server.up();
      // Nobody looks: word of the database is enough.
      const isSettled = () => shop.on.nodes.seller.balanceMsat() === BEFORE_MSAT + PRICE_MSAT;
      await until('the payment to be settled', isSettled);
      await play(shop.on, [anna], async () => (await outcomeOf(anna, tradeId)) === 'traded');
    },
  );

  test('whenever one stands still while the other takes its trade, the sale is done once', async (context) => {
    let reached = true;
    for (let at = 2; reached; at += BETWEEN_CALLS) {
      const shop = await Shop.open(context, server);
      reached = false;
      const first = async (): Promise<void> => {
        reached = true;
        await shop.expire('anna');
        const bert = await shop.instance('bert', STILL);
        await settle([bert, shop.buyer]);
      };
      const anna = await shop.instance('anna', STILL, {}, (store) => interrupted(store, { at, first }));
      const tradeId = await shop.buyer.buy(shop.on.purchase(anna.id, 'hold-first'));
      await shop.end(tradeId).catch((error: unknown) => {
        throw new Error(`interrupted at call ${at}`, { cause: error });
      });
      await shop.assertSoldOnce(tradeId);
      await shop.close();
    }
  });
});

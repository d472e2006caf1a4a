import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isEnded, type Trade } from 'sparkle-protocol/protocol/trade/step';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Log } from 'sparkle-protocol/trader/log';
import { play, settle, type Stage, stage } from 'sparkle-protocol/trader/parts.suite';
import { Trader } from 'sparkle-protocol/trader/trader';
import { NodeLink } from './node-link.ts';
import { Said } from './said.ts';

type Role = 'seller' | 'buyer';
type End = 'traded' | 'refunded' | 'canceled' | 'refused' | 'withdrawn';

/** How long a node is away, and what a trader may ask and say meanwhile: one look a second, retries further and further apart. */
const OUTAGE_SECONDS = 30;
const MOST_CALLS = 2 * OUTAGE_SECONDS;
const MOST_LINES = 16;

/** A buyer whom nobody answers gives up after so long. */
const WISH_SECONDS = 7_200;
const PRICE_MSAT = 90_000_000n;
const FUNDS_MSAT = 1_000_000_000n;

/** A state in which the node of `whose` goes away, in a trade that comes to this end. */
type Outage = { mode: TradeMode; whose: Role; states: readonly Trade['state'][]; end: End };

const outages: readonly Outage[] = [
  {
    ...{ mode: 'hold-first', whose: 'seller', end: 'traded' },
    states: ['quoting', 'invoiced', 'building', 'locking', 'locked', 'settling'],
  },
  { mode: 'hold-first', whose: 'seller', states: ['locked', 'refunding', 'canceling'], end: 'refunded' },
  { mode: 'hold-first', whose: 'seller', states: ['aborting', 'canceling'], end: 'canceled' },
  { mode: 'hold-first', whose: 'seller', states: ['canceling'], end: 'refused' },
  { mode: 'hold-first', whose: 'buyer', states: ['requested', 'paying', 'verifying', 'claiming'], end: 'traded' },
  { mode: 'hold-first', whose: 'buyer', states: ['withdrawn'], end: 'withdrawn' },
  {
    ...{ mode: 'lock-first', whose: 'seller', end: 'traded' },
    states: ['building', 'locking', 'invoicing', 'invoiced'],
  },
  {
    ...{ mode: 'lock-first', whose: 'seller', end: 'refunded' },
    states: ['invoicing', 'invoiced', 'withdrawing', 'waiting', 'refunding'],
  },
  { mode: 'lock-first', whose: 'seller', states: ['aborting'], end: 'canceled' },
  {
    ...{ mode: 'lock-first', whose: 'buyer', end: 'traded' },
    states: ['requested', 'verifying', 'arming', 'paying', 'claiming'],
  },
];

/** What each side must say at each end; a buyer whose trade never came to a payment may say it in several ways. */
const ENDS: Readonly<Record<End, { seller: string; buyer: readonly string[]; holder: Role }>> = {
  traded: { seller: 'traded', buyer: ['traded'], holder: 'buyer' },
  refunded: { seller: 'refunded', buyer: ['abandoned', 'refused', 'expired'], holder: 'seller' },
  canceled: { seller: 'canceled', buyer: ['abandoned', 'refused', 'expired'], holder: 'seller' },
  refused: { seller: 'refused', buyer: ['abandoned'], holder: 'seller' },
  withdrawn: { seller: 'canceled', buyer: ['refused'], holder: 'seller' },
};

/** Two traders in memory whose ways to their nodes can be cut, with a clock that a test moves by seconds. */
class Scene {
  readonly links = { seller: new NodeLink(), buyer: new NodeLink() };
  readonly said = new Said();
  readonly on: Stage;
  readonly seller: Trader;
  readonly buyer: Trader;
  tradeId = '';
  #secondsLater = 0;
  #buyerIsAway = false;

  private constructor(on: Stage) {
    this.on = on;
    for (const name of ['seller', 'buyer'] as const) {
      const parts = on.parts[name];
      const { nowSeconds } = parts.clock;
      parts.lightning = this.links[name].over(parts.lightning);
      parts.clock = { ...parts.clock, nowSeconds: () => nowSeconds() + this.#secondsLater };
      parts.log = this.said.log satisfies Log;
    }
    this.seller = new Trader(on.parts.seller);
    this.buyer = new Trader(on.parts.buyer);
  }

  static async set(): Promise<Scene> {
    const scene = new Scene(await stage());
    for (const trader of [scene.seller, scene.buyer]) await trader.start();
    await scene.seller.sell(scene.on.offer);
    return scene;
  }

  /** Cuts the way to a node the moment its trader has written down that he is in `state`. */
  cutsWhen({ whose, state }: { whose: Role; state: Trade['state'] }): void {
    this.#once({ role: whose, state }, () => (this.links[whose].isCut = true));
  }

  /** What makes a trade come to this end. */
  steerTo(end: End): void {
    switch (end) {
      case 'traded':
        return;
      case 'refunded':
        return this.#once({ role: 'seller', state: 'locking' }, () => {
          this.#buyerIsAway = true;
          void this.buyer.stop();
        });
      case 'canceled':
        return this.#once(
          { role: 'seller', state: 'locking' },
          (tradeId) => void this.seller.abort(tradeId, 'a test wants it'),
        );
      case 'withdrawn':
        return this.#once(
          { role: 'buyer', state: 'paying' },
          (tradeId) => void this.buyer.abort(tradeId, 'a test wants it'),
        );
      case 'refused':
        return this.on.nodes.buyer.setSending({ extraMsat: PRICE_MSAT });
    }
  }

  #once({ role, state }: { role: Role; state: Trade['state'] }, act: (tradeId: string) => void): void {
    const leave = this[role].onChange((trade) => {
      if (trade.state !== state) return;
      leave();
      act(trade.tradeId);
    });
  }

  async buy(mode: TradeMode): Promise<void> {
    const expiresAt = this.on.parts.buyer.clock.nowSeconds() + WISH_SECONDS;
    this.tradeId = await this.buyer.buy({ ...this.on.purchase(this.seller.id, mode), expiresAt });
  }

  /** Half a minute in which everybody looks every second, and one block comes. */
  async passOutage(): Promise<void> {
    for (let second = 0; second < OUTAGE_SECONDS; second++) {
      this.#secondsLater += 1;
      if (second === OUTAGE_SECONDS / 2) this.on.mine(1);
      for (const trader of this.#present()) await trader.look();
      for (const trader of this.#present()) await trader.idle();
    }
  }

  #present(): Trader[] {
    return this.#buyerIsAway ? [this.seller] : [this.seller, this.buyer];
  }

  async playUntil(done: () => Promise<boolean> | boolean): Promise<void> {
    await play(this.on, this.#present(), async () => done());
  }

  async finish(): Promise<void> {
    const isOver = async (role: Role) => {
      const trade = await this[role].trade(this.tradeId);
      return trade !== undefined && isEnded(trade);
    };
    await this.playUntil(async () => (await isOver('seller')) && (this.#buyerIsAway || (await isOver('buyer'))));
    if (!this.#buyerIsAway) return;
    this.#buyerIsAway = false;
    await this.buyer.start();
    await this.playUntil(() => isOver('buyer'));
    await settle([this.seller, this.buyer]);
  }

  async assertEnded(end: End): Promise<void> {
    const { seller, buyer, holder } = ENDS[end];
    const outcome = async (role: Role) => {
      const trade = await this[role].trade(this.tradeId);
      return trade?.state === 'ended' ? trade.outcome : trade?.state;
    };
    assert.equal(await outcome('seller'), seller);
    const said = await outcome('buyer');
    assert.ok(buyer.includes(said ?? ''), `the buyer's end is ${said}`);
    const { nodes, network } = this.on;
    const paid = end === 'traded' ? PRICE_MSAT : 0n;
    assert.equal(nodes.seller.balanceMsat(), FUNDS_MSAT + paid);
    assert.equal(nodes.buyer.balanceMsat(), FUNDS_MSAT - paid);
    assert.equal(network.totals().inFlightMsat, 0n);
    const { satpoint } = await this.on.parts.seller.ordinals.locate(this.on.inscriptionId);
    const coins = await this.on.parts[holder].wallet.coins();
    assert.ok(
      coins.some(({ outpoint }) => satpoint.startsWith(`${outpoint}:`)),
      `the inscription is the ${holder}'s`,
    );
  }
}

for (const { mode, whose, states, end } of outages)
  describe(`${mode}, ${end}: the ${whose}’s node is away for half a minute (in memory: the states of the machine, not of a node)`, () => {
    for (const state of states)
      test(`from when he is ${state}: the trade ends right, with few questions and few words`, async () => {
        const scene = await Scene.set();
        const link = scene.links[whose];
        scene.cutsWhen({ whose, state });
        scene.steerTo(end);
        await scene.buy(mode);
        await scene.playUntil(() => link.isCut);
        const [calls, lines] = [link.calls, scene.said.lines.length];
        await scene.passOutage();
        const said = scene.said.lines.slice(lines);
        assert.ok(link.calls - calls <= MOST_CALLS, `${link.calls - calls} questions`);
        assert.ok(said.length <= MOST_LINES, JSON.stringify(said, undefined, 1));
        link.isCut = false;
        await scene.finish();
        await scene.assertEnded(end);
      });
  });

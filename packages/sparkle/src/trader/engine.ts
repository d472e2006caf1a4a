import type { Chain } from '../chain/chain.ts';
import type { Wallet } from '../chain/wallet.ts';
import type { Lightning } from '../lightning/lightning.ts';
import type { Market } from '../market/market.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { decodeTransaction, txidOf } from '../protocol/draft.ts';
import { chainIsUncertain, SparkleError } from '../protocol/errors.ts';
import type { RunePolicy } from '../protocol/guard.ts';
import type { NetworkName } from '../protocol/network.ts';
import { findPreimage } from '../protocol/spend.ts';
import type { Moment, TradeEvent } from '../protocol/trade/event.ts';
import { lookOf } from '../protocol/trade/look.ts';
import type { Change } from '../protocol/trade/machine.ts';
import { isEnded, lockOutpointOf, paymentHashOf, step, type Trade } from '../protocol/trade/step.ts';
import type { Due, Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import { type Hands, refusalOf, runEffect } from './effects.ts';
import { createLanes } from './lanes.ts';
import type { Log } from './log.ts';
import { freshHeight } from './tip.ts';
import { lookAt } from './watch.ts';

/** Everything a trader is made of. The rescue seed stays in here: no port ever sees it. */
export type Parts = {
  network: NetworkName;
  seed: Uint8Array;
  chain: Chain;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  market: Market;
  store: Store;
  clock: Clock;
  log: Log;
  /** What to make of coins of which no index says whether runes lie in them; by the network when absent. */
  runes?: RunePolicy;
  /** How often to look although nothing was heard, in milliseconds (R14: at least every 60 s). */
  tickMilliseconds: number;
  /** Most sats of our own that fills under way may have paid to others at one time; without it there is no such bound. */
  mostFilledSats?: bigint;
  /** Most sats that payments passed on to sellers may have in flight at one time; without it there is no such bound. */
  mostForwardedSats?: bigint;
  /** Live sales at one time, 200 unless given: a request costs its sender nothing, and each becomes an invoice of our node. */
  mostSales?: number;
};

/** Something to watch a trade by: called after every change, once it is stored. */
export type Listener = (trade: Trade, event: TradeEvent['type'] | 'opened') => void;

/** Where a test can plant a crash: around the write and around the act. */
export type Checkpoint = (at: 'before_write' | 'after_write' | 'before_act' | 'after_act', what: string) => void;

const RETRY_FIRST_SECONDS = 1;
const RETRY_MOST_SECONDS = 60;

const codeOf = (error: unknown): string => (error instanceof SparkleError ? error.code : 'internal');

/** The only loop that moves money: decide, write down, then act. Killed anywhere, what was decided is still due. */
export class Engine {
  readonly #parts: Parts;
  readonly #hands: Hands;
  readonly #checkpoint: Checkpoint;
  readonly #lanes = createLanes();
  readonly #listeners = new Set<Listener>();
  /** Locks that others may spend, by trade. */
  readonly #locks = new Map<string, { outpoint: string; paymentHash: string }>();
  /** Live trades by payment hash. */
  readonly #payments = new Map<string, string>();
  /** What keeps a trade from looking, by its code, since it could not. */
  readonly #complaints = new Map<string, string>();
  /** The last one that was known. */
  #height = 0;

  constructor(parts: Parts, hands: Hands, checkpoint: Checkpoint) {
    this.#parts = parts;
    this.#hands = hands;
    this.#checkpoint = checkpoint;
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when no trade is being worked on. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  /** Stores a new trade, then begins to act for it. Throws `duplicate_trade` before anything is done. */
  async open(change: Change<Trade>): Promise<void> {
    const due = await this.#parts.store.create(change);
    const { tradeId } = change.trade;
    this.#notify(change.trade, 'opened');
    await this.#lanes.run(tradeId, () => this.#drain(due));
    this.#lookLater(tradeId);
  }

  tell(tradeId: string, event: (at: Moment) => TradeEvent): Promise<void> {
    return this.#lanes.run(tradeId, async () => this.#drain(await this.#decide(tradeId, event(await this.#moment()))));
  }

  /** After a start: what was due is done again, each trade is told, and each looks at the world. */
  async resume(): Promise<void> {
    const live = await this.#parts.store.live();
    // Before anything that may fail: what is heard from now on is for them.
    for (const trade of live) this.#note(trade);
    await Promise.all(live.map(({ tradeId }) => this.#lanes.run(tradeId, () => this.#wakeUp(tradeId))));
    await this.lookAtAll();
  }

  async #wakeUp(tradeId: string): Promise<void> {
    try {
      await this.#drain(await this.#decide(tradeId, { type: 'restarted', at: await this.#moment() }));
      await this.#retry(tradeId);
    } catch (error) {
      this.#unable(tradeId, error);
    }
  }

  /**
   * R7: a transaction is in the mempool now and may be thrown out of it before anybody looks. Whatever preimage it shows
   * for a lock of ours is taken from it at once.
   */
  async hear(raw: string): Promise<void> {
    if (this.#locks.size === 0) return;
    const spent = new Set(decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint));
    for (const [tradeId, { outpoint, paymentHash }] of this.#locks) {
      const preimage = spent.has(outpoint) ? findPreimage(raw, paymentHash) : undefined;
      if (preimage === undefined) continue;
      const event = { type: 'preimage_seen', at: await this.#momentOrLast(), preimage, txid: txidOf(raw) } as const;
      await this.#lanes
        .run(tradeId, async () => this.#drain(await this.#decide(tradeId, event)))
        .catch((error: unknown) => this.#unable(tradeId, error));
    }
  }

  /** Every live trade retries what is due and looks; a trade that ended still says what it has to say. */
  async lookAtAll(): Promise<void> {
    const { store } = this.#parts;
    const live = (await store.live()).map(({ tradeId }) => tradeId);
    const speaking = (await store.due()).map(({ tradeId }) => tradeId);
    await Promise.all([...new Set([...live, ...speaking])].map((tradeId) => this.#attend(tradeId)));
  }

  /** A hint of the Lightning node: the trade of that payment looks. A node may have thousands of payments that are not ours. */
  async lookAtPayment(paymentHash: string): Promise<void> {
    const tradeId = this.#payments.get(paymentHash);
    if (tradeId !== undefined) await this.#attend(tradeId);
  }

  #attend(tradeId: string): Promise<void> {
    return this.#lanes
      .later(tradeId, async () => {
        await this.#retry(tradeId);
        await this.#look(tradeId);
        this.#complaints.delete(tradeId);
      })
      .catch((error: unknown) => this.#unable(tradeId, error));
  }

  #lookLater(tradeId: string): void {
    void this.#attend(tradeId);
  }

  /** A source that cannot be asked stops nothing: the next tick looks again. One that stays away is spoken of once. */
  #unable(tradeId: string, error: unknown): void {
    const code = codeOf(error);
    if (code !== 'internal' && this.#complaints.get(tradeId) === code) return;
    this.#complaints.set(tradeId, code);
    const sentence = 'a trade could not be attended to and waits for the next look';
    if (code === 'internal') this.#parts.log.error({ tradeId, code, error: String(error) }, sentence);
    else this.#parts.log.warn({ tradeId, code }, sentence);
  }

  async #moment(): Promise<Moment> {
    this.#height = (await this.#parts.chain.tip()).height;
    return { height: this.#height, nowSeconds: this.#parts.clock.nowSeconds() };
  }

  /** A preimage is its own proof, and whoever shows it shows it once: it does not wait until the height is known. */
  #momentOrLast(): Promise<Moment> {
    return this.#moment().catch((error: unknown) => {
      if (!chainIsUncertain(error)) throw error;
      return { height: this.#height, nowSeconds: this.#parts.clock.nowSeconds() };
    });
  }

  #notify(trade: Trade, type: TradeEvent['type'] | 'opened'): void {
    this.#note(trade);
    for (const listener of this.#listeners) listener(trade, type);
  }

  #note(trade: Trade): void {
    const outpoint = trade.role === 'seller' ? lockOutpointOf(trade) : undefined;
    if (outpoint === undefined || trade.role !== 'seller') this.#locks.delete(trade.tradeId);
    else this.#locks.set(trade.tradeId, { outpoint, paymentHash: trade.terms.paymentHash });
    const paymentHash = paymentHashOf(trade);
    if (isEnded(trade)) this.#forgetPayment(trade.tradeId);
    else if (paymentHash !== undefined) this.#payments.set(paymentHash, trade.tradeId);
  }

  #forgetPayment(ended: string): void {
    for (const [paymentHash, tradeId] of this.#payments) if (tradeId === ended) this.#payments.delete(paymentHash);
  }

  async #decide(tradeId: string, event: TradeEvent): Promise<Due[]> {
    this.#checkpoint('before_write', event.type);
    let before: Trade['state'] | undefined;
    const { trade, due } = await this.#parts.store.update(tradeId, (current) => {
      before = current.state;
      return step(current, event);
    });
    this.#checkpoint('after_write', event.type);
    if (before !== trade.state) {
      this.#parts.log.info({ tradeId, from: before, to: trade.state, event: event.type }, 'trade moved');
      this.#lookLater(tradeId);
    }
    this.#notify(trade, event.type);
    return due;
  }

  /**
   * Runs what is due, and what becomes due by it. An effect is done only after its result is written down. When one letter
   * cannot be sent the others wait for the next time: a market that is slow to fail would hold up what is money.
   */
  async #drain(queue: Due[]): Promise<void> {
    let isMute = false;
    for (let due = queue.shift(); due !== undefined; due = queue.shift()) {
      if (isMute && due.effect.do === 'send') continue;
      try {
        if (!(await this.#mayBegin(due))) continue;
        const event = await this.#act(due);
        if (event !== undefined) queue.push(...(await this.#decide(due.tradeId, event)));
        await this.#parts.store.done(due.key);
      } catch (error) {
        isMute ||= due.effect.do === 'send';
        queue.push(...(await this.#failed(due, error)));
      }
    }
  }

  async #act(due: Due): Promise<TradeEvent | undefined> {
    this.#checkpoint('before_act', due.effect.do);
    const result = await runEffect(this.#parts, this.#hands, due);
    this.#checkpoint('after_act', due.effect.do);
    return result === undefined ? undefined : { ...result, at: await this.#moment() };
  }

  /**
   * A claim that was surely never sent may not be sent too late; one that may have been sent must be. Where the height
   * cannot be known nothing is begun, and it stays one that was never sent. Answers whether to begin.
   */
  async #mayBegin({ key, effect, attempts }: Due): Promise<boolean> {
    if (effect.do !== 'broadcast' || effect.firstRunUntilHeight === undefined) return true;
    if (attempts === 0) {
      const height = await freshHeight(this.#parts).catch((error: unknown) => this.#unbegun(error));
      if (height === undefined) return false;
      const { firstRunUntilHeight: last } = effect;
      if (height > last)
        throw new SparkleError('too_late', `a first reveal is allowed until height ${last}; it is ${height}`, {
          height,
          last,
        });
    }
    // Written before the act: from here on the preimage must be taken for known, whatever becomes of the broadcast.
    await this.#parts.store.postpone(key, 0);
    return true;
  }

  #unbegun(error: unknown): undefined {
    if (!chainIsUncertain(error)) throw error;
    this.#parts.log.warn({ code: codeOf(error) }, 'a first claim waits for the height to be known');
  }

  async #failed(due: Due, error: unknown): Promise<Due[]> {
    const { tradeId, effect, attempts, key } = due;
    const { store, log, clock } = this.#parts;
    const refusal = refusalOf(due, error);
    if (refusal === undefined) {
      const wait = Math.min(RETRY_MOST_SECONDS, RETRY_FIRST_SECONDS * 2 ** attempts);
      await store.postpone(key, (clock.nowSeconds() + wait) * 1000);
      const fields = { tradeId, effect: effect.do, attempts, code: codeOf(error) };
      if (fields.code === 'internal') log.error({ ...fields, error: String(error) }, 'an effect failed and stays due');
      else log.warn(fields, 'an effect failed and stays due');
      return [];
    }
    const { code, message: sentence } = refusal;
    log.warn({ tradeId, effect: effect.do, code }, sentence);
    const at = await this.#moment();
    const next = await this.#decide(tradeId, {
      type: 'effect_failed',
      at,
      effect: effect.do,
      code,
      sentence,
      attempts,
    });
    await store.done(key);
    return next;
  }

  async #look(tradeId: string): Promise<void> {
    const { store, clock } = this.#parts;
    const trade = await store.load(tradeId);
    if (trade === undefined || isEnded(trade)) return;
    const view = await lookAt(this.#parts, lookOf(trade), clock.nowSeconds());
    const at = { height: view.tip.height, nowSeconds: view.nowSeconds };
    await this.#drain(await this.#decide(tradeId, { type: 'looked', at, view }));
  }

  async #retry(tradeId: string): Promise<void> {
    const now = this.#parts.clock.nowSeconds() * 1000;
    const due = await this.#parts.store.due(tradeId);
    await this.#drain(due.filter(({ notBefore }) => notBefore <= now));
  }
}

import { txidOf } from '../protocol/draft.ts';
import { chainIsUncertain, errorCodeOf, mayPass, SparkleError } from '../protocol/errors.ts';
import type { Moment, TradeEvent } from '../protocol/trade/event.ts';
import { lookOf } from '../protocol/trade/look.ts';
import type { Change } from '../protocol/trade/machine.ts';
import { isCommitted, isEnded, isUnchanged, step, type Trade } from '../protocol/trade/step.ts';
import type { Due, StoreNews } from '../store/store.ts';
import { type Hands, refusalOf, runEffect } from './effects.ts';
import { Known } from './known.ts';
import { createLanes } from './lanes.ts';
import type { Parts } from './parts.ts';
import { Patrol } from './patrol.ts';
import { freshHeight } from './tip.ts';
import { type Told, Waiting } from './waiting.ts';
import { lookAt } from './watch.ts';

/** Something to watch a trade by: called after every change, once it is stored. */
export type Listener = (trade: Trade, event: TradeEvent['type'] | 'opened') => void;

/** The live trades in our hands, those of them that have just come, and all that have something to do or to hear. */
type Round = { live: Trade[]; fresh: Trade[]; busy: Set<string> };

/** Where a test can plant a crash: around the write and around the act. */
export type Checkpoint = (at: 'before_write' | 'after_write' | 'before_act' | 'after_act', what: string) => void;

const RETRY_FIRST_SECONDS = 1;
const RETRY_MOST_SECONDS = 60;

const isElsewhere = (error: unknown): boolean => error instanceof SparkleError && error.code === 'elsewhere';
const isPassing = (error: unknown): boolean => error instanceof SparkleError && mayPass(error);

/** The only loop that moves money: decide, write down, then act. Killed anywhere, what was decided is still due. */
export class Engine {
  readonly #parts: Parts;
  readonly #hands: Hands;
  readonly #checkpoint: Checkpoint;
  readonly #lanes = createLanes();
  readonly #listeners = new Set<Listener>();
  readonly #known = new Known();
  readonly #waiting = new Waiting();
  /** What keeps a trade from looking, by its code, since it could not. */
  readonly #complaints = new Map<string, string>();
  readonly #patrol: Patrol;
  #resuming: Promise<void> = Promise.resolve();
  /** The last one that was known. */
  #height = 0;

  constructor(parts: Parts, hands: Hands, checkpoint: Checkpoint) {
    this.#parts = parts;
    this.#hands = hands;
    this.#checkpoint = checkpoint;
    this.#patrol = new Patrol(parts, {
      attend: (tradeId) => this.#attend(tradeId),
      seen: (tradeId) => this.#complaints.delete(tradeId),
      unable: (tradeId, error) => this.#unable(tradeId, error),
    });
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How many sales and forwarded payments have not ended. */
  get sales(): number {
    return this.#known.asked;
  }

  /** Resolves when no trade is being worked on. */
  async idle(): Promise<void> {
    await this.#resuming;
    await this.#patrol.idle();
    await this.#lanes.idle();
  }

  /** Begins nothing more of what can wait for the next start, and finishes the rest. */
  async stop(): Promise<void> {
    this.#patrol.end();
    await this.idle();
  }

  /** Stores a new trade, then begins to act for it. Throws `duplicate_trade` before anything is done. */
  async open(change: Change<Trade>): Promise<void> {
    const due = await this.#parts.store.create(this.#read(change));
    const { tradeId } = change.trade;
    this.#notify(change.trade, 'opened');
    await this.#lanes
      .run(tradeId, () => this.#drain(due))
      .catch((error: unknown) => {
        // It has begun, and whoever holds it now goes on.
        if (!isElsewhere(error)) throw error;
      });
    this.#lookLater(tradeId);
  }

  /**
   * Tells a trade what happened. One that another instance holds hears it when it comes here, and with `isAsked` its holder is
   * asked to give it up, and this waits for it; one that ends before that need not hear it.
   */
  tell(tradeId: string, event: (at: Moment) => TradeEvent, told: Omit<Told, 'event'>): Promise<void> {
    return this.#tell(tradeId, { event: async () => event(await this.#moment()), ...told }, isElsewhere);
  }

  async #tell(tradeId: string, told: Told, mayWait: (error: unknown) => boolean): Promise<void> {
    try {
      await this.#lanes.run(tradeId, () => this.#hand(tradeId, told));
    } catch (error) {
      if (!mayWait(error)) throw error;
      const heard = this.#waiting.add(tradeId, told);
      // It may have come to us since it refused.
      this.#lookLater(tradeId);
      // That may be in days: whoever waited would keep his market from counting what came after it as handled.
      if (told.isAsked) return heard;
      void heard.catch((late: unknown) => this.#unable(tradeId, late));
    }
  }

  async #hand(tradeId: string, { event }: Pick<Told, 'event'>): Promise<void> {
    await this.#drain(await this.#decide(tradeId, await event()));
  }

  /**
   * After a start: what was due is done again, each trade is told, and each looks at the world. Resolves once it is known which
   * trades there are: thousands of looks take their time, and what is heard meanwhile is taken in its turn.
   */
  async resume(): Promise<void> {
    const { store, log } = this.#parts;
    this.#patrol.begin();
    const ours = await this.#gather();
    // Those of other instances, where there can be any.
    if (store.subscribe !== undefined) for (const trade of await store.liveAnywhere()) this.#known.note(trade);
    this.#resuming = this.#visit(ours).catch((error: unknown) => {
      log.error({ code: errorCodeOf(error) }, 'the trades could not all be looked at after the start');
    });
  }

  /** What another instance did on the same store. Never rejects: whatever it is, the next look finds it. */
  async hearOfOther(news: StoreNews): Promise<void> {
    try {
      if (news.type === 'freed') await this.lookAtAll();
      else if (news.type === 'changed') await this.#noteOther(news.tradeId);
      else await this.#lanes.run(news.tradeId, () => this.#giveUp(news.tradeId));
    } catch (error) {
      this.#parts.log.warn({ code: errorCodeOf(error) }, 'what another instance did could not be followed');
    }
  }

  async #noteOther(tradeId: string): Promise<void> {
    const trade = await this.#parts.store.load(tradeId);
    if (trade === undefined) return;
    this.#known.note(trade);
    if (isEnded(trade)) this.#waiting.end(tradeId);
  }

  async #giveUp(tradeId: string): Promise<void> {
    this.#known.lost(tradeId);
    await this.#parts.store.release?.(tradeId);
  }

  async #wakeUp(tradeId: string): Promise<void> {
    try {
      await this.#drain(await this.#decide(tradeId, { type: 'restarted', at: await this.#moment() }));
      await this.#retry(tradeId);
    } catch (error) {
      await this.#unable(tradeId, error);
    }
  }

  /**
   * R7: a transaction is in the mempool now and may be thrown out of it before anybody looks. Whatever preimage it shows
   * for a lock of ours is taken from it at once, and kept while it cannot be written down: the instance that holds the trade
   * may be dead by now, and have seen nothing.
   */
  async hear(raw: string): Promise<void> {
    const heard = this.#known.shownIn(raw).map(({ tradeId, preimage }) => {
      const event = async () =>
        ({ type: 'preimage_seen', at: await this.#momentOrLast(), preimage, txid: txidOf(raw) }) as const;
      return this.#tell(tradeId, { event, isAsked: false }, isPassing).catch((error: unknown) =>
        this.#unable(tradeId, error),
      );
    });
    await Promise.all(heard);
  }

  /**
   * Every live trade retries what is due and looks; a trade that ended still says what it has to say. Those that came to us
   * from another instance, or by a start, are woken first.
   */
  async lookAtAll(): Promise<void> {
    await this.#visit(await this.#gather());
  }

  async #gather(): Promise<Round> {
    const { store } = this.#parts;
    const live = await store.live();
    const fresh = live.filter(({ tradeId }) => !this.#known.isOurs(tradeId));
    // Before anything that may fail: what is heard from now on is for them.
    for (const trade of fresh) this.#known.noteOurs(trade);
    const due = await store.due();
    return { live, fresh, busy: new Set([...due.map(({ tradeId }) => tradeId), ...this.#waiting.trades()]) };
  }

  /** All in which money is bound at once, none after another; of those that wait for their payment, with nothing to do, a few at a time. */
  async #visit({ live, fresh, busy }: Round): Promise<void> {
    const isUrgent = (trade: Trade): boolean => isCommitted(trade) || busy.has(trade.tradeId);
    const woken = fresh.filter(isUrgent).map(({ tradeId }) => this.#lanes.run(tradeId, () => this.#wakeUp(tradeId)));
    const urgent = new Set([...live.filter(isUrgent).map(({ tradeId }) => tradeId), ...busy]);
    const attended = [...urgent].map((tradeId) => this.#attend(tradeId));
    await Promise.all([...woken, ...attended, this.#patrol.round(live.filter((trade) => !isUrgent(trade)))]);
  }

  /** Looks at one trade, which is asked for when another instance holds it. */
  async lookAt(tradeId: string): Promise<void> {
    if (!this.#known.isOurs(tradeId)) await this.tell(tradeId, (at) => ({ type: 'restarted', at }), { isAsked: true });
    await this.#attend(tradeId);
  }

  /** A hint of the Lightning node: the trade of that payment looks. A node may have thousands of payments that are not ours. */
  async lookAtPayment(paymentHash: string): Promise<void> {
    const tradeId = this.#known.paidBy(paymentHash);
    if (tradeId !== undefined) await this.#attend(tradeId);
  }

  #attend(tradeId: string): Promise<void> {
    return this.#lanes
      .later(tradeId, async () => {
        await this.#retry(tradeId);
        const faults = await this.#waiting.tell(tradeId, (event) => this.#hand(tradeId, { event }), isPassing);
        for (const fault of faults) await this.#unable(tradeId, fault);
        await this.#look(tradeId);
        this.#complaints.delete(tradeId);
      })
      .catch((error: unknown) => this.#unable(tradeId, error));
  }

  #lookLater(tradeId: string): void {
    void this.#attend(tradeId);
  }

  /** A source that cannot be asked stops nothing: the next tick looks again. One that stays away is spoken of once. */
  async #unable(tradeId: string, error: unknown): Promise<void> {
    if (isElsewhere(error)) return this.#isNotOurs(tradeId);
    const code = errorCodeOf(error);
    if (code !== 'internal' && this.#complaints.get(tradeId) === code) return;
    this.#complaints.set(tradeId, code);
    const sentence = 'a trade could not be attended to and waits for the next look';
    if (code === 'internal') this.#parts.log.error({ tradeId, code, error: String(error) }, sentence);
    else this.#parts.log.warn({ tradeId, code }, sentence);
  }

  /** Another instance holds it, and does what there is to do. What is to be told to it is told when it comes here. */
  async #isNotOurs(tradeId: string): Promise<void> {
    const { store, log } = this.#parts;
    if (this.#known.isOurs(tradeId)) log.info({ tradeId }, 'a trade is in the hands of another instance now');
    this.#known.lost(tradeId);
    if (!this.#waiting.has(tradeId)) return;
    await this.#noteOther(tradeId).catch((error: unknown) => this.#unable(tradeId, error));
    if (this.#waiting.isAskedFor(tradeId)) store.want?.(tradeId);
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
    this.#known.noteOurs(trade);
    for (const listener of this.#listeners) listener(trade, type);
  }

  async #decide(tradeId: string, event: TradeEvent): Promise<Due[]> {
    this.#checkpoint('before_write', event.type);
    let before: Trade['state'] | undefined;
    const { trade, due } = await this.#parts.store.update(tradeId, (current) => {
      before = current.state;
      return this.#read(step(current, event));
    });
    this.#checkpoint('after_write', event.type);
    if (before !== trade.state) {
      this.#parts.log.info({ tradeId, from: before, to: trade.state, event: event.type }, 'trade moved');
      this.#lookLater(tradeId);
    }
    this.#notify(trade, event.type);
    return due;
  }

  /** What nobody reads is not due: to sign it would cost more than all else that a sale begins with. */
  #read(change: Change<Trade>): Change<Trade> {
    const { hasReader } = this.#parts;
    if (hasReader === undefined || hasReader(change.trade)) return change;
    return { trade: change.trade, effects: change.effects.filter(({ effect }) => effect.do !== 'send') };
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
    this.#parts.log.warn({ code: errorCodeOf(error) }, 'a first claim waits for the height to be known');
  }

  async #failed(due: Due, error: unknown): Promise<Due[]> {
    const { tradeId, effect, attempts, key } = due;
    const { store, log, clock } = this.#parts;
    const refusal = refusalOf(due, error);
    if (refusal === undefined) {
      const wait = Math.min(RETRY_MOST_SECONDS, RETRY_FIRST_SECONDS * 2 ** attempts);
      await store.postpone(key, (clock.nowSeconds() + wait) * 1000);
      const fields = { tradeId, effect: effect.do, attempts, code: errorCodeOf(error) };
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
    const looked = { type: 'looked', at: { height: view.tip.height, nowSeconds: view.nowSeconds }, view } as const;
    // It is in our hands, or what is due for it would have been refused: what stays as it is need not be read again for that.
    if (isUnchanged(trade, step(trade, looked))) return this.#notify(trade, 'looked');
    await this.#drain(await this.#decide(tradeId, looked));
  }

  async #retry(tradeId: string): Promise<void> {
    const now = this.#parts.clock.nowSeconds() * 1000;
    const due = await this.#parts.store.due(tradeId);
    await this.#drain(due.filter(({ notBefore }) => notBefore <= now));
  }
}

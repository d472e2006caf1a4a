import { SparkleError } from '../protocol/errors.ts';
import { lookOf } from '../protocol/trade/look.ts';
import { isUnchanged, step, type Trade } from '../protocol/trade/step.ts';
import type { Look, View } from '../protocol/trade/view.ts';
import { type Clock, within } from './clock.ts';
import { type Eyes, lookAtEach } from './watch.ts';

/** So many are asked for at one time, of one best block. */
const AT_ONCE = 64;
/** No trade keeps those behind it waiting for longer: what it waits for may be in a counterparty's hands, or never come. */
const MOST_WAIT_MILLISECONDS = 5_000;

const tooSlow = (milliseconds: number): SparkleError =>
  new SparkleError('busy', `what is asked for a trade must be answered within ${milliseconds} ms; it was not`);

type PatrolParts = Eyes & { clock: Clock };

/** What becomes of a trade that was looked at: it has something to do, or it could not be seen. */
type Found = {
  attend: (tradeId: string) => Promise<void>;
  seen: (tradeId: string) => void;
  unable: (tradeId: string, error: unknown) => Promise<void>;
};

type Round = { trades: readonly Trade[]; done: Promise<void> };

/**
 * Goes round the many trades in which no money is bound, of which almost all go on waiting for their payment, a few at a time:
 * they never keep those waiting that have a deadline. One round follows the other; who asks while one is under way is
 * answered by the next, with the trades that were named last.
 */
export class Patrol {
  readonly #parts: PatrolParts;
  readonly #found: Found;
  /** Trades that are attended to: until that is over they are left out, so that nothing is begun for them again and again. */
  readonly #attended = new Set<string>();
  #last: Promise<void> = Promise.resolve();
  #next: Round | undefined;
  #isOver = false;

  constructor(parts: PatrolParts, found: Found) {
    this.#parts = parts;
    this.#found = found;
  }

  begin(): void {
    this.#isOver = false;
  }

  /** Ends after those that are being looked at now. */
  end(): void {
    this.#isOver = true;
  }

  idle(): Promise<void> {
    return this.#last;
  }

  round(trades: readonly Trade[]): Promise<void> {
    if (this.#next !== undefined) {
      this.#next.trades = trades;
      return this.#next.done;
    }
    const mine: Round = { trades, done: this.#last };
    this.#next = mine;
    mine.done = this.#last.then(() => {
      this.#next = undefined;
      return this.#walk(mine.trades);
    });
    this.#last = mine.done.catch(() => undefined);
    return mine.done;
  }

  async #walk(trades: readonly Trade[]): Promise<void> {
    for (let next = 0; next < trades.length && !this.#isOver; next += AT_ONCE) {
      // A driver that answers at once would let nobody else have his turn until all were looked at.
      if (next > 0) await new Promise((resolve) => setTimeout(resolve));
      await this.#lookAt(trades.slice(next, next + AT_ONCE));
    }
  }

  async #lookAt(batch: readonly Trade[]): Promise<void> {
    const nowSeconds = this.#parts.clock.nowSeconds();
    const trades: Trade[] = [];
    const looks: Look[] = [];
    for (const trade of batch.filter(({ tradeId }) => !this.#attended.has(tradeId)))
      await this.#each(trade, async () => {
        looks.push(lookOf(trade));
        trades.push(trade);
      });
    const all = lookAtEach(this.#parts, looks, { nowSeconds, soon: (look) => this.#soon(look) });
    const looked = await all.catch((reason: unknown) => trades.map(() => ({ status: 'rejected' as const, reason })));
    const judged = trades.map((trade, index) => this.#each(trade, () => this.#judge(trade, looked[index])));
    // What takes longer goes on by itself.
    await this.#soon(Promise.all(judged)).catch(() => undefined);
  }

  #soon<T>(work: Promise<T>): Promise<T> {
    return within(this.#parts.clock, MOST_WAIT_MILLISECONDS, work, tooSlow);
  }

  /** A trade that cannot be read keeps none of those behind it from being looked at, in this round and in all that follow. */
  async #each(trade: Trade, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => this.#found.unable(trade.tradeId, error));
  }

  /** What is seen here decides nothing but who is to be attended to: by then a trade may be in another state. */
  async #judge(trade: Trade, looked: PromiseSettledResult<View> | undefined): Promise<void> {
    const { seen } = this.#found;
    if (looked?.status !== 'fulfilled') return this.#unseen(trade.tradeId, looked?.reason);
    const view = looked.value;
    const at = { height: view.tip.height, nowSeconds: view.nowSeconds };
    if (isUnchanged(trade, step(trade, { type: 'looked', at, view }))) return seen(trade.tradeId);
    await this.#attend(trade.tradeId);
  }

  /** What was too slow for a round looks by itself, unless so many do that the slow one is the node. */
  #unseen(tradeId: string, reason: unknown): Promise<void> {
    const isSlow = reason instanceof SparkleError && reason.code === 'busy';
    return isSlow && this.#attended.size < AT_ONCE ? this.#attend(tradeId) : this.#found.unable(tradeId, reason);
  }

  async #attend(tradeId: string): Promise<void> {
    this.#attended.add(tradeId);
    await this.#found.attend(tradeId).finally(() => this.#attended.delete(tradeId));
  }
}

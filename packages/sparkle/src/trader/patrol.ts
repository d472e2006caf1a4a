import { lookOf } from '../protocol/trade/look.ts';
import { isUnchanged, step, type Trade } from '../protocol/trade/step.ts';
import type { Look, View } from '../protocol/trade/view.ts';
import type { Clock } from './clock.ts';
import { type Eyes, lookAtEach } from './watch.ts';

/** So many are asked for at one time, of one best block. */
const AT_ONCE = 64;

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
    for (const trade of batch)
      await this.#each(trade, async () => {
        looks.push(lookOf(trade));
        trades.push(trade);
      });
    const looked = await lookAtEach(this.#parts, looks, nowSeconds).catch((reason: unknown) =>
      trades.map(() => ({ status: 'rejected' as const, reason })),
    );
    await Promise.all(trades.map((trade, index) => this.#each(trade, () => this.#judge(trade, looked[index]))));
  }

  /** A trade that cannot be read keeps none of those behind it from being looked at, in this round and in all that follow. */
  async #each(trade: Trade, work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => this.#found.unable(trade.tradeId, error));
  }

  /** What is seen here decides nothing but who is to be attended to: by then a trade may be in another state. */
  async #judge(trade: Trade, looked: PromiseSettledResult<View> | undefined): Promise<void> {
    const { attend, seen, unable } = this.#found;
    if (looked?.status !== 'fulfilled') return unable(trade.tradeId, looked?.reason);
    const view = looked.value;
    const at = { height: view.tip.height, nowSeconds: view.nowSeconds };
    if (isUnchanged(trade, step(trade, { type: 'looked', at, view }))) return seen(trade.tradeId);
    await attend(trade.tradeId);
  }
}

import { SparkleError } from '../protocol/errors.ts';
import type { TradeEvent } from '../protocol/trade/event.ts';

/**
 * `isAsked`: whoever has it to tell cannot wait until its holder is gone, so the trade is asked for. `from`: who signed it, when
 * it is a letter.
 */
export type Told = { event: () => Promise<TradeEvent>; isAsked: boolean; from?: string };

/**
 * Of one sender for one trade, which has about ten: memory is not a counterparty's to fill. The oldest gives way, because its
 * holder has most surely handled that one.
 */
const MOST_WAITING_LETTERS = 20;

type Waiter = Told & { resolve: () => void; reject: (error: unknown) => void };

/** What trades are to be told that cannot hear it now: another instance holds them, or what they are written in is away. */
export class Waiting {
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** Settles when the trade was told, or has ended without it; of too many letters of one sender the oldest settles untold. */
  add(tradeId: string, told: Told): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(tradeId) ?? new Set();
      this.#waiters.set(tradeId, waiters.add({ ...told, resolve, reject }));
      if (told.from !== undefined) this.#bound(tradeId, told.from);
    });
  }

  #bound(tradeId: string, sender: string): void {
    const letters = [...(this.#waiters.get(tradeId) ?? [])].filter(({ from }) => from === sender);
    for (const oldest of letters.slice(0, -MOST_WAITING_LETTERS)) {
      oldest.resolve();
      this.#drop(tradeId, oldest);
    }
  }

  trades(): string[] {
    return [...this.#waiters.keys()];
  }

  has(tradeId: string): boolean {
    return this.#waiters.has(tradeId);
  }

  isAskedFor(tradeId: string): boolean {
    return [...(this.#waiters.get(tradeId) ?? [])].some(({ isAsked }) => isAsked);
  }

  /**
   * Tells all that waits, and answers with the faults of our own that kept some from being told. What may pass is thrown, and
   * the rest goes on to wait. A refusal is told to who waits for it, and so is a fault; but what nobody waits for, a letter
   * or a preimage that was seen, is kept over a fault until it was told, for nobody says it again.
   */
  async tell(
    tradeId: string,
    hand: (event: Told['event']) => Promise<void>,
    mayPass: (error: unknown) => boolean,
  ): Promise<unknown[]> {
    const faults: unknown[] = [];
    for (const waiter of this.#waiters.get(tradeId) ?? []) {
      try {
        await hand(waiter.event);
        waiter.resolve();
      } catch (error) {
        if (mayPass(error)) throw error;
        if (!waiter.isAsked && !(error instanceof SparkleError)) {
          faults.push(error);
          continue;
        }
        waiter.reject(error);
      }
      this.#drop(tradeId, waiter);
    }
    return faults;
  }

  /** The trade is over: whoever has something to tell it is done. */
  end(tradeId: string): void {
    for (const { resolve } of this.#waiters.get(tradeId) ?? []) resolve();
    this.#waiters.delete(tradeId);
  }

  #drop(tradeId: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(tradeId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(tradeId);
  }
}

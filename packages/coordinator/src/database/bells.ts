import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';

export type BellOptions = {
  clock: Clock;
  /** How often to look for what nothing was heard of: a word between instances can be lost. */
  everyMilliseconds: number;
  /** The number of the newest row. */
  newest: () => Promise<number>;
  /** Whom the rows after a number concern, and the number of the last of them. */
  concerned: (since: number) => Promise<{ names: string[]; last: number }>;
  log: Log;
};

/** Wakes those who wait for something under a name: at once when somebody rings, and after a look at the latest. */
export class Bells {
  readonly #options: BellOptions;
  readonly #listeners = new Map<string, Set<() => void>>();
  #seen: number | undefined;
  #isBlind = false;
  #stopLooking: (() => void) | undefined;

  constructor(options: BellOptions) {
    this.#options = options;
  }

  /** Calls `wake` when there may be something under `name`; the returned function ends it. */
  on(name: string, wake: () => void): () => void {
    // Each call has an entry of its own, though two may bring the same function.
    const entry = (): void => wake();
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(entry));
    this.#begin();
    return () => {
      listeners.delete(entry);
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name);
      if (this.#listeners.size === 0) this.close();
    };
  }

  ring(name: string): void {
    for (const wake of this.#listeners.get(name) ?? []) wake();
  }

  /** Rings for what came since the last look. Never rejects: there is a next one. */
  async look(): Promise<void> {
    try {
      await this.#look();
      this.#isBlind = false;
    } catch (error) {
      // The database is away: whoever asks it for something is told. Said once, not every two seconds.
      if (!this.#isBlind) this.#options.log.warn({ error: String(error) }, 'what is new could not be looked for');
      this.#isBlind = true;
    }
  }

  async #look(): Promise<void> {
    if (this.#seen === undefined) {
      this.#seen = await this.#options.newest();
      return;
    }
    const { names, last } = await this.#options.concerned(this.#seen);
    this.#seen = Math.max(this.#seen, last);
    for (const name of names) this.ring(name);
  }

  close(): void {
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    this.#seen = undefined;
  }

  #begin(): void {
    if (this.#stopLooking !== undefined) return;
    const { clock, everyMilliseconds } = this.#options;
    this.#stopLooking = clock.every(everyMilliseconds, () => void this.look());
    // The line from which on things are new; whoever waits has looked for himself, or does so next.
    void this.look();
  }
}

import type { LightningEvent } from '../lightning.ts';

export type WatchDeps = {
  /** What is known of one payment, as text: a change is told. `over`: it can change no more. */
  look: (event: LightningEvent) => Promise<{ shown: string; over: boolean }>;
  fastestMilliseconds: number;
  slowestMilliseconds: number;
};

type Watched = LightningEvent & { shown: string | undefined };

/** More are not watched: what is not hinted at is still answered. */
const MOST_WATCHED = 10_000;
const AT_ONCE = 4;

const keyOf = ({ type, paymentHash }: LightningEvent): string => `${type} ${paymentHash}`;

/**
 * Looks again and again at what this driver was asked about and is not over, slower as long as nothing changes: clnrest
 * has no stream that tells of hold invoices.
 */
export class ClnWatch {
  readonly #deps: WatchDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #stirred = false;
  #pause: number;
  #closed = false;

  constructor(deps: WatchDeps) {
    this.#deps = deps;
    this.#pause = deps.fastestMilliseconds;
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    this.#listeners.add(listener);
    this.#hurry();
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Watches a payment from now on, and looks soon. */
  add(event: LightningEvent): void {
    const key = keyOf(event);
    if (!this.#watched.has(key) && this.#watched.size < MOST_WATCHED)
      this.#watched.set(key, { ...event, shown: undefined });
    this.#hurry();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#listeners.clear();
    this.#watched.clear();
  }

  #hurry(): void {
    this.#stirred = true;
    this.#pause = this.#deps.fastestMilliseconds;
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#closed || this.#looking || this.#listeners.size === 0 || this.#watched.size === 0) return;
    this.#timer = setTimeout(() => void this.#round(), this.#pause);
    this.#timer.unref();
  }

  async #round(): Promise<void> {
    this.#looking = true;
    this.#stirred = false;
    const queue = [...this.#watched.values()];
    const workers = Array.from({ length: AT_ONCE }, async () => {
      for (let next = queue.shift(); next !== undefined && !this.#closed; next = queue.shift())
        await this.#lookAt(next);
    });
    await Promise.allSettled(workers);
    this.#looking = false;
    const { fastestMilliseconds, slowestMilliseconds } = this.#deps;
    this.#pause = this.#stirred ? fastestMilliseconds : Math.min(this.#pause * 2, slowestMilliseconds);
    this.#schedule();
  }

  /** A node that does not answer ends the worker: the others are not asked either until the next round. */
  async #lookAt(watched: Watched): Promise<void> {
    const { shown, over } = await this.#deps.look(watched);
    const changed = watched.shown !== shown;
    watched.shown = shown;
    if (over) this.#watched.delete(keyOf(watched));
    if (!changed) return;
    this.#stirred = true;
    const { type, paymentHash } = watched;
    for (const listener of [...this.#listeners]) listener({ type, paymentHash });
  }
}

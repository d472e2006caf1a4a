import type { Invoice, LightningEvent, Payment } from './lightning.ts';

type PollingDeps = {
  look: (event: LightningEvent) => Promise<Invoice | Payment>;
  fastestMilliseconds: number;
  slowestMilliseconds: number;
};

type Watched = LightningEvent & { shown: string | undefined };

/** More are not watched: what is not hinted at is still answered. */
const MOST_WATCHED = 10_000;
const AT_ONCE = 4;

const keyOf = ({ type, paymentHash }: LightningEvent): string => `${type} ${paymentHash}`;

/**
 * Looks again and again at what this driver was asked about and is not over, slower as long as nothing changes: for
 * nodes that have no stream to tell of it.
 */
export class Polling {
  readonly #deps: PollingDeps;
  readonly #watched = new Map<string, Watched>();
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #stirred = false;
  #pause: number;
  #closed = false;

  constructor(deps: PollingDeps) {
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

  /** As `add`, where what was just seen of it may still change. */
  addUnlessOver<State extends Invoice | Payment>(event: LightningEvent, state: State): State {
    if (!glance(state).over) this.add(event);
    return state;
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
    const { shown, over } = glance(await this.#deps.look(watched));
    const changed = watched.shown !== shown;
    watched.shown = shown;
    if (over) this.#watched.delete(keyOf(watched));
    if (!changed) return;
    this.#stirred = true;
    const { type, paymentHash } = watched;
    for (const listener of [...this.#listeners]) listener({ type, paymentHash });
  }
}

/** What a change shows in, and whether there can be another one. */
function glance(state: Invoice | Payment): { shown: string; over: boolean } {
  const shown = state.state === 'held' ? `held ${state.expiryHeight} ${state.parts}` : state.state;
  return { shown, over: ['unknown', 'settled', 'failed', 'canceled'].includes(state.state) };
}

/** Waits for the end of something, for at most so long. */
export async function endOrPause(end: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const pause = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([end, pause]);
  clearTimeout(timer);
}

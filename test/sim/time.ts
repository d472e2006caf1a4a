import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Chance } from './chance.ts';

type Post = { atMs: number; number: number; deliver: () => void };
type Timer = { everyMs: number; nextMs: number; run: () => void };

/** Lets everybody finish what he is at. Nothing in a simulated world waits for real time, so afterwards all is done. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The one clock of a simulated world. It stands still until somebody moves it. */
export class Time {
  #nowMs: number;
  #posted = 0;
  #posts: Post[] = [];
  readonly #timers = new Set<Timer>();

  constructor(startSeconds: number) {
    this.#nowMs = startSeconds * 1000;
  }

  readonly nowSeconds = (): number => Math.floor(this.#nowMs / 1000);

  /** Runs `deliver` once, `delayMs` from now. */
  readonly post = (delayMs: number, deliver: () => void): void => {
    this.#posts.push({ atMs: this.#nowMs + delayMs, number: this.#posted, deliver });
    this.#posted += 1;
  };

  /** What one trader gets: the world's time, as wrong as his clock is, and chance of his own. */
  clock({ chance, skewSeconds }: { chance: Chance; skewSeconds: number }): Clock {
    return {
      nowSeconds: () => this.nowSeconds() + skewSeconds,
      randomBytes: chance.bytes,
      every: (everyMs, run) => this.#every(everyMs, run),
    };
  }

  /** Moves on: whatever falls due happens in its order, each thing worked off before the next. */
  async advance(seconds: number): Promise<void> {
    const untilMs = this.#nowMs + seconds * 1000;
    for (let post = this.#nextPost(untilMs); post !== undefined; post = this.#nextPost(untilMs)) {
      this.#nowMs = Math.max(this.#nowMs, post.atMs);
      post.deliver();
      await settle();
    }
    this.#nowMs = untilMs;
    for (const timer of [...this.#timers].filter(({ nextMs }) => nextMs <= untilMs)) {
      // Once however long the step was: a timer that was late does not ring twice.
      timer.nextMs = untilMs + timer.everyMs;
      timer.run();
      await settle();
    }
  }

  #every(everyMs: number, run: () => void): () => void {
    const timer = { everyMs, nextMs: this.#nowMs + everyMs, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  #nextPost(untilMs: number): Post | undefined {
    const first = this.#posts.reduce<Post | undefined>((best, post) => (isBefore(post, best) ? post : best), undefined);
    if (first === undefined || first.atMs > untilMs) return undefined;
    this.#posts = this.#posts.filter((post) => post !== first);
    return first;
  }
}

const isBefore = (one: Post, other: Post | undefined): boolean =>
  other === undefined || one.atMs < other.atMs || (one.atMs === other.atMs && one.number < other.number);

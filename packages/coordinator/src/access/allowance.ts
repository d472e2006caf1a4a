import { SparkleError } from 'sparkle-protocol/protocol/errors';

export type Rate = { perMinute: number };

/** What one may spend, filled up evenly; `at` in seconds. */
type Purse = { left: number; at: number };

/** More are forgotten, those that are full first: who is forgotten has at most one minute's worth more. */
const MOST_PURSES = 100_000;

/** So many doings a minute for each name; a minute's worth can be spent at once. */
export class Allowance {
  readonly #purses = new Map<string, Purse>();
  readonly #perMinute: number;
  readonly #nowSeconds: () => number;

  constructor({ perMinute }: Rate, nowSeconds: () => number) {
    this.#perMinute = perMinute;
    this.#nowSeconds = nowSeconds;
  }

  /** Takes `cost` from `name`. Throws `rate_limited` when there is not so much left. */
  spend({ name, cost, what }: { name: string; cost: number; what: string }): void {
    if (this.take({ name, cost })) return;
    throw new SparkleError(
      'rate_limited',
      `there may be at most ${this.#perMinute} ${what} a minute; there were more`,
      {
        perMinute: this.#perMinute,
      },
    );
  }

  /** Takes `cost` from `name`; whether there was so much. What is refused costs nothing. */
  take({ name, cost }: { name: string; cost: number }): boolean {
    const now = this.#nowSeconds();
    const purse = this.#purses.get(name) ?? { left: this.#perMinute, at: now };
    const left = Math.min(this.#perMinute, purse.left + (Math.max(0, now - purse.at) * this.#perMinute) / 60);
    const isEnough = left >= cost;
    // Last in the map: the first is then the one that was silent for longest.
    this.#purses.delete(name);
    this.#purses.set(name, { left: isEnough ? left - cost : left, at: now });
    const [oldest] = this.#purses.keys();
    if (this.#purses.size > MOST_PURSES && oldest !== undefined) this.#purses.delete(oldest);
    return isEnough;
  }
}

import type { IncomingMessage } from 'node:http';
import { after } from 'sparkle-protocol/market/coordinator-clock';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Letter, Mailboxes } from '../hub/hub-mail.ts';

export type WaitOptions = { mail: Mailboxes; clock: Clock; mostOfOneKey: number };

type Wait = { milliseconds: number; request: IncomingMessage; find: () => Promise<Letter[]> };

/** Answers that are held back until there is something to say. */
export class Waits {
  readonly #options: WaitOptions;
  readonly #ends = new Set<() => void>();
  readonly #ofKey = new Map<string, number>();
  #isClosed = false;

  constructor(options: WaitOptions) {
    this.#options = options;
  }

  /** What `find` finds, at the latest when the time is over or the caller is gone. Throws `rate_limited` for one too many. */
  async forMail(key: string, wait: Wait): Promise<Letter[]> {
    const { mostOfOneKey } = this.#options;
    const waiting = this.#ofKey.get(key) ?? 0;
    if (waiting >= mostOfOneKey)
      throw new SparkleError('rate_limited', `one key may wait for at most ${mostOfOneKey} answers; it waits for more`);
    this.#ofKey.set(key, waiting + 1);
    // Before the first look: what comes after it must ring.
    const bell = this.#bell(key, wait);
    try {
      const found = await wait.find();
      if (found.length > 0) return found;
      await bell.rung;
      return await wait.find();
    } finally {
      bell.stop();
      this.#release(key);
    }
  }

  /** A service that ends keeps nobody waiting. */
  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end();
  }

  #bell(key: string, { milliseconds, request }: Wait): { rung: Promise<void>; stop: () => void } {
    const { mail, clock } = this.#options;
    const stops: (() => void)[] = [];
    const rung = new Promise<void>((resolve) => {
      const end = (): void => resolve();
      if (this.#isClosed) end();
      this.#ends.add(end);
      request.socket.once('close', end);
      stops.push(
        mail.onMail(key, end),
        after(clock, milliseconds, end),
        () => void request.socket.off('close', end),
        () => void this.#ends.delete(end),
      );
    });
    return { rung, stop: () => stops.forEach((stop) => stop()) };
  }

  #release(key: string): void {
    const left = (this.#ofKey.get(key) ?? 1) - 1;
    if (left === 0) this.#ofKey.delete(key);
    else this.#ofKey.set(key, left);
  }
}

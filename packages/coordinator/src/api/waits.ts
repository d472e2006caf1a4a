import type { IncomingMessage } from 'node:http';
import { after } from 'sparkle-protocol/market/coordinator-clock';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Letter, Mailboxes } from '../hub/hub-mail.ts';
import { Crowd } from './crowd.ts';

export type WaitOptions = { mail: Mailboxes; clock: Clock; mostOfOneKey: number };

type Wait = { milliseconds: number; request: IncomingMessage; find: () => Promise<Letter[]> };

/** Answers that are held back until there is something to say. */
export class Waits {
  readonly #options: WaitOptions;
  readonly #ends = new Set<() => void>();
  readonly #waiting: Crowd;
  #isClosed = false;

  constructor(options: WaitOptions) {
    this.#options = options;
    this.#waiting = new Crowd(options.mostOfOneKey);
  }

  /** What `find` finds, at the latest when the time is over or the caller is gone. Throws `rate_limited` for one too many. */
  async forMail(key: string, wait: Wait): Promise<Letter[]> {
    const { mostOfOneKey } = this.#options;
    const leave = this.#waiting.enter(key);
    if (leave === undefined)
      throw new SparkleError('rate_limited', `one key may wait for at most ${mostOfOneKey} answers; it waits for more`);
    // Before the first look: what comes after it must ring.
    const bell = this.#bell(key, wait);
    try {
      const found = await wait.find();
      if (found.length > 0) return found;
      await bell.rung;
      return await wait.find();
    } finally {
      bell.stop();
      leave();
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
}

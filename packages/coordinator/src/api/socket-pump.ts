import { after } from 'sparkle-protocol/market/coordinator-clock';
import type { ServerFrame } from 'sparkle-protocol/market/coordinator-wire';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';

export type ServerFrameWithSeq = Extract<ServerFrame, { seq: number }>;

/** What is told in order of its numbers. */
export type Source = {
  after(since: number, limit: number): Promise<ServerFrameWithSeq[]>;
  onMore(wake: () => void): () => void;
};

export type PumpOptions = {
  source: Source;
  since: number;
  clock: Clock;
  drainMilliseconds: number;
  /** Calls `sent` once the frame has left this process. */
  send: (frame: ServerFrameWithSeq, sent: (error?: Error) => void) => void;
  onSlow: () => void;
  onFailure: (error: unknown) => void;
};

const PAGE = 20;
const RETRY_MILLISECONDS = 5_000;

/**
 * Reads page by page what one connection asked for. The next page is read when the last has left: whoever does not
 * read costs one page of memory, and then his connection.
 */
export class Pump {
  readonly #options: PumpOptions;
  readonly #lanes = createLanes();
  readonly #stopListening: () => void;
  #stopTimer: () => void = () => undefined;
  #since: number;
  #isClosed = false;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#since = options.since;
    this.#stopListening = options.source.onMore(() => this.#wake());
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    this.#stopTimer();
  }

  #wake(): void {
    void this.#lanes.later('read', () => this.#drain().catch((error: unknown) => this.#retry(error)));
  }

  #retry(error: unknown): void {
    if (this.#isClosed) return;
    this.#options.onFailure(error);
    this.#stopTimer = after(this.#options.clock, RETRY_MILLISECONDS, () => this.#wake());
  }

  async #drain(): Promise<void> {
    while (!this.#isClosed) {
      const frames = await this.#options.source.after(this.#since, PAGE);
      const last = frames.at(-1);
      if (last === undefined || this.#isClosed) return;
      if (!(await this.#sent(frames))) return this.#options.onSlow();
      this.#since = last.seq;
    }
  }

  /** Whether a page has left within its time. */
  #sent(frames: ServerFrameWithSeq[]): Promise<boolean> {
    const { clock, drainMilliseconds, send } = this.#options;
    return new Promise((resolve) => {
      this.#stopTimer = after(clock, drainMilliseconds, () => resolve(false));
      let left = frames.length;
      for (const frame of frames)
        send(frame, () => {
          left -= 1;
          if (left > 0) return;
          this.#stopTimer();
          resolve(true);
        });
    });
  }
}

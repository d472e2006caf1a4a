import { after, backoff } from 'sparkle-protocol/market/coordinator-clock';
import type { Envelope } from 'sparkle-protocol/market/market';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Letter, Mailboxes } from './hub-mail.ts';

const PAGE = 100;
const RETRY = { firstMilliseconds: 100, lastMilliseconds: 30_000 };

type InboxOptions = {
  mail: Mailboxes;
  clock: Clock;
  log: Log;
  me: string;
  receive: (envelope: Envelope) => Promise<void>;
};

/** One open inbox of a trader in this process: all letters, those that came before included, each until it is taken. */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #lanes = createLanes();
  readonly #timers = new Set<() => void>();
  readonly #stopListening: () => void;
  readonly #open = new Set<number>();
  #since = 0;
  #failures = 0;
  #isClosed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#stopListening = options.mail.onMail(options.me, () => this.#wake());
    this.#wake();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  #wake(): void {
    void this.#lanes.later('read', () => this.#read());
  }

  /** Never rejects: a database that is away is asked again. */
  async #read(): Promise<void> {
    try {
      await this.#drain();
      this.#failures = 0;
    } catch (error) {
      this.#options.log.warn({ error: String(error) }, 'letters could not be read and are asked for again');
      this.#later(this.#failures++, () => this.#wake());
    }
  }

  async #drain(): Promise<void> {
    const { mail, me } = this.#options;
    while (!this.#isClosed) {
      const letters = await mail.after({ recipient: me, since: this.#since, limit: PAGE });
      if (letters.length === 0 || this.#isClosed) return;
      for (const letter of letters) {
        this.#since = letter.seq;
        this.#open.add(letter.seq);
        void this.#give(letter, 0);
      }
    }
  }

  async #give(letter: Letter, tries: number): Promise<void> {
    if (this.#isClosed) return;
    const { mail, me, receive } = this.#options;
    try {
      await receive({ from: letter.from, text: letter.text });
    } catch {
      // Whoever failed has told his own log; the letter comes again until he takes it.
      return this.#later(tries, () => void this.#give(letter, tries + 1));
    }
    this.#open.delete(letter.seq);
    const handled = Math.min(this.#since, ...[...this.#open].map((seq) => seq - 1));
    // A mark that is lost costs room for a while, nothing else.
    await mail.ack({ recipient: me, seq: handled }).catch(() => undefined);
  }

  #later(tries: number, run: () => void): void {
    if (this.#isClosed) return;
    const { clock } = this.#options;
    const stop = after(clock, backoff(clock, { tries, ...RETRY }), () => {
      this.#timers.delete(stop);
      run();
    });
    this.#timers.add(stop);
  }
}

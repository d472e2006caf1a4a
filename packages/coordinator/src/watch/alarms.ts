import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Alarm } from './guardian.ts';

export type AlarmParts = {
  /** Tells the operator. What it throws means that he was not told. */
  post(alarm: Alarm): Promise<void>;
  clock: Pick<Clock, 'every'>;
  log: Log;
};

const RETRY_MILLISECONDS = 60_000;
/** Of more that nobody hears the first are kept, pages before all others: what came after them is in the log. */
const MOST_WAITING = 1_000;

/**
 * Alarms that a trade raises once, by an effect that is done when it is logged: each is kept here until the operator was
 * told. They are not kept over a restart; the guardian, which looks anew, speaks up then.
 */
export class Alarms {
  readonly #parts: AlarmParts;
  readonly #waiting: Alarm[] = [];
  #work: Promise<void> = Promise.resolve();

  constructor(parts: AlarmParts) {
    this.#parts = parts;
  }

  /** Begins to tell again what nobody heard; the returned function ends it. */
  start(): () => void {
    return this.#parts.clock.every(RETRY_MILLISECONDS, () => void this.flush());
  }

  /** Tells all that waits, in order, until one is not heard. Never rejects. */
  flush(): Promise<void> {
    this.#work = this.#work.then(() => this.#tellAll());
    return this.#work;
  }

  /** Resolves when nobody is being told. */
  idle(): Promise<void> {
    return this.#work;
  }

  /** A log for a trader: what it alerts of is told as well. */
  log(): Log {
    const { log } = this.#parts;
    return {
      info: (fields, sentence) => log.info(fields, sentence),
      warn: (fields, sentence) => log.warn(fields, sentence),
      error: (fields, sentence) => this.#hear(fields, sentence),
    };
  }

  #hear(fields: Record<string, unknown>, sentence: string): void {
    const { log } = this.#parts;
    const { level, ...rest } = fields;
    const { code, tradeId } = rest;
    if ((level !== 'warn' && level !== 'page') || typeof code !== 'string') return log.error(fields, sentence);
    // A line of the log has a level of its own.
    log.error({ ...rest, alarm: level }, sentence);
    const about = typeof tradeId === 'string' ? { tradeId } : {};
    if (!this.#hasRoomFor(level)) return undefined;
    this.#waiting.push({ level: level === 'page' ? 'page' : 'alert', code, sentence, ...about });
    void this.flush();
  }

  /** A page takes the place of the newest alert, but for the first in line, which may be on its way. */
  #hasRoomFor(level: 'warn' | 'page'): boolean {
    if (this.#waiting.length < MOST_WAITING) return true;
    const newest = level === 'page' ? this.#waiting.findLastIndex((alarm) => alarm.level === 'alert') : 0;
    if (newest <= 0) return false;
    this.#waiting.splice(newest, 1);
    return true;
  }

  async #tellAll(): Promise<void> {
    const { post, log } = this.#parts;
    try {
      for (let alarm = this.#waiting[0]; alarm !== undefined; alarm = this.#waiting[0]) {
        await post(alarm);
        this.#waiting.shift();
      }
    } catch (error) {
      log.error({ error: String(error), waiting: this.#waiting.length }, 'the operator could not be told of an alarm');
    }
  }
}

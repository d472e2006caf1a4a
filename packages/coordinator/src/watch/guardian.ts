import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import { nextDeadline, type Urgency, urgencyOf } from './guardian-deadline.ts';

/** What a human is told. `tradeId` is absent where all trades are meant. */
export type Alarm = {
  level: 'alert' | 'page';
  /** `deadline_near`, `chain_unavailable`, `store_unavailable`, or what a trade itself says. */
  code: string;
  tradeId?: string;
  height?: number;
  sentence: string;
};

export type GuardianParts = {
  liveTrades(): Promise<readonly Trade[]>;
  tipHeight(): Promise<number>;
  /** Calls `run` at each new block until the returned function is called. */
  onBlock(run: () => void): () => void;
  clock: Pick<Clock, 'nowSeconds' | 'every'>;
  log: Log;
  /** Tells a human. What it throws means that he was not told, and he is told again at the next look. */
  raise(alarm: Alarm): Promise<void>;
};

const TICK_MILLISECONDS = 60_000;
/** About one block, and about three: for so long nobody has looked at the deadlines. */
const BLIND_ALERT_SECONDS = 600;
const BLIND_PAGE_SECONDS = 1800;

const RANK: Readonly<Record<Urgency, number>> = { none: 0, alert: 1, page: 2 };

/**
 * Looks at every live trade at each block and each minute (R14), and tells a human once when an action is twice as long
 * away from being too late as it takes, and once more, louder, when it is once as long away. It knows nothing but the
 * heights in the stored states: a machine that does not do its part is told of too.
 */
export class Guardian {
  readonly #parts: GuardianParts;
  /** What was told already of each live trade; after a restart it is told again. */
  readonly #told = new Map<string, { what: string; level: Urgency }>();
  #blind: { since: number; level: Urgency };
  readonly #lanes = createLanes();

  constructor(parts: GuardianParts) {
    this.#parts = parts;
    this.#blind = { since: parts.clock.nowSeconds(), level: 'none' };
  }

  /** Begins to look; the returned function ends it. */
  start(): () => void {
    const { onBlock, clock } = this.#parts;
    const look = () => void this.look();
    const stops = [onBlock(look), clock.every(TICK_MILLISECONDS, look)];
    look();
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Looks now, once at a time; a look that waits for its turn sees for all that come after it. Never rejects. */
  look(): Promise<void> {
    return this.#lanes.later('look', () => this.#lookOnce());
  }

  /** Resolves when no look is under way. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  async #lookOnce(): Promise<void> {
    const { tipHeight, liveTrades, clock } = this.#parts;
    const height = await this.#seen('chain_unavailable', tipHeight());
    const trades = height === undefined ? undefined : await this.#seen('store_unavailable', liveTrades());
    if (height === undefined || trades === undefined) return;
    this.#blind = { since: clock.nowSeconds(), level: 'none' };
    for (const trade of trades) await this.#judge(trade, height).catch((error: unknown) => this.#unread(trade, error));
    const live = new Set(trades.map(({ tradeId }) => tradeId));
    for (const tradeId of this.#told.keys()) if (!live.has(tradeId)) this.#told.delete(tradeId);
  }

  async #judge(trade: Trade, height: number): Promise<void> {
    const level = urgencyOf(trade, height);
    const deadline = nextDeadline(trade);
    const what = deadline?.what ?? trade.state;
    const told = this.#told.get(trade.tradeId);
    const before = told?.what === what ? told.level : 'none';
    if (level === 'none' || RANK[level] <= RANK[before]) return;
    const { tradeId, role, state } = trade;
    const due = deadline === undefined ? 'it should have ended' : `${what} is due at height ${deadline.height}`;
    const sentence = `trade ${tradeId} (${role}, ${state}): ${due}; the height is ${height}`;
    const isTold = await this.#tell({ level, code: 'deadline_near', tradeId, height, sentence });
    if (isTold) this.#told.set(tradeId, { what, level });
  }

  /** One that cannot be read hides the deadlines of no other, now or at the next look. */
  #unread({ tradeId }: Trade, error: unknown): void {
    this.#parts.log.error({ tradeId, error: String(error) }, 'the guardian cannot read a trade');
  }

  /** What was asked for, or nothing where nobody answers; who is blind for long says so. */
  async #seen<T>(code: 'chain_unavailable' | 'store_unavailable', answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      this.#parts.log.warn({ code, error: String(error) }, 'the guardian cannot see');
    }
    const seconds = this.#parts.clock.nowSeconds() - this.#blind.since;
    const level: Urgency = seconds >= BLIND_PAGE_SECONDS ? 'page' : seconds >= BLIND_ALERT_SECONDS ? 'alert' : 'none';
    if (level === 'none' || RANK[level] <= RANK[this.#blind.level]) return undefined;
    const sentence = `the deadlines of the trades have not been looked at for ${Math.floor(seconds / 60)} minutes`;
    if (await this.#tell({ level, code, sentence })) this.#blind.level = level;
    return undefined;
  }

  async #tell(alarm: Alarm): Promise<boolean> {
    const { log, raise } = this.#parts;
    const { sentence, ...fields } = alarm;
    log[alarm.level === 'page' ? 'error' : 'warn']({ ...fields, alarm: alarm.level }, sentence);
    try {
      await raise(alarm);
      return true;
    } catch (error) {
      log.error({ error: String(error) }, 'nobody could be told of an alarm');
      return false;
    }
  }
}

/** The fewest blocks that any of these trades has left; negative where one is overdue, `undefined` without a deadline. */
export function blocksToDeadline(trades: readonly Trade[], height: number): number | undefined {
  const heights = trades.flatMap((trade) => nextDeadline(trade)?.height ?? []);
  return heights.length === 0 ? undefined : Math.min(...heights) - height;
}

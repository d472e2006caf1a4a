import type { Kysely } from 'kysely';
import type { TradeUpdateWire } from 'sparkle-protocol/market/coordinator-wire';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Identity, Sides } from './auth.ts';
import { Bells } from './bells.ts';
import type { Database } from './database.ts';
import type { CoordinatorTables } from './migrations/all.ts';
import type { TradeFeed } from './socket.ts';

export type FeedOptions = { database: Database; clock: Clock; keptSeconds: number };

/** One change: `shownId` is the id the parties know the trade by. */
export type Update = { tradeId: string; shownId: string; status: string; sides: Sides };

/** What instances tell each other when a trade has changed: whoever may hear of it follows. */
const UPDATE_OF = 'update ';
/** How often to look for changes of which nothing was heard: a word between instances can be lost. */
const LOOK_MILLISECONDS = 2_000;
const TIDY_SECONDS = 3_600;

/** The changes of trades, kept so that a party who was away is told what he missed. */
export class Feed implements TradeFeed {
  readonly #options: FeedOptions;
  readonly #bells: Bells;
  readonly #stopListening: () => void;
  #tidiedAt = 0;

  constructor(options: FeedOptions) {
    const { database, clock } = options;
    this.#options = options;
    this.#bells = new Bells({
      ...{ clock, everyMilliseconds: LOOK_MILLISECONDS },
      newest: () => newestIn(database),
      concerned: (since) => concernedAfter(database, since),
    });
    this.#stopListening = database.listen((word) => {
      if (!word.startsWith(UPDATE_OF)) return;
      for (const name of word.slice(UPDATE_OF.length).split(' ')) this.#bells.ring(name);
    });
  }

  /**
   * Notes a change, and writes with it, in one transaction, what `also` writes. One that says what the last one said is none,
   * so it may be told again after a restart.
   */
  async record(
    { tradeId, shownId, status, sides }: Update,
    also?: (session: Kysely<CoordinatorTables>) => Promise<void>,
  ): Promise<void> {
    const { database, clock } = this.#options;
    const { buyer = null, seller = null } = sides;
    const row = { trade_id: tradeId, shown_id: shownId, status, buyer, seller, at: clock.nowSeconds() };
    await this.#tidy();
    // Others wait for whoever appends: most of what is told is nothing new.
    if ((await lastStatus(database.tables, tradeId)) === status) return;
    const isNew = await database.append(async (session) => {
      if ((await lastStatus(session, tradeId)) === status) return false;
      await session.insertInto('trade_update').values(row).execute();
      await also?.(session);
      return true;
    });
    if (isNew) database.announce(`${UPDATE_OF}${namesOf(row).join(' ')}`);
  }

  async after({ who, since, limit }: { who: Identity; since: number; limit: number }): Promise<TradeUpdateWire[]> {
    const changes = this.#options.database.tables
      .selectFrom('trade_update')
      .select(['seq', 'shown_id', 'status'])
      .where('seq', '>', since)
      .orderBy('seq')
      .limit(limit);
    const own =
      'tradeToken' in who
        ? changes.where('trade_id', '=', who.tradeToken.tradeId)
        : changes.where(({ or, eb }) => or([eb('buyer', '=', who.party), eb('seller', '=', who.party)]));
    return (await own.execute()).map(({ seq, shown_id, status }) => ({ seq: Number(seq), trade_id: shown_id, status }));
  }

  onUpdate(who: Identity, wake: () => void): () => void {
    return this.#bells.on('tradeToken' in who ? who.tradeToken.tradeId : who.party, wake);
  }

  /** Once an hour, when something happens: nobody has to remember to. */
  async #tidy(): Promise<void> {
    const now = this.#options.clock.nowSeconds();
    if (now - this.#tidiedAt < TIDY_SECONDS) return;
    this.#tidiedAt = now;
    await this.prune();
  }

  /** Throws away what is older than its time. */
  async prune(): Promise<void> {
    const { database, clock, keptSeconds } = this.#options;
    await database.tables
      .deleteFrom('trade_update')
      .where('at', '<', clock.nowSeconds() - keptSeconds)
      .execute();
  }

  close(): void {
    this.#stopListening();
    this.#bells.close();
  }
}

type Concerned = { trade_id: string; buyer: string | null; seller: string | null };

const namesOf = ({ trade_id, buyer, seller }: Concerned): string[] =>
  [trade_id, buyer, seller].filter((name) => name !== null);

async function lastStatus(tables: Kysely<CoordinatorTables>, tradeId: string): Promise<string | undefined> {
  const updates = tables.selectFrom('trade_update').select('status').where('trade_id', '=', tradeId);
  return (await updates.orderBy('seq', 'desc').limit(1).executeTakeFirst())?.status;
}

async function newestIn({ tables }: Database): Promise<number> {
  const newest = tables.selectFrom('trade_update').select('seq').orderBy('seq', 'desc').limit(1);
  return Number((await newest.executeTakeFirst())?.seq ?? 0);
}

async function concernedAfter({ tables }: Database, since: number): Promise<{ names: string[]; last: number }> {
  const rows = await tables
    .selectFrom('trade_update')
    .select(['seq', 'trade_id', 'buyer', 'seller'])
    .where('seq', '>', since)
    .orderBy('seq')
    .execute();
  return { names: [...new Set(rows.flatMap(namesOf))], last: Number(rows.at(-1)?.seq ?? since) };
}

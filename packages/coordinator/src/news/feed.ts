import type { Insertable, Kysely } from 'kysely';
import type { TradeUpdateWire } from 'sparkle-protocol/market/coordinator-wire';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Identity, Sides } from '../access/auth.ts';
import { Bells } from '../database/bells.ts';
import type { Database } from '../database/database.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';

/** The changes of trades that somebody may see, numbered so that each is told in order and after a pause none is missed. */
export type TradeFeed = {
  after(of: { who: Identity; since: number; limit: number }): Promise<TradeUpdateWire[]>;
  /** Calls `wake` when there may be more. */
  onUpdate(who: Identity, wake: () => void): () => void;
};

export type FeedOptions = { database: Database; clock: Clock; keptSeconds: number; log: Log };

/** One change: `shownId` is the id the parties know the trade by. */
export type Update = { tradeId: string; shownId: string; status: string; sides: Sides };

/** What is written with a change. */
type Also = (session: Kysely<CoordinatorTables>) => Promise<void>;
type Unwritten = { update: Update; also: Also | undefined; resolve: () => void; reject: (error: unknown) => void };

/** What instances tell each other when a trade has changed: whoever may hear of it follows. */
const UPDATE_OF = 'update ';
/** How often to look for changes of which nothing was heard: a word between instances can be lost. */
const LOOK_MILLISECONDS = 2_000;
const TIDY_SECONDS = 3_600;
const MOST_AT_ONCE = 100;

/** The changes of trades, kept so that a party who was away is told what he missed. */
export class Feed implements TradeFeed {
  readonly #options: FeedOptions;
  readonly #bells: Bells;
  readonly #stopListening: () => void;
  readonly #unwritten: Unwritten[] = [];
  #isWriting = false;
  #tidiedAt = 0;

  constructor(options: FeedOptions) {
    const { database, clock, log } = options;
    this.#options = options;
    this.#bells = new Bells({
      ...{ clock, everyMilliseconds: LOOK_MILLISECONDS, log },
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
   * so it may be told again after a restart. Those that come while others are being written are written together.
   */
  record(update: Update, also?: Also): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#unwritten.push({ update, also, resolve, reject });
      if (!this.#isWriting) void this.#write();
    });
  }

  /** Never rejects: whoever told of a change is told what became of it. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#unwritten.length > 0) {
      const some = this.#unwritten.splice(0, MOST_AT_ONCE);
      // What one of them writes beside may fail, and nobody else's shall fail with it.
      const isDone = await this.#append(some).then(
        () => true,
        () => false,
      );
      for (const one of some) await (isDone ? one.resolve() : this.#append([one]).then(one.resolve, one.reject));
    }
    this.#isWriting = false;
  }

  async #append(unwritten: readonly Unwritten[]): Promise<void> {
    await this.#tidy();
    const { database, clock } = this.#options;
    const at = clock.nowSeconds();
    const all = unwritten.map(({ update, also }) => {
      const { tradeId, shownId, status, sides } = update;
      const { buyer = null, seller = null } = sides;
      return { row: { trade_id: tradeId, shown_id: shownId, status, buyer, seller, at }, also };
    });
    // Others wait for whoever appends: most of what is told is nothing new.
    if ((await changed(database.tables, all)).length === 0) return;
    const fresh = await database.append(async (session) => {
      const news = await changed(session, all);
      if (news.length > 0)
        await session
          .insertInto('trade_update')
          .values(news.map(({ row }) => row))
          .execute();
      for (const { also } of news) await also?.(session);
      return news;
    });
    for (const { row } of fresh) database.announce(`${UPDATE_OF}${namesOf(row).join(' ')}`);
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

type Concerned = { trade_id: string; buyer?: string | null; seller?: string | null };

const namesOf = ({ trade_id, buyer, seller }: Concerned): string[] =>
  [trade_id, buyer, seller].filter((name) => name !== null && name !== undefined);

type Told = { row: Insertable<CoordinatorTables['trade_update']>; also: Also | undefined };

/** Those that say something else than what was told of their trade before. */
async function changed(tables: Kysely<CoordinatorTables>, all: readonly Told[]): Promise<Told[]> {
  const tradeIds = [...new Set(all.map(({ row }) => row.trade_id))];
  const last = tables.selectFrom('trade_update').where('trade_id', 'in', tradeIds).groupBy('trade_id');
  const rows = await tables
    .selectFrom('trade_update')
    .select(['trade_id', 'status'])
    .where(
      'seq',
      'in',
      last.select(({ fn }) => fn.max('seq').as('seq')),
    )
    .execute();
  const told = new Map(rows.map(({ trade_id, status }) => [trade_id, status]));
  return all.filter(({ row: { trade_id, status } }) => {
    const isNew = told.get(trade_id) !== status;
    told.set(trade_id, status);
    return isNew;
  });
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

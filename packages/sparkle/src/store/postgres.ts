import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import type { NetworkName } from '../protocol/network.ts';
import { isUnchanged } from '../protocol/trade/step.ts';
import type { MigrationSet, Tables } from './migrations.ts';
import { createAtOnce } from './postgres-create.ts';
import { openPostgres } from './postgres-database.ts';
import { isCollision, isUnavailable, stillColliding } from './postgres-errors.ts';
import {
  changeEffect,
  elsewhere,
  holdTrade,
  lockTrade,
  NEXT_TOKEN,
  releaseAll,
  releaseOne,
  takeFree,
  tradeOfEffect,
} from './postgres-leases.ts';
import { PostgresLink } from './postgres-link.ts';
import type { PostgresTables } from './postgres-migrations.ts';
import { assertSameTrade, duplicateTrade, unknownTrade } from './rules.ts';
import { committedTrades, dueOf, liveTrades, nextKeyIndex, reserve, reserved, rowOf, tradeOf, write } from './sql.ts';
import type { Change, Due, Store } from './store.ts';

/** Which database, and how this instance behaves in it; times in milliseconds, of the database's clock. */
export type PostgresOptions = {
  url: string;
  network: NetworkName;
  /** What operators call this instance. */
  instance?: string;
  /** How long this instance keeps its trades without a sign of life, 3000 unless given, and how often it gives one, 1000. */
  leaseMilliseconds?: number;
  renewMilliseconds?: number;
  /** Connections beside the one that renews the lease, 10 unless given. */
  connections?: number;
  /** How long an answer of the database may take before it counts as away, 10000 unless given. */
  patienceMilliseconds?: number;
};

const DEFAULTS = {
  instance: '',
  leaseMilliseconds: 3_000,
  renewMilliseconds: 1_000,
  connections: 10,
  patienceMilliseconds: 10_000,
};

/** As often something is tried that met another transaction. */
const MOST_TRIES = 10;

type Session = Transaction<PostgresTables>;
type Open = { db: Kysely<PostgresTables>; link: PostgresLink };

/** The queries that know nothing of leases are those of every SQL store. */
const plain = <Executor extends Kysely<PostgresTables>>(db: Executor) =>
  db as unknown as Executor extends Session ? Transaction<Tables> : Kysely<Tables>;

/**
 * Trades in the schema `sparkle` of a PostgreSQL database, for any number of instances: each trade is in the hands of one,
 * and passes to another when that one is closed or gives no sign of life. What is answered is on disk there. Any call throws
 * `store_unavailable` while the database is away; whether a change was written whose answer was lost, `load` tells.
 */
export async function postgresStore(options: PostgresOptions): Promise<Store> {
  return (await openPostgresStore(options)).store;
}

/** Any number will do, as long as no other program takes it: the letters SPRF. */
const FITTING_LOCK = 0x53505246;

/** As `postgresStore`, with what lies under it, for a program that keeps tables of its own in the same database. */
export async function openPostgresStore(
  options: PostgresOptions & { further?: MigrationSet },
): Promise<Open & { store: Store }> {
  const given = { ...DEFAULTS, ...options };
  const db = await openPostgres(given);
  try {
    const link = await PostgresLink.open(given);
    return { db, link, store: storeOf({ db, link }) };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

function storeOf(open: Open): Store {
  const { db, link } = open;
  const given: Given = new Map();
  let closing: Promise<void> | undefined;
  return {
    ...changes(open, given),
    ...reads(open),
    ...outbox(open, given),
    reserve: (tradeId, outpoints, assertFits) =>
      changing(db, async (session) => {
        // Until the end of the transaction: whoever counts next sees what this one keeps.
        if (assertFits !== undefined) await sql`select pg_advisory_xact_lock(${FITTING_LOCK})`.execute(session);
        // Locked first: a trade that ended meanwhile would keep its coins for ever.
        await lockTrade(session, { me: link.id, tradeId });
        await holdTrade(session, { me: link.id, tradeId });
        await reserve(plain(session), tradeId, outpoints, assertFits);
      }),
    reserved: () => reserved(plain(db)),
    nextKeyIndex: () => asking(() => nextKeyIndex(plain(db))),
    subscribe: (listener) => link.subscribe(listener),
    want: (tradeId) => link.want(tradeId),
    release: async (tradeId) => {
      if (await asking(() => releaseOne(db, { me: link.id, tradeId }))) link.tell({ freed: true });
    },
    close: () => (closing ??= close(open)),
  };
}

/** The token under which each effect was handed out: whoever lost the trade since then does not speak for it any more. */
type Given = Map<string, number>;

/** Two that met are told apart by trying again: then the first one's work is there to be seen. */
async function asking<Answer>(work: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 1; ; tries += 1)
    try {
      return await work();
    } catch (error) {
      if (tries === MOST_TRIES || !isCollision(error)) throw stillColliding(error);
    }
}

/** All of it or nothing. */
const changing = <Answer>(db: Kysely<PostgresTables>, work: (session: Session) => Promise<Answer>): Promise<Answer> =>
  asking(() => db.transaction().execute(work));

function changes({ db, link }: Open, given: Given): Pick<Store, 'create' | 'update'> {
  const me = link.id;
  const handOut = (tradeId: string, token: number, due: Due[]): Due[] => {
    for (const { key } of due) given.set(key, token);
    link.tell({ changed: tradeId });
    return due;
  };
  return {
    async create(change) {
      const { tradeId } = change.trade;
      const made =
        (await createAtOnce(db, change, me)) ?? (await changing(db, (session) => create(session, change, me)));
      const { due, token } = made;
      return handOut(tradeId, token, due);
    },
    async update(tradeId, change) {
      const { trade, due, token } = await changing(db, (session) => update(session, { tradeId, change, me }));
      return { trade, due: handOut(tradeId, token, due) };
    },
  };
}

async function create(session: Session, change: Change, me: number): Promise<{ due: Due[]; token: number }> {
  const { tradeId } = change.trade;
  let token = 0;
  const due = await write(plain(session), { change, before: undefined }, async (row) => {
    const values = { trade_id: tradeId, ...row, holder: me, token: NEXT_TOKEN };
    const written = await session
      .insertInto('trade')
      .values(values)
      .onConflict((known) => known.column('trade_id').doNothing())
      .returning('token')
      .$narrowType<{ token: number }>()
      .executeTakeFirst();
    if (written === undefined) throw duplicateTrade({ what: 'trade id', value: tradeId, tradeId, holder: tradeId });
    ({ token } = written);
  });
  return { due, token };
}

type Update = { tradeId: string; change: Parameters<Store['update']>[1]; me: number };

async function update(session: Session, { tradeId, change, me }: Update) {
  const row = await lockTrade(session, { me, tradeId });
  if (row === undefined) throw unknownTrade(tradeId);
  const isMine = row.holder === me;
  if (!isMine && !row.isFree) throw elsewhere(tradeId);
  const current = tradeOf(row);
  const next = change(current);
  assertSameTrade(tradeId, next.trade);
  if (isMine && row.token !== null && isUnchanged(current, next)) return { trade: current, due: [], token: row.token };
  let token = row.token ?? 0;
  const due = await write(plain(session), { change: next, before: current }, async (state) => {
    const written = await session
      .updateTable('trade')
      .set({ ...state, holder: me, token: isMine ? row.token : NEXT_TOKEN })
      .where('trade_id', '=', tradeId)
      .where('token', 'is not distinct from', row.token)
      .returning('token')
      .$narrowType<{ token: number }>()
      .executeTakeFirst();
    if (written === undefined) throw elsewhere(tradeId);
    ({ token } = written);
  });
  return { trade: next.trade, due, token };
}

function reads({ db, link }: Open): Pick<Store, 'load' | 'live' | 'liveAnywhere' | 'committed' | 'all'> {
  const me = link.id;
  const bodies = db.selectFrom('trade').select('body').orderBy('seq');
  return {
    load: (tradeId) =>
      asking(async () => {
        const row = await rowOf(plain(db), tradeId);
        return row === undefined ? undefined : tradeOf(row);
      }),
    live: () =>
      asking(async () => {
        await takeFree(db, { me, which: 'live' });
        return (await bodies.where('ended', '=', 0).where('holder', '=', me).execute()).map(tradeOf);
      }),
    liveAnywhere: () => liveTrades(plain(db)),
    committed: () => committedTrades(plain(db)),
    all: () => asking(async () => (await bodies.execute()).map(tradeOf)),
  };
}

function outbox({ db, link }: Open, given: Given): Pick<Store, 'due' | 'done' | 'postpone'> {
  const me = link.id;
  const pending = db
    .selectFrom('effect')
    .innerJoin('trade', 'trade.trade_id', 'effect.trade_id')
    .select(['effect.key', 'effect.trade_id', 'effect.body', 'effect.attempts', 'effect.not_before', 'trade.token'])
    .where('effect.body', 'is not', null)
    .where('trade.holder', '=', me)
    .orderBy('effect.seq');
  const change = (key: string, set: RawBuilder<unknown>): Promise<void> =>
    asking(async () => {
      const token = given.get(key) ?? (await holdTrade(db, { me, tradeId: await tradeOfEffect(db, key) })) ?? 0;
      if (await changeEffect(db, { key, me, token, set })) return;
      given.delete(key);
      throw elsewhere(await tradeOfEffect(db, key));
    });
  return {
    due: (tradeId) =>
      asking(async () => {
        if (tradeId === undefined) await takeFree(db, { me, which: 'due' });
        else if ((await holdTrade(db, { me, tradeId })) === undefined) return [];
        const rows = await (tradeId === undefined ? pending : pending.where('effect.trade_id', '=', tradeId)).execute();
        for (const { key, token } of rows) given.set(key, token ?? 0);
        return rows.map(dueOf);
      }),
    done: async (key) => {
      await change(key, sql`body = null`);
      given.delete(key);
    },
    postpone: (key, notBefore) => change(key, sql`attempts = attempts + 1, not_before = ${notBefore}`),
  };
}

/** Frees the trades at once, if it can: a database that is away frees them itself when the lease runs out. */
async function close({ db, link }: Open): Promise<void> {
  await releaseAll(db, link.id).catch((error: unknown) => {
    if (!isUnavailable(error)) throw error;
  });
  await link.close();
  await db.destroy();
}

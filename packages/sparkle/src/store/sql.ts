import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decodeState, encodeState } from '../protocol/json.ts';
import type { Effect, KeyedEffect } from '../protocol/trade/effect.ts';
import { isUnchanged, type Trade } from '../protocol/trade/step.ts';
import type { Tables } from './migrations.ts';
import {
  assertSameTrade,
  type Claims,
  claimsOf,
  duplicateTrade,
  endedTrade,
  unknownEffect,
  unknownTrade,
} from './rules.ts';
import type { Change, Due, Store } from './store.ts';

type Session = Transaction<Tables>;

export const tradeOf = ({ body }: { body: string }): Trade => decodeState(body) as Trade;

export const dueOf = (row: Omit<Selectable<Tables['effect']>, 'seq'>): Due => ({
  key: row.key,
  effect: decodeState(row.body ?? '') as Effect,
  tradeId: row.trade_id,
  attempts: row.attempts,
  notBefore: row.not_before,
});

/** Throws `duplicate_trade` for a lock that another live trade has. */
async function assertFreeLock(session: Session, tradeId: string, lockOutpoint: string): Promise<void> {
  const other = await session
    .selectFrom('trade')
    .select('trade_id')
    .where('lock_outpoint', '=', lockOutpoint)
    .where('ended', '=', 0)
    .where('trade_id', '!=', tradeId)
    .executeTakeFirst();
  if (other === undefined) return;
  throw duplicateTrade({ what: 'lock outpoint', value: lockOutpoint, tradeId, holder: other.trade_id });
}

/** Notes whose a payment hash is, for ever. Throws `duplicate_trade` for another's. */
async function takeHash(session: Session, tradeId: string, paymentHash: string): Promise<void> {
  const { numInsertedOrUpdatedRows } = await session
    .insertInto('payment_hash')
    .values({ payment_hash: paymentHash, trade_id: tradeId })
    .onConflict((taken) => taken.doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 1n) return;
  const { trade_id: holder } = await session
    .selectFrom('payment_hash')
    .select('trade_id')
    .where('payment_hash', '=', paymentHash)
    .executeTakeFirstOrThrow();
  if (holder !== tradeId) throw duplicateTrade({ what: 'payment hash', value: paymentHash, tradeId, holder });
}

/** What a trade's row says of its state, whoever writes it. */
type TradeRow = { ended: number; committed: number; lock_outpoint: string | null; body: string };

/**
 * The state and what is due because of it; the caller's transaction makes both true at once, and `put` writes the row.
 * What the trade claimed `before` is its own already. Throws `duplicate_trade` for what another trade has; one who writes
 * at the same moment runs into a unique index instead.
 */
export async function write(
  session: Session,
  { change, before }: { change: Change; before: Trade | undefined },
  put: (row: TradeRow) => Promise<unknown>,
): Promise<Due[]> {
  const { trade, effects } = change;
  const { tradeId } = trade;
  const claims = claimsOf(trade);
  const had: Partial<Claims> = before === undefined ? {} : claimsOf(before);
  const { lockOutpoint, paymentHash } = claims;
  if (lockOutpoint !== undefined && lockOutpoint !== had.lockOutpoint)
    await assertFreeLock(session, tradeId, lockOutpoint);
  const [ended, committed] = [claims.ended ? 1 : 0, claims.committed ? 1 : 0];
  await put({ ended, committed, lock_outpoint: lockOutpoint ?? null, body: encodeState(trade) });
  if (paymentHash !== undefined && paymentHash !== had.paymentHash) await takeHash(session, tradeId, paymentHash);
  if (claims.ended) await session.deleteFrom('coin').where('trade_id', '=', tradeId).execute();
  return decide(session, tradeId, effects);
}

type Reserving = Parameters<Store['reserve']>;

/** The live trades but this one for which coins are kept. */
async function keepingTrades(session: Session, tradeId: string): Promise<Trade[]> {
  const live = session.selectFrom('trade').select('body').where('ended', '=', NOT_ENDED);
  const others = live.where('trade_id', '!=', tradeId).orderBy('seq');
  return (await others.where('trade_id', 'in', session.selectFrom('coin').select('trade_id')).execute()).map(tradeOf);
}

/** Keeps coins for a trade; whoever reaches for the same ones at the same moment waits for the other's end of transaction. */
export async function reserve(session: Session, ...[tradeId, outpoints, assertFits]: Reserving): Promise<void> {
  const row = await session.selectFrom('trade').select('ended').where('trade_id', '=', tradeId).executeTakeFirst();
  if (row === undefined) throw unknownTrade(tradeId);
  if (row.ended === 1) throw endedTrade(tradeId);
  assertFits?.(await keepingTrades(session, tradeId));
  // In one order for all, so that two never wait for each other.
  const wanted = [...new Set(outpoints)].toSorted();
  if (wanted.length === 0) return;
  const kept = await session
    .insertInto('coin')
    .values(wanted.map((outpoint) => ({ outpoint, trade_id: tradeId })))
    .onConflict((taken) =>
      taken.column('outpoint').doUpdateSet({ trade_id: tradeId }).where('coin.trade_id', '=', tradeId),
    )
    .returning('outpoint')
    .execute();
  const value = wanted.find((outpoint) => !kept.some((coin) => coin.outpoint === outpoint));
  if (value === undefined) return;
  const holder = await session
    .selectFrom('coin')
    .select('trade_id')
    .where('outpoint', '=', value)
    .executeTakeFirstOrThrow();
  throw duplicateTrade({ what: 'coin', value, tradeId, holder: holder.trade_id });
}

export async function reserved(db: Kysely<Tables>): Promise<Map<string, string>> {
  const rows = await db.selectFrom('coin').selectAll().execute();
  return new Map(rows.map(({ outpoint, trade_id: tradeId }) => [outpoint, tradeId]));
}

/** In the text of the query: of a parameter SQLite does not know that an index of the live trades alone will do. */
const NOT_ENDED = sql.lit(0);

export async function liveTrades(db: Kysely<Tables>): Promise<Trade[]> {
  const rows = await db.selectFrom('trade').select('body').where('ended', '=', NOT_ENDED).orderBy('seq').execute();
  return rows.map(tradeOf);
}

export async function committedTrades(db: Kysely<Tables>): Promise<Trade[]> {
  const live = db.selectFrom('trade').select('body').where('ended', '=', NOT_ENDED);
  return (await live.where('committed', '=', 1).orderBy('seq').execute()).map(tradeOf);
}

async function decide(session: Session, tradeId: string, effects: KeyedEffect[]): Promise<Due[]> {
  if (effects.length === 0) return [];
  const rows = effects.map(({ key, effect }) => ({ key, body: encodeState(effect), attempts: 0, not_before: 0 }));
  const stored = await session
    .insertInto('effect')
    .values(rows.map((row) => ({ ...row, trade_id: tradeId })))
    .onConflict((known) => known.column('key').doNothing())
    .returning('key')
    .execute();
  const fresh = new Set(stored.map(({ key }) => key));
  // A key that came twice is due once.
  return effects
    .filter(({ key }) => fresh.delete(key))
    .map(({ key, effect }) => ({ key, effect, tradeId, attempts: 0, notBefore: 0 }));
}

export async function rowOf(session: Kysely<Tables>, tradeId: string): Promise<{ body: string } | undefined> {
  return session.selectFrom('trade').select('body').where('trade_id', '=', tradeId).executeTakeFirst();
}

/** A store on an open database that this process alone writes to; `close` closes the database. */
export const storeOn = (db: Kysely<Tables>): Store => ({
  ...trades(db),
  ...outbox(db),
  reserve: (...of) => db.transaction().execute((session) => reserve(session, ...of)),
  reserved: () => reserved(db),
  nextKeyIndex: () => nextKeyIndex(db),
  close: () => db.destroy(),
});

/** Throws `duplicate_trade` for a trade that is there. */
async function insert(session: Session, tradeId: string, row: TradeRow): Promise<void> {
  const { numInsertedOrUpdatedRows } = await session
    .insertInto('trade')
    .values({ trade_id: tradeId, ...row })
    .onConflict((known) => known.column('trade_id').doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows !== 1n)
    throw duplicateTrade({ what: 'trade id', value: tradeId, tradeId, holder: tradeId });
}

const put = (session: Session, tradeId: string, row: TradeRow): Promise<unknown> =>
  session.updateTable('trade').set(row).where('trade_id', '=', tradeId).execute();

function trades(
  db: Kysely<Tables>,
): Pick<Store, 'create' | 'update' | 'load' | 'live' | 'liveAnywhere' | 'committed' | 'all'> {
  return {
    create: (change) =>
      db
        .transaction()
        .execute((session) =>
          write(session, { change, before: undefined }, (row) => insert(session, change.trade.tradeId, row)),
        ),
    update: (tradeId, change) =>
      db.transaction().execute(async (session) => {
        const row = await rowOf(session, tradeId);
        if (row === undefined) throw unknownTrade(tradeId);
        const current = tradeOf(row);
        const next = change(current);
        assertSameTrade(tradeId, next.trade);
        if (isUnchanged(current, next)) return { trade: current, due: [] };
        return {
          trade: next.trade,
          due: await write(session, { change: next, before: current }, (row) => put(session, tradeId, row)),
        };
      }),
    async load(tradeId) {
      const row = await rowOf(db, tradeId);
      return row === undefined ? undefined : tradeOf(row);
    },
    live: () => liveTrades(db),
    liveAnywhere: () => liveTrades(db),
    committed: () => committedTrades(db),
    all: async () => (await db.selectFrom('trade').select('body').orderBy('seq').execute()).map(tradeOf),
  };
}

function outbox(db: Kysely<Tables>): Pick<Store, 'due' | 'done' | 'postpone'> {
  const columns = ['key', 'trade_id', 'body', 'attempts', 'not_before'] as const;
  return {
    async due(tradeId) {
      const pending = db.selectFrom('effect').select(columns).where('body', 'is not', null).orderBy('seq');
      const rows = await (tradeId === undefined ? pending : pending.where('trade_id', '=', tradeId)).execute();
      return rows.map(dueOf);
    },
    async done(key) {
      const { numUpdatedRows } = await db
        .updateTable('effect')
        .set({ body: null })
        .where('key', '=', key)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw unknownEffect(key);
    },
    async postpone(key, notBefore) {
      const { numUpdatedRows } = await db
        .updateTable('effect')
        .set((row) => ({ attempts: row('attempts', '+', 1), not_before: notBefore }))
        .where('key', '=', key)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw unknownEffect(key);
    },
  };
}

export async function nextKeyIndex(db: Kysely<Tables>): Promise<number> {
  const { next } = await db
    .insertInto('counter')
    .values({ name: 'key_index', next: 1 })
    .onConflict((known) => known.column('name').doUpdateSet((row) => ({ next: row('counter.next', '+', 1) })))
    .returning('next')
    .executeTakeFirstOrThrow();
  return next - 1;
}

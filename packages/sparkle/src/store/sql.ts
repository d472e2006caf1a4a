import { type Kysely, type Selectable, sql, type Transaction } from 'kysely';
import { decodeState, encodeState } from '../protocol/json.ts';
import type { Effect, KeyedEffect } from '../protocol/trade/effect.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Tables } from './migrations.ts';
import {
  assertSameTrade,
  type Claims,
  claimsOf,
  duplicateTrade,
  endedTrade,
  isUnchanged,
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

async function assertFree(
  session: Session,
  tradeId: string,
  { paymentHash, lockOutpoint }: Claims,
): Promise<{ isNewHash: boolean }> {
  const byHash =
    paymentHash === undefined
      ? undefined
      : await session
          .selectFrom('payment_hash')
          .select('trade_id')
          .where('payment_hash', '=', paymentHash)
          .executeTakeFirst();
  if (paymentHash !== undefined && byHash !== undefined && byHash.trade_id !== tradeId)
    throw duplicateTrade({ what: 'payment hash', value: paymentHash, tradeId, holder: byHash.trade_id });
  const isNewHash = byHash === undefined;
  if (lockOutpoint === undefined) return { isNewHash };
  const byLock = await session
    .selectFrom('trade')
    .select('trade_id')
    .where('lock_outpoint', '=', lockOutpoint)
    .where('ended', '=', 0)
    .where('trade_id', '!=', tradeId)
    .executeTakeFirst();
  if (byLock !== undefined)
    throw duplicateTrade({ what: 'lock outpoint', value: lockOutpoint, tradeId, holder: byLock.trade_id });
  return { isNewHash };
}

/** What a trade's row says of its state, whoever writes it. */
type TradeRow = { ended: number; committed: number; lock_outpoint: string | null; body: string };

/**
 * The state and what is due because of it; the caller's transaction makes both true at once, and `put` writes the row.
 * Throws `duplicate_trade` for what another trade has; one who writes at the same moment runs into a unique index instead.
 */
export async function write(
  session: Session,
  change: Change,
  put: (row: TradeRow) => Promise<unknown>,
): Promise<Due[]> {
  const { trade, effects } = change;
  const { tradeId } = trade;
  const claims = claimsOf(trade);
  const { isNewHash } = await assertFree(session, tradeId, claims);
  const [ended, committed] = [claims.ended ? 1 : 0, claims.committed ? 1 : 0];
  await put({ ended, committed, lock_outpoint: claims.lockOutpoint ?? null, body: encodeState(trade) });
  if (isNewHash && claims.paymentHash !== undefined)
    await session.insertInto('payment_hash').values({ payment_hash: claims.paymentHash, trade_id: tradeId }).execute();
  if (claims.ended) await session.deleteFrom('coin').where('trade_id', '=', tradeId).execute();
  return decide(session, tradeId, effects);
}

/** Keeps coins for a trade; whoever reaches for the same ones at the same moment waits for the other's end of transaction. */
export async function reserve(session: Session, tradeId: string, outpoints: readonly string[]): Promise<void> {
  const row = await session.selectFrom('trade').select('ended').where('trade_id', '=', tradeId).executeTakeFirst();
  if (row === undefined) throw unknownTrade(tradeId);
  if (row.ended === 1) throw endedTrade(tradeId);
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
  reserve: (tradeId, outpoints) => db.transaction().execute((session) => reserve(session, tradeId, outpoints)),
  reserved: () => reserved(db),
  nextKeyIndex: () => nextKeyIndex(db),
  close: () => db.destroy(),
});

const put = (session: Session, tradeId: string, row: TradeRow): Promise<unknown> =>
  session
    .insertInto('trade')
    .values({ trade_id: tradeId, ...row })
    .onConflict((known) => known.column('trade_id').doUpdateSet(row))
    .execute();

function trades(
  db: Kysely<Tables>,
): Pick<Store, 'create' | 'update' | 'load' | 'live' | 'liveAnywhere' | 'committed' | 'all'> {
  return {
    create: (change) =>
      db.transaction().execute(async (session) => {
        const { tradeId } = change.trade;
        if ((await rowOf(session, tradeId)) !== undefined)
          throw duplicateTrade({ what: 'trade id', value: tradeId, tradeId, holder: tradeId });
        return write(session, change, (row) => put(session, tradeId, row));
      }),
    update: (tradeId, change) =>
      db.transaction().execute(async (session) => {
        const row = await rowOf(session, tradeId);
        if (row === undefined) throw unknownTrade(tradeId);
        const current = tradeOf(row);
        const next = change(current);
        assertSameTrade(tradeId, next.trade);
        if (isUnchanged(current, next)) return { trade: current, due: [] };
        return { trade: next.trade, due: await write(session, next, (row) => put(session, tradeId, row)) };
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

import { type Kysely, type RawBuilder, sql, type Transaction } from 'kysely';
import { SparkleError } from '../protocol/errors.ts';
import type { PostgresTables } from './postgres-migrations.ts';
import { unknownEffect } from './rules.ts';

type Db = Kysely<PostgresTables>;

export const NEXT_TOKEN = sql<number>`nextval('fencing_token')`;

export const elsewhere = (tradeId: string): SparkleError =>
  new SparkleError('elsewhere', `trade ${tradeId} must be in the hands of this instance; another holds it`, {
    tradeId,
  });

/**
 * Nobody's: never held, released, or of an instance whose lease ran out. Says nothing of instances that are unknown yet, so
 * that a row that changed hands while we waited for its lock is not taken from an instance that has only just begun.
 */
export const isFree = (me: number): RawBuilder<boolean> => sql<boolean>`(
  trade.holder is null
  or trade.holder in (select id from instance where id <> ${me} and expires_at <= clock_timestamp()))`;

/** Takes every trade that is free and has not ended, or has ended and still has something to do. What another is just about to take is left to him. */
export async function takeFree(db: Db, { me, which }: { me: number; which: 'live' | 'due' }): Promise<void> {
  const wanted =
    which === 'live'
      ? sql`trade.ended = 0`
      : sql`trade.trade_id in (select trade_id from effect where body is not null)`;
  await sql`
    with free as (
      select trade_id from trade where ${wanted} and ${isFree(me)} order by seq for update skip locked)
    update trade set holder = ${me}, token = ${NEXT_TOKEN} from free where trade.trade_id = free.trade_id`.execute(db);
}

/**
 * The token under which this instance holds the trade, taken now when it is free; `undefined` when there is no such trade.
 * Throws `elsewhere`.
 */
export async function holdTrade(db: Db, { me, tradeId }: { me: number; tradeId: string }): Promise<number | undefined> {
  const known = await db
    .selectFrom('trade')
    .select(['holder', 'token'])
    .where('trade_id', '=', tradeId)
    .executeTakeFirst();
  if (known === undefined) return undefined;
  if (known.holder === me && known.token !== null) return known.token;
  const { rows } = await sql<{ token: number }>`
    update trade set holder = ${me}, token = case when holder = ${me} then token else ${NEXT_TOKEN} end
    where trade_id = ${tradeId} and (holder = ${me} or ${isFree(me)}) returning token`.execute(db);
  const [row] = rows;
  if (row === undefined) throw elsewhere(tradeId);
  return row.token;
}

/** The trade that decided the effect. Throws `bad_state` when none did. */
export async function tradeOfEffect(db: Db, key: string): Promise<string> {
  const row = await db.selectFrom('effect').select('trade_id').where('key', '=', key).executeTakeFirst();
  if (row === undefined) throw unknownEffect(key);
  return row.trade_id;
}

/**
 * Changes an effect under a token and answers whether that token was still the trade's. The lock on the trade's row keeps its
 * hands what they are until this is written.
 */
export async function changeEffect(
  db: Db,
  { key, me, token, set }: { key: string; me: number; token: number; set: RawBuilder<unknown> },
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    with held as (
      select trade_id from trade
      where trade_id = (select trade_id from effect where key = ${key}) and holder = ${me} and token = ${token}
      for share)
    update effect set ${set} where key = ${key} and trade_id in (select trade_id from held)`.execute(db);
  return numAffectedRows === 1n;
}

/** Gives up everything at once: from now on it is anybody's. What has ended and has nothing to do is nobody's business. */
export async function releaseAll(db: Db, me: number): Promise<void> {
  await sql`
    with gone as (update instance set expires_at = '-infinity' where id = ${me})
    update trade set holder = null
    where holder = ${me}
      and (ended = 0 or trade_id in (select trade_id from effect where body is not null))`.execute(db);
}

/** Gives up one trade, and answers whether it was ours. */
export async function releaseOne(db: Db, { me, tradeId }: { me: number; tradeId: string }): Promise<boolean> {
  const all = db.updateTable('trade').set({ holder: null });
  const { numUpdatedRows } = await all.where('trade_id', '=', tradeId).where('holder', '=', me).executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** A trade's row, locked for this transaction. */
export async function lockTrade(
  session: Transaction<PostgresTables>,
  { me, tradeId }: { me: number; tradeId: string },
) {
  return session
    .selectFrom('trade')
    .select(['body', 'holder', 'token', isFree(me).as('isFree')])
    .where('trade_id', '=', tradeId)
    .forUpdate()
    .executeTakeFirst();
}

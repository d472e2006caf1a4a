import { type Kysely, sql } from 'kysely';
import { encodeState } from '../protocol/json.ts';
import { isCollision } from './postgres-errors.ts';
import { NEXT_TOKEN } from './postgres-leases.ts';
import type { PostgresTables } from './postgres-migrations.ts';
import { claimsOf } from './rules.ts';
import type { Change, Due } from './store.ts';

/**
 * A new trade with all that belongs to it in one statement, where a transaction would ask five times: all of it or nothing.
 * `undefined` where something of it is there already, or might be: then nothing was written, and a transaction tells what.
 */
export async function createAtOnce(
  db: Kysely<PostgresTables>,
  { trade, effects }: Change,
  me: number,
): Promise<{ due: Due[]; token: number } | undefined> {
  const { tradeId } = trade;
  const { ended, committed, paymentHash = null, lockOutpoint } = claimsOf(trade);
  if (lockOutpoint !== undefined) return undefined;
  const keys = effects.map(({ key }) => key);
  const bodies = effects.map(({ effect }) => encodeState(effect));
  const made = sql<{ token: number; stored: string[] }>`
    with made as (
      insert into trade (trade_id, ended, committed, body, holder, token)
      values (${tradeId}, ${ended ? 1 : 0}, ${committed ? 1 : 0}, ${encodeState(trade)}, ${me}, ${NEXT_TOKEN})
      returning token),
    taken as (
      insert into payment_hash (payment_hash, trade_id)
      select hash, ${tradeId} from (values (${paymentHash}::text)) as one (hash) where hash is not null),
    outbox as (
      insert into effect (key, trade_id, body, attempts, not_before)
      select key, ${tradeId}, body, 0, 0
      from unnest(${keys}::text[], ${bodies}::text[]) with ordinality as decided (key, body, place)
      order by place
      on conflict (key) do nothing
      returning key)
    select token, array(select key from outbox) as stored from made`;
  try {
    const { rows } = await made.execute(db);
    const [row] = rows;
    if (row === undefined) return undefined;
    const fresh = new Set(row.stored);
    const due = effects.filter(({ key }) => fresh.delete(key));
    return { token: row.token, due: due.map((each) => ({ ...each, tradeId, attempts: 0, notBefore: 0 })) };
  } catch (error) {
    if (isCollision(error)) return undefined;
    throw error;
  }
}

import type { PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { type ClientBase, Pool, type PoolClient, types } from 'pg';
import { SparkleError } from '../protocol/errors.ts';
import { explained } from './postgres-errors.ts';

const INT8 = 20;

function readInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new SparkleError('bad_amount', `a number of the database must be a safe integer; got ${text}`);
  return value;
}

/** Whole numbers come as numbers, where `pg` would give text: none here may be larger than 2^53 - 1. */
const readers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? readInt8 : types.getTypeParser(oid, format as 'text'),
} as typeof types;

/** How long the server lets a lock be waited for, and an instance that stopped in mid-transaction keep its rows. */
const LOCK_MILLISECONDS = 5_000;
const IDLE_MILLISECONDS = 3_000;
const CONNECT_MILLISECONDS = 5_000;

/** What every connection of ours has, whatever the server's settings say: a commit is on disk before it is answered. */
export const connectionSettings = `
  set search_path = sparkle;
  set default_transaction_isolation = 'read committed';
  set lock_timeout = ${LOCK_MILLISECONDS};
  set idle_in_transaction_session_timeout = ${IDLE_MILLISECONDS};
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off'`;

/** Begins as `pg` itself says that a connection is gone: it is. */
const LATE = 'Connection terminated: no answer in time';

/** How to reach a database; `patienceMilliseconds` is how long an answer may take before its connection is given up. */
export type Reach = { url: string; patienceMilliseconds: number };

export const clientConfig = ({ url }: Reach) => ({
  connectionString: url,
  connectionTimeoutMillis: CONNECT_MILLISECONDS,
  // A server that vanished without a word is noticed although nothing is asked.
  keepAlive: true,
  types: readers,
  application_name: 'sparkle',
});

/** A connection that broke tells whoever uses it; to whom nobody listens, `EventEmitter` ends the process. */
export const survive = (emitter: { on(name: 'error', listener: () => void): unknown }): unknown =>
  emitter.on('error', () => undefined);

/**
 * Connections for Kysely, whose failures are told as the store's callers know them. One whose answer does not come in time is closed and never used again: it may be within a
 * transaction that is half done, which its next user would commit.
 */
export function boundedPool(reach: Reach & { connections: number }): PostgresPool {
  const onConnect = async (client: ClientBase): Promise<void> => {
    survive(client);
    await client.query(connectionSettings);
  };
  const pool = new Pool({ ...clientConfig(reach), max: reach.connections, onConnect });
  survive(pool);
  return {
    connect: () =>
      pool.connect().then(
        (client) => lent(client, reach.patienceMilliseconds),
        (error: unknown) => Promise.reject(explained(error)),
      ),
    end: () => answerWithin(reach.patienceMilliseconds, pool.end()).catch(unlessLate),
  };
}

/** Waits for an answer no longer than `milliseconds`. */
export async function answerWithin<Answer>(milliseconds: number, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(LATE)), milliseconds);
  });
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

const isLate = (error: unknown): boolean => error instanceof Error && error.message === LATE;

/** A goodbye that is not answered in time is not waited for: the server ends a connection that is silent. */
function unlessLate(error: unknown): void {
  if (!isLate(error)) throw error;
}

function lent(client: PoolClient, patienceMilliseconds: number): PostgresPoolClient {
  let late: unknown;
  const query = async <Row>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<Row>> => {
    if (late !== undefined) throw late;
    try {
      return (await answerWithin(
        patienceMilliseconds,
        client.query(text, [...values]),
      )) as unknown as PostgresQueryResult<Row>;
    } catch (error) {
      const told = explained(error);
      if (isLate(error)) late = told;
      throw told;
    }
  };
  // Nothing here reads by cursor, the other way to call `query`.
  return { query: query as PostgresPoolClient['query'], release: () => client.release(late !== undefined) };
}

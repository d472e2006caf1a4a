import { type Kysely, sql } from 'kysely';
import pLimit from 'p-limit';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { openPostgresStore } from 'sparkle-protocol/store/postgres';
import { backupPostgres } from './backup-postgres.ts';
import type { Database } from './database.ts';
import { coordinatorTables, type CoordinatorTables } from './migrations/all.ts';
import { wordsOf } from './words.ts';

/** Any number will do, as long as no other program takes it: the letters SPRA. */
const APPEND_LOCK = 0x53505241;
/**
 * Of this instance one appends, and one is ready to. More would only wait for the lock, each with a connection in its hand: whoever
 * posts letters in a rush would keep the trades from theirs.
 */
const MOST_APPENDING = 2;

/** Both table sets in the schema `sparkle` of one database, over the same connections; any number of instances may open it. */
export async function openPostgres(of: { url: string; network: NetworkName; instance: string }): Promise<Database> {
  const { db, link, store } = await openPostgresStore({ ...of, further: coordinatorTables('postgres') });
  const tables = db as unknown as Kysely<CoordinatorTables>;
  const appending = pLimit(MOST_APPENDING);
  return {
    dialect: 'postgres',
    store,
    tables,
    append: (work) =>
      appending(() =>
        tables.transaction().execute(async (session) => {
          // Numbers are given out before they are committed: without this a smaller one could appear after a larger one.
          await sql`select pg_advisory_xact_lock(${APPEND_LOCK})`.execute(session);
          return work(session);
        }),
      ),
    ...wordsOf(link),
    backup: async (path) => void (await backupPostgres({ url: of.url, path })),
    close: () => store.close(),
  };
}

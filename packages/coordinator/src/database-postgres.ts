import { type Kysely, sql } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { openPostgresStore } from 'sparkle-protocol/store/postgres';
import type { Database } from './database.ts';
import { coordinatorTables, type CoordinatorTables } from './migrations/all.ts';
import { wordsOf } from './words.ts';

/** Any number will do, as long as no other program takes it: the letters SPRA. */
const APPEND_LOCK = 0x53505241;

/** The address without its password, as it may be shown; `pg_dump` asks for it, or finds it in PGPASSWORD or ~/.pgpass. */
function shownUrl(url: string): string {
  const shown = new URL(url);
  shown.password = '';
  return shown.href;
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The server's own program copies it consistently while everything goes on; nothing here would do it better. */
const backupRefused = (url: string, path: string): SparkleError =>
  new SparkleError(
    'not_supported',
    'a backup of PostgreSQL is made by its own program, also while the coordinator runs: ' +
      `pg_dump --format=custom --schema=sparkle --file=${quoted(path)} ${quoted(shownUrl(url))}`,
    { path },
  );

/** Both table sets in the schema `sparkle` of one database, over the same connections; any number of instances may open it. */
export async function openPostgres(of: { url: string; network: NetworkName; instance: string }): Promise<Database> {
  const { db, link, store } = await openPostgresStore({ ...of, further: coordinatorTables('postgres') });
  const tables = db as unknown as Kysely<CoordinatorTables>;
  return {
    dialect: 'postgres',
    store,
    tables,
    append: (work) =>
      tables.transaction().execute(async (session) => {
        // Numbers are given out before they are committed: without this a smaller one could appear after a larger one.
        await sql`select pg_advisory_xact_lock(${APPEND_LOCK})`.execute(session);
        return work(session);
      }),
    ...wordsOf(link),
    backup: async (path) => {
      throw backupRefused(of.url, path);
    },
    close: () => store.close(),
  };
}

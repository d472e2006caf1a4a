import type { Kysely, Transaction } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Store } from 'sparkle-protocol/store/store';
import { openPostgres } from './database-postgres.ts';
import { openSqlite } from './database-sqlite.ts';
import type { CoordinatorTables } from './migrations/all.ts';
import type { SqlDialect } from './migrations/columns.ts';

/** The coordinator's database: the trades of its trader, and its own tables beside them on the same connections. */
export type Database = {
  dialect: SqlDialect;
  store: Store;
  tables: Kysely<CoordinatorTables>;
  /**
   * One transaction whose new rows become visible in the order of their `seq`, so that a reader who goes on after the last
   * one he saw misses none. Whoever inserts what is paged by `seq` does it in here, and asks nothing but `session`: a
   * transaction that stands still for 3 seconds is ended, because others wait for it.
   */
  append<Result>(work: (session: Transaction<CoordinatorTables>) => Promise<Result>): Promise<Result>;
  /**
   * Calls the listeners of every instance, this one included, after what they are to look for was written. Only a hint: it
   * can be lost with a connection, so whoever waits for something also looks from time to time.
   */
  announce(word: string): void;
  listen(listener: (word: string) => void): () => void;
  /**
   * Writes a copy to a new file while everything goes on, and reads it back. Throws `bad_config` when there is such a file,
   * or no `pg_dump` for PostgreSQL, and `store_unavailable` for a copy that is not whole.
   */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
};

const TAKEN = ['23505', 'SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY'];

/** Whether a write was refused because another row has what must be there once: the codes of PostgreSQL and of SQLite. */
export const isTaken = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && TAKEN.includes(String(error.code));

const SQLITE = /^sqlite:(?<path>.+)$/;
const POSTGRES = /^postgres(?:ql)?:\/\//;

/** The file of a `sqlite:FILE`; `undefined` for a database on a server. */
export const sqlitePathOf = (url: string): string | undefined => SQLITE.exec(url)?.groups?.['path'];

/** Where the database is, the network of its trades, and what operators call this instance of the coordinator. */
export type DatabaseOptions = { url: string; network: NetworkName; instance?: string };

/**
 * Opens `sqlite:FILE` or `postgres://...` and brings its tables up to date. Throws `bad_config` for another URL,
 * `schema_mismatch` for a database of a newer program, of another program or of another network, `store_in_use` for a file that
 * is open elsewhere, and `store_unavailable` for a server that does not answer.
 */
export async function openDatabase({ url, network, instance = '' }: DatabaseOptions): Promise<Database> {
  const path = sqlitePathOf(url);
  if (path !== undefined) return openSqlite({ path, network });
  if (POSTGRES.test(url)) return openPostgres({ url, network, instance });
  // The address may carry a password: only its beginning is repeated.
  const scheme = /^[a-z]+(?=:)/.exec(url)?.[0] ?? 'nothing of the kind';
  throw new SparkleError('bad_config', `a database must be sqlite:FILE or postgres://...; got ${scheme}`, { scheme });
}

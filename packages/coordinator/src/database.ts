import type { Kysely, Transaction } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Store } from 'sparkle-protocol/store/store';
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
   * one he saw misses none. Whoever inserts what is paged by `seq` does it in here.
   */
  append<Result>(work: (session: Transaction<CoordinatorTables>) => Promise<Result>): Promise<Result>;
  /** Writes a copy to a new file while everything goes on. Throws `bad_config` when there is such a file. */
  backup(path: string): Promise<void>;
  close(): Promise<void>;
};

const SQLITE = /^sqlite:(?<path>.+)$/;

/**
 * Opens `sqlite:FILE` and brings its tables up to date. Throws `bad_config` for another URL, `schema_mismatch` for a
 * database of a newer program, of another program or of another network, and `store_in_use` for a file that is open elsewhere.
 */
export async function openDatabase({ url, network }: { url: string; network: NetworkName }): Promise<Database> {
  const path = SQLITE.exec(url)?.groups?.['path'];
  if (path !== undefined) return openSqlite({ path, network });
  // The address may carry a password: only its beginning is repeated.
  const scheme = /^[a-z]+(?=:)/.exec(url)?.[0] ?? 'nothing of the kind';
  throw new SparkleError('bad_config', `a database must be sqlite:FILE; got ${scheme}`, { scheme });
}

import { existsSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { Client } from 'pg';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { type MigrationSet, newerSteps, tradeTables } from 'sparkle-protocol/store/migrations';
import { explained } from 'sparkle-protocol/store/postgres-errors';
import { postgresTradeTables } from 'sparkle-protocol/store/postgres-migrations';
import { clientConfig, survive } from 'sparkle-protocol/store/postgres-pool';
import { ownTables } from 'sparkle-protocol/store/sqlite-file';
import { sqlitePathOf } from './database.ts';
import { coordinatorTables } from './migrations/all.ts';

/** Asks a database for one column; of a table that is not there nothing is asked. */
type Ask = (table: string, column: string, where?: string) => Promise<readonly string[]>;

const PATIENCE_MILLISECONDS = 10_000;

/** Throws `schema_mismatch` where the next start would; else in words how the database stands. */
async function judge(ask: Ask, sets: readonly MigrationSet[], network: NetworkName): Promise<string> {
  const taken: string[] = [];
  for (const set of sets) {
    const ran = await ask(set.table, 'name');
    const [newer] = newerSteps(set, ran);
    if (newer !== undefined)
      throw new SparkleError('schema_mismatch', `the database must be of a schema this version knows; it has ${newer}`);
    taken.push(...ran);
  }
  const [came] = await ask('about', 'value', `name = 'network'`);
  if (came !== undefined && came !== network)
    throw new SparkleError('schema_mismatch', `the database must be of network ${network}; it is of ${came}`);
  const missing = sets.reduce((sum, { steps }) => sum + Object.keys(steps).length, 0) - taken.length;
  if (taken.length === 0) return 'empty; the first start makes its tables';
  return missing === 0 ? 'its tables are up to date' : `the next start brings its tables up to date, ${missing} steps`;
}

async function lookAtFile(path: string, network: NetworkName): Promise<string> {
  if (!existsSync(path)) return `${path} is not there; the first start makes it`;
  try {
    const db = new SqliteDatabase(path, { readonly: true, timeout: 0 });
    const ask: Ask = async (table, column, where = 'true') =>
      ownTables(db, path).includes(table)
        ? db.prepare(`select ${column} from "${table}" where ${where}`).pluck().all().map(String)
        : [];
    return await judge(ask, [tradeTables, coordinatorTables('sqlite')], network).finally(() => db.close());
  } catch (error) {
    if (!(error instanceof SqliteDatabase.SqliteError)) throw error;
    if (error.code.startsWith('SQLITE_BUSY')) return `${path} is open in a coordinator that runs`;
    throw new SparkleError(
      'schema_mismatch',
      `${path} must be a SQLite database; it is not`,
      { path },
      { cause: error },
    );
  }
}

async function lookAtServer(url: string, network: NetworkName): Promise<string> {
  const client = new Client(clientConfig({ url, patienceMilliseconds: PATIENCE_MILLISECONDS }));
  survive(client);
  try {
    await client.connect();
    const ask: Ask = async (table, column, where = 'true') => {
      const { rows } = await client.query<{ there: string | null }>('select to_regclass($1) as there', [
        `sparkle.${table}`,
      ]);
      if (rows[0]?.there == null) return [];
      const found = await client.query<{ value: string }>(
        `select ${column} as value from sparkle.${table} where ${where}`,
      );
      return found.rows.map(({ value }) => value);
    };
    return await judge(ask, [postgresTradeTables, coordinatorTables('postgres')], network);
  } catch (error) {
    throw explained(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * How the database stands, in words, changing nothing in it. Throws `schema_mismatch` for one of another program, of a newer
 * version or of another network, `bad_config` and `store_unavailable` for a server that lets nobody in.
 */
export function lookAtDatabase({ url, network }: { url: string; network: NetworkName }): Promise<string> {
  const path = sqlitePathOf(url);
  return path === undefined ? lookAtServer(url, network) : lookAtFile(path, network);
}

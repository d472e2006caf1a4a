import { existsSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { applicationId } from 'sparkle-protocol/store/migrations';
import { newBackup } from './backup-file.ts';

/** What a copy was found to hold. */
export type Copied = { network: string; trades: number };

const damaged = (path: string, came: string, cause?: unknown): SparkleError =>
  new SparkleError(
    'store_unavailable',
    `the copy ${path} must be a whole database; it is ${came}`,
    { path },
    { cause },
  );

/** Reads the copy from its first page to its last, and makes it one file that needs none beside it. Throws `store_unavailable`. */
function checkSqlite(path: string): Copied {
  const db = new SqliteDatabase(path);
  try {
    const found = db.pragma('integrity_check', { simple: true });
    if (found !== 'ok') throw damaged(path, String(found));
    if (db.pragma('application_id', { simple: true }) !== applicationId) throw damaged(path, 'that of another program');
    const ask = (query: string): unknown => db.prepare(query).pluck().get();
    const network = String(ask(`select value from about where name = 'network'`));
    const trades = Number(ask('select count(*) from trade'));
    db.pragma('journal_mode = delete');
    return { network, trades };
  } catch (error) {
    throw error instanceof SparkleError ? error : damaged(path, 'not', error);
  } finally {
    db.close();
  }
}

/** Fills a new file with what `fill` copies, and tells what is in it. */
export const newSqliteBackup = (path: string, fill: (path: string) => Promise<unknown>): Promise<Copied> =>
  newBackup({ path, fill, check: checkSqlite });

/** SQLite's online copy of a file that no coordinator has open. Throws `store_in_use` when one has. */
export async function copyFree(from: string, to: string): Promise<void> {
  if (!existsSync(from))
    throw new SparkleError('bad_config', `DATABASE_URL must name a database to back up; there is no file ${from}`, {
      path: from,
    });
  const db = new SqliteDatabase(from, { readonly: true, timeout: 0 });
  try {
    // What is copied of a file that is locked is nothing, without a word: whoever reads it first is told.
    db.exec('begin; select name from sqlite_schema');
    await db.backup(to);
  } catch (error) {
    if (error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      throw new SparkleError('store_in_use', `database ${from} is open in another process`, { path: from });
    throw error;
  } finally {
    db.close();
  }
}

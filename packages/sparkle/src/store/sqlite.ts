import { storeOn } from './sql.ts';
import { openDatabase, type SqliteFile } from './sqlite-file.ts';
import type { Store } from './store.ts';

/** Trades in one SQLite file: WAL, synchronous FULL, one process at a time. See `openDatabase` for what it refuses. */
export async function sqliteStore(file: SqliteFile): Promise<Store> {
  return storeOn(await openDatabase(file));
}

import type { Kysely } from 'kysely';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { storeOn } from 'sparkle-protocol/store/sql';
import { openFile } from 'sparkle-protocol/store/sqlite-file';
import { newSqliteBackup } from './backup-sqlite.ts';
import type { Database } from './database.ts';
import { coordinatorTables, type CoordinatorTables } from './migrations/all.ts';
import { wordsOf } from './words.ts';

/** Both table sets in one file, over one connection: this process alone has it. */
export async function openSqlite(file: { path: string; network: NetworkName }): Promise<Database> {
  const { db, raw } = await openFile({ ...file, further: coordinatorTables('sqlite') });
  const tables = db as unknown as Kysely<CoordinatorTables>;
  const store = storeOn(db);
  return {
    dialect: 'sqlite',
    store,
    tables,
    append: (work) => tables.transaction().execute(work),
    ...wordsOf(undefined),
    // SQLite's online copy: what is written meanwhile is in it too.
    backup: async (path) => void (await newSqliteBackup(path, (to) => raw.backup(to))),
    close: () => store.close(),
  };
}

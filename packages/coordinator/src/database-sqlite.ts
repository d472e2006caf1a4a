import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Kysely } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { storeOn } from 'sparkle-protocol/store/sql';
import { openFile, type OpenFile } from 'sparkle-protocol/store/sqlite-file';
import type { Database } from './database.ts';
import { coordinatorTables, type CoordinatorTables } from './migrations/all.ts';
import { wordsOf } from './words.ts';

function syncToDisk(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** SQLite's online copy: what is written meanwhile is in it too. It takes its name only once it is whole and on disk. */
async function backup(raw: OpenFile['raw'], path: string): Promise<void> {
  if (existsSync(path))
    throw new SparkleError('bad_config', `a backup must be a new file; ${path} is there already`, { path });
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { force: true });
  // States hold preimages: the copy is for its owner alone, too.
  closeSync(openSync(unfinished, 'wx', 0o600));
  try {
    await raw.backup(unfinished);
    syncToDisk(unfinished);
    renameSync(unfinished, path);
    syncToDisk(dirname(path));
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

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
    backup: (path) => backup(raw, path),
    close: () => store.close(),
  };
}

import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { askAdmin } from './admin-client.ts';
import { backupPostgres } from '../database/backup-postgres.ts';
import { copyFree, newSqliteBackup } from '../database/backup-sqlite.ts';
import type { CommandContext } from './commands.ts';
import type { Config } from '../config/config.ts';
import { sqlitePathOf } from '../database/database.ts';

const PHRASE = 'The rescue phrase is not in it: keep that on paper.';

/** The coordinator that has the file open copies it, and hands the copy over by its admin API. */
async function copyThroughService(admin: Config['admin'], to: string): Promise<void> {
  const { answer, away } = await askAdmin(admin, { method: 'POST', path: '/admin/backup', purpose: 'back up' });
  if (answer.body === null) throw away('it sent nothing');
  await pipeline(Readable.fromWeb(answer.body), createWriteStream(to, { mode: 0o600 })).catch((error: unknown) => {
    throw away('the copy ended early', error);
  });
}

async function copySqlite(from: string, { admin }: Config, to: string): Promise<void> {
  try {
    await copyFree(from, to);
  } catch (error) {
    if (!(error instanceof SparkleError && error.code === 'store_in_use')) throw error;
    await copyThroughService(admin, to);
  }
}

/**
 * `coordinator backup FILE`: a consistent copy of the database in a new file for its owner alone, read back before it is
 * given its name, also while the coordinator runs. Throws `bad_config`, `store_in_use` and `store_unavailable`.
 */
export async function backup({ config: read, terminal }: CommandContext, { file }: { file: string }): Promise<void> {
  const config = read();
  const from = sqlitePathOf(config.databaseUrl);
  if (from === undefined) {
    const tables = await backupPostgres({ url: config.databaseUrl, path: file });
    terminal.out(`${file} holds ${tables.length} tables and was read back; pg_restore brings it back. ${PHRASE}\n`);
    return;
  }
  const { network, trades } = await newSqliteBackup(file, (to) => copySqlite(from, config, to));
  terminal.out(`${file} holds ${trades} trades on ${network} and was read back. ${PHRASE}\n`);
}

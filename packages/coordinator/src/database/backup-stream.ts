import { createReadStream, fstatSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { type Database, sqlitePathOf } from './database.ts';

/**
 * Copies for whoever asks the service, one at a time. A copy is made beside the file that it is of, on the same disk with
 * the same rights, and has no name any more when it is handed over: nothing is left of it however this ends.
 */
export function backupsOf(
  database: Pick<Database, 'backup'>,
  databaseUrl: string,
): () => Promise<{ bytes: number; stream: Readable }> {
  const file = sqlitePathOf(databaseUrl);
  const path = join(file === undefined ? tmpdir() : dirname(file), `.backup-${process.pid}`);
  let isBusy = false;
  return async () => {
    if (isBusy) throw new SparkleError('in_progress', 'one backup is made at a time; another is under way');
    isBusy = true;
    try {
      rmSync(path, { force: true });
      await database.backup(path);
      const descriptor = openSync(path, 'r');
      rmSync(path);
      const stream = createReadStream('', { fd: descriptor });
      return { bytes: fstatSync(descriptor).size, stream };
    } finally {
      isBusy = false;
    }
  };
}

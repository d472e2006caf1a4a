import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { SparkleError } from 'sparkle-protocol/protocol/errors';

function syncToDisk(path: string): void {
  const descriptor = openSync(path, 'r');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function assertNew(path: string): void {
  if (existsSync(path))
    throw new SparkleError('bad_config', `a backup must be a new file; ${path} is there already`, { path });
}

/**
 * Lets `fill` write a file for its owner alone, and gives it its name only once `check` has read it and it is on disk.
 * Throws `bad_config` when there is a file of that name, or no folder for it; what the two throw leaves nothing behind.
 */
export async function newBackup<Checked>(of: {
  path: string;
  fill(path: string): Promise<unknown>;
  check(path: string): Checked | Promise<Checked>;
}): Promise<Checked> {
  const { path } = of;
  assertNew(path);
  if (!existsSync(dirname(path)))
    throw new SparkleError('bad_config', `a backup must go to a folder that is there; ${dirname(path)} is not`, {
      path,
    });
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { force: true });
  // States hold preimages: the copy is for its owner alone, too.
  closeSync(openSync(unfinished, 'wx', 0o600));
  try {
    await of.fill(unfinished);
    const checked = await of.check(unfinished);
    syncToDisk(unfinished);
    assertNew(path);
    renameSync(unfinished, path);
    syncToDisk(dirname(path));
    return checked;
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

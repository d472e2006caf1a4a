import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { newBackup } from './backup-file.ts';

const run = promisify(execFile);

/** A table of contents, and nothing of the tables themselves. */
const MOST_OUTPUT_BYTES = 10_000_000;

/** The program's own words are shown: it is never given the password but by PGPASSWORD, so it cannot repeat it. */
async function runTool(name: string, args: readonly string[], password = ''): Promise<string> {
  const env = password === '' ? process.env : { ...process.env, PGPASSWORD: password };
  try {
    return (await run(name, args, { env, maxBuffer: MOST_OUTPUT_BYTES })).stdout;
  } catch (cause) {
    const { code, stderr = '' } = cause as { code?: unknown; stderr?: string };
    if (code === 'ENOENT')
      throw new SparkleError(
        'bad_config',
        `${name} must be on PATH to back up PostgreSQL; it is not: install the client programs of the server's version`,
      );
    throw new SparkleError('store_unavailable', `${name} must end well; it said: ${stderr.trim().slice(0, 1000)}`);
  }
}

/** The names of the tables whose rows are in it, once all of it could be read. Throws `store_unavailable`. */
async function checkDump(path: string): Promise<readonly string[]> {
  const contents = await runTool('pg_restore', ['--list', path]);
  const tables = [...contents.matchAll(/ TABLE DATA sparkle (\S+) /g)].map(([, name = '']) => name);
  if (!tables.includes('trade'))
    throw new SparkleError('store_unavailable', `the dump ${path} must hold the table trade; it does not`, { path });
  // The list is at the beginning: a dump whose end is missing is only noticed by who reads it all.
  await runTool('pg_restore', ['--file=/dev/null', path]);
  return tables;
}

/**
 * A copy of the schema `sparkle` as of one moment, by `pg_dump`, while everything goes on; `pg_restore` brings it back. The
 * names of its tables. Throws `bad_config` when there is such a file or no `pg_dump`, `store_unavailable` when it fails.
 */
export async function backupPostgres({ url, path }: { url: string; path: string }): Promise<readonly string[]> {
  const shown = new URL(url);
  const password = decodeURIComponent(shown.password);
  shown.password = '';
  const options = ['--format=custom', '--schema=sparkle', '--no-password'];
  return newBackup({
    path,
    fill: (file) => runTool('pg_dump', [...options, `--file=${file}`, `--dbname=${shown.href}`], password),
    check: checkDump,
  });
}

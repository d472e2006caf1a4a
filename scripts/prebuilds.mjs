import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheRoot } from './cache.mjs';

/** The one package that is compiled, for a minute, where its publisher's server can't be reached. */
const PACKAGE = 'better-sqlite3';
const BINARY = join('build', 'Release', 'better_sqlite3.node');

const folder = () => join(cacheRoot(), 'prebuilds');

/** Makes the package's own installer (prebuild-install) look for a build here first. It loads what it finds before it takes it. */
export const prebuildsEnv = () => ({ npm_config_better_sqlite3_local_prebuilds: folder() });

/** Keeps what was compiled under the name that prebuild-install looks for. `root` is the folder with `node_modules`. */
export async function keepPrebuild(root) {
  const dir = join(root, 'node_modules', PACKAGE);
  if (!existsSync(join(dir, BINARY))) return;
  const { version } = JSON.parse(await readFile(join(dir, 'package.json'), 'utf8'));
  const { platform, arch, versions } = process;
  const archive = join(folder(), `${PACKAGE}-v${version}-node-v${versions.modules}-${platform}-${arch}.tar.gz`);
  if (existsSync(archive)) return;
  await mkdir(folder(), { recursive: true });
  const temporary = `${archive}.${process.pid}`;
  try {
    await promisify(execFile)('tar', ['-czf', temporary, '-C', dir, BINARY]);
    await rename(temporary, archive);
  } finally {
    await rm(temporary, { force: true });
  }
}

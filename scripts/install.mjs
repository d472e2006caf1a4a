import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheRoot, locked, missingPart, timed } from './cache.mjs';
import { keepPrebuild, prebuildsEnv } from './prebuilds.mjs';

/** The folder of the repository. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const OLDEST_NODE = [20, 19];

function assertNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldest, oldestMinor] = OLDEST_NODE;
  if (major > oldest || (major === oldest && minor >= oldestMinor)) return;
  throw missingPart(`Sparkle needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}.`);
}

const readLock = async (...path) => JSON.parse(await readFile(join(root, ...path), 'utf8').catch(() => 'null'));

/** Whether node_modules holds the versions that package-lock.json names; builds for other platforms are optional there. */
async function isInstalled() {
  const wanted = await readLock('package-lock.json');
  const present = await readLock('node_modules', '.package-lock.json');
  if (present === null) return false;
  return Object.entries(wanted.packages).every(([path, { version, link, optional }]) => {
    if (!path.startsWith('node_modules/')) return true;
    const found = present.packages[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.link === link;
  });
}

/** npm as it was started, else the one on PATH. */
function npmCommand() {
  const started = process.env['npm_execpath'];
  return started !== undefined && /npm-cli\.[cm]?js$/.test(started)
    ? [process.execPath, started]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm'];
}

function npmCi(...flags) {
  const [command, ...before] = npmCommand();
  const args = [...before, 'ci', '--no-audit', '--no-fund', '--loglevel=error', ...flags];
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...prebuildsEnv() };
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(said.trim()))));
  });
}

/**
 * Makes sure that node_modules is there and current, once however many scripts ask at the same time. Says nothing when
 * there is nothing to do. Throws an error with `exitCode` 3 when the packages cannot be had.
 */
export async function ensureInstalled({ log }) {
  assertNode();
  if (await isInstalled()) return;
  const say = timed(log);
  await mkdir(cacheRoot(), { recursive: true });
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  await locked({ lock: join(cacheRoot(), `npm-${name}.lock`), log: say }, async () => {
    if (await isInstalled()) return;
    say('installing npm packages; where a native one has no ready build it is compiled once, which takes a minute');
    // What npm has kept is what the lock file's hashes say or is not taken, so it need not ask again for 450 packages; where
    // what it knows of a package is too old to name the locked version, it asks after all.
    await npmCi('--prefer-offline')
      .catch(() => npmCi())
      .catch((cause) => {
        throw missingPart(`npm packages could not be installed (npm ci): ${cause.message}`, cause);
      });
    // Only the next installation is slower without it.
    await keepPrebuild(root).catch((error) => say(`a compiled package was not kept: ${error.message}`));
    say('npm packages are installed');
  });
}

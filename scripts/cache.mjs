import { existsSync, statSync } from 'node:fs';
import { link, mkdir, mkdtemp, readFile, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const STAMP = 'sparkle-part.json';
/** Longer than any build takes, also on a slow machine that does other things. */
const WAIT_MILLISECONDS = 90 * 60_000;
/** Who holds a lock touches it every so often; one that nobody has touched for long is nobody's. */
const TOUCH_MILLISECONDS = 5_000;
const UNTOUCHED_MILLISECONDS = 120_000;

/** Exit code of a script that could not get a part it needs: not a failure of the tests, a failure of the machine. */
export const MISSING_PART = 3;

/** An error whose sentence says how a person gets the part. Scripts end with its `exitCode`. */
export function missingPart(sentence, cause) {
  return Object.assign(new Error(sentence, { cause }), { exitCode: MISSING_PART });
}

/** Where installed parts live: `$SPARKLE_CACHE`, else `~/.cache/sparkle`. */
export const cacheRoot = () => process.env['SPARKLE_CACHE'] || join(homedir(), '.cache', 'sparkle');

/** A logger that puts the seconds since its making in front of each line. */
export function timed(log) {
  const began = process.hrtime.bigint();
  return (line) => log(`[${(Number(process.hrtime.bigint() - began) / 1e9).toFixed(1)} s] ${line}`);
}

/**
 * The complete folder of a part in the cache, `{ dir, facts }` with what its installer wrote down, the newest version
 * when there are several and none is asked for, or `undefined`. A folder without its stamp is not complete and does not
 * count.
 */
export async function cachedPart(part, version) {
  const names = await readdir(cacheRoot()).catch(() => []);
  const versions = names
    .filter((name) => (version === undefined ? name.startsWith(`${part}-`) : name === `${part}-${version}`))
    .sort(new Intl.Collator('en', { numeric: true }).compare);
  for (const name of versions.reverse()) {
    const dir = join(cacheRoot(), name);
    const stamp = await readFile(join(dir, STAMP), 'utf8').catch(() => undefined);
    if (stamp !== undefined) return { dir, facts: JSON.parse(stamp) };
  }
  return undefined;
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const ageMilliseconds = (path) => Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());

async function dropStaleLock(lock, log) {
  const owner = Number(await readFile(lock, 'utf8').catch(() => 'gone'));
  if (Number.isNaN(owner)) return;
  if (alive(owner) && ageMilliseconds(lock) < UNTOUCHED_MILLISECONDS) return;
  log(`taking over the lock of process ${owner}, which is gone or has stopped`);
  // Two waiters may both come here and one of them drop the other's new lock: then both install, and the rename at
  // the end keeps one of the two equal folders. The lock saves work, it does not guard the result.
  await rm(lock, { force: true });
}

/** Runs `work` while holding `lock`. A lock file is linked into place with its content, so it is never seen empty. */
export async function locked({ lock, log }, work) {
  const mine = `${lock}.${process.pid}`;
  await writeFile(mine, String(process.pid));
  try {
    for (let waited = 0; ; waited += 250) {
      const taken = await link(mine, lock).then(
        () => true,
        (error) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        },
      );
      if (taken) break;
      if (waited > WAIT_MILLISECONDS) throw new Error(`waited too long for ${lock}`);
      if (waited === 0) log(`another process is installing; waiting for it`);
      await dropStaleLock(lock, log);
      await sleep(250);
    }
    const now = () => new Date();
    const touching = setInterval(() => void utimes(mine, now(), now()).catch(() => undefined), TOUCH_MILLISECONDS);
    try {
      return await work();
    } finally {
      clearInterval(touching);
      if ((await readFile(lock, 'utf8').catch(() => '')) === String(process.pid)) await rm(lock, { force: true });
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/** What killed installs left. The names hold the process; a number may by now be another process's. */
async function dropLeftovers(part) {
  for (const name of await readdir(cacheRoot())) {
    const prefix = [`.${part}-`, `${part}.lock.`].find((each) => name.startsWith(each));
    if (prefix === undefined) continue;
    const path = join(cacheRoot(), name);
    const owner = Number(name.slice(prefix.length).split('-')[0]);
    if (!alive(owner) || ageMilliseconds(path) > WAIT_MILLISECONDS) await rm(path, { recursive: true, force: true });
  }
}

/**
 * Installs a part once, however many processes ask at the same time: `fill(dir)` puts it into an empty folder and
 * returns its facts (with `version`), which are stamped into it before the folder gets its final name in one rename.
 * With a `version` only that one counts as installed.
 */
export async function intoCache({ part, version, log, fill }) {
  await mkdir(cacheRoot(), { recursive: true });
  return locked({ lock: join(cacheRoot(), `${part}.lock`), log }, async () => {
    const already = await cachedPart(part, version);
    if (already !== undefined) return already;
    await dropLeftovers(part);
    const temporary = await mkdtemp(join(cacheRoot(), `.${part}-${process.pid}-`));
    try {
      const facts = await fill(temporary);
      await writeFile(join(temporary, STAMP), JSON.stringify(facts));
      const dir = join(cacheRoot(), `${part}-${facts.version}`);
      if (existsSync(dir) && !existsSync(join(dir, STAMP))) await rm(dir, { recursive: true });
      await rename(temporary, dir).catch(async (error) => {
        if (!existsSync(join(dir, STAMP))) throw error;
      });
      return { dir, facts };
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  });
}

import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { run } from '../debian.mjs';
import { isBefore } from './program.mjs';

const TELL_MILLISECONDS = 60_000;
/** Builds take all the processor they get, and tests with deadlines run beside them. */
const NICE = 10;

/** Ends a program and what it started, however this process ends, unless it is killed outright. */
function endsWithUs(child) {
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGTERM');
    } catch {
      child.kill();
    }
  };
  process.once('exit', end);
  child.once('close', () => process.off('exit', end));
}

/**
 * Runs a long build to its end, with low priority. Says now and then what the build said last, and puts its last words
 * into the error when it fails.
 */
export function build({ command, args, cwd, env = {}, log }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...{ cwd, env: { ...process.env, ...env } },
      ...{ stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    });
    child.on('error', reject);
    if (child.pid === undefined) return;
    setPriority(child.pid, NICE);
    endsWithUs(child);
    let words = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => (words = (words + chunk).slice(-2000)));
    const telling = setInterval(() => {
      const last = words.trim().split('\n').at(-1).trim();
      if (last !== '') log(`at work: ${last.slice(0, 120)}`);
    }, TELL_MILLISECONDS);
    child.on('close', (code, signal) => {
      clearInterval(telling);
      if (code === 0) resolve();
      else reject(new Error(`${command} ${args[0]} ended with ${code ?? signal}: ${words.trim().slice(-600)}`));
    });
  });
}

/** Refuses early, in words, what a compiler that is missing or too old would refuse late. */
export async function needTool({ command, ask, pattern, oldest, name }) {
  const text = await run(command, ask, { timeoutMilliseconds: 60_000 }).catch(() => undefined);
  if (text === undefined)
    throw new Error(`${name} ${oldest} or newer is needed to build it, and \`${command}\` does not run`);
  const version = pattern.exec(text)?.[1];
  if (version === undefined || isBefore(version, oldest))
    throw new Error(`${name} ${oldest} or newer is needed to build it; this is ${version ?? 'an unknown version'}`);
}

/** Refuses when there is no Rust, or an older one. */
export const needRust = (oldest) =>
  needTool({ command: 'rustc', ask: ['--version'], pattern: /^rustc (\d+\.\d+(?:\.\d+)?)/, oldest, name: 'Rust' });

/**
 * Compiles a crate with the dependencies that its own lock pins, as `DEST/bin/NAME`. `what` names it for `cargo install`:
 * a crate and its version, or the path of its sources. Without link-time optimisation it takes a third of the time.
 */
export async function cargoInstall({ what, dest, env = {}, log }) {
  const target = join(dest, 'target');
  await build({
    command: 'cargo',
    args: ['install', '--locked', '--root', dest, '--no-track', ...what],
    env: { CARGO_PROFILE_RELEASE_LTO: 'off', CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_TARGET_DIR: target, ...env },
    log,
  });
  await rm(target, { recursive: true, force: true });
}

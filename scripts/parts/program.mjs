import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** A program that starts an interpreter first, on a machine that does other things. */
const ANSWER_MILLISECONDS = 30_000;

const order = new Intl.Collator('en', { numeric: true }).compare;

/** Whether version `a` comes before `b`: `1.9` before `1.10`. */
export const isBefore = (a, b) => order(a, b) < 0;

/** Whether this user may run the file. */
export function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of the first of these programs on PATH, or `undefined`. */
export function onPath(...names) {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** All that a program prints, on both streams (a wrapper may grumble first), however it ends; empty when it does not run. */
function printed(command, args, env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), ANSWER_MILLISECONDS);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    const end = (all) => {
      clearTimeout(timer);
      resolve(all);
    };
    child.on('error', () => end(''));
    child.on('close', () => end(text));
  });
}

/**
 * The version that a program names when it is asked, or `undefined` when it is not the one that is meant. `without` are
 * variables it must not see; `folder` is the one by which it gets a folder of its own, so that it leaves none at home.
 */
export async function versionSaid(program, { ask = ['--version'], without = [], folder, pattern }) {
  const { command, args = [], env = {} } = program;
  const cleared = Object.fromEntries(without.map((name) => [name, undefined]));
  const home = folder === undefined ? undefined : await mkdtemp(join(tmpdir(), 'sparkle-asked-'));
  try {
    const own = home === undefined ? {} : { [folder]: home };
    return pattern.exec(await printed(command, [...args, ...ask], { ...env, ...cleared, ...own }))?.[1];
  } finally {
    if (home !== undefined) await rm(home, { recursive: true, force: true });
  }
}

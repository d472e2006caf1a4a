import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureInstalled } from './install.mjs';

/** What lets node run our TypeScript from its sources. */
export const sourceFlags = () => ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')];

/** Runs node with these arguments in the foreground; answers with its exit code, 128 + n after signal n as shells do. */
export function runNode(args, env = process.env) {
  const child = spawn(process.execPath, args, { stdio: 'inherit', env });
  // A terminal signals the whole group; who signals only us means the child.
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // The child decides how to end on Ctrl-C, and we wait for it.
  process.on('SIGINT', () => undefined);
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('exit', (code, signal) => done(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}

/** Ends a script on an error that has a sentence for the user; anything else is a defect and keeps its stack. */
export function endWith(error) {
  console.error(error.exitCode === undefined ? error : error.message);
  process.exitCode = error.exitCode ?? 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [file, ...args] = process.argv.slice(2);
  try {
    if (file === undefined)
      throw Object.assign(new Error('usage: node scripts/run.mjs FILE.ts [ARGUMENT ...]'), { exitCode: 2 });
    await ensureInstalled({ log: console.error });
    process.exitCode = await runNode([...sourceFlags(), resolve(file), ...args]);
  } catch (error) {
    endWith(error);
  }
}

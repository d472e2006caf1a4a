import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/**
 * Memory of a process with 1,000 live sales and the 1,000 purchases they belong to, in a process of its own that runs
 * compiled code: a loader of TypeScript needs more than all of them.
 */
export async function benchLive(): Promise<object> {
  const outfile = path('../node_modules/.cache/sparkle-live-trades.mjs');
  await build({
    ...{ entryPoints: [path('live-trades.ts')], outfile, bundle: true, platform: 'node', format: 'esm' },
    ...{ conditions: ['sparkle-source'], external: ['better-sqlite3', 'kysely', 'pino'], logLevel: 'error' },
  });
  try {
    return await answerOf(outfile);
  } finally {
    await rm(outfile, { force: true });
  }
}

function answerOf(file: string): Promise<object> {
  const child = spawn(process.execPath, ['--expose-gc', file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(said)) : reject(new Error(`the process with live trades ended with ${code}`)),
    );
  });
}

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Seconds that a command takes; it must end well. */
function seconds(args: string[], env: Record<string, string>): Promise<number> {
  const started = performance.now();
  const child = spawn('npm', args, { stdio: 'ignore', env: { ...process.env, ...env } });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0
        ? resolve(Math.round((performance.now() - started) / 100) / 10)
        : reject(new Error(`npm ${args.join(' ')} ended with ${code}`)),
    );
  });
}

/** `npm start` with a cache that is empty and one that is not, and `npm test`; seconds of whole processes. */
export async function benchStart() {
  const cache = await mkdtemp(join(tmpdir(), 'sparkle-bench-cache-'));
  try {
    return {
      startEmptyCache: await seconds(['start'], { SPARKLE_CACHE: cache, SPARKLE_BITCOIND: '' }),
      startWarm: await seconds(['start'], { SPARKLE_CACHE: cache, SPARKLE_BITCOIND: '' }),
      testWarm: await seconds(['test'], {}),
    };
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

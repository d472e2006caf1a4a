import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Memory of a process with 1,000 live purchases and the 1,000 sales they belong to, in a process of its own. */
export function benchLive(): Promise<object> {
  const flags = ['--expose-gc', '--conditions=sparkle-source', '--import', 'tsx'];
  const file = fileURLToPath(new URL('live-trades.ts', import.meta.url));
  const child = spawn(process.execPath, [...flags, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve(JSON.parse(said)) : reject(new Error(`the process with live trades ended with ${code}`)),
    );
  });
}

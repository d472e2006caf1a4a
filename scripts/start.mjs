/** `npm start`: sets up what is missing and plays the stories of world/main.ts. Plain JavaScript without dependencies. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findBitcoind } from './bitcoind.mjs';
import { ensureInstalled } from './install.mjs';
import { findPart } from './parts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => process.stderr.write(`${line}\n`);

try {
  await findBitcoind({ log: say });
  await ensureInstalled({ log: say });
  if (/--lightning[ =]lnd\b/.test(process.argv.slice(2).join(' '))) await findPart('lnd', { log: say });
} catch (error) {
  say(error.message);
  process.exit(error.exitCode ?? 1);
}

const child = spawn(
  process.execPath,
  ['--conditions=sparkle-source', '--import', 'tsx', 'world/main.ts', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
// The terminal sends Ctrl-C to both; the world tears itself down and this process waits for it.
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => (signal === 'SIGTERM' ? child.kill(signal) : undefined));
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));

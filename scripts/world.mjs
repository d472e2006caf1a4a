import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findBitcoind } from './bitcoind.mjs';
import { ensureInstalled } from './install.mjs';
import { findPart } from './parts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const say = (line) => process.stderr.write(`${line}\n`);

/** Sets up what is missing, then runs a program of `world/` in the foreground and ends as it ends. `parts` are needed besides bitcoind. */
export async function runWorld({ program, parts }) {
  try {
    await findBitcoind({ log: say });
    await ensureInstalled({ log: say });
    for (const part of parts) await findPart(part, { log: say });
  } catch (error) {
    say(error.message);
    process.exit(error.exitCode ?? 1);
  }
  const flags = ['--conditions=sparkle-source', '--import', 'tsx'];
  const child = spawn(process.execPath, [...flags, program, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
  // The terminal sends Ctrl-C to both; the world tears itself down and this process waits for it.
  for (const signal of ['SIGINT', 'SIGTERM'])
    process.on(signal, () => (signal === 'SIGTERM' ? child.kill(signal) : undefined));
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}

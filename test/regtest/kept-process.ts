import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo, type Server } from 'node:net';

/** Waits until `isSo`, asking every `everyMilliseconds`. Throws naming `what` when the time is over. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { patienceMilliseconds = 60_000, everyMilliseconds = 20 } = {},
): Promise<void> {
  const end = performance.now() + patienceMilliseconds;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMilliseconds));
  }
}

/** Ports that were free a moment ago. Held open together while choosing, so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const listening = (): Promise<Server> =>
    new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen({ host: '127.0.0.1', port: 0 }, () => resolve(server));
    });
  const servers = await Promise.all(Array.from({ length: count }, listening));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

type Keeper = { guards: (pid: number) => void; guardsNothing: () => void; release: () => void };

/**
 * A shell that outlives this process by a moment: when our end of its pipe closes, however we died, it kills the
 * program it was told of last and removes `dir`. Told `done`, it goes without doing anything.
 */
function keeper(dir: string): Keeper {
  const script =
    'trap "" INT TERM HUP; pid=none; while read word; do [ "$word" = done ] && exit 0; pid=$word; done; ' +
    '[ "$pid" = none ] || kill -9 "$pid" 2>/dev/null; sleep 0.2; rm -rf "$1"';
  const child = spawn('/bin/sh', ['-c', script, 'sh', dir], { stdio: ['pipe', 'ignore', 'ignore'] });
  child.unref();
  const { stdin } = child;
  (stdin as { unref?: () => void }).unref?.();
  stdin.on('error', () => undefined);
  return {
    guards: (pid) => stdin.write(`${pid}\n`),
    guardsNothing: () => stdin.write('none\n'),
    release: () => stdin.end('done\n'),
  };
}

/** A program with a folder of its own that does not outlive this process, whatever happens to it. */
export class KeptProcess {
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #keeper: Keeper;
  #child: ChildProcess | undefined;
  #said = '';

  constructor({ command, args, dir }: { command: string; args: readonly string[]; dir: string }) {
    this.#command = command;
    this.#args = args;
    this.#keeper = keeper(dir);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last words the program wrote. */
  get said(): string {
    return this.#said;
  }

  start(): void {
    if (this.running) throw new Error(`${this.#command} is running already`);
    const child = spawn(this.#command, this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-4000)));
      (stream as { unref?: () => void }).unref?.();
    }
    child.on('error', (error) => (this.#said += error.message));
    if (child.pid === undefined) throw new Error(`${this.#command} could not be started`);
    this.#keeper.guards(child.pid);
    // Its number may soon be another process's.
    child.once('exit', () => this.#keeper.guardsNothing());
    child.unref();
    this.#child = child;
  }

  /** Sends the signal and returns once the process is gone; after 30 seconds it is killed. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.running) return;
    child.ref();
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const impatience = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await gone;
    clearTimeout(impatience);
  }

  /** Ends the program for good. The folder is for the caller to remove. */
  async release(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.end(signal);
    this.#keeper.release();
  }
}

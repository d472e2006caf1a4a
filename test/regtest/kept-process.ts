import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keeper, type Keeper } from '../../scripts/kept.mjs';

type Waits = { patienceMilliseconds?: number; everyMilliseconds?: number };

/** Waits until `isSo`, asking every `everyMilliseconds`. Throws naming `what` when the time is over. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  { patienceMilliseconds = 60_000, everyMilliseconds = 10 }: Waits = {},
): Promise<void> {
  const end = performance.now() + patienceMilliseconds;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMilliseconds));
  }
}

/** Whether a process of this number is there. One that ended and only waits to be noticed (a zombie) is not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // Where there is no /proc the first call alone decides.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && !existsSync('/proc/self');
  }
}

/** A new temporary folder for a program of this name. */
export const newFolder = (name: string): Promise<string> => mkdtemp(join(tmpdir(), `sparkle-${name}-`));

/** How a program is started; `title` is what people call it, `dir` its folder, and `env` stands besides our own. */
export type Kept = {
  title: string;
  command: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
  dir: string;
};

/** A program with a folder of its own that does not outlive this process, whatever happens to it. */
export class KeptProcess {
  readonly #kept: Kept;
  readonly #keeper: Keeper;
  #child: ChildProcess | undefined;
  #said = '';

  constructor(kept: Kept) {
    this.#kept = kept;
    this.#keeper = keeper(kept.dir);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The end of what it has printed. */
  get said(): string {
    return this.#said;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts it and returns once it `answers`. Throws its last words when it ends before that. */
  async up(answers: () => Promise<boolean>, waits: Waits = {}): Promise<void> {
    this.#start();
    await this.until('to answer', answers, waits);
  }

  /** Waits as `until` does, with the program's last words in what is thrown; at once when the program ends. */
  async until(what: string, isSo: () => Promise<boolean>, waits: Waits = {}): Promise<void> {
    const { title } = this.#kept;
    const said = (): string => this.#said.trim().slice(-1500);
    const isSoYet = (): Promise<boolean> => {
      if (!this.running) throw new Error(`${title} ended while starting: ${said()}`);
      return isSo();
    };
    await until(`${title} ${what}`, isSoYet, waits).catch((error: unknown) => {
      throw this.running ? new Error(`${(error as Error).message}; it said: ${said()}`) : error;
    });
  }

  /** Does what makes the program usable for the first time; when that fails, ends it for good and throws the failure. */
  async begin<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  #start(): void {
    const { title, command, args, env } = this.#kept;
    if (this.running) throw new Error(`${title} is running already`);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-4000)));
      (stream as { unref?: () => void }).unref?.();
    }
    child.on('error', (error) => (this.#said += error.message));
    if (child.pid === undefined) throw new Error(`${title} could not be started: ${command}`);
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

  /** Ends the program for good, and its folder with it. */
  async release(): Promise<void> {
    await this.end('SIGKILL');
    this.#keeper.release();
    await rm(this.#kept.dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

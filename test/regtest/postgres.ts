import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { freePorts } from '../../scripts/ports.mjs';
import { isRunning, KeptProcess, newFolder, until } from './kept-process.ts';
import { program } from './parts.ts';

/** A running PostgreSQL with databases of its own. The port stays the same over its restarts. */
export type Postgres = {
  readonly port: number;
  /** A new empty database; its URL. */
  newDatabase(): Promise<string>;
  pid(): number;
  isRunning(): boolean;
  /** Ends it as a crash would (`kill -9`); returns when none of it is left. */
  kill(): Promise<void>;
  /** Brings it back; returns when it answers. */
  up(): Promise<void>;
  /** Ends it for good and removes its folder. */
  stop(): Promise<void>;
};

/** `durable` writes to disk as a real one does: for tests that take its power away. */
type Writes = { writes: 'durable' | 'fast' };

const starting = { patienceMilliseconds: 60_000, everyMilliseconds: 25 };

type User = { uid: number; gid: number };

/** It refuses to run as root: then it runs as the user of its package, or as nobody. */
function user(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string): number => {
    for (const name of ['postgres', 'nobody'])
      try {
        return Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      } catch {
        continue;
      }
    throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody to run it as');
  };
  return { uid: idOf('-u'), gid: idOf('-g') };
}

/** `setpriv` becomes the program itself: its process number is the one to end. */
const asUser = (as: User | undefined, command: string, args: readonly string[]) =>
  as === undefined
    ? { command, args: [...args] }
    : { command: 'setpriv', args: [`--reuid=${as.uid}`, `--regid=${as.gid}`, '--clear-groups', command, ...args] };

async function newCluster(bin: string, as: User | undefined): Promise<string> {
  const dir = await newFolder('postgres');
  chmodSync(dir, 0o700);
  if (as !== undefined) chownSync(dir, as.uid, as.gid);
  const flags = ['--auth=trust', '--username=sparkle', '--encoding=UTF8', '--locale=C', '--no-sync'];
  const { command, args } = asUser(as, join(bin, 'initdb'), [`--pgdata=${join(dir, 'data')}`, ...flags]);
  execFileSync(command, args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  return dir;
}

function flagsFor(dir: string, port: number, { writes }: Writes): string[] {
  const fast = ['fsync=off', 'full_page_writes=off', 'synchronous_commit=off'];
  const settings = [
    ...[`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=200'],
    ...['shared_buffers=16MB', 'autovacuum=off', 'log_min_messages=fatal'],
    ...(writes === 'fast' ? fast : []),
  ];
  return ['-D', join(dir, 'data'), ...settings.flatMap((each) => ['-c', each])];
}

const urlOf = (port: number, database: string): string => `postgres://sparkle@127.0.0.1:${port}/${database}`;

async function ask(port: number, statement: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: urlOf(port, 'postgres') });
  // A server that ends says so to whoever is connected, and nobody need hear it here.
  client.on('error', () => undefined);
  await client.connect();
  return (await client.query(statement).finally(() => client.end())).rows as Record<string, unknown>[];
}

/** Its processes for connections and for housekeeping. They outlive a killed server by a moment, and go on answering. */
const childrenOf = async (port: number): Promise<number[]> =>
  (await ask(port, 'select pid from pg_stat_activity')).map(({ pid }) => Number(pid));

const answers = (port: number): Promise<boolean> =>
  ask(port, 'select 1').then(
    () => true,
    () => false,
  );

/**
 * Starts a PostgreSQL server of its own on a free loopback port and returns when it answers. Call `stop` in `after`; a
 * process that forgets it or is killed leaves nothing behind either.
 */
export async function startPostgres(how: Writes): Promise<Postgres> {
  const { command, dir: bin = dirname(command) } = await program('postgres');
  const as = user();
  const dir = await newCluster(bin, as);
  const [port = 0] = await freePorts(1);
  const kept = new KeptProcess({ title: 'PostgreSQL', ...asUser(as, command, flagsFor(dir, port, how)), dir });
  const start = (): Promise<void> => kept.up(() => answers(port), starting);
  let databases = 0;
  await kept.begin(start);
  return {
    port,
    async newDatabase() {
      databases += 1;
      await ask(port, `create database d${databases}`);
      return urlOf(port, `d${databases}`);
    },
    pid: () => kept.pid,
    isRunning: () => kept.running,
    async kill() {
      // One that is only starting answers nobody yet.
      const children = await childrenOf(port).catch(() => []);
      await kept.end('SIGKILL');
      await until('its processes to be gone', () => !children.some(isRunning), starting);
    },
    up: start,
    stop: () => kept.release(),
  };
}

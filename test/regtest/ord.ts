import { freePorts } from '../../scripts/ports.mjs';
import type { Regtest } from './bitcoind.ts';
import { KeptProcess, newFolder, until } from './kept-process.ts';
import { program } from './parts.ts';

/** A running `ord` server over a node of a private chain. */
export type OrdServer = {
  url: string;
  /** Returns when its best block is the node's. */
  caughtUp(): Promise<void>;
  /** Ends it in order and keeps its index. */
  down(): Promise<void>;
  /** Brings it back on the same port; returns when it answers. */
  up(): Promise<void>;
  /** Ends it for good and removes its index. */
  stop(): Promise<void>;
};

export type OrdOf = {
  regtest: Pick<Regtest, 'node' | 'rpc' | 'network'>;
  /** What it indexes besides inscriptions, as an operator would choose. */
  index?: readonly ('runes' | 'sats')[];
  /** Further arguments of the program, before its command. */
  args?: readonly string[];
};

const started = { patienceMilliseconds: 120_000, everyMilliseconds: 50 };

function flagsFor({ regtest, index = ['runes'], args = [] }: OrdOf, { dir, port }: { dir: string; port: number }) {
  const { rpcPort, rpcUser, rpcPassword } = regtest.node;
  return [
    // On signet ord knows of no inscription before block 112,402, but in its integration tests.
    ...(regtest.network === 'signet' ? ['--signet', '--integration-test'] : ['--regtest']),
    ...[`--data-dir=${dir}`, `--bitcoin-rpc-url=127.0.0.1:${rpcPort}`],
    ...[`--bitcoin-rpc-username=${rpcUser}`, `--bitcoin-rpc-password=${rpcPassword}`],
    // By default it takes a quarter of the machine's memory.
    ...['--index-cache-size=67108864', ...index.map((each) => `--index-${each}`), ...args],
    ...['server', '--http', '--address=127.0.0.1', `--http-port=${port}`, '--polling-interval=50ms'],
  ];
}

const answer = (url: string): Promise<string | undefined> =>
  fetch(url, { headers: { accept: 'application/json' } }).then(
    async (response) => (response.ok ? ((await response.json()) as string) : undefined),
    () => undefined,
  );

/**
 * Starts an `ord` server of its own on a regtest node, on a free loopback port, and returns when it answers. Call `stop` in
 * `after`; a process that forgets it or is killed leaves nothing behind either.
 */
export async function startOrd(of: OrdOf): Promise<OrdServer> {
  const { command, args } = await program('ord');
  const dir = await newFolder('ord');
  const [port = 0] = await freePorts(1);
  const server = new KeptProcess({ title: 'ord', command, args: [...args, ...flagsFor(of, { dir, port })], dir });
  const url = `http://127.0.0.1:${port}`;
  const up = (): Promise<void> => server.up(async () => (await answer(`${url}/status`)) !== undefined, started);
  await server.begin(up);
  const isAtTip = async (): Promise<boolean> =>
    (await of.regtest.rpc<string>('getbestblockhash')) === (await answer(`${url}/r/blockhash`));
  return {
    url,
    caughtUp: () =>
      until('ord to have the best block', isAtTip, { patienceMilliseconds: 60_000, everyMilliseconds: 25 }),
    down: () => server.end('SIGTERM'),
    up,
    stop: () => server.release(),
  };
}

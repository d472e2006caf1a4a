import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePorts } from '../../scripts/ports.mjs';
import type { Regtest } from './bitcoind.ts';
import { KeptProcess, newFolder, until } from './kept-process.ts';
import { program } from './parts.ts';

export { withoutElectrumx } from './parts.ts';

/** A running ElectrumX over a regtest node. Ports and index stay the same over its restarts. */
export type ElectrumX = {
  readonly port: number;
  /** `tcp://host:port`, and `tls://host:port` where it was started with a certificate. */
  readonly url: string;
  readonly tlsUrl: string;
  pid(): number;
  /** Returns when it has announced the node's tip and knows what is in the node's mempool. */
  caughtUp(): Promise<void>;
  /** Ends it in order and keeps its index. */
  down(): Promise<void>;
  /** Brings it back on the same ports; returns when it answers. */
  up(): Promise<void>;
  stop(): Promise<void>;
};

/** A certificate that ElectrumX shows over TLS, with its key; both PEM. */
export type Certificate = { cert: string; key: string };

/** One question on a connection of its own, as a client without any checks asks it. */
export async function askElectrum(port: number, method: string, params: readonly unknown[]): Promise<unknown> {
  const socket = connect({ host: '127.0.0.1', port });
  const questions = [
    { id: 0, method: 'server.version', params: ['sparkle-tests', '1.4'] },
    { id: 1, method, params },
  ];
  socket.write(questions.map((question) => `${JSON.stringify({ jsonrpc: '2.0', ...question })}\n`).join(''));
  try {
    let said = '';
    for await (const chunk of socket) {
      said += String(chunk);
      const lines = said.split('\n').slice(0, -1);
      const answers = lines.map((line) => JSON.parse(line) as { id: number; result?: unknown; error?: unknown });
      const answer = answers.find(({ id }) => id === 1);
      if (answer !== undefined && 'error' in answer) throw new Error(JSON.stringify(answer.error));
      if (answer !== undefined) return answer.result;
    }
    throw new Error('ElectrumX closed the connection');
  } finally {
    socket.destroy();
  }
}

type Setup = {
  regtest: Regtest;
  dir: string;
  ports: number[];
  certificate: Certificate | undefined;
  pollMilliseconds: number;
};

function settingsFor({ regtest, dir, ports, certificate, pollMilliseconds }: Setup): Record<string, string> {
  const { rpcPort, rpcUser, rpcPassword } = regtest.node;
  const [port, rpc, tls] = ports;
  const overTls = certificate === undefined ? [] : [`ssl://127.0.0.1:${tls}`];
  return {
    ...{ COIN: 'Bitcoin', NET: 'regtest', DB_ENGINE: 'leveldb', DB_DIRECTORY: dir, CACHE_MB: '50' },
    DAEMON_URL: `http://${rpcUser}:${rpcPassword}@127.0.0.1:${rpcPort}/`,
    SERVICES: [`tcp://127.0.0.1:${port}`, `rpc://127.0.0.1:${rpc}`, ...overTls].join(','),
    ...(certificate === undefined ? {} : { SSL_CERTFILE: join(dir, 'cert.pem'), SSL_KEYFILE: join(dir, 'key.pem') }),
    ...{ ALLOW_ROOT: '1', PEER_DISCOVERY: 'off', PEER_ANNOUNCE: '', LOG_LEVEL: 'warning' },
    ...{ COST_SOFT_LIMIT: '0', COST_HARD_LIMIT: '0', INITIAL_CONCURRENT: '100' },
    DAEMON_POLL_INTERVAL_BLOCKS: String(pollMilliseconds),
    DAEMON_POLL_INTERVAL_MEMPOOL: String(pollMilliseconds),
  };
}

/** What the node has and ElectrumX does not know yet, in words; `undefined` when it knows everything. */
async function behind({ regtest, port }: { regtest: Regtest; port: number }): Promise<string | undefined> {
  const announced = (await askElectrum(port, 'blockchain.headers.subscribe', [])) as { hex: string };
  const hash = await regtest.rpc<string>('getbestblockhash');
  const header = await regtest.rpc<string>('getblockheader', [hash, false]);
  if (announced.hex !== header) return `block ${hash}`;
  const waiting = await regtest.rpc<string[]>('getrawmempool');
  const indexed = await Promise.all(waiting.map((txid) => isIndexed({ regtest, port, txid })));
  const missing = waiting.find((_, index) => indexed[index] === false);
  return missing === undefined ? undefined : `transaction ${missing}`;
}

async function isIndexed(of: { regtest: Regtest; port: number; txid: string }): Promise<boolean> {
  const { regtest, port, txid } = of;
  type Decoded = { vout: { scriptPubKey: { hex: string } }[] };
  const { vout } = await regtest.rpc<Decoded>('getrawtransaction', [txid, 1]);
  const script = vout.map(({ scriptPubKey }) => scriptPubKey.hex).find((hex) => !hex.startsWith('6a'));
  if (script === undefined) return true;
  const scripthash = createHash('sha256').update(Buffer.from(script, 'hex')).digest().reverse().toString('hex');
  const mempool = (await askElectrum(port, 'blockchain.scripthash.get_mempool', [scripthash])) as { tx_hash: string }[];
  return mempool.some((entry) => entry.tx_hash === txid);
}

/**
 * Starts an ElectrumX of its own on a regtest node, on free loopback ports, and returns when it answers. Call `stop` in
 * `after`; a process that forgets it or is killed leaves nothing behind either. It asks its node for news every
 * `pollMilliseconds`, 50 when nothing is said; by itself it would every 5 seconds.
 */
export async function startElectrumX(of: {
  regtest: Regtest;
  certificate?: Certificate;
  pollMilliseconds?: number;
}): Promise<ElectrumX> {
  const { regtest, certificate, pollMilliseconds = 50 } = of;
  const part = await program('electrumx');
  const dir = await newFolder('electrumx');
  const ports = await freePorts(3);
  const [port = 0, , tls = 0] = ports;
  await writeFile(join(dir, 'cert.pem'), certificate?.cert ?? '');
  await writeFile(join(dir, 'key.pem'), certificate?.key ?? '');
  const env = { ...part.env, ...settingsFor({ regtest, dir, ports, certificate, pollMilliseconds }) };
  const kept = new KeptProcess({ title: 'ElectrumX', command: part.command, args: part.args, env, dir });
  const answers = (): Promise<boolean> =>
    askElectrum(port, 'server.ping', []).then(
      () => true,
      () => false,
    );
  const caughtUp = (): Promise<void> =>
    until('ElectrumX to catch up', async () => (await behind({ regtest, port }).catch(String)) === undefined);
  const up = async (): Promise<void> => {
    await kept.up(answers, { everyMilliseconds: 50 });
    await caughtUp();
  };
  await kept.begin(up);
  return {
    ...{ port, url: `tcp://127.0.0.1:${port}`, tlsUrl: `tls://127.0.0.1:${tls}` },
    ...{ pid: () => kept.pid, caughtUp, up },
    down: () => kept.end('SIGTERM'),
    stop: () => kept.release(),
  };
}

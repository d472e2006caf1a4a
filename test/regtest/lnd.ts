import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  addPeer,
  authenticatedLndGrpc,
  createChainAddress,
  getChainBalance,
  getChannel,
  getChannels,
  getNetworkGraph,
  getWalletInfo,
  openChannel,
  probeForRoute,
  type AuthenticatedLnd,
} from 'lightning';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { freePorts } from '../../scripts/ports.mjs';
import type { Regtest } from './bitcoind.ts';
import { KeptProcess, newFolder, until } from './kept-process.ts';
import { program } from './parts.ts';

/** A running LND. Paths and ports stay the same over its restarts. */
export type Lnd = {
  readonly name: string;
  readonly nodeId: string;
  /** `host:port` of gRPC, and of Lightning peers. */
  readonly socket: string;
  readonly peerSocket: string;
  readonly certPath: string;
  /** The macaroon that may do everything. */
  readonly macaroonPath: string;
  /** The node as the `lightning` library wants it, with that macaroon; another object after a restart. */
  readonly lnd: AuthenticatedLnd;
  pid(): number;
  isRunning(): boolean;
  /** Ends it as a crash would (`kill -9`). */
  kill(): Promise<void>;
  /** Ends it in order and keeps its data. */
  down(): Promise<void>;
  /** Brings it back on the same ports; returns when it answers and has caught up with the chain. */
  up(): Promise<void>;
  /** `kill`, then `up`. */
  restart(): Promise<void>;
  /** Ends it for good and removes its folder. */
  stop(): Promise<void>;
};

function flagsFor({ regtest, dir, name, ports }: { regtest: Regtest; dir: string; name: string; ports: number[] }) {
  const { rpcPort, rpcUser, rpcPassword, zmq } = regtest.node;
  const [rpc, peers] = ports;
  return [
    ...[`--lnddir=${dir}`, '--noseedbackup', `--alias=${name}`, '--norest', '--nobootstrap', '--debuglevel=warn'],
    ...[`--rpclisten=127.0.0.1:${rpc}`, `--listen=127.0.0.1:${peers}`],
    ...[`--bitcoin.${regtest.network}`, '--bitcoin.node=bitcoind', `--bitcoind.rpchost=127.0.0.1:${rpcPort}`],
    ...[`--bitcoind.rpcuser=${rpcUser}`, `--bitcoind.rpcpass=${rpcPassword}`],
    ...[`--bitcoind.zmqpubrawblock=${zmq.rawblock}`, `--bitcoind.zmqpubrawtx=${zmq.rawtx}`],
    // Nothing here waits for what waits on a real network: confirmations, gossip, the next try to reach a peer.
    ...['--bitcoin.defaultchanconfs=1', '--trickledelay=50', '--gossip.sub-batch-delay=50ms'],
    ...['--minbackoff=100ms', '--maxbackoff=500ms', '--channel-commit-interval=10ms'],
    // A node that a test stops must not take LND down with it.
    '--healthcheck.chainbackend.attempts=0',
  ];
}

/** It takes 3 to 8 seconds, and many times that while the machine builds and tests other things. */
const starting = { patienceMilliseconds: 180_000, everyMilliseconds: 100 };

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });

/** LND's files and ports, and its process as it is now. */
class LndProcess {
  readonly process: KeptProcess;
  readonly rpcPort: number;
  readonly certPath: string;
  readonly macaroonPath: string;
  lnd: AuthenticatedLnd | undefined;

  constructor(of: { command: string; args: string[]; dir: string; rpcPort: number; network: NetworkName }) {
    const { command, args, dir, rpcPort, network } = of;
    this.process = new KeptProcess({ title: 'LND', command, args, dir });
    this.rpcPort = rpcPort;
    this.certPath = join(dir, 'tls.cert');
    this.macaroonPath = join(dir, 'data/chain/bitcoin', network, 'admin.macaroon');
  }

  async up(regtest: Regtest): Promise<string> {
    await this.process.up(async () => existsSync(this.macaroonPath) && (await answers(this.rpcPort)), starting);
    const base64 = (path: string): string => readFileSync(path).toString('base64');
    const credentials = { cert: base64(this.certPath), macaroon: base64(this.macaroonPath) };
    const { lnd } = authenticatedLndGrpc({ socket: `localhost:${this.rpcPort}`, ...credentials });
    let nodeId = '';
    const hasCaughtUp = async (): Promise<boolean> => {
      const info = await getWalletInfo({ lnd }).catch(() => undefined);
      nodeId = info?.public_key ?? '';
      return info !== undefined && info.is_synced_to_chain && info.current_block_height >= (await regtest.height());
    };
    await this.process.until('to catch up', hasCaughtUp, starting);
    this.lnd = lnd;
    return nodeId;
  }
}

/**
 * Starts an LND of its own on a regtest node, on free loopback ports, and returns when it can be used. `args` are further
 * arguments of LND. Call `stop` in `after`; a process that forgets it or is killed leaves nothing behind either.
 */
export async function startLnd(of: { regtest: Regtest; name: string; args?: readonly string[] }): Promise<Lnd> {
  const { regtest, name, args = [] } = of;
  const part = await program('lnd');
  const dir = await newFolder(`lnd-${name}`);
  const ports = await freePorts(2);
  const [rpcPort = 0, peerPort = 0] = ports;
  const flags = [...part.args, ...flagsFor({ regtest, dir, name, ports }), ...args];
  const node = new LndProcess({ command: part.command, args: flags, dir, rpcPort, network: regtest.network });
  const nodeId = await node.process.begin(() => node.up(regtest));
  const up = async (): Promise<void> => void (await node.up(regtest));
  const kill = (): Promise<void> => node.process.end('SIGKILL');
  const { certPath, macaroonPath } = node;
  return {
    ...{ name, nodeId, certPath, macaroonPath },
    // By name: Node warns of a TLS server that is called by its address.
    socket: `localhost:${rpcPort}`,
    peerSocket: `127.0.0.1:${peerPort}`,
    get lnd() {
      if (node.lnd === undefined) throw new Error('LND has not started');
      return node.lnd;
    },
    pid: () => node.process.pid,
    isRunning: () => node.process.running,
    down: () => node.process.end('SIGTERM'),
    restart: async () => {
      await kill();
      await up();
    },
    ...{ up, kill, stop: () => node.process.release() },
  };
}

/** Returns once every node has seen the newest block. */
export async function lndSynced(regtest: Regtest, nodes: readonly Lnd[]): Promise<void> {
  const height = await regtest.height();
  for (const { lnd, name } of nodes)
    await until(`${name} at height ${height}`, async () => {
      const info = await getWalletInfo({ lnd });
      return info.current_block_height >= height && info.is_synced_to_chain;
    });
}

/** Gives a node coins of its own to open channels with. */
export async function fundLnd(regtest: Regtest, { node, sats }: { node: Lnd; sats: bigint }): Promise<void> {
  const { lnd } = node;
  const before = (await getChainBalance({ lnd })).chain_balance;
  const { address } = await createChainAddress({ lnd, format: 'p2tr' });
  await regtest.pay({ to: address, sats });
  await regtest.mine(1);
  await until(`${node.name} to be funded`, async () => (await getChainBalance({ lnd })).chain_balance > before);
}

const isUp = async ({ lnd }: Lnd, txid: string): Promise<boolean> => {
  const { channels } = await getChannels({ lnd, is_active: true });
  const channel = channels.find(({ transaction_id }) => transaction_id === txid);
  if (channel === undefined) return false;
  const known = await getChannel({ lnd, id: channel.id }).catch(() => undefined);
  return known?.policies.every(({ cltv_delta }) => cltv_delta !== undefined) ?? false;
};

/** Returns once the channel funded by `txid` can be used and both ends know each other's terms. */
export async function lndChannelUp(txid: string, ends: readonly Lnd[]): Promise<void> {
  for (const end of ends) await until(`the channel of ${end.name}`, () => isUp(end, txid));
}

/** A channel funded by `txid` and who of it pays the other. */
export type LndEnds = { txid: string; payer: Lnd; payee: Lnd };

/**
 * After a start: returns once the channel can be used, and has the payer sign its state anew. LND 0.21 that ends between
 * its revocation and its signature (BOLT 2, a settled HTLC is being struck off) owes the signature when it is back and
 * does not give it before its next update: until then the payee's node shows the payment as pending, with its preimage
 * known. A payment for a hash that nobody knows is such an update and moves nothing.
 */
export async function lndChannelBack({ txid, payer, payee }: LndEnds): Promise<void> {
  await lndChannelUp(txid, [payer, payee]);
  const { channels } = await getChannels({ lnd: payer.lnd });
  const id = channels.find(({ transaction_id }) => transaction_id === txid)?.id ?? '';
  await probeForRoute({ lnd: payer.lnd, destination: payee.nodeId, outgoing_channel: id, tokens: 1000 });
}

export type LndChannel = { from: Lnd; to: Lnd; sats: bigint; pushSats: bigint; kind: 'private' | 'public' };

/** Returns once all these nodes know the public channel and the terms of both its ends, and can route over it. */
export async function lndChannelHeardOf(txid: string, nodes: readonly Lnd[]): Promise<void> {
  const knows = async ({ lnd }: Lnd): Promise<boolean> => {
    const { channels } = await getNetworkGraph({ lnd });
    const channel = channels.find(({ transaction_id }) => transaction_id === txid);
    return channel?.policies.every(({ cltv_delta }) => cltv_delta !== undefined) ?? false;
  };
  for (const node of nodes) await until(`${node.name} to hear of a channel`, () => knows(node));
}

/**
 * Funds `from`, opens a channel and returns its funding txid once it can be used from both ends. A public one has six
 * confirmations then; others can route over it after `lndChannelHeardOf`. LND names a private channel in an invoice only
 * when the other end has a public one.
 */
export async function openLndChannel(regtest: Regtest, channel: LndChannel): Promise<string> {
  const { from, to, sats, pushSats, kind } = channel;
  await fundLnd(regtest, { node: from, sats: sats + 100_000n });
  await addPeer({ lnd: from.lnd, public_key: to.nodeId, socket: to.peerSocket });
  await lndSynced(regtest, [from, to]);
  const { transaction_id: txid } = await openChannel({
    lnd: from.lnd,
    partner_public_key: to.nodeId,
    local_tokens: Number(sats),
    give_tokens: Number(pushSats),
    is_private: kind === 'private',
    chain_fee_tokens_per_vbyte: 2,
  });
  await until('the funding transaction', async () => (await regtest.rpc<string[]>('getrawmempool')).includes(txid));
  await regtest.mine(kind === 'private' ? 1 : 6);
  await lndSynced(regtest, [from, to]);
  await lndChannelUp(txid, [from, to]);
  return txid;
}

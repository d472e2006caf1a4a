import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../../scripts/ports.mjs';
import { btc, type Regtest } from './bitcoind.ts';
import type { ElectrumX } from './electrumx.ts';
import { KeptProcess, newFolder, until } from './kept-process.ts';
import { program } from './parts.ts';

export { withoutElectrum } from './parts.ts';

/** A Lightning node that Electrum opens channels to: `socket` is `host:port` of its peers' port. */
export type ChannelPeer = { nodeId: string; socket: string };

/** What Electrum answers to `lnpay`. */
export type ElectrumPayment = { payment_hash: string; success: boolean; preimage: string | null };

/** A running Electrum wallet with its own implementation of Lightning. */
export type ElectrumWallet = {
  readonly nodeId: string;
  /** `host:port` where other nodes open channels to it. */
  readonly peerSocket: string;
  pid(): number;
  /** Any command of Electrum's command line, with its options by name; answers as its JSON does. */
  command<T>(method: string, options?: Readonly<Record<string, unknown>>): Promise<T>;
  /** Pays an invoice; while the payee holds the payment this waits, at most five minutes. */
  pay(bolt11: string, limits?: { maxCltv?: number; maxFeeMsat?: number }): Promise<ElectrumPayment>;
  /** Confirmed coins of its own. */
  fund(sats: bigint): Promise<void>;
  /** Opens a channel and returns its funding outpoint once the wallet can pay over it. */
  openChannel(wanted: { peer: ChannelPeer; sats: bigint; pushSats: bigint }): Promise<string>;
  /** Ends it in order, or as a crash would, and keeps its data; `up` brings it back. */
  down(how?: 'stop' | 'kill'): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
};

type Command = ElectrumWallet['command'];

const ANSWER_MILLISECONDS = 290_000;
/** Electrum sees a channel as open from the third block on. */
const CHANNEL_BLOCKS = 6;

/** What the command line's `setconfig` would write. */
function configOf(of: { electrumx: ElectrumX; rpcPort: number; peerPort: number; password: string }): string {
  const { electrumx, rpcPort, peerPort, password } = of;
  return JSON.stringify({
    ...{ config_version: 3, server: `127.0.0.1:${electrumx.port}:t`, oneserver: true, auto_connect: false },
    ...{ rpchost: '127.0.0.1', rpcsock: 'tcp', rpcport: rpcPort, rpcuser: 'sparkle', rpcpassword: password },
    // Without gossip it opens channels to trampoline nodes only.
    ...{ use_gossip: true, lightning_listen: `127.0.0.1:${peerPort}` },
    // On regtest nothing can be estimated; sat/kvB.
    ...{ fee_policy: 'feerate:5000', test_disable_automatic_fee_eta_update: true, check_updates: false },
  });
}

function commandsOf({ rpcPort, password }: { rpcPort: number; password: string }): Command {
  const authorization = `Basic ${Buffer.from(`sparkle:${password}`).toString('base64')}`;
  return async <T>(method: string, params: Readonly<Record<string, unknown>> = {}): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${rpcPort}`, {
      method: 'POST',
      headers: { authorization },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    const { result, error } = (await response.json()) as { result?: T; error?: { message: string } };
    if (error !== undefined) throw new Error(`Electrum refused ${method}: ${error.message}`);
    return result as T;
  };
}

type Channel = { state: string; channel_point: string; peer_state: string };

type Running = { regtest: Regtest; electrumx: ElectrumX; command: Command };

/** Mines, and returns once the wallet has seen the new tip. */
async function mineFor({ regtest, electrumx, command }: Running, blocks: number): Promise<void> {
  await regtest.mine(blocks);
  await electrumx.caughtUp();
  const height = await regtest.height();
  await until('Electrum to see the tip', async () => {
    const info = await command<{ blockchain_height: number; connected: boolean }>('getinfo');
    return info.connected && info.blockchain_height >= height;
  });
}

async function fund(running: Running, sats: bigint): Promise<void> {
  const { regtest, command } = running;
  const confirmed = async (): Promise<number> => Number((await command<{ confirmed: string }>('getbalance')).confirmed);
  const before = await confirmed();
  await regtest.pay({ to: await command<string>('createnewaddress'), sats });
  await mineFor(running, 1);
  await until('Electrum to be funded', async () => (await confirmed()) > before);
}

async function openChannel(running: Running, wanted: Parameters<ElectrumWallet['openChannel']>[0]): Promise<string> {
  const { regtest, command } = running;
  const { peer, sats, pushSats } = wanted;
  const outpoint = await command<string>('open_channel', {
    connection_string: `${peer.nodeId}@${peer.socket}`,
    ...{ amount: btc(sats), push_amount: btc(pushSats) },
  });
  const txid = outpoint.slice(0, 64);
  await until('the funding transaction', async () => (await regtest.rpc<string[]>('getrawmempool')).includes(txid));
  await mineFor(running, CHANNEL_BLOCKS);
  await channelUp(command, outpoint);
  return outpoint;
}

/** Returns once Electrum calls the channel open and its peer is there. */
async function channelUp(command: Command, outpoint: string): Promise<void> {
  await until('the channel of Electrum', async () => {
    const channels = await command<Channel[]>('list_channels');
    const channel = channels.find(({ channel_point: point }) => point === outpoint);
    return channel?.state === 'OPEN' && channel.peer_state === 'GOOD';
  });
}

/** The daemon of one wallet, with the folder that is its whole memory. */
class ElectrumDaemon {
  readonly process: KeptProcess;
  readonly command: Command;

  constructor(of: { process: KeptProcess; command: Command }) {
    this.process = of.process;
    this.command = of.command;
  }

  async up(wallet: 'new' | 'kept'): Promise<void> {
    await this.process.up(() =>
      this.command('ping').then(
        () => true,
        () => false,
      ),
    );
    if (wallet === 'new') await this.command('create', { encrypt_file: false });
    await this.command('load_wallet');
    await until('Electrum to be in step with its server', () => this.command<boolean>('is_synchronized'));
  }
}

async function prepare(electrumx: ElectrumX): Promise<{ daemon: ElectrumDaemon; peerPort: number }> {
  const part = await program('electrum');
  const dir = await newFolder('electrum');
  const [rpcPort = 0, peerPort = 0] = await freePorts(2);
  const password = randomBytes(16).toString('hex');
  await mkdir(join(dir, 'regtest'));
  await writeFile(join(dir, 'regtest', 'config'), configOf({ electrumx, rpcPort, peerPort, password }));
  const args = [...part.args, '--regtest', '--dir', dir, 'daemon'];
  const env = { ...part.env, HOME: dir };
  const process = new KeptProcess({ title: 'Electrum', command: part.command, args, env, dir });
  return { daemon: new ElectrumDaemon({ process, command: commandsOf({ rpcPort, password }) }), peerPort };
}

/**
 * Starts an Electrum wallet of its own over an ElectrumX, on free loopback ports, and returns when it can be used. Call
 * `stop` in `after`; a process that forgets it or is killed leaves nothing behind either.
 */
export async function startElectrumWallet(of: { regtest: Regtest; electrumx: ElectrumX }): Promise<ElectrumWallet> {
  const { daemon, peerPort } = await prepare(of.electrumx);
  const { command } = daemon;
  const running: Running = { ...of, command };
  await daemon.process.begin(() => daemon.up('new'));
  // It answers `id@host:port` once it listens.
  const [nodeId = ''] = (await command<string>('nodeid')).split('@');
  return {
    ...{ nodeId, peerSocket: `127.0.0.1:${peerPort}`, command },
    pid: () => daemon.process.pid,
    pay: (invoice, { maxCltv, maxFeeMsat } = {}) =>
      command<ElectrumPayment>('lnpay', {
        invoice,
        ...(maxCltv === undefined ? {} : { max_cltv: maxCltv }),
        ...(maxFeeMsat === undefined ? {} : { max_fee_msat: maxFeeMsat }),
      }),
    fund: (sats) => fund(running, sats),
    openChannel: (wanted) => openChannel(running, wanted),
    down: (how = 'stop') => daemon.process.end(how === 'stop' ? 'SIGTERM' : 'SIGKILL'),
    up: () => daemon.up('kept'),
    stop: () => daemon.process.release(),
  };
}

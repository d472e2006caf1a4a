import { rm } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import type { LndNode } from 'sparkle-protocol/lightning/lnd/node';
import { freePorts } from '../../scripts/ports.mjs';
import { type Answer, ask, type Asking } from '../../world/ask.ts';
import { flags, MAIN, operatorEnv, WALLET } from '../coordinator/operator.ts';
import { btc, type Regtest, startRegtest } from '../regtest/bitcoind.ts';
import { KeptProcess, newFolder } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { type Lnd, openLndChannel, startLnd } from '../regtest/lnd.ts';
import { type Postgres, startPostgres } from '../regtest/postgres.ts';
import { OwnBitcoind } from '../regtest/own-bitcoind.ts';
import { Supervised } from './supervised.ts';

const INSTANCES = ['anna', 'bert'];
const CHANNEL_SATS = 16_000_000n;
const COIN_SATS = 300_000n;
/**
 * One payment for each commitment. LND 0.21, killed between the settling of one of several that came together and that of
 * the others, settles the first anew at each start, finds nothing to settle, and fails its channel for ever.
 */
const LND_FLAGS = ['--channel-commit-batch-size=1'];
const STARTING = { patienceMilliseconds: 90_000, everyMilliseconds: 100 };

export type Holdings = { walletSats: bigint; lightningMsat: bigint };
type Parts = Pick<Stage, 'regtest' | 'own' | 'postgres' | 'nodes' | 'url' | 'ports'>;

/**
 * Two instances of the program on one PostgreSQL, one LND, and one bitcoind with its wallet. Beside them the world: the
 * network's bitcoind, and an LND of the buyers on it.
 */
export class Stage {
  readonly regtest: Regtest;
  readonly own: OwnBitcoind;
  readonly postgres: Postgres;
  readonly nodes: { ours: Lnd; buyers: Lnd };
  readonly buyers: LndNode;
  readonly url: string;
  readonly ports: number[];
  /** What may be killed: the two instances, and what they stand on. */
  readonly instances: readonly Supervised[];
  readonly parts: { bitcoind: Supervised; lnd: Supervised; postgres: Supervised };
  readonly #folder: string;
  readonly #programs: KeptProcess[];

  private constructor(of: Parts & { folder: string }) {
    this.regtest = of.regtest;
    this.own = of.own;
    this.postgres = of.postgres;
    this.nodes = of.nodes;
    this.url = of.url;
    this.ports = of.ports;
    this.#folder = of.folder;
    this.buyers = driverOver(of.nodes.buyers, () => {});
    this.#programs = INSTANCES.map((name, at) => {
      const [command, args] = [process.execPath, [...flags, MAIN]];
      return new KeptProcess({ title: name, command, args, dir: this.#folder, env: this.#env(at) });
    });
    this.instances = this.#programs.map((program, at) => this.#supervisedInstance(program, at));
    this.parts = supervisedParts(of);
  }

  /** `coins` for fills; all parts run when it is done, the programs not yet. */
  static async open({ coins }: { coins: number }): Promise<Stage> {
    const regtest = await startRegtest();
    const own = await OwnBitcoind.open({ regtest, wallet: WALLET });
    await regtest.wallet('buyer');
    const amounts: Record<string, string> = {};
    for (let coin = 0; coin < coins; coin += 1) amounts[await own.address()] = btc(COIN_SATS);
    await regtest.rpc('sendmany', ['', amounts], 'miner');
    await regtest.mine(1);
    await own.writeDown();
    const [postgres, ours, buyers] = await Promise.all([
      startPostgres({ writes: 'fast' }),
      startLnd({ regtest: own.regtest, name: 'ours', args: LND_FLAGS }),
      startLnd({ regtest, name: 'buyers', args: LND_FLAGS }),
    ]);
    await openLndChannel(regtest, { from: buyers, to: ours, sats: CHANNEL_SATS, pushSats: 10_000n, kind: 'public' });
    const [folder, url, ports] = [await newFolder('chaos'), await postgres.newDatabase(), await freePorts(4)];
    return new Stage({ regtest, own, postgres, nodes: { ours, buyers }, folder, url, ports });
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end('SIGKILL')));
    await this.buyers.close();
    await Promise.all([this.nodes.ours.stop(), this.nodes.buyers.stop(), this.postgres.stop()]);
    await this.own.node.stop();
    await this.regtest.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Starts an instance; returns when it is ready. */
  async up(instance: number): Promise<void> {
    await this.instances[instance]?.up();
  }

  async kill(instance: number): Promise<void> {
    await this.instances[instance]?.kill();
  }

  /** Answers with `status` 0 when nobody did. */
  ask<Body>(instance: number, method: string, path: string, asking: Asking = {}): Promise<Answer<Body>> {
    const url = `http://127.0.0.1:${this.ports[instance]}${path}`;
    const none = { status: 0, body: {} as Body };
    return ask<Body>(method, url, { ...asking, signal: AbortSignal.timeout(30_000) }).catch(() => none);
  }

  /** What the program's command prints. */
  command(...args: string[]): string {
    const env = { ...process.env, ...this.#env(0) };
    return spawnSync(process.execPath, [...flags, MAIN, ...args], { cwd: this.#folder, env, encoding: 'utf8' }).stdout;
  }

  async holdings(): Promise<Holdings> {
    await this.own.synced();
    const coins = await this.own.node.rpc<{ amount: number }[]>('listunspent', [0], WALLET);
    const walletSats = coins.reduce((sum, { amount }) => sum + BigInt(Math.round(amount * 1e8)), 0n);
    const ours = driverOver(this.nodes.ours, () => {});
    try {
      return { walletSats, lightningMsat: (await ours.balance()).ownedMsat };
    } finally {
      await ours.close();
    }
  }

  #supervisedInstance(program: KeptProcess, at: number): Supervised {
    const isReady = async () => (await this.ask(at, 'GET', '/readyz')).status === 200;
    return new Supervised({
      name: `instance ${at}`,
      isRunning: () => program.running,
      start: () => program.up(isReady, STARTING),
      kill: () => program.end('SIGKILL'),
    });
  }

  #env(instance: number): Record<string, string> {
    const { node } = this.own;
    const ports = [this.ports[instance], this.ports[INSTANCES.length + instance]];
    return {
      ...operatorEnv({ node, lnd: this.nodes.ours, databaseUrl: this.url, folder: this.#folder, ports }),
      ...{ INSTANCE_NAME: INSTANCES[instance] ?? '', LOG_LEVEL: 'warn' },
      ...{ BITCOIN_ZMQ_BLOCKS: node.zmq.rawblock, BITCOIN_ZMQ_TRANSACTIONS: node.zmq.rawtx },
      ...{ RATE_QUOTE_PER_MINUTE: '100000', RATE_CREATE_PER_MINUTE: '100000' },
      // All buyers are of one address.
      ...{ MAX_OPEN_HOLDS_PER_BUYER: '1000' },
    };
  }
}

function supervisedParts({ own: { node }, nodes: { ours }, postgres }: Parts): Stage['parts'] {
  return {
    bitcoind: new Supervised({
      ...{ name: 'bitcoind', isRunning: () => node.isRunning(), start: () => node.up(), kill: () => node.kill() },
    }),
    lnd: new Supervised({
      ...{ name: 'LND', isRunning: () => ours.isRunning(), kill: () => ours.kill() },
      // One that runs and does not follow the chain would be ended by its own check of health.
      start: () => ours.up().catch((error: unknown) => ours.kill().then(() => Promise.reject(error as Error))),
    }),
    postgres: new Supervised({
      ...{ name: 'PostgreSQL', isRunning: () => postgres.isRunning() },
      ...{ start: () => postgres.up(), kill: () => postgres.kill() },
    }),
  };
}

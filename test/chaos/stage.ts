import { rm } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LndNode } from 'sparkle-protocol/lightning/lnd/node';
import { freePorts } from '../../scripts/ports.mjs';
import { type Regtest, startRegtest } from '../regtest/bitcoind.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';
import { driverOver } from '../regtest/lnd-driver.ts';
import { type Lnd, openLndChannel, startLnd } from '../regtest/lnd.ts';
import { type Postgres, startPostgres } from '../regtest/postgres.ts';

const MAIN = fileURLToPath(new URL('../../packages/coordinator/src/main.ts', import.meta.url));
const flags = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')];
const INSTANCES = ['anna', 'bert'];
const CHANNEL_SATS = 16_000_000n;
const COIN_SATS = 300_000n;
/** A mempool takes no longer chains of change. */
const COINS_A_BLOCK = 20;
export const WALLET = 'coordinator';
const STARTING = { patienceMilliseconds: 90_000, everyMilliseconds: 100 };

/** Other things may be killed meanwhile. */
const SUPERVISING = { patienceMilliseconds: 300_000, everyMilliseconds: 500 };

/** `status` 0: nobody answered. */
export type Answer<Body> = { status: number; body: Body };
export type Given = { body?: unknown; token?: string; key?: string };
export type Holdings = { walletSats: bigint; lightningMsat: bigint };

/** Two instances of the program on one PostgreSQL, one LND and one wallet, and an LND of the buyers. */
export class Stage {
  readonly regtest: Regtest;
  readonly postgres: Postgres;
  readonly nodes: { ours: Lnd; buyers: Lnd };
  readonly buyers: LndNode;
  readonly url: string;
  readonly ports: number[];
  readonly #folder: string;
  readonly #programs: KeptProcess[];

  private constructor(of: Pick<Stage, 'regtest' | 'postgres' | 'nodes' | 'url' | 'ports'> & { folder: string }) {
    this.regtest = of.regtest;
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
  }

  /** `coins` for fills; all parts run when it is done, the programs not yet. */
  static async open({ coins }: { coins: number }): Promise<Stage> {
    const regtest = await startRegtest();
    const [postgres, ours, buyers] = await Promise.all([
      startPostgres({ writes: 'fast' }),
      startLnd({ regtest, name: 'ours' }),
      startLnd({ regtest, name: 'buyers' }),
    ]);
    await regtest.wallet('buyer');
    await regtest.wallet(WALLET);
    for (let coin = 0; coin < coins; coin += 1) {
      await regtest.pay({ to: await regtest.address(WALLET), sats: COIN_SATS });
      if (coin % COINS_A_BLOCK === 0 || coin === coins - 1) await regtest.mine(1);
    }
    await openLndChannel(regtest, { from: buyers, to: ours, sats: CHANNEL_SATS, pushSats: 10_000n, kind: 'public' });
    const [folder, url, ports] = [await newFolder('chaos'), await postgres.newDatabase(), await freePorts(4)];
    return new Stage({ regtest, postgres, nodes: { ours, buyers }, folder, url, ports });
  }

  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end('SIGKILL')));
    await this.buyers.close();
    await Promise.all([this.nodes.ours.stop(), this.nodes.buyers.stop(), this.postgres.stop()]);
    await this.regtest.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** Starts an instance, again and again as a supervisor does: one that cannot reach its database ends. */
  async up(instance: number): Promise<void> {
    const program = this.#programs[instance];
    if (program === undefined || program.running) return;
    const ready = async () => (await this.ask(instance, 'GET', '/readyz')).status === 200;
    await until(
      `${INSTANCES[instance]} to be up`,
      () =>
        program.up(ready, STARTING).then(
          () => true,
          () => program.running,
        ),
      SUPERVISING,
    );
  }

  async kill(instance: number): Promise<void> {
    await this.#programs[instance]?.end('SIGKILL');
  }

  async ask<Body>(instance: number, method: string, path: string, given: Given = {}): Promise<Answer<Body>> {
    const { body, token, key } = given;
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    };
    const sent = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const url = `http://127.0.0.1:${this.ports[instance]}${path}`;
    return fetch(url, { ...sent, signal: AbortSignal.timeout(30_000) })
      .then(async (response) => ({ status: response.status, body: (await response.json()) as Body }))
      .catch(() => ({ status: 0, body: {} as Body }));
  }

  /** What the program's command prints. */
  command(...args: string[]): string {
    const env = { ...process.env, ...this.#env(0) };
    return spawnSync(process.execPath, [...flags, MAIN, ...args], { cwd: this.#folder, env, encoding: 'utf8' }).stdout;
  }

  async holdings(): Promise<Holdings> {
    const coins = await this.regtest.rpc<{ amount: number }[]>('listunspent', [0], WALLET);
    const walletSats = coins.reduce((sum, { amount }) => sum + BigInt(Math.round(amount * 1e8)), 0n);
    const ours = driverOver(this.nodes.ours, () => {});
    try {
      return { walletSats, lightningMsat: (await ours.balance()).ownedMsat };
    } finally {
      await ours.close();
    }
  }

  #env(instance: number): Record<string, string> {
    const { node } = this.regtest;
    const { ours } = this.nodes;
    const rpc = new URL(node.rpcUrl);
    const ports = { PORT: String(this.ports[instance]), ADMIN_PORT: String(this.ports[INSTANCES.length + instance]) };
    return {
      ...{ NETWORK: 'regtest', HOST: '127.0.0.1', ...ports, INSTANCE_NAME: INSTANCES[instance] ?? '' },
      ...{ BITCOIN_RPC_HOST: rpc.hostname, BITCOIN_RPC_PORT: rpc.port, BITCOIN_WALLET: WALLET },
      ...{ BITCOIN_RPC_USER: node.rpcUser, BITCOIN_RPC_PASS: node.rpcPassword },
      ...{ LND_HOST: ours.socket, LND_CERT_PATH: ours.certPath },
      ...{ LND_MACAROON_PATH: ours.macaroonPath, LND_ADMIN_MACAROON: 'yes', LOG_LEVEL: 'warn' },
      ...{ DATABASE_URL: this.url, RESCUE_PHRASE_FILE: join(this.#folder, 'phrase') },
      ...{ RATE_READ_PER_MINUTE: '100000', RATE_QUOTE_PER_MINUTE: '100000', RATE_CREATE_PER_MINUTE: '100000' },
      ...{ MARKET_FEE_BPS: '100', LISTERS: 'anyone' },
    };
  }
}

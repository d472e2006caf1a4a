import { type Bitcoind, startBitcoind } from '../../scripts/bitcoind.mjs';
import type { Regtest } from './bitcoind.ts';
import { until } from './kept-process.ts';

const SYNCING = { patienceMilliseconds: 120_000, everyMilliseconds: 50 };

/**
 * The node of the coordinator and of its LND, a peer of the world's node, which stands for everybody else's. Killed, it
 * comes back with the blocks that it had written down last, hours ago on a real one, and gets the rest from its peer;
 * what waited in its mempool it has forgotten, and nobody tells it again.
 */
export class OwnBitcoind {
  readonly node: Bitcoind;
  readonly wallet: string;
  readonly #regtest: Regtest;

  private constructor(of: Pick<OwnBitcoind, 'node' | 'wallet'> & { regtest: Regtest }) {
    this.node = of.node;
    this.wallet = of.wallet;
    this.#regtest = of.regtest;
  }

  static async open({ regtest, wallet }: { regtest: Regtest; wallet: string }): Promise<OwnBitcoind> {
    // Without delays that keep watchers from seeing who sent a transaction first.
    const args = [`-connect=127.0.0.1:${regtest.node.p2pPort}`, '-whitelist=in,out,noban@127.0.0.1'];
    const own = new OwnBitcoind({ node: await startBitcoind({ args }), wallet, regtest });
    // The last argument loads it again when the node comes back.
    await own.node.rpc('createwallet', [wallet, false, false, '', false, true, true]);
    return own;
  }

  /** A program that wants a node of the world may have this one. */
  get regtest(): Regtest {
    return { ...this.#regtest, node: this.node, rpc: this.node.rpc };
  }

  address(): Promise<string> {
    return this.node.rpc<string>('getnewaddress', [], this.wallet);
  }

  /** Ends it in order and begins again: what it has is written down. */
  async writeDown(): Promise<void> {
    await this.synced();
    await this.node.down();
    await this.node.up();
  }

  /** Returns when it has the world's best block. */
  async synced(): Promise<void> {
    const hash = async ({ rpc }: Pick<Bitcoind, 'rpc'>) => rpc<string>('getbestblockhash');
    await until(
      'the own node to have the best block',
      async () => {
        const [own, world] = await Promise.all([hash(this.node), hash(this.#regtest)]);
        return own === world;
      },
      SYNCING,
    );
  }
}

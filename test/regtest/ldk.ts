import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8 } from '@scure/base';
import { bitcoindRpc } from 'sparkle-protocol/chain/bitcoind-rpc';
import { bitcoindBlocks } from 'sparkle-protocol/lightning/ldk/bitcoind-blocks';
import type { BlockSource } from 'sparkle-protocol/lightning/ldk/block-source';
import { startLdkNode, type LdkNode, type LdkNodeOptions } from 'sparkle-protocol/lightning/ldk/node';
import { btc, scriptOf, type Regtest } from './bitcoind.ts';
import { until } from './kept-process.ts';

/** What Lightning nodes see of a regtest node. */
export function regtestBlocks(regtest: Regtest): BlockSource {
  const { rpcUrl, rpcUser, rpcPassword } = regtest.node;
  const credentials = { user: rpcUser, password: rpcPassword };
  return bitcoindBlocks(bitcoindRpc({ url: rpcUrl, credentials, timeoutMilliseconds: 30_000 }).ask);
}

/** Pays for a channel from the miner's wallet. The transaction is only signed: the node itself broadcasts it. */
export async function fundFromMiner(
  regtest: Regtest,
  { address, sats }: { address: string; sats: bigint },
): Promise<string> {
  const empty = await regtest.rpc<string>('createrawtransaction', [[], [{ [address]: btc(sats) }]]);
  const options = { lockUnspents: true, feeRate: '0.00002', change_type: 'bech32m' };
  const { hex } = await regtest.rpc<{ hex: string }>('fundrawtransaction', [empty, options], 'miner');
  return (await regtest.rpc<{ hex: string }>('signrawtransactionwithwallet', [hex], 'miner')).hex;
}

/** Several embedded Lightning nodes on one regtest node, each with a directory that survives its restarts. */
export class LdkWorld {
  readonly regtest: Regtest;
  /** What the nodes warned of, with their names. */
  readonly warnings: string[] = [];
  /** How much later it is for the nodes than for everybody else. */
  aheadMilliseconds = 0;
  readonly #home: string;
  readonly #nodes = new Map<string, LdkNode>();
  readonly #ports = new Map<string, number>();

  private constructor(regtest: Regtest, home: string) {
    this.regtest = regtest;
    this.#home = home;
  }

  static async open(regtest: Regtest): Promise<LdkWorld> {
    return new LdkWorld(regtest, await mkdtemp(join(tmpdir(), 'sparkle-ldk-')));
  }

  /** The node of this name as it is now; another object after a restart. */
  node(name: string): LdkNode {
    const found = this.#nodes.get(name);
    if (found === undefined) throw new Error(`no Lightning node called ${name} is running`);
    return found;
  }

  options(name: string): LdkNodeOptions {
    return {
      directory: join(this.#home, name),
      network: 'regtest',
      seed: sha256(utf8.decode(`lightning seed of ${name}`)),
      blocks: regtestBlocks(this.regtest),
      listen: { host: '127.0.0.1', port: this.#ports.get(name) ?? 0 },
      fundChannel: (funding) => fundFromMiner(this.regtest, funding),
      sweepScript: async () => scriptOf(await this.regtest.address()),
      acceptChannelsFrom: 'anyone',
      nowMilliseconds: () => Date.now() + this.aheadMilliseconds,
      warn: (words) => void this.warnings.push(`${name}: ${words}`),
    };
  }

  async start(name: string, change: Partial<LdkNodeOptions> = {}): Promise<LdkNode> {
    const node = await startLdkNode({ ...this.options(name), ...change });
    this.#nodes.set(name, node);
    this.#ports.set(name, node.port);
    return node;
  }

  /** Ends a node in order, or as a crash would. */
  async end(name: string, how: 'stop' | 'kill'): Promise<void> {
    if (how === 'stop') await this.node(name).close();
    else this.node(name).kill();
    this.#nodes.delete(name);
  }

  async restart(name: string, how: 'stop' | 'kill'): Promise<LdkNode> {
    await this.end(name, how);
    return this.start(name);
  }

  async connect({ from, to }: { from: string; to: string }): Promise<void> {
    const other = this.node(to);
    await this.node(from).connect({ nodeId: await other.nodeId(), host: '127.0.0.1', port: other.port });
  }

  /** Connects two nodes and opens a private channel that can be used and found from both ends. Returns its id. */
  async channel(wanted: { from: string; to: string; sats: bigint; pushMsat: bigint }): Promise<string> {
    const { from, to, sats, pushMsat } = wanted;
    await this.connect({ from, to });
    const nodeId = await this.node(to).nodeId();
    const { channelId, fundingTxid } = await this.node(from).openChannel({ nodeId, sats, pushMsat });
    await this.inMempool(fundingTxid);
    await this.mine(1);
    await this.channelsUp();
    return channelId;
  }

  async inMempool(txid: string): Promise<void> {
    await until(`${txid} in the mempool`, async () =>
      (await this.regtest.rpc<string[]>('getrawmempool')).includes(txid),
    );
  }

  /** Mines, and returns once every running node has seen the new tip. */
  async mine(blocks: number): Promise<void> {
    if (blocks > 0) await this.regtest.mine(blocks);
    await Promise.all([...this.#nodes.values()].map((node) => node.sync()));
  }

  /** Returns once all channels of all running nodes are usable and can be found by payers. */
  async channelsUp(): Promise<void> {
    const isUp = (node: LdkNode): boolean => node.channels().every(({ usable, routable }) => usable && routable);
    await until('all channels to be up', () => [...this.#nodes.values()].every(isUp));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => node.close()));
    await rm(this.#home, { recursive: true, force: true });
  }
}

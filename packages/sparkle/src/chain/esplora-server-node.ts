import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { vsizeOf } from '../protocol/draft.ts';
import { readTransaction } from '../protocol/transaction.ts';
import { bitcoindChain } from './bitcoind.ts';
import { BitcoindLookup, NOT_FOUND } from './bitcoind-lookup.ts';
import { bitcoindRpc, hex32, hexBytes, sats, type BitcoindRpc, type BitcoindRpcOptions } from './bitcoind-rpc.ts';
import type { Chain, ChainTransaction, UnspentOutput } from './chain.ts';

type EsploraStatus =
  | { confirmed: false }
  | { confirmed: true; block_height: number; block_hash: string; block_time: number };

const RECENT = 10;

const blockShape = z.object({
  hash: hex32,
  height: z.number().int(),
  version: z.number().int(),
  time: z.number().int(),
  mediantime: z.number().int(),
  nonce: z.number().int(),
  bits: z.string(),
  difficulty: z.number(),
  merkleroot: hex32,
  size: z.number().int(),
  weight: z.number().int(),
  tx: z.array(hex32),
  previousblockhash: hex32.optional(),
  nextblockhash: hex32.optional(),
  confirmations: z.number().int(),
});
const entryShape = z.object({ vsize: z.number().int(), fees: z.object({ base: sats }) });

export type NodeBlock = z.infer<typeof blockShape>;

/** What the server asks its node. */
export class EsploraNode {
  readonly rpc: BitcoindRpc;
  readonly lookup: BitcoindLookup;
  private readonly chain: Chain;
  private readonly searchBlocks: number;
  /** In the order in which they were first seen, the newest last. */
  private arrivals: string[] = [];

  constructor(options: { node: BitcoindRpcOptions; searchBlocks: number }) {
    this.rpc = bitcoindRpc(options.node);
    this.lookup = new BitcoindLookup(this.rpc);
    this.searchBlocks = options.searchBlocks;
    this.chain = bitcoindChain({ ...options.node, zmq: {}, pollMilliseconds: 1_000, fallbackSatVb: 1 });
  }

  hashAt(height: number): Promise<string | undefined> {
    return this.chain.blockHash(height);
  }

  async header(hash: string): Promise<string | undefined> {
    return this.known('getblockheader', [hash, false], hexBytes);
  }

  async block(hash: string): Promise<NodeBlock | undefined> {
    return this.known('getblock', [hash, 1], blockShape);
  }

  async rawBlock(hash: string): Promise<string | undefined> {
    return this.known('getblock', [hash, 0], hexBytes);
  }

  transaction(txid: string): Promise<ChainTransaction | undefined> {
    return this.lookup.transaction(txid);
  }

  unspent(outpoint: string): Promise<UnspentOutput | undefined> {
    return this.chain.unspent(outpoint);
  }

  async status({ block }: Pick<ChainTransaction, 'block'>): Promise<EsploraStatus> {
    if (block === undefined) return { confirmed: false };
    const { timeSeconds } = await this.lookup.header(block.hash);
    return { confirmed: true, block_height: block.height, block_hash: block.hash, block_time: timeSeconds };
  }

  /** The spend of an output; throws `chain_unavailable` when it is older than what is searched. */
  async spender(funding: ChainTransaction, vout: number): Promise<ChainTransaction | undefined> {
    const outpoint = `${funding.txid}:${vout}`;
    const { height } = await this.lookup.tip();
    const created = funding.block?.height ?? height;
    const from = Math.max(created, height - this.searchBlocks);
    const found = await this.chain.spender(outpoint, from);
    if (found !== undefined || from === created || (await this.unspent(outpoint)) !== undefined) return found;
    const reason = `${outpoint} was spent more than ${this.searchBlocks} blocks ago, further than this server searches`;
    throw new SparkleError('chain_unavailable', reason, { outpoint, reason });
  }

  /** The last transactions to enter the mempool, the newest first. */
  async recent(): Promise<{ txid: string; fee: number; vsize: number; value: number }[]> {
    const now = await this.mempool();
    const known = new Set(this.arrivals);
    const present = new Set(now);
    this.arrivals = [...this.arrivals.filter((txid) => present.has(txid)), ...now.filter((txid) => !known.has(txid))];
    const newest = this.arrivals.slice(-RECENT).reverse();
    return (await Promise.all(newest.map((txid) => this.arrival(txid)))).flatMap((each) => each);
  }

  mempool(): Promise<string[]> {
    return this.rpc.call('getrawmempool', [], z.array(hex32));
  }

  private async arrival(txid: string) {
    const entry = await this.known('getmempoolentry', [txid], entryShape);
    const found = entry === undefined ? undefined : await this.transaction(txid);
    if (entry === undefined || found === undefined) return [];
    const value = readTransaction(found.raw).outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);
    return [{ txid, fee: Number(entry.fees.base), vsize: vsizeOf(found.raw), value: Number(value) }];
  }

  /** `undefined` when the node says that it knows no such thing. */
  private async known<T>(method: string, params: unknown[], shape: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.rpc.ask(method, params);
    if ('refusal' in answer && answer.refusal.code === NOT_FOUND) return undefined;
    const { data } = shape.safeParse('refusal' in answer ? undefined : answer.result);
    if (data !== undefined) return data;
    const reason = 'refusal' in answer ? answer.refusal.reason : 'its answer has another shape';
    throw new SparkleError('chain_unavailable', `the node must answer ${method}; ${reason}`, { method, reason });
  }
}

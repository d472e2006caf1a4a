import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { BitcoindProgress } from './bitcoind-progress.ts';
import { hex32, hexBytes, sats, type BitcoindRpc } from './bitcoind-rpc.ts';
import type { ChainTransaction, Tip, UnspentOutput } from './chain.ts';

/** rpc/protocol.h: RPC_INVALID_ADDRESS_OR_KEY, which is also how an unknown transaction or block is answered. */
export const NOT_FOUND = -5;
/** A question is asked anew when the chain changed while it was answered, so many times. */
export const MAX_ROUNDS = 5;
/** How many outputs of a transaction a node without -txindex is asked for. */
const PROBED_OUTPUTS = 4;

const headerShape = z.object({
  height: z.number().int(),
  confirmations: z.number().int(),
  time: z.number().int(),
  // The first block has none before it.
  previousblockhash: hex32.default(''),
});
const transactionShape = z.object({ hex: hexBytes, blockhash: hex32.optional() });
const outputShape = z.union([
  z.null(),
  z.object({
    bestblock: hex32,
    value: sats,
    confirmations: z.number().int(),
    scriptPubKey: z.object({ hex: hexBytes }),
  }),
]);
const indexesShape = z.object({ txindex: z.object({ synced: z.boolean() }).optional() });

export type Header = { height: number; confirmations: number; timeSeconds: number; previous: string };

const unavailable = (sentence: string, txid: string): SparkleError =>
  new SparkleError('chain_unavailable', sentence, { txid });

/** What a node knows about single blocks, outputs and transactions. What it lacks it only lacks when it is up to date. */
export class BitcoindLookup {
  private readonly rpc: BitcoindRpc;
  private readonly progress: BitcoindProgress;

  constructor(rpc: BitcoindRpc) {
    this.rpc = rpc;
    this.progress = new BitcoindProgress(rpc);
  }

  bestHash(): Promise<string> {
    return this.rpc.call('getbestblockhash', [], hex32);
  }

  async header(hash: string): Promise<Header> {
    const answer = await this.rpc.call('getblockheader', [hash], headerShape);
    const { height, confirmations, time, previousblockhash } = answer;
    return { height, confirmations, timeSeconds: time, previous: previousblockhash };
  }

  tip(): Promise<Tip> {
    return this.progress.tip();
  }

  /** The mempool counted, as the port wants it. */
  async unspent({ txid, vout }: { txid: string; vout: number }): Promise<UnspentOutput | undefined> {
    const output = await this.rpc.call('gettxout', [txid, vout, true], outputShape);
    if (output !== null)
      return { valueSats: output.value, script: output.scriptPubKey.hex, confirmations: output.confirmations };
    await this.tip();
    return undefined;
  }

  async transaction(txid: string): Promise<ChainTransaction | undefined> {
    const atOnce = await this.ask(txid);
    if (typeof atOnce === 'object') return atOnce;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const before = await this.bestHash();
      const found = await this.ask(txid);
      if (typeof found === 'object') return found;
      if (found === 'unknown' && !(await this.indexed(txid))) return this.throughOutputs(txid);
      // A block that arrives between the node's look at its mempool and at its index hides what it confirms.
      if ((await this.tip()).hash === before) return undefined;
    }
    throw unavailable(`the chain changed ${MAX_ROUNDS} times while the node looked for transaction ${txid}`, txid);
  }

  /** In the mempool, in a block of the best chain, or (only with -txindex) in a block that no longer is in it. */
  private async ask(txid: string, blockHash?: string): Promise<ChainTransaction | 'stale' | 'unknown'> {
    const params = blockHash === undefined ? [txid, 1] : [txid, 1, blockHash];
    const answer = await this.rpc.ask('getrawtransaction', params);
    if ('refusal' in answer) {
      const { code, reason } = answer.refusal;
      if (code === NOT_FOUND) return 'unknown';
      throw unavailable(`the node must say where transaction ${txid} is; it refused: ${reason}`, txid);
    }
    const found = transactionShape.safeParse(answer.result).data;
    if (found === undefined) throw unavailable(`the node's answer about transaction ${txid} has another shape`, txid);
    if (found.blockhash === undefined) return { txid, raw: found.hex };
    const { height, confirmations } = await this.header(found.blockhash);
    return confirmations < 1 ? 'stale' : { txid, raw: found.hex, block: { height, hash: found.blockhash } };
  }

  /** Finds the block through an output that is still unspent in it; the only way without -txindex. */
  private async throughOutputs(txid: string): Promise<ChainTransaction> {
    for (let vout = 0; vout < PROBED_OUTPUTS; vout += 1) {
      const output = await this.rpc.call('gettxout', [txid, vout, false], outputShape);
      if (output === null) continue;
      const best = await this.header(output.bestblock);
      const hash = await this.rpc.call('getblockhash', [best.height - output.confirmations + 1], hex32);
      const found = await this.ask(txid, hash);
      if (typeof found === 'object') return found;
    }
    const sentence = `only a node with -txindex can tell whether transaction ${txid} is in a block; this one has none`;
    throw unavailable(sentence, txid);
  }

  private async indexed(txid: string): Promise<boolean> {
    const { txindex } = await this.rpc.call('getindexinfo', [], indexesShape);
    if (txindex?.synced !== false) return txindex !== undefined;
    throw unavailable(`the node is still building its transaction index; it cannot tell where ${txid} is`, txid);
  }
}

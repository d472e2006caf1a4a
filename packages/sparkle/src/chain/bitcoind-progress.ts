import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { hex32, type BitcoindRpc } from './bitcoind-rpc.ts';
import type { Tip } from './chain.ts';

/** A block or two whose headers came first are on their way at any time. */
const MOST_BLOCKS_ON_THEIR_WAY = 2;

const infoShape = z.object({
  ...{ bestblockhash: hex32, chainwork: hex32, time: z.number().int() },
  ...{ blocks: z.number().int(), headers: z.number().int() },
});

/**
 * A node's best block, and whether it may be believed. A node that was killed comes back without what it had not written
 * to disk, up to an hour of blocks, and until it has fetched them again it answers as if they had never been: a coin of
 * that hour is not there, a coin that was spent is. By the rule of most work a node never leaves a chain for one with
 * less, so a best block with less work than an earlier one is such a node, and so is one that knows headers far ahead.
 */
export class BitcoindProgress {
  readonly #rpc: BitcoindRpc;
  /** As hex of one length: ordered like the numbers. */
  #mostWork = '';

  constructor(rpc: BitcoindRpc) {
    this.#rpc = rpc;
  }

  /** Throws `chain_unavailable` while the node is catching up. */
  async tip(): Promise<Tip> {
    // Of what others find out while the node answers, its answer may know nothing.
    const leastWork = this.#mostWork;
    const info = await this.#rpc.call('getblockchaininfo', [], infoShape);
    const { bestblockhash: hash, blocks: height, time: timeSeconds, headers, chainwork } = info;
    if (chainwork < leastWork || headers - height > MOST_BLOCKS_ON_THEIR_WAY)
      throw new SparkleError(
        'chain_unavailable',
        `the node must have all blocks that it knows of or had before; it is at height ${height} and catches up`,
        { height, headers },
      );
    if (chainwork > this.#mostWork) this.#mostWork = chainwork;
    return { height, hash, timeSeconds };
  }
}

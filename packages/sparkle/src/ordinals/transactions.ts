import { SparkleError } from '../protocol/errors.ts';
import { sumSats } from '../protocol/amount.ts';
import { readTransaction, type Transaction } from '../protocol/transaction.ts';
import type { BlockSource, Chain } from '../chain/chain.ts';

type Place = { height: number; hash: string };
type Found = { transaction: Transaction; block: Place | undefined };

/** How many transactions one question may still look at; a trace that needs more, or longer than `signal`, is given up. */
export type Budget = { left: number; signal?: AbortSignal | undefined };

const KEPT_TRANSACTIONS = 20_000;

/** Transactions by txid, each fetched once: a txid commits to all that a trace reads from them. */
export class Transactions {
  private readonly chain: Chain;
  private readonly blocks: BlockSource | undefined;
  private readonly kept = new Map<string, Found>();

  constructor({ chain, blocks }: { chain: Chain; blocks: BlockSource | undefined }) {
    this.chain = chain;
    this.blocks = blocks;
  }

  /** The transaction and its block now; `undefined` when it is in neither the chain nor the mempool. */
  async find(txid: string, budget: Budget): Promise<Found | undefined> {
    spend(budget);
    return this.fetch(txid);
  }

  /**
   * A transaction that must exist, because another one that exists spends it. Its block is the one it was in when it was
   * fetched, and may have been replaced since. Throws `not_indexed`.
   */
  async content(txid: string, budget: Budget): Promise<Found> {
    spend(budget);
    const found = this.kept.get(txid) ?? (await this.fetch(txid));
    if (found !== undefined) return found;
    throw new SparkleError('not_indexed', `transaction ${txid} must be known, because it was spent; it is not`, {
      txid,
    });
  }

  /** Values in sats of what the first `count` inputs spend. */
  async inputValues(wanted: { transaction: Transaction; count: number; budget: Budget }): Promise<bigint[]> {
    const { transaction, count, budget } = wanted;
    const values: bigint[] = [];
    for (const { txid, vout } of transaction.inputs.slice(0, count)) {
      const { transaction: previous } = await this.content(txid, budget);
      const output = previous.outputs[vout];
      if (output === undefined)
        throw new SparkleError('bad_transaction', `transaction ${txid} must have an output ${vout}; it has none`, {
          txid,
        });
      values.push(output.valueSats);
    }
    return values;
  }

  async fee(transaction: Transaction, budget: Budget): Promise<bigint> {
    const values = await this.inputValues({ transaction, count: transaction.inputs.length, budget });
    return sumSats(values) - sumSats(transaction.outputs.map(({ valueSats }) => valueSats));
  }

  /** The transactions of a block in order. Throws `not_indexed` when the chain's source has no whole blocks. */
  async block(hash: string, budget: Budget): Promise<Transaction[]> {
    spend(budget);
    const raws = await this.blocks?.block(hash);
    if (raws !== undefined) return raws.map(readTransaction);
    const sentence = 'sats that were paid as a fee can only be followed with a source of whole blocks; there is none';
    throw new SparkleError('not_indexed', sentence, { block: hash });
  }

  private async fetch(txid: string): Promise<Found | undefined> {
    const answer = await this.chain.transaction(txid);
    if (answer === undefined) return undefined;
    const found = { transaction: readTransaction(answer.raw), block: answer.block };
    this.kept.delete(txid);
    this.kept.set(txid, found);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT_TRANSACTIONS) break;
      this.kept.delete(oldest);
    }
    return found;
  }
}

function spend(budget: Budget): void {
  budget.signal?.throwIfAborted();
  budget.left -= 1;
  if (budget.left >= 0) return;
  const sentence = 'the sats must be traceable through the allowed number of transactions; the way is longer';
  throw new SparkleError('not_indexed', sentence);
}

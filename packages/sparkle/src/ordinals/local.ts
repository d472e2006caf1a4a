import type { BlockSource, Chain } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { type HeldInscription, marksIn, type OutputAssets } from '../protocol/guard.ts';
import { readInscriptionId, readOutpoint, satPointText } from '../protocol/inscription.ts';
import type { InscriptionPlace, Ordinals } from './ordinals.ts';
import { BackTrace } from './trace-back.ts';
import { ForwardTrace, type Hop } from './trace-forward.ts';
import { Transactions } from './transactions.ts';

export type LocalOrdinalsOptions = {
  chain: Chain;
  /** Whole blocks, to follow sats that were paid as a fee; without it such a sat is answered with `not_indexed`. */
  blocks?: BlockSource;
  /** How many transactions one question may look at before it is given up with `not_indexed`. */
  maxTransactions: number;
};

const MAX_ROUNDS = 5;
const KEPT_PATHS = 1_000;

/** The ways of inscriptions that were asked for, each as far as it was followed, for the next question. */
class Paths {
  private readonly paths = new Map<string, Hop[]>();

  get(inscriptionId: string): readonly Hop[] {
    return this.paths.get(inscriptionId) ?? [];
  }

  keep(inscriptionId: string, hops: Hop[]): void {
    this.paths.delete(inscriptionId);
    this.paths.set(inscriptionId, hops);
    for (const oldest of this.paths.keys()) {
      if (this.paths.size <= KEPT_PATHS) break;
      this.paths.delete(oldest);
    }
  }
}

class LocalOrdinals {
  private readonly options: LocalOrdinalsOptions;
  private readonly transactions: Transactions;
  private readonly paths = new Paths();

  constructor(options: LocalOrdinalsOptions) {
    this.options = options;
    this.transactions = new Transactions({ chain: options.chain, blocks: options.blocks });
  }

  async locate(inscriptionId: string): Promise<InscriptionPlace> {
    readInscriptionId(inscriptionId);
    const { chain } = this.options;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const { height, hash } = await chain.tip();
      const { txid, vout, offsetSats } = await this.follow(inscriptionId);
      // Only then is the place one of this very block; otherwise it may mix two.
      if ((await chain.tip()).hash === hash)
        return { satpoint: satPointText({ txid, vout, offsetSats }), atBlock: { height, hash } };
    }
    const sentence = `the chain must stand still while ${inscriptionId} is looked for; it moved ${MAX_ROUNDS} times`;
    throw new SparkleError('not_indexed', sentence, { inscriptionId });
  }

  async inscriptionsIn(outpoint: string): Promise<HeldInscription[]> {
    const place = readOutpoint(outpoint);
    const network = await this.options.chain.network();
    const budget = { left: this.options.maxTransactions };
    return new BackTrace({ transactions: this.transactions, network, budget }).inscriptionsIn(place);
  }

  async assets(outpoint: string): Promise<OutputAssets> {
    const inscriptions = await this.inscriptionsIn(outpoint);
    const { txid } = readOutpoint(outpoint);
    const { transaction } = await this.transactions.content(txid, { left: 1 });
    return { inscriptions, runes: 'unknown', marks: marksIn(transaction) };
  }

  private async follow(inscriptionId: string): Promise<Hop> {
    const { chain, maxTransactions } = this.options;
    const budget = { left: maxTransactions };
    const trace = new ForwardTrace({ chain, transactions: this.transactions, network: await chain.network() });
    const hops = await this.stillTrue(this.paths.get(inscriptionId));
    let last = hops.at(-1);
    if (last === undefined) hops.push((last = await trace.reveal(readInscriptionId(inscriptionId), budget)));
    for (let next = await trace.next(last, budget); next !== undefined; next = await trace.next(last, budget)) {
      last = next;
      hops.push(last);
    }
    this.paths.keep(inscriptionId, hops);
    return last;
  }

  /** The part of a way that no reorg touched: up to the last hop whose block is in the best chain. */
  private async stillTrue(hops: readonly Hop[]): Promise<Hop[]> {
    const kept = [...hops];
    for (let last = kept.at(-1); last !== undefined; last = kept.at(-1)) {
      if ((await this.options.chain.blockHash(last.block.height)) === last.block.hash) break;
      kept.pop();
    }
    return kept;
  }
}

/**
 * Answers about inscriptions from the chain alone, without an index: `locate` follows the sat from its reveal through every
 * spend, `inscriptionsIn` follows every sat of an output back to where it was mined.
 *
 * What it promises: an answer is complete and needs no trust in an indexer. What it cannot: be fast for sats with a long
 * history. `locate` is as quick as the chain finds spends, which for a node means reading the blocks since the reveal
 * once; `inscriptionsIn` looks at every ancestor of an output since inscriptions exist, and where they are more than
 * `maxTransactions` it throws `not_indexed` and never says that an output is empty. An output that was spent is answered by
 * what it held. Runes flow by other rules than sats do and are not traced: of them it says `unknown`. For coins of mainnet
 * with a long past, and for runes, use an `ord` server.
 */
export function localOrdinals(options: LocalOrdinalsOptions): Ordinals {
  const local = new LocalOrdinals(options);
  return {
    locate: (inscriptionId) => local.locate(inscriptionId),
    inscriptionsIn: async (outpoint) => (await local.inscriptionsIn(outpoint)).map(({ id }) => id),
    assets: (outpoint) => local.assets(outpoint),
  };
}

import type { BlockSource, Chain } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { type HeldInscription, marksOf } from '../protocol/guard.ts';
import { readInscriptionId, readOutpoint } from '../protocol/inscription.ts';
import { readTransaction } from '../protocol/transaction.ts';
import { heldIn, moved, settled, withBlock, type IndexState } from './memory-index.ts';
import type { Ordinals } from './ordinals.ts';

export type MemoryOrdinals = Ordinals & {
  /** Stops indexing, as a server does that hangs; from the next block on every question is answered with `not_indexed`. */
  stall(): void;
  resume(): void;
};

type Indexed = { height: number; hash: string; state: IndexState };

class MemoryIndex {
  private readonly chain: Chain & BlockSource;
  private readonly states = new Map<string, IndexState>();
  private last: Indexed | undefined;
  private stalled = false;

  constructor(chain: Chain & BlockSource) {
    this.chain = chain;
  }

  setStalled(stalled: boolean): void {
    this.stalled = stalled;
  }

  /** The index at the tip; after a reorg it goes on from the last block that both chains have. */
  async atTip(): Promise<Indexed> {
    const tip = await this.chain.tip();
    if (this.last?.hash === tip.hash) return this.last;
    if (this.stalled)
      throw new SparkleError('not_indexed', `the index must be at block ${tip.height}; it stands still`, {
        height: tip.height,
      });
    const network = await this.chain.network();
    let height = tip.height;
    let hash = tip.hash;
    const missing: { height: number; hash: string }[] = [];
    while (height > 0 && !this.states.has(hash)) {
      missing.unshift({ height, hash });
      height -= 1;
      hash = (await this.chain.blockHash(height)) ?? '';
    }
    let state = this.states.get(hash) ?? new Map();
    for (const block of missing) {
      state = await withBlock({ chain: this.chain, network, state, block });
      this.states.set(block.hash, state);
    }
    this.last = { height: tip.height, hash: tip.hash, state };
    return this.last;
  }

  /** What lies in an output of the index, or of a transaction of the mempool on top of it. */
  async heldBy(outpoint: string, state: IndexState): Promise<[string, bigint][]> {
    const { txid, vout } = readOutpoint(outpoint);
    const found = await this.chain.transaction(txid);
    const transaction = found === undefined ? undefined : readTransaction(found.raw);
    if (transaction?.outputs[vout] === undefined)
      throw new SparkleError('not_indexed', `output ${outpoint} must exist; the chain does not know it`, { outpoint });
    if (found?.block !== undefined) return heldIn(state)(outpoint);
    const before = new Map<string, [string, bigint][]>();
    for (const input of transaction.inputs) {
      const spent = `${input.txid}:${input.vout}`;
      before.set(spent, await this.heldBy(spent, state));
    }
    const movings = await moved(this.chain, transaction, (spent) => before.get(spent) ?? []);
    return movings.flatMap(({ id, place }): [string, bigint][] => {
      const now = place.to === 'output' ? settled(transaction, place) : undefined;
      return now?.outpoint === outpoint ? [[id, now.offsetSats]] : [];
    });
  }
}

/**
 * An index of inscriptions over a chain in memory: what an `ord` server does, block by block, and therefore another way to
 * the same answers than `localOrdinals` goes. It keeps everything it ever indexed; not for a real chain.
 */
export function memoryOrdinals({ chain }: { chain: Chain & BlockSource }): MemoryOrdinals {
  const index = new MemoryIndex(chain);
  const inscriptionsIn = async (outpoint: string): Promise<HeldInscription[]> => {
    readOutpoint(outpoint);
    const { state } = await index.atTip();
    const held = await index.heldBy(outpoint, state);
    return held
      .toSorted(([, a], [, b]) => (a === b ? 0 : a < b ? -1 : 1))
      .map(([id, offsetSats]) => ({ id, offsetSats }));
  };
  return {
    async locate(inscriptionId) {
      readInscriptionId(inscriptionId);
      const { height, hash, state } = await index.atTip();
      const place = state.get(inscriptionId);
      if (place !== undefined) return { satpoint: `${place.outpoint}:${place.offsetSats}`, atBlock: { height, hash } };
      const sentence = `inscription ${inscriptionId} must lie in an output; ${state.has(inscriptionId) ? 'it is gone' : 'there is none'}`;
      throw new SparkleError('unknown_inscription', sentence, { inscriptionId });
    },
    inscriptionsIn: async (outpoint) => (await inscriptionsIn(outpoint)).map(({ id }) => id),
    async assets(outpoint) {
      const inscriptions = await inscriptionsIn(outpoint);
      const found = await chain.transaction(readOutpoint(outpoint).txid);
      return { inscriptions, runes: 'unknown', marks: found === undefined ? [] : marksOf(found.raw) };
    },
    stall: () => index.setStalled(true),
    resume: () => index.setStalled(false),
  };
}

import type { ChainEvent, Tip } from './chain.ts';

/** R2: how many blocks are remembered. A deeper fork is told as a reorg of all of them. */
const MAX_WALK_BACK = 100;

type Place = { height: number; hash: string };

/** Asks a source for a block's height and the hash of the block before it. */
export type ReadHeader = (hash: string) => Promise<{ height: number; previous: string }>;

/** The last blocks of the best chain, lowest first, as a source told them last. Turns tips into events. */
type RecentChain = {
  /** What changed since the last call; `undefined` at the first call and when nothing did. */
  moveTo(tip: Tip): Promise<ChainEvent | undefined>;
};

/** Remembers the recent chain of one source, so that a fork is noticed by hashes and not by heights (R2). */
export function recentChain(readHeader: ReadHeader): RecentChain {
  let blocks: Place[] = [];

  /** Follows the links back from `tip` to a block that is remembered; `joined` is its index, -1 when there is none. */
  const walkBack = async (tip: Tip): Promise<{ added: Place[]; joined: number }> => {
    const lowest = blocks[0]?.height ?? 0;
    const added: Place[] = [];
    for (let hash = tip.hash; ;) {
      const joined = blocks.findIndex((block) => block.hash === hash);
      if (joined !== -1) return { added: added.reverse(), joined };
      const { height, previous } = await readHeader(hash);
      if (height < lowest) return { added: added.reverse(), joined: -1 };
      added.push({ height, hash });
      hash = previous;
    }
  };

  return {
    async moveTo(tip) {
      const last = blocks.at(-1);
      if (last === undefined) blocks = [{ height: tip.height, hash: tip.hash }];
      if (last === undefined || last.hash === tip.hash) return undefined;
      const { added, joined } = await walkBack(tip);
      const disconnected = blocks.splice(joined + 1).reverse();
      blocks = [...blocks, ...added].slice(-MAX_WALK_BACK);
      return disconnected.length === 0 ? { type: 'tip', tip } : { type: 'reorg', disconnected, tip };
    },
  };
}

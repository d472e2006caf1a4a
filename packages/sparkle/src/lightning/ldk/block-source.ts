import type { NetworkName } from '../../protocol/network.ts';

/** A block's header and place. Hashes are in display order, `raw` is the 80-byte header in hex. */
export type BlockHeader = {
  hash: string;
  previous: string;
  height: number;
  timeSeconds: number;
  raw: string;
  inBestChain: boolean;
};

/** What became of a broadcast. `final`: the chain holds the transaction, or another one that spends its inputs. */
export type BroadcastOutcome = { state: 'accepted' } | { state: 'final' } | { state: 'refused'; reason: string };

/**
 * What a Lightning node needs of Bitcoin and the chain port does not give: whole blocks, and headers of blocks that
 * were reorganised away. Every method throws `chain_unavailable` when the source cannot be asked.
 */
export type BlockSource = {
  network(): Promise<NetworkName>;
  bestHash(): Promise<string>;
  /** `undefined` for a block this source has never seen. */
  header(hash: string): Promise<BlockHeader | undefined>;
  /** Hash of the best chain's block at `height`, `undefined` above the tip. */
  blockHash(height: number): Promise<string | undefined>;
  /** The whole block, hex. */
  rawBlock(hash: string): Promise<string>;
  /** Its transactions in order, raw. */
  blockTransactions(hash: string): Promise<string[]>;
  /** sat/vB to confirm within `targetBlocks`; `undefined` when the source cannot tell. */
  feerate(targetBlocks: number): Promise<number | undefined>;
  /** One transaction, or a package with parents first. */
  broadcast(raws: readonly string[]): Promise<BroadcastOutcome>;
};

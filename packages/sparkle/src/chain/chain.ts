import type { NetworkName } from '../protocol/network.ts';

/** The best block as one source sees it. `hash` is in display order, `timeSeconds` is the block's own timestamp. */
export type Tip = { height: number; hash: string; timeSeconds: number };

/** A transaction and where it is: `block` is absent while it is only in the mempool. */
export type ChainTransaction = { txid: string; raw: string; block?: { height: number; hash: string } };

/** An unspent output, the mempool counted: an output that a mempool transaction spends is not unspent. */
export type UnspentOutput = { valueSats: bigint; script: string; confirmations: number };

/**
 * What a chain tells without being asked. Only a hint to look again: nothing is decided on an event alone (R2). A
 * `disagreement` comes from a quorum whose sources contradict each other about what `about` names.
 */
export type ChainEvent =
  | { type: 'tip'; tip: Tip }
  | { type: 'reorg'; disconnected: { height: number; hash: string }[]; tip: Tip }
  | { type: 'transaction'; txid: string; raw: string }
  | { type: 'removed'; txid: string }
  | { type: 'disagreement'; about: string };

/**
 * A view of Bitcoin. Txids and block hashes are lowercase hex in display order, outpoints are `txid:vout`, raw
 * transactions and scripts are lowercase hex, feerates are sat/vB. Every method throws SparkleError
 * `chain_unavailable` when the source cannot be asked, and never guesses.
 */
export interface Chain {
  network(): Promise<NetworkName>;
  tip(): Promise<Tip>;
  /** Hash of the block at `height` in the best chain, `undefined` above the tip. */
  blockHash(height: number): Promise<string | undefined>;
  /** A transaction of the best chain or the mempool; `undefined` when it is in neither (also after a reorg or an eviction). */
  transaction(txid: string): Promise<ChainTransaction | undefined>;
  /** The output while unspent, `undefined` when it does not exist or is spent (mempool counted). */
  unspent(outpoint: string): Promise<UnspentOutput | undefined>;
  /**
   * The transaction that spends `outpoint`, in the best chain (searched from `fromHeight` on) or in the mempool;
   * `undefined` while nothing spends it. Always right after a reorg, an eviction or a replacement. A source that searches
   * blocks may take hours; it ends when `signal` does, by throwing the signal's reason.
   */
  spender(outpoint: string, fromHeight: number, signal?: AbortSignal): Promise<ChainTransaction | undefined>;
  /** Feerate in sat/vB expected to confirm within `targetBlocks`; never below the node's relay minimum. */
  feerate(targetBlocks: number): Promise<number>;
  /**
   * Hands over one transaction, or several as one package (parents first). Idempotent: what is already known or
   * confirmed is not an error. Throws `broadcast_refused` with the node's own words in `detail.reason`.
   */
  broadcast(raws: string[]): Promise<void>;
  /** Calls `listener` on every change until the returned function is called. */
  subscribe(listener: (event: ChainEvent) => void): () => void;
  close(): Promise<void>;
}

/** What some sources offer besides: a node has whole blocks, a light server has not. */
export type BlockSource = {
  /** The raw transactions (hex) of a block in its order, the coinbase first; `undefined` when there is no such block. */
  block(hash: string): Promise<string[] | undefined>;
};

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { SparkleError } from '../../protocol/errors.ts';
import type { BlockHeader, BlockSource } from './block-source.ts';
import type { LdkCore } from './core.ts';
import { displayHash, internalHash } from './values.ts';

type SyncedTip = { hash: string; height: number };

type Deps = {
  source: BlockSource;
  core: Pick<LdkCore, 'bestBlock' | 'connectBlock' | 'disconnectBlock' | 'broadcaster' | 'feeEstimator' | 'logger'>;
  /** Runs one turn. */
  turn: (work: () => void) => void;
  /** Told after each turn that moved the tip. */
  moved: () => void;
};

const HEADER_BYTES = 80;
// Blocks are fetched ahead of the turn that connects them, and a turn takes several small ones: one commit for all.
const AHEAD = 16;
const TURN_BYTES = 400_000;

/**
 * Follows the best chain block by block. The library panics on a block that does not follow its tip, so every block is
 * checked to be the one it is said to be before it is handed over.
 */
export class ChainSync {
  #tip: SyncedTip;
  readonly #deps: Deps;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #over = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#tip = deps.core.bestBlock();
  }

  get tip(): SyncedTip {
    return this.#tip;
  }

  /** After the run under way, if any, has come to its end, nothing is connected any more. */
  async end(): Promise<void> {
    this.#over = true;
    await this.#running.catch(() => undefined);
  }

  /** Catches up with the source, in a run that starts after the call. Runs never overlap, and at most one waits. */
  sync(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#run();
      });
    this.#running = this.#next;
    return this.#next;
  }

  /**
   * Brings a monitor that was read from disk to the manager's block. LDK writes monitors less often than the manager
   * when blocks come, so each may be at a height of its own.
   */
  async catchUpMonitor(monitor: ldk.ChannelMonitor): Promise<void> {
    const { source, core, turn } = this.#deps;
    const { broadcaster, feeEstimator, logger } = core;
    const best = monitor.current_best_block();
    const { gone, fork } = await this.#forkFrom(displayHash(best.get_block_hash()));
    turn(() => {
      for (const block of gone)
        monitor.block_disconnected(hex.decode(block.raw), block.height, broadcaster, feeEstimator, logger);
    });
    for (let height = fork.height + 1; height <= this.#tip.height; height += 1) {
      const hash = await source.blockHash(height);
      const header = hash === undefined ? undefined : await source.header(hash);
      if (header === undefined) throw otherChain(this.#tip.hash);
      const raws = await source.blockTransactions(header.hash);
      const indexed = raws.map((raw, index) => ldk.TwoTuple_usizeTransactionZ.constructor_new(index, hex.decode(raw)));
      turn(() => {
        monitor.block_connected(hex.decode(header.raw), indexed, height, broadcaster, feeEstimator, logger);
      });
    }
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      if ((await this.#deps.source.bestHash()) === this.#tip.hash || this.#over) return;
      const { gone, fork } = await this.#forkFrom(this.#tip.hash);
      if (this.#over) return;
      if (gone.length > 0) this.#disconnect({ gone, fork });
      const connected = await this.#connectNext();
      // The source is between two chains: the next poll will find it at rest.
      if (connected === 0 && gone.length === 0) return;
    }
  }

  /** Blocks from `hash` down that are not in the best chain any more, and the one where it forked. */
  async #forkFrom(hash: string): Promise<{ gone: BlockHeader[]; fork: SyncedTip }> {
    const gone: BlockHeader[] = [];
    let at = hash;
    for (;;) {
      const header = await this.#deps.source.header(at);
      if (header === undefined) throw otherChain(at);
      if (header.inBestChain) return { gone, fork: { hash: header.hash, height: header.height } };
      gone.push(header);
      at = header.previous;
    }
  }

  #disconnect({ gone, fork }: { gone: BlockHeader[]; fork: SyncedTip }): void {
    this.#deps.turn(() => {
      for (const block of gone)
        this.#deps.core.disconnectBlock({ header: hex.decode(block.raw), height: block.height });
      this.#tip = fork;
    });
    this.#deps.moved();
  }

  async #connectNext(): Promise<number> {
    const heights = Array.from({ length: AHEAD }, (_, index) => this.#tip.height + 1 + index);
    const blocks = await Promise.all(heights.map((height) => this.#fetch(height)));
    let connected = 0;
    let turn: { raw: Uint8Array; hash: string; height: number }[] = [];
    let bytes = 0;
    let previous = this.#tip.hash;
    for (const block of blocks) {
      // A reorg while we looked: what was fetched so far is good, the rest is asked for again.
      if (block === undefined || displayHash(block.raw.subarray(4, 36)) !== previous) break;
      if (bytes > TURN_BYTES) {
        this.#connect(turn);
        [turn, bytes] = [[], 0];
      }
      turn.push(block);
      bytes += block.raw.length;
      previous = block.hash;
      connected += 1;
    }
    if (turn.length > 0) this.#connect(turn);
    return connected;
  }

  async #fetch(height: number): Promise<{ raw: Uint8Array; hash: string; height: number } | undefined> {
    const hash = await this.#deps.source.blockHash(height);
    if (hash === undefined) return undefined;
    const raw = hex.decode(await this.#deps.source.rawBlock(hash));
    const header = raw.subarray(0, HEADER_BYTES);
    if (hex.encode(sha256(sha256(header))) !== hex.encode(internalHash(hash)))
      throw new SparkleError('chain_unavailable', `the block source gave another block than ${hash}`, { hash });
    return { raw, hash, height };
  }

  #connect(blocks: readonly { raw: Uint8Array; hash: string; height: number }[]): void {
    if (this.#over) return;
    this.#deps.turn(() => {
      for (const block of blocks) {
        this.#deps.core.connectBlock(block);
        this.#tip = { hash: block.hash, height: block.height };
      }
    });
    this.#deps.moved();
  }
}

const otherChain = (hash: string): SparkleError =>
  new SparkleError(
    'wrong_network',
    `the block source must know the block ${hash}, which this node has seen; it does not`,
    { hash },
  );

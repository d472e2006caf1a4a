import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { chainIsUncertain, SparkleError } from '../protocol/errors.ts';
import { isRawOf } from '../protocol/transaction.ts';
import type { ChainEvent, ChainTransaction, Tip } from './chain.ts';
import type { QuorumSource } from './quorum-vote.ts';
import { recentChain } from './recent-chain.ts';
import { Recently } from './recently.ts';

type QuorumWatchOptions = {
  sources: readonly QuorumSource[];
  tip: () => Promise<Tip>;
  blockHash: (height: number) => Promise<string | undefined>;
  tell: (event: ChainEvent) => void;
};

/** Sources hear of a block at different moments, and one that came back says nothing: what failed is looked at again. */
const AGAIN_MILLISECONDS = 500;
const MAX_SEEN = 1_000;

/** Makes one stream of events out of those of all sources: blocks only as they agree, mempool hints from any of them. */
export class QuorumWatch {
  private readonly options: QuorumWatchOptions;
  private readonly heights = new Map<string, number>();
  private readonly recent = recentChain((hash) => this.header(hash));
  private readonly seen = new Recently(MAX_SEEN);
  private readonly gone = new Recently(MAX_SEEN);
  private stops: (() => void)[] = [];
  private begun = false;
  private looking: Promise<void> | undefined;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: QuorumWatchOptions) {
    this.options = options;
  }

  start(): void {
    if (this.stops.length > 0) return;
    this.begun = false;
    this.stops = this.options.sources.map(({ chain }) => chain.subscribe((event) => this.heard(event)));
    this.wake();
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.splice(0)) stop();
    clearTimeout(this.timer);
    await this.looking;
  }

  private heard(event: ChainEvent): void {
    switch (event.type) {
      case 'tip':
      case 'reorg':
        return this.wake();
      case 'transaction':
        return this.arrived(event);
      case 'removed':
        return this.removed(event.txid);
      case 'disagreement':
        return this.tell(event);
    }
  }

  private tell(event: ChainEvent): void {
    if (this.stops.length > 0) this.options.tell(event);
  }

  /** What one source alone has shown as the spend of something: a preimage in it proves itself, whoever shows it. */
  shown({ txid, raw }: ChainTransaction): void {
    this.arrived({ txid, raw });
  }

  /** Known by all its bytes: a txid leaves out the witness, and whoever changed that would keep the true one from being heard. */
  private arrived({ txid, raw }: { txid: string; raw: string }): void {
    const digest = hex.encode(sha256(utf8.decode(raw)));
    if ((this.seen.has(digest) && !this.gone.has(txid)) || !isRawOf({ raw, txid })) return;
    this.seen.add(digest);
    this.gone.delete(txid);
    this.tell({ type: 'transaction', txid, raw });
  }

  private removed(txid: string): void {
    if (this.gone.has(txid)) return;
    this.gone.add(txid);
    this.tell({ type: 'removed', txid });
  }

  /** Looks now, or once more after the look that is under way. */
  private wake(): void {
    this.again = this.looking !== undefined;
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
      if (this.again && this.stops.length > 0) this.wake();
    });
  }

  private async look(): Promise<void> {
    clearTimeout(this.timer);
    try {
      const tip = await this.options.tip();
      this.heights.clear();
      this.heights.set(tip.hash, tip.height);
      const event = (await this.recent.moveTo(tip)) ?? (this.begun ? undefined : { type: 'tip' as const, tip });
      this.begun = true;
      if (event !== undefined) this.tell(event);
    } catch (error) {
      if (!chainIsUncertain(error)) throw error;
      if (this.stops.length > 0) this.timer = setTimeout(() => this.wake(), AGAIN_MILLISECONDS);
    }
  }

  private async header(hash: string): Promise<{ height: number; previous: string }> {
    const height = this.heights.get(hash);
    const previous = height === undefined ? undefined : height === 0 ? '' : await this.options.blockHash(height - 1);
    if (height === undefined || previous === undefined)
      throw new SparkleError('chain_unavailable', `block ${hash} must be in the best chain; it is no more`, {
        reason: 'changing',
      });
    this.heights.set(previous, height - 1);
    return { height, previous };
  }
}

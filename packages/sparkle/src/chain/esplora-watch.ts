import { z } from 'zod';
import { chainIsUncertain } from '../protocol/errors.ts';
import { outpointText, readOutpoint } from '../protocol/inscription.ts';
import { readTransaction } from '../protocol/transaction.ts';
import type { ChainEvent, Tip } from './chain.ts';
import { SMALL_BYTES } from './esplora-blocks.ts';
import type { EsploraServer } from './esplora-broadcast.ts';
import { recentChain } from './recent-chain.ts';
import { Recently } from './recently.ts';

type EsploraWatchOptions = {
  server: EsploraServer;
  pollMilliseconds: number;
  mempool: 'recent' | 'watched';
  tell: (event: ChainEvent) => void;
};

/** So many outputs are looked at per poll, the ones that waited longest. */
const LOOKS_PER_POLL = 50;
const MAX_WATCHED = 1_000;
/** Whoever still cares for an output asks for it now and then. */
const FORGET_AFTER_MILLISECONDS = 3_600_000;
/** A spend this deep is watched no more; who asks for the output again, watches it again. */
const BURIED_BLOCKS = 6;

const recentShape = z.array(z.object({ txid: z.string().regex(/^[0-9a-f]{64}$/) })).max(1_000);

type Watched = { askedAt: number; spender: string | undefined };

/** Waits out what cannot be known now; it is looked at again at the next poll. */
async function unlessUncertain(look: Promise<void>): Promise<void> {
  try {
    await look;
  } catch (error) {
    if (!chainIsUncertain(error)) throw error;
  }
}

/**
 * Finds out by asking again and again what an Esplora server cannot tell by itself: new blocks, reorgs, and what became
 * of the outputs that somebody asked for. The whole mempool it does not see; with `recent` also what the server
 * names among its last arrivals, which is everything only where few transactions arrive.
 */
export class EsploraWatch {
  private readonly options: EsploraWatchOptions;
  private readonly recent;
  /** Ordered by the last look, longest ago first. */
  private readonly watched = new Map<string, Watched>();
  private readonly seen = new Recently(1_000);
  private begun = false;
  private stopped = true;
  private wake = (): void => undefined;
  private running = Promise.resolve();

  constructor(options: EsploraWatchOptions) {
    this.options = options;
    this.recent = recentChain(async (hash) => {
      const block = await options.server.blocks.block(hash);
      if (block === undefined) throw options.server.blocks.silent('changing', `it knows block ${hash} no more`, {});
      return { height: block.height, previous: block.header.previous };
    });
  }

  /** From now on it matters what becomes of this output. */
  note(outpoint: string): void {
    const before = this.watched.get(outpoint);
    const askedAt = performance.now();
    if (before === undefined) this.watched.set(outpoint, { askedAt, spender: undefined });
    else before.askedAt = askedAt;
    for (const oldest of this.watched.keys()) {
      if (this.watched.size <= MAX_WATCHED) return;
      this.watched.delete(oldest);
    }
  }

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    this.begun = false;
    this.running = this.running.then(() => this.run());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await unlessUncertain(this.look());
      if (!this.stopped) await this.pause();
    }
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.options.pollMilliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private tell(event: ChainEvent): void {
    if (!this.stopped) this.options.tell(event);
  }

  private async look(): Promise<void> {
    const tip = await this.options.server.blocks.tip();
    // Before the first tip is told, so that whatever comes after it is news.
    if (this.options.mempool === 'recent') await this.lookAtArrivals();
    const event = (await this.recent.moveTo(tip)) ?? (this.begun ? undefined : { type: 'tip' as const, tip });
    this.begun = true;
    if (event !== undefined) this.tell(event);
    await this.lookAtOutputs(tip);
  }

  private async lookAtArrivals(): Promise<void> {
    const { http, blocks } = this.options.server;
    const path = '/mempool/recent';
    const arrivals = (await http.json({ path, maxBytes: SMALL_BYTES, shape: recentShape })) ?? [];
    const fresh = arrivals.map(({ txid }) => txid).filter((txid) => !this.seen.has(txid));
    if (!this.begun) return fresh.forEach((txid) => this.seen.add(txid));
    // The newest stands first.
    for (const txid of fresh.reverse()) {
      const raw = await blocks.raw(txid);
      if (raw !== undefined) this.arrived({ txid, raw });
    }
  }

  private async lookAtOutputs(tip: Tip): Promise<void> {
    const due = [...this.watched].slice(0, LOOKS_PER_POLL);
    const looks = due.map(async ([outpoint, watched]) => {
      this.watched.delete(outpoint);
      if (performance.now() - watched.askedAt > FORGET_AFTER_MILLISECONDS) return;
      this.watched.set(outpoint, watched);
      await unlessUncertain(this.lookAt(outpoint, watched, tip));
    });
    await Promise.all(looks);
  }

  private async lookAt(outpoint: string, watched: Watched, tip: Tip): Promise<void> {
    const { lookup, blocks } = this.options.server;
    const spend = await lookup.outspend(readOutpoint(outpoint));
    const before = watched.spender;
    if (spend?.spent === true) {
      if (spend.status.confirmed && tip.height - spend.status.block_height >= BURIED_BLOCKS)
        this.watched.delete(outpoint);
      if (spend.txid === before) return;
      const found = await lookup.spender(readOutpoint(outpoint), 0);
      if (found !== undefined) this.arrived(found);
    } else if (before !== undefined && (await blocks.raw(before)) === undefined) {
      watched.spender = undefined;
      this.removed(before);
    }
  }

  /** Tells a transaction once, and before it whatever it took the place of. */
  private arrived({ txid, raw }: { txid: string; raw: string }): void {
    const replaced = new Set<string>();
    for (const input of readTransaction(raw).inputs) {
      const watched = this.watched.get(outpointText(input));
      if (watched?.spender !== undefined && watched.spender !== txid) replaced.add(watched.spender);
      if (watched !== undefined) watched.spender = txid;
    }
    replaced.forEach((gone) => this.removed(gone));
    if (this.seen.has(txid)) return;
    this.seen.add(txid);
    this.tell({ type: 'transaction', txid, raw });
  }

  private removed(txid: string): void {
    this.seen.delete(txid);
    this.tell({ type: 'removed', txid });
  }
}

import { SparkleError } from '../protocol/errors.ts';
import { txidOf } from '../protocol/draft.ts';
import { listenToZmq, type ZmqCall, type ZmqEndpoints } from './bitcoind-zmq.ts';
import type { ChainEvent, ChainTransaction, Tip } from './chain.ts';
import { recentChain, type ReadHeader } from './recent-chain.ts';

/** What the watch asks the node. Where one throws `chain_unavailable`, the watch asks again later. */
type WatchSource = {
  tip(): Promise<Tip>;
  header: ReadHeader;
  mempool(): Promise<string[]>;
  transaction(txid: string): Promise<ChainTransaction | undefined>;
};

export type WatchOptions = {
  source: WatchSource;
  zmq: ZmqEndpoints;
  pollMilliseconds: number;
  tell: (event: ChainEvent) => void;
};

async function orUnavailable<T>(asked: Promise<T>): Promise<T | 'unavailable'> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof SparkleError && error.code === 'chain_unavailable') return 'unavailable';
    throw error;
  }
}

/** Compares the mempool with how it was at the last call; used where no publisher tells about it. */
function mempoolWatch({ source, tell }: Pick<WatchOptions, 'source' | 'tell'>): () => Promise<void> {
  let known: Set<string> | undefined;
  return async () => {
    const now = new Set(await source.mempool());
    const before = known;
    known = now;
    if (before === undefined) return;
    for (const txid of now) {
      if (before.has(txid)) continue;
      const found = await source.transaction(txid);
      if (found !== undefined) tell({ type: 'transaction', txid, raw: found.raw });
    }
    for (const txid of before) {
      if (now.has(txid)) continue;
      const found = await orUnavailable(source.transaction(txid));
      // A node without -txindex may not know whether it was mined: then the hint goes out, and whoever cares will look.
      if (found === undefined || found === 'unavailable') tell({ type: 'removed', txid });
    }
  };
}

/** A bell: `rung` waits for the next ring or for the time to pass, rings while nobody waits are kept. */
function bell(): { ring: () => void; rung: (milliseconds: number) => Promise<void> } {
  let pending = false;
  let wake = (): void => undefined;
  return {
    ring() {
      pending = true;
      wake();
    },
    async rung(milliseconds) {
      if (!pending)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, milliseconds);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      pending = false;
    },
  };
}

class NodeWatch {
  private readonly options: WatchOptions;
  private readonly bell = bell();
  private readonly recent;
  private readonly lookAtMempool;
  private missed = true;
  private stopped = false;

  constructor(options: WatchOptions) {
    this.options = options;
    const published = options.zmq.rawtx !== undefined && options.zmq.sequence !== undefined;
    this.recent = recentChain((hash) => options.source.header(hash));
    this.lookAtMempool = published ? undefined : mempoolWatch(options);
  }

  async run(): Promise<void> {
    const stopListening = await listenToZmq(this.options.zmq, (call) => this.heard(call));
    try {
      while (!this.stopped) {
        await orUnavailable(this.look());
        if (!this.stopped) await this.bell.rung(this.options.pollMilliseconds);
      }
    } finally {
      await stopListening();
    }
  }

  stop(): void {
    this.stopped = true;
    this.bell.ring();
  }

  private heard(call: ZmqCall): void {
    switch (call.type) {
      case 'missed':
        this.missed = true;
        return this.bell.ring();
      case 'blocks':
        return this.bell.ring();
      case 'transaction':
        return this.tellTransaction(call.raw);
      case 'removed':
        return this.options.tell(call);
    }
  }

  private tellTransaction(raw: string): void {
    let txid: string;
    try {
      txid = txidOf(raw);
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
      // Not a reason to stop listening: whoever cares finds it by looking.
      return this.heard({ type: 'missed' });
    }
    this.options.tell({ type: 'transaction', txid, raw });
  }

  private async look(): Promise<void> {
    const tip = await this.options.source.tip();
    const again = this.missed;
    this.missed = false;
    // Whoever missed something is told the tip once more, as a hint to look again.
    const event = (await this.recent.moveTo(tip)) ?? (again ? { type: 'tip' as const, tip } : undefined);
    if (event !== undefined && !this.stopped) this.options.tell(event);
    await this.lookAtMempool?.();
  }
}

/**
 * Tells every change of the node's chain and mempool, beginning with the tip, until the returned function is called.
 * ZeroMQ only shortens the wait: the poll alone would find the same changes. While the node is away nothing is told;
 * what changed meanwhile is told when it answers again.
 */
export function watchNode(options: WatchOptions): () => Promise<void> {
  const watch = new NodeWatch(options);
  const running = watch.run();
  return async () => {
    watch.stop();
    await running;
  };
}

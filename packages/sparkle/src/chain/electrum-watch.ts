import { SparkleError } from '../protocol/errors.ts';
import type { ChainEvent } from './chain.ts';
import type { ElectrumNotice } from './electrum-session.ts';
import type { HistoryEntry } from './electrum-transactions.ts';
import type { ElectrumView } from './electrum-view.ts';
import { untilItFits } from './electrum-trouble.ts';
import { recentChain } from './recent-chain.ts';

export type WatchOptions = {
  view: Pick<ElectrumView, 'tip' | 'header' | 'raw' | 'scripts' | 'link'>;
  /** How often the server is asked though it told nothing: a connection may be dead without being closed. */
  pollMilliseconds: number;
  tell: (event: ChainEvent) => void;
};

/** What went wrong is named to whoever asks; a watch only tries again. */
async function orTrouble(asked: Promise<void>): Promise<'done' | 'trouble'> {
  try {
    await asked;
    return 'done';
  } catch (error) {
    if (error instanceof SparkleError) return 'trouble';
    throw error;
  }
}

/** While the server is in trouble it is asked again after this time, and after twice as long each further time. */
const FIRST_PAUSE_MILLISECONDS = 100;

class ElectrumWatch {
  readonly #options: WatchOptions;
  readonly #recent;
  /** Of each script: what was told, or known when the watch began. */
  readonly #told = new Map<string, ReadonlySet<string>>();
  readonly #changed = new Set<string>();
  #missed = true;
  #stopped = false;
  #pending = false;
  #wake = (): void => undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#recent = recentChain(async (hash) => options.view.header(hash));
  }

  async run(): Promise<void> {
    const stopListening = this.#options.view.link.listen((notice) => this.#heard(notice));
    for (const [scripthash, { entries }] of this.#options.view.scripts.watched) this.#begin(scripthash, entries);
    try {
      for (let pause = FIRST_PAUSE_MILLISECONDS; !this.#stopped;) {
        const { pollMilliseconds } = this.#options;
        const isWell = (await orTrouble(this.#look())) === 'done';
        pause = isWell ? FIRST_PAUSE_MILLISECONDS : Math.min(2 * pause, pollMilliseconds);
        if (!this.#stopped) await this.#rung(isWell ? pollMilliseconds : pause);
      }
    } finally {
      stopListening();
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#ring();
  }

  #heard(notice: ElectrumNotice | 'lost'): void {
    if (notice === 'lost') this.#missed = true;
    else if (notice.method === 'blockchain.scripthash.subscribe') {
      const [scripthash] = notice.params;
      const known = typeof scripthash === 'string' ? this.#options.view.scripts.watched.get(scripthash) : undefined;
      if (typeof scripthash !== 'string' || known === undefined) return;
      this.#begin(scripthash, known.entries);
      this.#changed.add(scripthash);
    }
    this.#ring();
  }

  /** What was known when somebody first asked about a script is no news. */
  #begin(scripthash: string, entries: readonly HistoryEntry[]): void {
    if (!this.#told.has(scripthash)) this.#told.set(scripthash, new Set(entries.map(({ txid }) => txid)));
  }

  #ring(): void {
    this.#pending = true;
    this.#wake();
  }

  /** Waits for the next ring or for the time to pass; rings while nobody waits are kept. */
  async #rung(milliseconds: number): Promise<void> {
    if (!this.#pending)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#pending = false;
  }

  async #look(): Promise<void> {
    const { view } = this.#options;
    const tip = await view.tip();
    const again = this.#missed;
    const event = (await this.#recent.moveTo(tip)) ?? (again ? { type: 'tip' as const, tip } : undefined);
    this.#missed = false;
    // Before the first tip is told, so that nothing after it is missed.
    this.#followScripts();
    if (event !== undefined) this.#tell(event);
    for (const scripthash of [...this.#changed]) {
      this.#changed.delete(scripthash);
      try {
        await this.#compare(scripthash);
      } catch (error) {
        this.#changed.add(scripthash);
        throw error;
      }
    }
  }

  /** Scripts that were asked about since, that are no longer kept, or that this connection was not asked to watch. */
  #followScripts(): void {
    const { link, scripts } = this.#options.view;
    for (const scripthash of this.#told.keys()) if (!scripts.watched.has(scripthash)) this.#told.delete(scripthash);
    for (const [scripthash, { entries, session }] of scripts.watched) {
      this.#begin(scripthash, entries);
      if (session !== link.session) this.#changed.add(scripthash);
    }
  }

  async #compare(scripthash: string): Promise<void> {
    const { view } = this.#options;
    const before = this.#told.get(scripthash) ?? new Set<string>();
    const entries = await untilItFits(() => view.scripts.history(scripthash));
    const now = new Set(entries.map(({ txid }) => txid));
    for (const txid of now) {
      if (before.has(txid)) continue;
      const raw = await view.raw(txid);
      if (raw !== undefined) this.#tell({ type: 'transaction', txid, raw });
    }
    for (const txid of before) if (!now.has(txid)) this.#tell({ type: 'removed', txid });
    this.#told.set(scripthash, now);
  }

  #tell(event: ChainEvent): void {
    if (!this.#stopped) this.#options.tell(event);
  }
}

/**
 * Tells the tip, then every change of it and of the scripts that were asked about, until the returned function is
 * called. While the server is away or lies nothing is told; what changed meanwhile is told when it answers again.
 */
export function watchServer(options: WatchOptions): () => Promise<void> {
  const watch = new ElectrumWatch(options);
  const running = watch.run();
  return async () => {
    watch.stop();
    await running;
  };
}

import { txidOf } from '../../protocol/transaction.ts';
import type { BlockSource } from './block-source.ts';
import type { LdkStore, OutboxRow } from './store.ts';

type Deps = {
  source: Pick<BlockSource, 'broadcast'>;
  store: LdkStore;
  height: () => number;
  warn: (words: string) => void;
};

/** So deep that no reorg is expected to bring the inputs back. */
const FINAL_BLOCKS = 6;
/** Two weeks: the library itself offers anew whatever it still needs by then. */
const GIVE_UP_BLOCKS = 2016;

/**
 * Transactions that must get into the chain. They are written down in the turn that made them and offered again with
 * every block, also after a crash, until the chain holds them or something else that spends their inputs.
 */
export class Outbox {
  readonly #deps: Deps;
  #running: Promise<void> = Promise.resolve();
  #open = false;
  #waiting = false;
  #over = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Writes down what shall be broadcast, within the turn. Returns the txid of the last transaction. */
  add(raws: readonly string[]): string {
    const txid = txidOf(raws[raws.length - 1] ?? '');
    this.#deps.store.addToOutbox({ txid, raws: [...raws], addedHeight: this.#deps.height() });
    return txid;
  }

  /** From now on what is written down is sent: while old blocks are still being read, it may be settled already. */
  open(): void {
    this.#open = true;
    this.flush();
  }

  /** Offers everything once, after the offer under way has ended. */
  flush(): void {
    if (!this.#open || this.#waiting) return;
    this.#waiting = true;
    this.#running = this.#running
      .then(() => {
        this.#waiting = false;
        return this.#offerAll();
      })
      .catch((error: unknown) => this.#deps.warn(String(error)));
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#running;
  }

  async #offerAll(): Promise<void> {
    if (this.#over) return;
    for (const row of this.#deps.store.outbox()) {
      const outcome = await this.#deps.source.broadcast(row.raws);
      if (this.#over) return;
      this.#record(row, outcome.state);
      if (outcome.state === 'refused') this.#deps.warn(`transaction ${row.txid} was refused: ${outcome.reason}`);
    }
  }

  #record(row: OutboxRow, state: 'accepted' | 'final' | 'refused'): void {
    const { store } = this.#deps;
    const height = this.#deps.height();
    const since = row.finalSince ?? height;
    if (height - row.addedHeight >= GIVE_UP_BLOCKS) store.removeFromOutbox(row.txid);
    else if (state !== 'final') store.setFinalSince({ txid: row.txid, height: undefined });
    else if (height - since >= FINAL_BLOCKS) store.removeFromOutbox(row.txid);
    else store.setFinalSince({ txid: row.txid, height: since });
  }
}

import { decodeTransaction } from '../protocol/draft.ts';
import { findPreimage } from '../protocol/spend.ts';
import { isEnded, lockOutpointOf, paymentHashOf, type Trade } from '../protocol/trade/step.ts';

/** What is known of live trades without asking the store: whose a thing that was heard is. */
export class Known {
  /** Locks that others may spend, by trade; also those of trades that another instance holds. */
  readonly #locks = new Map<string, { outpoint: string; paymentHash: string }>();
  /** Trades in our hands by payment hash. */
  readonly #payments = new Map<string, string>();
  /** Those trades, each with its payment hash once there is one. */
  readonly #mine = new Map<string, string | undefined>();
  /** Live trades that others ask for, sales and payments that are passed on; also those that another instance holds. */
  readonly #asked = new Set<string>();

  /** A trade as it is now, which another instance may hold. */
  note(trade: Trade): void {
    const outpoint = trade.role === 'seller' ? lockOutpointOf(trade) : undefined;
    if (outpoint === undefined || trade.role !== 'seller') this.#locks.delete(trade.tradeId);
    else this.#locks.set(trade.tradeId, { outpoint, paymentHash: trade.terms.paymentHash });
    if (trade.role !== 'buyer') this.#asked.add(trade.tradeId);
    if (!isEnded(trade)) return;
    this.#asked.delete(trade.tradeId);
    this.lost(trade.tradeId);
  }

  noteOurs(trade: Trade): void {
    this.note(trade);
    if (isEnded(trade)) return;
    const paymentHash = paymentHashOf(trade);
    this.#mine.set(trade.tradeId, paymentHash);
    if (paymentHash !== undefined) this.#payments.set(paymentHash, trade.tradeId);
  }

  isOurs(tradeId: string): boolean {
    return this.#mine.has(tradeId);
  }

  /** It is in our hands no longer. */
  lost(gone: string): void {
    const paymentHash = this.#mine.get(gone);
    if (paymentHash !== undefined) this.#payments.delete(paymentHash);
    this.#mine.delete(gone);
  }

  /** How many sales and payments passed on are live; of another instance as far as it was heard. */
  get asked(): number {
    return this.#asked.size;
  }

  /** The trade of ours that a payment is for. */
  paidBy(paymentHash: string): string | undefined {
    return this.#payments.get(paymentHash);
  }

  /** The preimages that a transaction shows by spending locks. */
  shownIn(raw: string): { tradeId: string; preimage: string }[] {
    if (this.#locks.size === 0) return [];
    const spent = new Set(decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint));
    return [...this.#locks].flatMap(([tradeId, { outpoint, paymentHash }]) => {
      const preimage = spent.has(outpoint) ? findPreimage(raw, paymentHash) : undefined;
      return preimage === undefined ? [] : [{ tradeId, preimage }];
    });
  }
}

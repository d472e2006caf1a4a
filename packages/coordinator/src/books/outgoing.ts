import type { Kysely } from 'kysely';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Store } from 'sparkle-protocol/store/store';
import type { Log } from 'sparkle-protocol/trader/log';
import { isSale } from '../exchange/sold.ts';
import type { OutgoingKind, OutgoingState, OutgoingTables } from '../database/migrations/0005-outgoing.ts';
import { overlaid } from '../database/store-overlay.ts';

/** A transaction that we signed for a sale, which may confirm, or another version may; or a payment to a seller. */
export type Sent = { tradeId: string; txid: string; kind: OutgoingKind; raw: string; state: OutgoingState };

/** What a trade has signed, as far as its state still knows; of a payment that is passed on, its hash. */
function sentBy(trade: Trade): Omit<Sent, 'tradeId' | 'state'>[] {
  if (trade.role === 'forwarder')
    return trade.state === 'paying' ? [{ kind: 'forward', txid: trade.want.paymentHash, raw: '' }] : [];
  if (!isSale(trade)) return [];
  const of = (kind: OutgoingKind, versions: readonly { txid: string; raw: string }[]) =>
    versions.map(({ txid, raw }) => ({ kind, txid, raw }));
  return [
    ...of('lock', 'lock' in trade ? [trade.lock] : []),
    ...of('bump', 'bumps' in trade ? trade.bumps : []),
    ...of('abort', 'aborts' in trade ? trade.aborts : []),
    ...of('refund', 'refunds' in trade ? trade.refunds : []),
  ];
}

/** What was sent for sales: a trade forgets versions of its transactions when it moves on, the books must not. */
export class Outgoing {
  readonly #tables: Kysely<OutgoingTables>;
  /** What this process has written, so that it is not written with every change. */
  readonly #written = new Map<string, Set<string>>();

  constructor(tables: Kysely<OutgoingTables>) {
    this.#tables = tables;
  }

  /** Notes what these states of one trade know; once, however often it is done. */
  async note(tradeId: string, states: readonly Trade[]): Promise<void> {
    const written = this.#written.get(tradeId) ?? new Set();
    const found = states.flatMap(sentBy);
    const fresh = found.filter(({ txid }, index) => {
      return !written.has(txid) && found.findIndex((other) => other.txid === txid) === index;
    });
    if (fresh.length > 0)
      await this.#tables
        .insertInto('outgoing')
        .values(fresh.map((sent) => ({ ...sent, trade_id: tradeId, state: 'sent' as const })))
        .onConflict((known) => known.doNothing())
        .execute();
    if (states.some(({ state }) => state === 'ended')) this.#written.delete(tradeId);
    else if (found.length > 0) this.#written.set(tradeId, new Set([...written, ...found.map(({ txid }) => txid)]));
  }

  /** Trades of which the books do not know yet how they ended. */
  async openTrades(): Promise<string[]> {
    const rows = await this.#tables
      .selectFrom('outgoing')
      .select('trade_id')
      .distinct()
      .where((is) => is.or([is('state', '=', 'sent'), is.and([is('state', '=', 'booked'), is('kind', '=', 'lock')])]))
      .orderBy('trade_id')
      .execute();
    return rows.map(({ trade_id: tradeId }) => tradeId);
  }

  async of(tradeId: string): Promise<Sent[]> {
    const rows = await this.#tables.selectFrom('outgoing').selectAll().where('trade_id', '=', tradeId).execute();
    return rows.map(({ trade_id: _id, ...row }) => ({ ...row, tradeId }));
  }

  async mark({ tradeId, txid }: Pick<Sent, 'tradeId' | 'txid'>, state: OutgoingState): Promise<void> {
    const row = this.#tables.updateTable('outgoing').set({ state });
    await row.where('trade_id', '=', tradeId).where('txid', '=', txid).execute();
  }
}

/**
 * The same store, which notes every transaction that a trade has signed before it is sent: what is due goes out only after
 * `update` has answered. A note that fails stops no trade, because money waits for it; the next change of the trade
 * notes it again.
 */
export function notingStore({ store, outgoing, log }: { store: Store; outgoing: Outgoing; log: Log }): Store {
  const update: Store['update'] = async (tradeId, change) => {
    const states: Trade[] = [];
    const changed = await store.update(tradeId, (before) => {
      const after = change(before);
      states.splice(0, Infinity, before, after.trade);
      return after;
    });
    await outgoing.note(tradeId, states).catch((error: unknown) => {
      log.error({ tradeId, error: String(error) }, 'what a trade sends was not noted for the books');
    });
    return changed;
  };
  return overlaid(store, { update });
}

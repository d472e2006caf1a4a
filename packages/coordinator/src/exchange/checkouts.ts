import { type Kysely, type Selectable, sql } from 'kysely';
import type { PrepareWire, PricingWire } from 'sparkle-protocol/market/checkout-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { decodeState, encodeState } from 'sparkle-protocol/protocol/json';
import type { Tables as StoreTables } from 'sparkle-protocol/store/migrations';
import { isTaken } from '../database/database.ts';
import type { ExchangeTables } from '../database/migrations/0001-exchange.ts';
import type { UpdateTables } from '../database/migrations/0004-updates.ts';
import type { Owed } from '../royalties/royalties.ts';

/** What a buyer agreed to pay, each part of it; `checkoutId` is known to nobody but him. */
export type Checkout = {
  checkoutId: string;
  /** Of the protocol, 32 hex characters; the trade itself is opened when the buyer has named his keys. */
  tradeId: string;
  offerId: string;
  inscriptionId: string;
  /** Where he wants the inscription; his claim decides. Empty when he did not say. */
  ordAddress: string;
  rail: PrepareWire['network'];
  pricing: PricingWire;
  totalSats: bigint;
  /** What of the royalty is owed over Lightning once the sale is paid. */
  owed: Owed[];
  createdAt: number;
  expiresAt: number;
  /** When all of the price was first seen to be held. */
  heldAt: number | undefined;
  state: 'open' | 'closed';
};

/** With the trades behind the checkouts, which lie in the same database. */
type TradeTables = ExchangeTables & UpdateTables & Pick<StoreTables, 'trade'>;

type Row = Selectable<ExchangeTables['checkout']>;
type Body = Pick<Checkout, 'inscriptionId' | 'ordAddress' | 'rail' | 'pricing' | 'totalSats' | 'owed' | 'expiresAt'>;

/** What was written before royalties were paid over Lightning owes none. */
const read = (body: string): Body => ({ owed: [], ...(decodeState(body) as Omit<Body, 'owed'>) });

const checkoutOf = (row: Row): Checkout => ({
  ...read(row.body),
  checkoutId: row.checkout_id,
  tradeId: row.trade_id ?? '',
  offerId: row.offer_id,
  createdAt: row.created_at,
  heldAt: row.held_at ?? undefined,
  state: row.state === 'open' ? 'open' : 'closed',
});

const PASSED_ON = 'passed on to ';

/** What stands for the offer in the checkout of a sale that is passed on; no offer of ours has such a name. */
export const passedOnTo = (sellerId: string): string => `${PASSED_ON}${sellerId}`;

export const isPassedOn = ({ offerId }: Pick<Checkout, 'offerId'>): boolean => offerId.startsWith(PASSED_ON);

/** The checkouts that were ever prepared, and those of buyers who asked over the market. */
export class Checkouts {
  readonly #tables: Kysely<ExchangeTables>;

  constructor(tables: Kysely<ExchangeTables>) {
    this.#tables = tables;
  }

  /** Throws `duplicate_trade` for a trade id that was used before. */
  async add(checkout: Checkout): Promise<void> {
    const { inscriptionId, ordAddress, rail, pricing, totalSats, owed, expiresAt } = checkout;
    const body: Body = { inscriptionId, ordAddress, rail, pricing, totalSats, owed, expiresAt };
    const { checkoutId, tradeId, offerId, createdAt, state } = checkout;
    const { numInsertedOrUpdatedRows } = await this.#tables
      .insertInto('checkout')
      .values({
        ...{ checkout_id: checkoutId, trade_id: tradeId, offer_id: offerId, body: encodeState(body) },
        ...{ created_at: createdAt, held_at: null, state },
      })
      .onConflict((taken) => taken.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 1n) return;
    throw new SparkleError('duplicate_trade', `the trade id must be unused; ${tradeId} is not`, { tradeId });
  }

  byId(checkoutId: string): Promise<Checkout | undefined> {
    return this.#one({ column: 'checkout_id', value: checkoutId });
  }

  byTrade(tradeId: string): Promise<Checkout | undefined> {
    return this.#one({ column: 'trade_id', value: tradeId });
  }

  /** Those of one offer that may still end in a delivery. */
  async open(offerId: string): Promise<Checkout[]> {
    const all = this.#tables.selectFrom('checkout').selectAll().where('state', '=', 'open').orderBy('created_at');
    return (await all.where('offer_id', '=', offerId).execute()).map(checkoutOf);
  }

  /** Open ones with which there is something to do: not those, often thousands, whose trade waits for its payment. */
  async pending(): Promise<Checkout[]> {
    const rows = await this.#withTrades
      .selectFrom('checkout')
      .leftJoin('trade', 'trade.trade_id', 'checkout.trade_id')
      .selectAll('checkout')
      .where('checkout.state', '=', 'open')
      .where((is) =>
        is.or([is('trade.trade_id', 'is', null), is('trade.ended', '=', 1), is('trade.committed', '=', 1)]),
      )
      .orderBy('checkout.created_at')
      .execute();
    return rows.map(checkoutOf);
  }

  /** Trades of ours that are open and of which nobody was ever told anything: what made them died before it could. */
  async untold(): Promise<string[]> {
    const rows = await this.#withTrades
      .selectFrom('checkout')
      .innerJoin('trade', 'trade.trade_id', 'checkout.trade_id')
      .leftJoin('trade_update', 'trade_update.trade_id', 'checkout.trade_id')
      .select('trade.trade_id')
      .where('checkout.state', '=', 'open')
      .where('trade_update.seq', 'is', null)
      .execute();
    return rows.map(({ trade_id: tradeId }) => tradeId);
  }

  /** The one of an offer whose payment was held last. */
  async lastOf(offerId: string): Promise<Checkout | undefined> {
    const held = this.#tables
      .selectFrom('checkout')
      .selectAll()
      .where('offer_id', '=', offerId)
      .where('held_at', 'is not', null);
    const row = await held.orderBy('held_at', 'desc').limit(1).executeTakeFirst();
    return row === undefined ? undefined : checkoutOf(row);
  }

  /** Notes the first time only. */
  async held({ checkoutId, heldAt }: { checkoutId: string; heldAt: number }): Promise<void> {
    await this.#tables
      .updateTable('checkout')
      .set({ held_at: heldAt })
      .where('checkout_id', '=', checkoutId)
      .where('held_at', 'is', null)
      .execute();
  }

  /**
   * Takes one of the `most` places that one buyer has for what is open; whether there was one left. A checkout that has a
   * place keeps it, and gives it back when it is closed.
   */
  async takePlace(of: { checkoutId: string; buyer: string; most: number }): Promise<boolean> {
    for (;;)
      try {
        return await this.#takeFree(of);
      } catch (error) {
        // Somebody else has just taken that one: the next look sees it.
        if (!isTaken(error)) throw error;
      }
  }

  /** The first that is free. Two who see the same free reach for the same, and each exists once: so there are never more. */
  async #takeFree({ checkoutId, buyer, most }: { checkoutId: string; buyer: string; most: number }): Promise<boolean> {
    const others = sql`checkout as other where other.buyer = ${buyer} and other.checkout_id <> ${checkoutId}`;
    const free = sql<number>`(
      select min(candidate.place)
      from (select 0 as place union all select other.place + 1 from ${others}) as candidate
      where not exists (select 1 from ${others} and other.place = candidate.place))`;
    const { numUpdatedRows } = await this.#tables
      .updateTable('checkout')
      .set({ buyer, place: free })
      .where('checkout_id', '=', checkoutId)
      .where(sql<boolean>`(select count(*) from ${others}) < ${most}`)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async leavePlace(checkoutId: string): Promise<void> {
    const left = { buyer: null, place: null };
    await this.#tables.updateTable('checkout').set(left).where('checkout_id', '=', checkoutId).execute();
  }

  async remove(checkoutId: string): Promise<void> {
    await this.#tables.deleteFrom('checkout').where('checkout_id', '=', checkoutId).execute();
  }

  async close(checkoutId: string): Promise<void> {
    const closed = { state: 'closed', buyer: null, place: null };
    await this.#tables.updateTable('checkout').set(closed).where('checkout_id', '=', checkoutId).execute();
  }

  get #withTrades(): Kysely<TradeTables> {
    return this.#tables as unknown as Kysely<TradeTables>;
  }

  async #one({ column, value }: { column: 'checkout_id' | 'trade_id'; value: string }): Promise<Checkout | undefined> {
    const row = await this.#tables.selectFrom('checkout').selectAll().where(column, '=', value).executeTakeFirst();
    return row === undefined ? undefined : checkoutOf(row);
  }
}

import type { Kysely, Selectable, Transaction } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { decodeState, encodeState } from 'sparkle-protocol/protocol/json';
import type { Tables as StoreTables } from 'sparkle-protocol/store/migrations';
import { royaltyOwedBooking, royaltyPaidBooking } from '../books/bookings.ts';
import { type Database, isTaken } from '../database/database.ts';
import { bookIn } from '../books/ledger.ts';
import type { PayoutTables } from '../database/migrations/0008-payouts.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';
import { type Payout, step } from './payout.ts';
import type { Owed } from './royalties.ts';

/** A payout as it was read; who changes it says which version he has seen. */
export type Kept = { payout: Payout; version: number };

const UNDER_WAY = ['owed', 'paying'] as const;

const keptOf = ({ body, version }: Selectable<PayoutTables['payout']>): Kept => ({
  payout: decodeState(body) as Payout,
  version,
});

const rowOf = (payout: Payout) => ({
  ...{ state: payout.state, due_at: payout.dueAt, body: encodeState(payout) },
  payment_hash: 'paymentHash' in payout ? payout.paymentHash : null,
});

/** Payouts in the database. Each change is written together with what it means for the books. */
export class PayoutRows {
  readonly #database: Pick<Database, 'tables' | 'append'>;

  constructor(database: Pick<Database, 'tables' | 'append'>) {
    this.#database = database;
  }

  /** Notes and books what is owed for a sale; once, however often it is told. */
  async owe(of: { tradeId: string; parts: readonly (Owed & { maxFeeMsat: bigint })[]; at: number }): Promise<void> {
    const { tradeId, parts, at } = of;
    await this.#database.append(async (session) => {
      for (const [index, { to, valueSats: amountSats, maxFeeMsat }] of parts.entries()) {
        const payoutId = `${tradeId}:${index}`;
        const owed = { payoutId, tradeId, to, amountSats, maxFeeMsat, owedAt: at, attempts: 0, dueAt: at, why: '' };
        const row = { payout_id: payoutId, trade_id: tradeId, version: 1, ...rowOf({ ...owed, state: 'owed' }) };
        const { numInsertedOrUpdatedRows: inserted } = await session
          .insertInto('payout')
          .values(row)
          .onConflict((known) => known.doNothing())
          .executeTakeFirst();
        if (inserted === 1n) await bookIn(session, royaltyOwedBooking({ tradeId, payoutId, at, amountSats }));
      }
    });
  }

  /** All with which there is something to do, those that wait longest first: those of one creator hide nobody else's. */
  async due(nowSeconds: number): Promise<Kept[]> {
    const rows = this.#in(UNDER_WAY).where('due_at', '<=', nowSeconds).orderBy('due_at').orderBy('payout_id');
    return (await rows.execute()).map(keptOf);
  }

  /** Those that may have been ordered. */
  async paying(): Promise<Kept[]> {
    return (await this.#in(['paying']).execute()).map(keptOf);
  }

  /** All that is owed, also what is not tried any more. */
  async unpaid(): Promise<Payout[]> {
    const rows = await this.#in([...UNDER_WAY, 'given_up'])
      .orderBy('payout_id')
      .execute();
    return rows.map((row) => keptOf(row).payout);
  }

  /**
   * Makes due what was given up. Throws `not_found` for a payout that is none or was not given up, `in_progress` when somebody else has just
   * done it.
   */
  async tryAgain({ payoutId, at }: { payoutId: string; at: number }): Promise<void> {
    const row = await this.#in(['given_up']).where('payout_id', '=', payoutId).executeTakeFirst();
    if (row === undefined)
      throw new SparkleError('not_found', 'there is no such royalty that was given up', { payoutId });
    const kept = keptOf(row);
    if ((await this.move(kept, step(kept.payout, { type: 'asked_again' }, at).payout, at)) === 'moved') return;
    throw new SparkleError('in_progress', 'this royalty is being seen to', { payoutId });
  }

  /** The one whose payment this is, and which is not over. */
  async byHash(paymentHash: string): Promise<Kept | undefined> {
    const row = await this.#in(['paying']).where('payment_hash', '=', paymentHash).executeTakeFirst();
    return row === undefined ? undefined : keptOf(row);
  }

  /**
   * Writes what became of a payout: `moved`, or `lost` when another was faster. An invoice whose payment hash any trade or payout
   * ever had is `reused`, and not written: a payment for it would be somebody else's.
   */
  async move({ payout: before, version }: Kept, after: Payout, at: number): Promise<'moved' | 'lost' | 'reused'> {
    try {
      return await this.#database.append(async (session) => {
        const changed = session.updateTable('payout').set({ ...rowOf(after), version: version + 1 });
        const { numUpdatedRows } = await changed
          .where('payout_id', '=', before.payoutId)
          .where('version', '=', version)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) return 'lost';
        if (before.state === 'owed' && after.state === 'paying') await takeHash(session, after);
        if (before.state !== 'paid' && after.state === 'paid')
          await bookIn(session, royaltyPaidBooking({ ...after, at }));
        return 'moved';
      });
    } catch (error) {
      if (isTaken(error)) return 'reused';
      throw error;
    }
  }

  #in(states: readonly Payout['state'][]) {
    return this.#database.tables.selectFrom('payout').selectAll().where('state', 'in', states);
  }
}

/** A payment hash is given out once: the list is that of the trades, so that no trade begins with it later either. */
async function takeHash(
  session: Transaction<CoordinatorTables>,
  { paymentHash, tradeId }: { paymentHash: string; tradeId: string },
): Promise<void> {
  const trades = session as unknown as Kysely<Pick<StoreTables, 'payment_hash'>>;
  await trades.insertInto('payment_hash').values({ payment_hash: paymentHash, trade_id: tradeId }).execute();
}

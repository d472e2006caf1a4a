import type { Kysely, Transaction } from 'kysely';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Database } from '../database/database.ts';
import type { CoordinatorTables } from '../database/migrations/all.ts';

/** What came to an account (above 0) or left it (below 0). */
export type Line = { account: string; msat: bigint };

/** One happening of a trade: `why` names it once and for all. `at` is Unix seconds. */
export type Booking = { tradeId: string; why: string; at: number; entries: readonly Line[] };

/** What an account took in and gave out in a month, and how many lines say so. */
export type AccountReport = { account: string; inMsat: bigint; outMsat: bigint; balanceMsat: bigint; lines: number };

/** A happening whose lines do not add up to nothing. There is none, unless somebody wrote past this file. */
export type Unbalanced = { tradeId: string; why: string; msat: bigint };

const ACCOUNT = /^[a-z][a-z0-9_.:-]{0,63}$/;
const PAGE = 5_000;

function checkBooking({ tradeId, why, entries }: Booking): void {
  const refuse = (sentence: string): never => {
    throw new SparkleError('bad_amount', `a booking must ${sentence}`, { tradeId, why });
  };
  const accounts = entries.map(({ account }) => account);
  const strange = accounts.find((account) => !ACCOUNT.test(account));
  if (strange !== undefined) refuse(`name accounts as lowercase words; got ${JSON.stringify(strange)}`);
  if (new Set(accounts).size !== accounts.length) refuse(`name each account once; got ${accounts.join(', ')}`);
  if (entries.length < 2) refuse(`have two lines or more; got ${entries.length}`);
  const sum = entries.reduce((all, { msat }) => all + msat, 0n);
  if (sum !== 0n) refuse(`add up to 0 msat; it adds up to ${sum}`);
}

const inOrder = (lines: readonly Line[]): string =>
  lines
    .map(({ account, msat }) => `${account} ${msat}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join('\n');

/**
 * Books a happening within a transaction of `Database.append`: its lines, all or none. Those that stand already must be the
 * same: then it is the same happening. Throws as `Ledger.book`.
 */
export async function bookIn(session: Transaction<CoordinatorTables>, booking: Booking): Promise<void> {
  checkBooking(booking);
  const { tradeId, why, at, entries } = booking;
  const { numInsertedOrUpdatedRows: written } = await session
    .insertInto('ledger_entry')
    .values(entries.map(({ account, msat }) => ({ trade_id: tradeId, account, msat: String(msat), at, why })))
    .onConflict((known) => known.columns(['trade_id', 'account', 'why']).doNothing())
    .executeTakeFirst();
  const isWhole = written === 0n || written === BigInt(entries.length);
  const rows = await session
    .selectFrom('ledger_entry')
    .select(['account', 'msat'])
    .where('trade_id', '=', tradeId)
    .where('why', '=', why)
    .execute();
  const stored = rows.map(({ account, msat }) => ({ account, msat: BigInt(msat) }));
  if (isWhole && inOrder(stored) === inOrder(entries)) return;
  throw new SparkleError('refused', `${why} of trade ${tradeId} must be booked once; it is booked with other amounts`, {
    tradeId,
    why,
  });
}

const MONTH = /^(20[0-9]{2})-(0[1-9]|1[0-2])$/;

/** Whether it is a month as the books name it, `YYYY-MM`. */
export const isMonth = (text: string): boolean => MONTH.test(text);

/** The seconds at which a month of the calendar (UTC) begins and ends. Throws `bad_message`. */
function monthBounds(month: string): { from: number; until: number } {
  const [, year = '', number = ''] = MONTH.exec(month) ?? [];
  if (year === '')
    throw new SparkleError('bad_message', `month must be YYYY-MM; got ${month.slice(0, 20)}`, { field: 'month' });
  const begin = (months: number) => Date.UTC(Number(year), months, 1) / 1000;
  return { from: begin(Number(number) - 1), until: begin(Number(number)) };
}

type Row = { seq: number; trade_id: string; account: string; msat: string; why: string };

/** Page by page: added up here, to the msat, because a database's sum of text is a rounded number. */
async function* rowsOf(
  tables: Kysely<CoordinatorTables>,
  { from, until }: { from: number; until: number },
): AsyncGenerator<Row> {
  let last = 0;
  for (;;) {
    const rows = await tables
      .selectFrom('ledger_entry')
      .select(['seq', 'trade_id', 'account', 'msat', 'why'])
      .where('at', '>=', from)
      .where('at', '<', until)
      .where('seq', '>', last)
      .orderBy('seq')
      .limit(PAGE)
      .execute();
    yield* rows;
    const end = rows.at(-1);
    if (end === undefined || rows.length < PAGE) return;
    last = end.seq;
  }
}

/** The books, in double entry: every line says what came to an account or left it, and each happening adds up to nothing. */
export class Ledger {
  readonly #database: Pick<Database, 'tables' | 'append'>;

  constructor(database: Pick<Database, 'tables' | 'append'>) {
    this.#database = database;
  }

  /**
   * Books a happening once, however often it is told; `at` is that of the first time. Throws `bad_amount` for what does
   * not add up to 0, `refused` for a happening that is booked with other amounts.
   */
  async book(booking: Booking): Promise<void> {
    await this.#database.append((session) => bookIn(session, booking));
  }

  /** Every account of a month, `YYYY-MM` in UTC, by name. Throws `bad_message`. */
  async report({ month }: { month: string }): Promise<AccountReport[]> {
    return this.#totals(monthBounds(month));
  }

  /** Every account since the beginning. */
  balances(): Promise<AccountReport[]> {
    return this.#totals({ from: 0, until: Number.MAX_SAFE_INTEGER });
  }

  async #totals(bounds: { from: number; until: number }): Promise<AccountReport[]> {
    const totals = new Map<string, AccountReport>();
    for await (const { account, msat } of rowsOf(this.#database.tables, bounds)) {
      const amount = BigInt(msat);
      const total = totals.get(account) ?? { account, inMsat: 0n, outMsat: 0n, balanceMsat: 0n, lines: 0 };
      if (amount > 0n) total.inMsat += amount;
      else total.outMsat -= amount;
      total.balanceMsat += amount;
      total.lines += 1;
      totals.set(account, total);
    }
    return [...totals.values()].toSorted((a, b) => (a.account < b.account ? -1 : 1));
  }

  /** What a trade did to each account. */
  async ofTrade(tradeId: string): Promise<(Line & { at: number; why: string })[]> {
    const rows = await this.#database.tables
      .selectFrom('ledger_entry')
      .select(['account', 'msat', 'at', 'why'])
      .where('trade_id', '=', tradeId)
      .orderBy('seq')
      .execute();
    return rows.map(({ account, msat, at, why }) => ({ account, msat: BigInt(msat), at, why }));
  }

  /** Looks through all books for happenings that do not add up to nothing. */
  async unbalanced(): Promise<Unbalanced[]> {
    const sums = new Map<string, Unbalanced>();
    for await (const row of rowsOf(this.#database.tables, { from: 0, until: Number.MAX_SAFE_INTEGER })) {
      const key = JSON.stringify([row.trade_id, row.why]);
      const sum = sums.get(key) ?? { tradeId: row.trade_id, why: row.why, msat: 0n };
      sums.set(key, { ...sum, msat: sum.msat + BigInt(row.msat) });
    }
    return [...sums.values()].filter(({ msat }) => msat !== 0n);
  }
}

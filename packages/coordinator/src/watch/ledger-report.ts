import { z } from 'zod';
import { accounts } from '../books/bookings.ts';
import { owedRoyalties, type OwedRoyalty, owedRoyaltySchema } from './admin-view.ts';
import type { Database } from '../database/database.ts';
import { type AccountReport, Ledger } from '../books/ledger.ts';
import { PayoutRows } from '../royalties/payout-rows.ts';

const accountSchema = z.object({
  ...{ account: z.string(), in_msat: z.string(), out_msat: z.string(), balance_msat: z.string(), lines: z.number() },
});

/** A month of the books as programs read it: whole msat in decimal strings. */
export const monthSchema = z.object({
  month: z.string(),
  accounts: z.array(accountSchema),
  /** By how much all that the coordinator has grew: coins, items and locks at their sats, and channels, less what it owes. */
  earned_msat: z.string(),
  /** What is owed over Lightning now, whenever it was earned. */
  owed: z.array(owedRoyaltySchema),
});

export type MonthWire = z.infer<typeof monthSchema>;

const { coins, items, locks, lightning } = accounts;
const HELD: readonly string[] = [coins, items, locks, lightning, accounts.owedRoyalties];

const sumOf = (amounts: readonly (bigint | string)[]): bigint =>
  amounts.reduce<bigint>((sum, msat) => sum + BigInt(msat), 0n);

/** A month as a database has it. Throws `bad_message` for what is no month. */
export async function monthIn(database: Database, month: string): Promise<MonthWire> {
  const rows = await new Ledger(database).report({ month });
  return monthWire({ month, rows, owed: owedRoyalties(await new PayoutRows(database).unpaid()) });
}

type Month = { month: string; rows: readonly AccountReport[]; owed?: OwedRoyalty[] };

export function monthWire({ month, rows, owed = [] }: Month): MonthWire {
  const held = rows.filter(({ account }) => HELD.includes(account));
  return {
    month,
    accounts: rows.map(({ account, inMsat, outMsat, balanceMsat, lines }) => ({
      ...{ account, in_msat: String(inMsat), out_msat: String(outMsat), balance_msat: String(balanceMsat), lines },
    })),
    earned_msat: String(sumOf(held.map(({ balanceMsat }) => balanceMsat))),
    owed,
  };
}

/** Exactly, with as many decimals as a sat has msat. */
export function satsText(msat: bigint): string {
  const size = msat < 0n ? -msat : msat;
  const sign = msat < 0n ? '-' : '';
  return `${sign}${size / 1000n}.${String(size % 1000n).padStart(3, '0')}`;
}

const HEADS = ['account', 'in', 'out', 'balance', 'lines'];

/**
 * A month of the books as a table for a terminal, in sats. In all, as much came in as went out; what was earned is what
 * coins, items, locks and lightning have together, less what is owed.
 */
export function reportText({ month, accounts: rows, earned_msat: earned, owed }: MonthWire): string {
  const text = (msat: bigint | string) => satsText(BigInt(msat));
  const cells = rows.map((row) => [
    row.account,
    text(row.in_msat),
    text(row.out_msat),
    text(row.balance_msat),
    `${row.lines}`,
  ]);
  const totals = [
    text(sumOf(rows.map((row) => row.in_msat))),
    text(sumOf(rows.map((row) => row.out_msat))),
    text(sumOf(rows.map((row) => row.balance_msat))),
  ];
  const lines = rows.reduce((sum, row) => sum + row.lines, 0);
  const table = [HEADS, ...cells, ['together', ...totals, `${lines}`], ['earned', '', '', text(earned), '']];
  const widths = HEADS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  const unpaid = owed.map(
    ({ trade_id, to, sats, state, attempts, why }) =>
      `owed to ${to}: ${sats} of trade ${trade_id}, ${state === 'given_up' ? 'given up ' : ''}after ${attempts} attempts${why === '' ? '' : ` (${why})`}`,
  );
  return [`${month}, in sats`, ...table.map(line), ...unpaid, ''].join('\n');
}

import type { AccountReport } from './ledger.ts';

/** Exactly, with as many decimals as a sat has msat. */
export function satsText(msat: bigint): string {
  const size = msat < 0n ? -msat : msat;
  const sign = msat < 0n ? '-' : '';
  return `${sign}${size / 1000n}.${String(size % 1000n).padStart(3, '0')}`;
}

const HEADS = ['account', 'in', 'out', 'balance', 'lines'];

/** A month of the books as a table for a terminal, in sats. The balances of all accounts add up to 0. */
export function reportText({ month, rows }: { month: string; rows: readonly AccountReport[] }): string {
  const cells = rows.map(({ account, inMsat, outMsat, balanceMsat, lines }) => [
    account,
    satsText(inMsat),
    satsText(outMsat),
    satsText(balanceMsat),
    String(lines),
  ]);
  const sum = rows.reduce((all, { balanceMsat }) => all + balanceMsat, 0n);
  const table = [HEADS, ...cells, ['together', '', '', satsText(sum), '']];
  const widths = HEADS.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [`${month}, in sats`, ...table.map(line), ''].join('\n');
}

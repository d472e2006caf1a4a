import { existsSync } from 'node:fs';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { askAdmin } from './admin-client.ts';
import type { CommandContext } from './commands.ts';
import type { Config } from '../config/config.ts';
import { openDatabase, sqlitePathOf } from '../database/database.ts';
import { monthIn, monthSchema, type MonthWire, reportText } from '../watch/ledger-report.ts';

/** From the database itself; the coordinator that has a SQLite file open is asked instead. */
async function monthOf(config: Config, month: string): Promise<MonthWire> {
  const { databaseUrl: url, network, admin } = config;
  const path = sqlitePathOf(url);
  // An empty one would be made, and have nothing to report.
  if (path !== undefined && !existsSync(path))
    throw new SparkleError('bad_config', `DATABASE_URL must name a database with books; there is no file ${path}`, {
      path,
    });
  try {
    const database = await openDatabase({ url, network });
    try {
      return await monthIn(database, month);
    } finally {
      await database.close();
    }
  } catch (error) {
    if (!(error instanceof SparkleError && error.code === 'store_in_use')) throw error;
  }
  const asked = { method: 'GET', path: `/admin/report?month=${month}`, purpose: 'report' } as const;
  const { answer, away } = await askAdmin(admin, asked);
  // At the address may be anything.
  const read = monthSchema.safeParse(await answer.json().catch(() => undefined));
  if (!read.success) throw away('what it says is no report');
  return read.data;
}

/**
 * `coordinator report --month YYYY-MM`: the books of a month (UTC), as a table or, with `json`, for a program. Throws
 * `bad_message` for what is no month, `bad_config`, `store_in_use` and `store_unavailable`.
 */
export async function report(
  { config, terminal }: CommandContext,
  { month, json }: { month: string; json: boolean },
): Promise<void> {
  const found = await monthOf(config(), month);
  terminal.out(json ? `${JSON.stringify(found, undefined, 2)}\n` : reportText(found));
}

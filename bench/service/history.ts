import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { until } from '../../test/regtest/kept-process.ts';
import type { Database } from '../../packages/coordinator/src/database.ts';
import type { Service } from '../../packages/coordinator/src/service.ts';
import { buyerOf } from './buyer.ts';

type Row = Record<string, string | number | null>;
type Rows = Kysely<Record<string, Row>>;

/** What a trade leaves in the database, parents first, and the numbers that the database gives itself. */
const TABLES = ['trade', 'payment_hash', 'effect', 'checkout', 'trade_update', 'access_token', 'mailbox'] as const;
const NUMBERED: readonly string[] = ['seq', 'holder', 'token'];
const AT_ONCE = 200;

/** Rows of one trade that was really made and ended, which others are made like. */
type Mould = { rows: [table: string, row: Row][]; names: string[] };

/** Trades that have ended, as many as are asked for: one is made through the API and called off, the others are like it. */
export async function forgedHistory(
  database: Database,
  service: Service,
  of: { inscriptionId: string; finished: number },
): Promise<{ finished: number }> {
  const mould = await mouldOf(database, service, of.inscriptionId);
  const tables = database.tables as unknown as Rows;
  for (let made = 0; made < of.finished; made += AT_ONCE) {
    const batch = Array.from({ length: AT_ONCE }, () => castOf(mould));
    await tables.transaction().execute(async (session) => {
      for (const table of TABLES) {
        const rows = batch.flatMap((cast) => cast.filter(([name]) => name === table).map(([, row]) => row));
        if (rows.length > 0) await session.insertInto(table).values(rows).execute();
      }
    });
  }
  return { finished: (await database.store.all()).length };
}

async function mouldOf(database: Database, service: Service, inscriptionId: string): Promise<Mould> {
  const ask = async (url: string, payload: object) =>
    (await service.app.inject({ method: 'POST', url, payload })).json();
  const quote = await ask('/v1/quote', { inscription_id: inscriptionId });
  const { body } = buyerOf(quote);
  const { trade_id: shownId, checkout_id: checkoutId, token } = await ask('/api/checkout/prepare', body());
  const tradeId = String(shownId).replaceAll('-', '');
  await service.trader.abort(tradeId, 'bench');
  const isOver = async () => (await service.trader.trade(tradeId))?.state === 'ended';
  await until('the trade to end', async () => (await service.trader.look(), isOver()));
  await service.trader.idle();
  const trade = await service.trader.trade(tradeId);
  if (trade === undefined || !('terms' in trade) || trade.terms === undefined) throw new Error('the trade has terms');
  const { paymentHash } = trade.terms;
  const { createHash } = await import('node:crypto');
  const tokenHash = createHash('sha256').update(String(token)).digest('hex');
  const names = [tradeId, String(shownId), String(checkoutId).slice(4), paymentHash, tokenHash];
  const tables = database.tables as unknown as Rows;
  const rows: [string, Row][] = [];
  for (const table of TABLES)
    for (const row of await tables.selectFrom(table).selectAll().execute())
      if (names.some((name) => JSON.stringify(row).includes(name))) rows.push([table, row]);
  return { rows, names };
}

/** The same rows under other names. */
function castOf({ rows, names }: Mould): [string, Row][] {
  const [tradeId = ''] = names;
  const newId = randomBytes(16).toString('hex');
  const uuid = newId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const renamed = new Map(
    names.map((name) => [
      name,
      name === tradeId ? newId : name.includes('-') ? uuid : randomBytes(name.length / 2).toString('hex'),
    ]),
  );
  const renaming = (text: string) => [...renamed].reduce((told, [from, to]) => told.replaceAll(from, to), text);
  return rows.map(([table, row]) => [
    table,
    Object.fromEntries(
      Object.entries(row)
        .filter(([name]) => !NUMBERED.includes(name))
        .map(([name, value]) => [name, typeof value === 'string' ? renaming(value) : value]),
    ),
  ]);
}

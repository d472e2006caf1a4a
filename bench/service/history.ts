import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { PreparedWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { until } from '../../test/regtest/kept-process.ts';
import type { Database } from '../../packages/coordinator/src/database/database.ts';
import type { Service } from '../../packages/coordinator/src/operate/service.ts';
import { buyerOf } from './buyer.ts';

type Row = Record<string, string | number | null>;
type Rows = Kysely<Record<string, Row>>;

/** What a trade leaves in the database, parents first, and the numbers that the database gives itself, or one buyer's trades. */
const TABLES = ['trade', 'payment_hash', 'effect', 'checkout', 'trade_update', 'access_token', 'mailbox'] as const;
const NUMBERED: readonly string[] = ['seq', 'holder', 'token', 'place'];
const AT_ONCE = 200;
const BUSY_MILLISECONDS = 200;

/** Rows of one trade that was really made and ended, which others are made like. */
type Mould = { rows: [table: string, row: Row][]; names: string[] };

type Answered = QuoteWire & PreparedWire;
type Parts = { database: Database; service: Service; inscriptionId: string };
type Recast = (cast: { paymentHash: string }) => Promise<readonly [from: string, to: string][]>;

/** Trades that have ended, as many as are asked for: one is made through the API and called off, the others are like it. */
export async function forgedHistory(parts: Parts, count: number): Promise<number> {
  const { tradeId, mould } = await made(parts, async (id) => {
    const { trader } = parts.service;
    await trader.abort(id, 'bench');
    await until('the trade to end', async () => (await trader.look(), (await trader.trade(id))?.state === 'ended'));
    await trader.idle();
  });
  await cast(parts.database, { mould, tradeId, count, recast: async () => [] });
  return count;
}

/** Trades whose invoice is open, each with an invoice of its own at the Lightning node. */
export async function forgedLive(parts: Parts & { house: Lightning }, count: number): Promise<number> {
  const { tradeId, mould, bolt11 } = await made(parts, async () => undefined);
  const terms = { amountMsat: 70_000_000n, finalCltv: 171, expirySeconds: 86_400, description: 'bench' };
  const recast: Recast = async ({ paymentHash }) => {
    const own = await parts.house.createHoldInvoice({ ...terms, paymentHash });
    return [[bolt11, own.bolt11]];
  };
  await cast(parts.database, { mould, tradeId, count, recast });
  return (await parts.database.store.live()).length;
}

async function made(
  { database, service, inscriptionId }: Parts,
  finish: (tradeId: string) => Promise<void>,
): Promise<{ tradeId: string; mould: Mould; bolt11: string }> {
  // A machine that is busy is answered with 503; a mould that is not made would make nothing.
  const ask = async (url: string, payload: object): Promise<Answered> => {
    for (;;) {
      const { statusCode, body } = await service.app.inject({ method: 'POST', url, payload });
      if (statusCode === 200) return JSON.parse(body) as Answered;
      if (statusCode !== 503) throw new Error(body);
      await wait(BUSY_MILLISECONDS);
    }
  };
  const quote = await ask('/v1/quote', { inscription_id: inscriptionId });
  const body = buyerOf(quote as QuoteWire).body();
  const { trade_id: shownId, checkout_id: checkoutId, token, invoice } = await ask('/api/checkout/prepare', body);
  const tradeId = String(shownId).replaceAll('-', '');
  await finish(tradeId);
  const tokenHash = createHash('sha256').update(String(token)).digest('hex');
  const names = [tradeId, String(shownId), String(checkoutId).slice(4), body.buyer.payment_hash ?? '', tokenHash];
  const tables = database.tables as unknown as Rows;
  const rows: [string, Row][] = [];
  for (const table of TABLES)
    for (const row of await tables.selectFrom(table).selectAll().execute())
      if (names.some((name) => JSON.stringify(row).includes(name))) rows.push([table, row]);
  return { tradeId, mould: { rows, names }, bolt11: String(invoice) };
}

async function cast(
  database: Database,
  { mould, tradeId, count, recast }: { mould: Mould; tradeId: string; count: number; recast: Recast },
): Promise<void> {
  const tables = database.tables as unknown as Rows;
  // They belong to nobody yet; whoever opens the database takes them.
  for (let done = 0; done < count; done += AT_ONCE) {
    const batch: [string, Row][][] = [];
    for (let next = 0; next < AT_ONCE; next += 1) batch.push(await castOf(mould, tradeId, recast));
    await tables.transaction().execute(async (session) => {
      for (const table of TABLES) {
        const rows = batch.flatMap((each) => each.filter(([name]) => name === table).map(([, row]) => row));
        if (rows.length > 0) await session.insertInto(table).values(rows).execute();
      }
    });
  }
}

/** The same rows under other names. */
async function castOf({ rows, names }: Mould, tradeId: string, recast: Recast): Promise<[string, Row][]> {
  const newId = randomBytes(16).toString('hex');
  const uuid = newId.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const others = names.map((name): [string, string] => [
    name,
    name === tradeId ? newId : name.includes('-') ? uuid : randomBytes(name.length / 2).toString('hex'),
  ]);
  const renamed = [...(await recast({ paymentHash: others[3]?.[1] ?? '' })), ...others];
  const renaming = (text: string) => renamed.reduce((told, [from, to]) => told.replaceAll(from, to), text);
  return rows.map(([table, row]) => [
    table,
    Object.fromEntries(
      Object.entries(row)
        .filter(([name]) => !NUMBERED.includes(name))
        .map(([name, value]) => [name, typeof value === 'string' ? renaming(value) : value]),
    ),
  ]);
}

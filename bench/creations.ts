import { startPostgres } from '../test/regtest/postgres.ts';
import { withoutPostgres } from '../test/regtest/parts.ts';
import { buyerOf } from './service/buyer.ts';
import { flatOut, HttpClient, type Load } from './service/load.ts';
import { type Host, startHost } from './service/process.ts';
import { sqliteUrl } from './service/world.ts';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 20);
const WORKERS = Number(process.env['BENCH_WORKERS'] ?? 64);
const FINISHED = Number(process.env['BENCH_FINISHED'] ?? 50_000);

type Row = Load & { perCoreSecond: number };

/** `POST /api/checkout/prepare` with keys: each answer is a trade with an invoice, on disk. */
async function creations(host: Host, isKeyed: boolean): Promise<Row> {
  const client = new HttpClient(host.address, WORKERS);
  const quote = await client.answered('/v1/quote', { inscription_id: host.inscriptionId });
  const buyer = buyerOf(JSON.parse(quote));
  const send = () =>
    client.post('/api/checkout/prepare', buyer.body(), { ...buyer.from(), ...(isKeyed ? buyer.key() : {}) });
  await flatOut({ workers: WORKERS, seconds: Math.min(3, SECONDS), send });
  const before = await host.usage();
  const load = await flatOut({ workers: WORKERS, seconds: SECONDS, send });
  const after = await host.usage();
  client.close();
  const made = load.perSecond * SECONDS;
  // What the service's own process took of a core: the client and the server of the database have the other.
  const perCoreSecond = Math.round((made * 1000) / (after.cpuMilliseconds - before.cpuMilliseconds));
  return { ...load, perCoreSecond };
}

async function over(url: string): Promise<Record<string, Row>> {
  const host = await startHost(url);
  try {
    const fresh = {
      'new database': await creations(host, false),
      'new database, Idempotency-Key': await creations(host, true),
    };
    if (FINISHED === 0) return fresh;
    await host.ask({ do: 'finished', count: FINISHED });
    return {
      ...fresh,
      [`${FINISHED} finished trades`]: await creations(host, false),
      [`${FINISHED} finished trades, Idempotency-Key`]: await creations(host, true),
    };
  } finally {
    await host.stop();
  }
}

/** Trades that are begun in a second by buyers who wait for nothing. */
export async function benchCreations(): Promise<object> {
  const only = process.env['BENCH_ONLY'];
  const sqlite = only === 'postgres' ? {} : await over(sqliteUrl());
  if (only === 'sqlite') return { sqlite };
  if (withoutPostgres !== false) return { sqlite, postgres: withoutPostgres };
  const server = await startPostgres({ writes: 'durable' });
  try {
    return { sqlite, postgres: await over(await server.newDatabase()) };
  } finally {
    await server.stop();
  }
}

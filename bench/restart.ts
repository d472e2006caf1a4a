import { startHost } from './service/process.ts';
import { sqliteUrl } from './service/world.ts';

const LIVE = Number(process.env['BENCH_LIVE'] ?? 10_000);
const FINISHED = Number(process.env['BENCH_FINISHED'] ?? 50_000);

/** From a closed database with live trades, each with an open invoice, until `/readyz` answers; and until all were looked at. */
export async function benchRestart(): Promise<object> {
  const host = await startHost(sqliteUrl());
  try {
    const live = await host.ask<number>({ do: 'live', count: LIVE });
    const fresh = await host.ask<object>({ do: 'reopen' });
    await host.ask({ do: 'finished', count: FINISHED });
    return { live, 'new database': fresh, [`${FINISHED} finished trades`]: await host.ask<object>({ do: 'reopen' }) };
  } finally {
    await host.stop();
  }
}

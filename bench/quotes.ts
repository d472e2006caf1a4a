import { HttpClient, type Load, steady } from './service/load.ts';
import { type Host, startHost } from './service/process.ts';
import { sqliteUrl } from './service/world.ts';

const PER_SECOND = 200;
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 60);
const WARM_UP_SECONDS = 5;
const FINISHED = Number(process.env['BENCH_FINISHED'] ?? 50_000);

type Row = Load & { rssMegabytes: [before: number, after: number]; heapMegabytes: [before: number, after: number] };

async function quotes(host: Host): Promise<Row> {
  const client = new HttpClient(host.address, 100);
  const send = () => client.post('/v1/quote', { inscription_id: host.inscriptionId });
  await steady({ perSecond: PER_SECOND, seconds: WARM_UP_SECONDS, send });
  const before = await host.usage();
  const load = await steady({ perSecond: PER_SECOND, seconds: SECONDS, send });
  const after = await host.usage();
  client.close();
  return {
    ...load,
    rssMegabytes: [before.rssMegabytes, after.rssMegabytes],
    heapMegabytes: [before.heapMegabytes, after.heapMegabytes],
  };
}

/** 200 quotes a second, each sent at its time whether or not those before it are answered (our own open-loop client). */
export async function benchQuotes(): Promise<Record<string, Row>> {
  const host = await startHost(sqliteUrl());
  try {
    const fresh = { 'new database': await quotes(host) };
    await host.ask({ do: 'finished', count: FINISHED });
    return { ...fresh, [`${FINISHED} finished trades`]: await quotes(host) };
  } finally {
    await host.stop();
  }
}

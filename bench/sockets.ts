import { randomBytes } from 'node:crypto';
import type { PreparedWire } from 'sparkle-protocol/market/checkout-wire';
import { WebSocket } from 'ws';
import { until } from '../test/regtest/kept-process.ts';
import { spread } from './percentiles.ts';
import { buyerOf } from './service/buyer.ts';
import { HttpClient } from './service/load.ts';
import { type Host, startHost } from './service/process.ts';
import { sqliteUrl } from './service/world.ts';

const SOCKETS = Number(process.env['BENCH_SOCKETS'] ?? 1_000);
const PUSHES = 200;
const PUSHES_PER_SECOND = 20;
const FINISHED = Number(process.env['BENCH_FINISHED'] ?? 50_000);

type Listener = { tradeId: string; told: Map<string, number>; close(): void };

/** A connection of a buyer that hears of his trade, from an address of his own. */
async function listener(host: Host, { trade_id: shownId, token }: PreparedWire): Promise<Listener> {
  const url = `${host.address.replace('http', 'ws')}/v1/socket`;
  const socket = new WebSocket(url, { headers: { 'x-forwarded-for': `10.${randomBytes(3).join('.')}` } });
  const told = new Map<string, number>();
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data as Buffer)) as { type: string; status?: string };
    told.set(frame.status ?? frame.type, Date.now());
  });
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject));
  socket.send(JSON.stringify({ type: 'token', token }));
  socket.send(JSON.stringify({ type: 'subscribe', channel: 'trades', since: 0 }));
  await until('the trade to be told', () => told.has('pending_payment'), { patienceMilliseconds: 30_000 });
  return { tradeId: shownId.replaceAll('-', ''), told, close: () => socket.terminate() };
}

async function trades(host: Host, count: number): Promise<PreparedWire[]> {
  const client = new HttpClient(host.address, 16);
  const quote = await client.answered('/v1/quote', { inscription_id: host.inscriptionId });
  const buyer = buyerOf(JSON.parse(quote));
  const made: PreparedWire[] = [];
  const worker = async (): Promise<void> => {
    while (made.length < count) {
      const { status, body } = await client.post('/api/checkout/prepare', buyer.body(), buyer.from());
      if (status === 200) made.push(JSON.parse(body));
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  client.close();
  return made.slice(0, count);
}

/** From the moment at which something happens to a trade until its party has the frame: what is decided, stored, and sent. */
async function pushes(host: Host, listeners: readonly Listener[]) {
  const latencies: Promise<number>[] = [];
  for (const { tradeId, told } of listeners.slice(0, PUSHES)) {
    const pushed = async (): Promise<number> => {
      const { at } = await host.ask<{ at: number }>({ do: 'abort', tradeId });
      await until('the push', () => told.has('failed'), { patienceMilliseconds: 30_000 });
      return (told.get('failed') ?? NaN) - at;
    };
    latencies.push(pushed());
    await new Promise((resolve) => setTimeout(resolve, 1000 / PUSHES_PER_SECOND));
  }
  return spread(await Promise.all(latencies));
}

async function measured(host: Host): Promise<object> {
  const made = await trades(host, SOCKETS);
  const before = await host.usage();
  const listeners: Listener[] = [];
  for (let next = 0; next < made.length; next += 20)
    listeners.push(...(await Promise.all(made.slice(next, next + 20).map((each) => listener(host, each)))));
  const idle = await host.usage();
  const pushMilliseconds = await pushes(host, listeners);
  for (const each of listeners) each.close();
  return {
    sockets: listeners.length,
    rssMegabytes: { without: before.rssMegabytes, idle: idle.rssMegabytes },
    heapMegabytes: { without: before.heapMegabytes, idle: idle.heapMegabytes },
    'happened -> frame received, ms': pushMilliseconds,
  };
}

/** WebSockets that wait, and how soon each hears of its trade. */
export async function benchSockets(): Promise<object> {
  const host = await startHost(sqliteUrl());
  try {
    const fresh = await measured(host);
    if (FINISHED === 0) return { 'new database': fresh };
    await host.ask({ do: 'finished', count: FINISHED });
    return { 'new database': fresh, [`${FINISHED} finished trades`]: await measured(host) };
  } finally {
    await host.stop();
  }
}

import { forgedHistory, forgedLive } from './history.ts';
import { memoryWorld, openBenchDatabase, openService } from './world.ts';

/** What the bench asks of the process that it measures. */
export type Asked =
  | { do: 'usage' }
  | { do: 'finished'; count: number }
  | { do: 'live'; count: number }
  | { do: 'abort'; tradeId: string }
  | { do: 'reopen' }
  | { do: 'stop' };

export type Usage = { cpuMilliseconds: number; rssMegabytes: number; heapMegabytes: number };

const [url = ''] = process.argv.slice(2);
const world = await memoryWorld();
const { inscriptionId } = world;
let database = await openBenchDatabase(url);
let service = await openService(world, database);
let address = await service.app.listen({ host: '127.0.0.1', port: 0 });
const listed = await service.app.inject({ method: 'POST', url: '/v1/trade', payload: world.listing });
if (listed.statusCode !== 201) throw new Error(listed.body);
setInterval(() => world.network.setTime(Math.floor(Date.now() / 1000)), 500).unref();

function usage(): Usage {
  globalThis.gc?.();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const megabytes = (bytes: number) => Math.round(bytes / 2 ** 20);
  return { cpuMilliseconds: (user + system) / 1000, rssMegabytes: megabytes(rss), heapMegabytes: megabytes(heapUsed) };
}

async function close(): Promise<void> {
  await service.close();
  await database.close();
}

/** From a closed database until `/readyz` answers that trades can be made. */
async function reopen(): Promise<object> {
  await close();
  const began = performance.now();
  const cpuBefore = process.cpuUsage();
  database = await openBenchDatabase(url);
  service = await openService(world, database);
  address = await service.app.listen({ host: '127.0.0.1', port: 0 });
  const { ready } = (await (await fetch(`${address}/readyz`)).json()) as { ready: boolean };
  const readyMilliseconds = Math.round(performance.now() - began);
  const { user, system } = process.cpuUsage(cpuBefore);
  const readyCpuMilliseconds = Math.round((user + system) / 1000);
  if (!ready) throw new Error('the service must be ready once it is open');
  await service.trader.idle();
  return {
    address,
    readyMilliseconds,
    readyCpuMilliseconds,
    allLookedAtMilliseconds: Math.round(performance.now() - began),
  };
}

async function obey(asked: Asked): Promise<unknown> {
  switch (asked.do) {
    case 'usage':
      return usage();
    case 'finished':
      return forgedHistory({ database, service, inscriptionId }, asked.count);
    case 'live':
      return forgedLive({ database, service, inscriptionId, house: world.nodes.house.lightning }, asked.count);
    case 'abort': {
      const at = Date.now();
      await service.trader.abort(asked.tradeId, 'bench');
      return { at };
    }
    case 'reopen':
      return reopen();
    case 'stop':
      await close();
      setImmediate(() => process.exit(0));
      return {};
  }
}

process.on('message', ({ id, asked }: { id: number; asked: Asked }) => {
  obey(asked).then(
    (answer) => process.send?.({ id, answer }),
    (error: unknown) => process.send?.({ id, error: String((error as Error).stack) }),
  );
});
process.send?.({
  id: 0,
  answer: { address, inscriptionId: world.inscriptionId, startMilliseconds: Math.round(performance.now()) },
});

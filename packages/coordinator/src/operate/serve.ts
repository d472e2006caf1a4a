import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { newPhrase, rescueSeed } from 'sparkle-protocol/protocol/keys';
import { systemClock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import type { CommandContext } from './commands.ts';
import type { Config } from '../config/config.ts';
import { openDatabase } from '../database/database.ts';
import { type DrainStep, drainOnSignals } from '../http/drain.ts';
import { openBitcoin, openLightning, openOrdinals } from './drivers.ts';
import { createLog } from '../http/log.ts';
import { openOperations } from './operations.ts';
import { Service } from './service.ts';
import { VERSION } from '../version.ts';

const TICK_MILLISECONDS = 10_000;

/** The seed behind the rescue phrase of the file; a first start writes one. Throws `bad_phrase`. */
function seedIn(file: string, log: Log): Uint8Array {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${newPhrase(randomBytes(32))}\n`, { mode: 0o600, flag: 'wx' });
    log.warn(
      { file },
      'a rescue phrase was made: copy it to paper, for without it nothing that is locked can be had back',
    );
  }
  return rescueSeed(readFileSync(file, 'utf8').trim());
}

type Opening = {
  log: FastifyBaseLogger & Log;
  isDraining: () => boolean;
  /** What is open goes in here: should the process be told to end before all is. */
  steps: DrainStep[];
};

async function open(config: Config, { log, isDraining, steps }: Opening): Promise<void> {
  const { network, databaseUrl: url, instanceName } = config;
  const later = (name: string, end: () => unknown) => steps.unshift({ name, end: async () => end() });
  const seed = seedIn(config.rescuePhraseFile, log);
  const database = await openDatabase({
    url,
    network,
    ...(instanceName === undefined ? {} : { instance: instanceName }),
  });
  later('database', () => database.close());
  const { chain, wallet } = openBitcoin(config);
  later('chain', () => chain.close());
  const lightning = await openLightning(config, log);
  later('lightning', () => lightning.close());
  const ordinals = openOrdinals(config, chain);
  const own = { config, database, chain, wallet, lightning, ordinals, seed, clock: systemClock(), log };
  const given = { ...own, version: VERSION, tickMilliseconds: TICK_MILLISECONDS, isDraining };
  const operations = openOperations(given, config);
  // It ends after the service, whose last words are told to the operator and to webhooks by it.
  later('watch', operations.start());
  const service = await Service.open(operations.parts);
  later('service', () => service.close());
  const admin = operations.admin(service.health);
  if (admin !== undefined && config.admin !== undefined) {
    const { host, port } = config.admin;
    log.info({ address: await admin.listen({ host, port }) }, 'the admin API is open');
    later('admin', () => admin.close());
  }
  const { host, port } = config.api;
  log.info({ address: await service.app.listen({ host, port }), traderId: service.trader.id }, 'the API is open');
}

/** Serves until a signal ends the process. Throws what a part throws that cannot be opened. */
export async function serve({ config: read }: CommandContext): Promise<void> {
  const config = read();
  const log = createLog({ level: config.logLevel }) as FastifyBaseLogger & Log;
  const steps: DrainStep[] = [];
  // Before anything is opened: a signal without a listener does not reach the first process of a container.
  const draining = drainOnSignals({
    ...{ steps, limitMilliseconds: config.drainSeconds * 1000, clock: systemClock(), log },
    ...{ signals: process, exit: (code) => process.exit(code) },
  });
  await open(config, { log, steps, isDraining: () => draining.isDraining() });
}

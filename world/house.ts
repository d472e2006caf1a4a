import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { Market } from 'sparkle-protocol/market/market';
import { signerOf } from 'sparkle-protocol/market/coordinator-http';
import type { SocketClass } from 'sparkle-protocol/market/coordinator-socket';
import { identityKey, rescueSeed } from 'sparkle-protocol/protocol/keys';
import { memoryDisk, memoryStore } from 'sparkle-protocol/store/memory';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { silentLog } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import { WebSocket } from 'ws';
import { type Database, openDatabase } from '../packages/coordinator/src/database/database.ts';
import { Ledger } from '../packages/coordinator/src/books/ledger.ts';
import { noPressureLimits } from '../packages/coordinator/src/http/limits.ts';
import { createLog } from '../packages/coordinator/src/http/log.ts';
import { Service, type ServiceParts } from '../packages/coordinator/src/operate/service.ts';
import { freePorts } from '../scripts/ports.mjs';
import { ask, type Asking } from './ask.ts';
import type { Party } from './party.ts';

const PHRASE = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

export type HouseLimits = ServiceParts['config']['limits'];

type Opening = {
  port?: number;
  listers?: ServiceParts['config']['listers'];
  limits?: HouseLimits;
  royalties?: ServiceParts['config']['royalties'];
  /** An empty database; a SQLite file of its own unless given. */
  databaseUrl?: string;
};

/** A coordinator over the coins and the Lightning node of one of the world's parties, with a database of its own. */
export class House {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sparkle-house-'));
  service!: Service;
  database!: Database;
  ledger!: Ledger;
  url = '';
  #end: () => Promise<void> = async () => {};
  readonly #guests: (() => Promise<void>)[] = [];

  static async open(party: Party, given: Partial<ServiceParts> & Opening = {}): Promise<House> {
    const { port: wanted, databaseUrl, listers = 'anyone', limits = houseLimits, ...rest } = given;
    const { royalties = config.royalties, ...change } = rest;
    const house = new House();
    const url = databaseUrl ?? `sqlite:${join(house.#folder, 'coordinator.sqlite')}`;
    const database = await openDatabase({ url, network: 'regtest' });
    house.ledger = new Ledger(database);
    house.database = database;
    const { chain, wallet, lightning, ordinals } = party;
    const log = createLog({ level: 'error' });
    const [free = 0] = await freePorts(1);
    const port = wanted === undefined || wanted === 0 ? free : wanted;
    // What clients sign names it.
    const api = { ...config.api, port, publicUrl: `http://127.0.0.1:${port}` };
    house.service = await Service.open({
      ...{ database, chain, wallet, lightning, ordinals, log, config: { ...config, api, listers, limits, royalties } },
      ...{ seed: rescueSeed(PHRASE), clock: systemClock(), version: '2.0.0', tickMilliseconds: 1_000 },
      // The node, the buyer and the seller share the machine with it: nobody is sent away because it is slow.
      pressure: noPressureLimits,
      ...change,
    });
    house.url = await house.service.app.listen({ host: '127.0.0.1', port });
    house.#end = async () => {
      await house.service.close();
      await database.close();
    };
    return house;
  }

  /** Guests leave before the house is closed. */
  leaving(leave: () => Promise<void>): void {
    this.#guests.push(leave);
  }

  async close(): Promise<void> {
    for (const leave of this.#guests) await leave();
    await this.#end();
    rmSync(this.#folder, { recursive: true });
  }

  /** Asks as any program would. */
  async ask<Answer>(method: string, path: string, asking?: Asking): Promise<{ status: number; answer: Answer }> {
    const { status, body } = await ask<Answer>(method, `${this.url}${path}`, asking);
    return { status, answer: body };
  }
}

export const houseLimits: HouseLimits = {
  ...{ minTradeSats: 10_000n, maxTradeSats: 10_000_000n, capitalAtRiskSats: 10_000_000n, forwardSats: 2_000_000n },
  // Whoever tests comes from one address.
  ...{
    maxOpenHoldsPerBuyer: 10_000,
    maxOpenTrades: 200,
    quoteTtlSeconds: 90,
    maxChainFeeBps: 10_000,
    claimWindowBlocks: 72,
  },
};

export const config: Omit<ServiceParts['config'], 'listers'> = {
  network: 'regtest',
  api: {
    ...{ host: '127.0.0.1', port: 0, publicUrl: '' },
    ...{ trustedProxies: [], corsOrigins: [] },
  },
  fees: { fixedSats: 1_000n, bps: 100 },
  royalties: { overLightning: false, routeFeeBps: 100, privateOrigins: [] },
  limits: houseLimits,
  ratesPerMinute: { quote: 1_000, create: 1_000, read: 10_000, auth: 1_000 },
  idempotencySeconds: 3_600,
};

/** A trader outside the coordinator who reaches it as the SDK does: over HTTP and WebSocket. */
export async function guest(of: {
  party: Party;
  house: House;
  phrase: string;
  /** Another way for what he sends. */
  through?: (market: Market) => Market;
}): Promise<Trader> {
  const { party, house, phrase, through = (market) => market } = of;
  const { chain, wallet, lightning, ordinals } = party;
  const seed = rescueSeed(phrase);
  const me = identityKey({ seed, network: 'regtest' });
  const clock = systemClock();
  const market = coordinatorMarket({
    ...{ url: house.url, network: 'regtest', clock, timing: coordinatorTiming, WebSocket: WebSocket as SocketClass },
    signer: signerOf(me, clock),
  });
  const own = {
    network: 'regtest',
    seed,
    clock,
    log: silentLog,
    store: memoryStore(memoryDisk()),
    market: through(market),
  } as const;
  const trader = new Trader({ ...own, chain, wallet, lightning, ordinals, tickMilliseconds: 1_000 });
  await trader.start();
  house.leaving(async () => {
    await trader.stop();
    await market.close();
  });
  return trader;
}

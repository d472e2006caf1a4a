import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Wallet } from 'sparkle-protocol/chain/wallet';
import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { identityKey } from 'sparkle-protocol/protocol/keys';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import { Trader } from 'sparkle-protocol/trader/trader';
import { Aftermath } from './aftermath.ts';
import { createApp } from './app.ts';
import { Auth, authLimits } from './auth.ts';
import { Checkouts } from './checkouts.ts';
import type { Config } from './config.ts';
import type { Database } from './database.ts';
import { Delivery } from './delivery.ts';
import { Desk, isSale } from './desk.ts';
import { Hub } from './hub.ts';
import { mailLimits } from './hub-mail.ts';
import { offerLimits } from './hub-offers.ts';
import { Listings } from './listings.ts';
import { Quotes } from './quotes.ts';
import { healthOf } from './routes/ops.ts';
import { Trades } from './trades.ts';

/** What a coordinator is made of. The seed stays in its trader; `config` is what an operator decided. */
export type ServiceParts = {
  config: Pick<Config, 'network' | 'api' | 'fees' | 'limits' | 'ratesPerMinute' | 'idempotencySeconds'>;
  database: Database;
  chain: Chain;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  seed: Uint8Array;
  clock: Clock;
  log: FastifyBaseLogger & Log;
  version: string;
  tickMilliseconds: number;
  /** What the inscription's collection declares. */
  royaltyBps(inscriptionId: string): Promise<number>;
};

const LISTING_SECONDS = 30 * 24 * 3600;
const RELIST_SECONDS = 90 * 24 * 3600;
const SWEEP_MILLISECONDS = 60_000;

/** A running coordinator without its sockets: `app` may be listened on, or asked directly. */
export class Service {
  readonly app: FastifyInstance;
  readonly trader: Trader;
  readonly #stops: (() => void | Promise<void>)[];

  private constructor(of: { app: FastifyInstance; trader: Trader; stops: (() => void | Promise<void>)[] }) {
    this.app = of.app;
    this.trader = of.trader;
    this.#stops = of.stops;
  }

  /** Resumes what was under way and begins to serve. Throws what `Trader.start` throws. */
  static async open(parts: ServiceParts): Promise<Service> {
    const { config, clock, log, chain } = parts;
    const hub = openHub(parts);
    const trader = openTrader(parts, hub);
    const auth = new Auth({ ...authLimits, database: parts.database, clock, publicUrl: config.api.publicUrl });
    const shop = openShop(parts, { trader, auth });
    const { listings, aftermath } = shop;
    trader.answerWith((request) => shop.desk.offerFor(request));
    await trader.start();
    await listings.start();
    const stopFollowing = await aftermath.start();
    const stopHearing = chain.subscribe((event) => {
      if (event.type === 'transaction') void listings.hear(event.raw).catch(() => undefined);
    });
    const sweep = () => void listings.sweep().catch((error: unknown) => log.warn({ error: String(error) }, 'no sweep'));
    const stopSweeping = clock.every(SWEEP_MILLISECONDS, sweep);
    const app = await createApp({
      ...parts,
      ...shop,
      auth,
      hub,
      newId: newId(clock),
      ops: opsOf(parts),
      feed: undefined,
    });
    const stops = [
      () => app.close(),
      () => (stopSweeping(), stopHearing(), stopFollowing()),
      () => trader.stop(),
      () => aftermath.idle(),
      () => hub.close(),
    ];
    return new Service({ app, trader, stops });
  }

  /** Answers what was asked, finishes what it is doing, and ends; the parts are the caller's to close. */
  async close(): Promise<void> {
    for (const stop of this.#stops) await stop();
  }
}

const newId = (clock: Clock) => (): string => hex.encode(clock.randomBytes(16));

function openHub({ database, clock, config: { network } }: ServiceParts): Hub {
  return new Hub({ database, clock, network, limits: { ...mailLimits, ...offerLimits } });
}

function openTrader(parts: ServiceParts, hub: Hub): Trader {
  const { config, database, chain, wallet, lightning, ordinals, seed, clock, log, tickMilliseconds } = parts;
  const me = identityKey({ seed, network: config.network });
  const sign = (digest: Uint8Array) => schnorr.sign(digest, me.secret, clock.randomBytes(32));
  const market = hub.marketFor({ publicKey: me.public, sign });
  const own = { network: config.network, store: database.store, tickMilliseconds };
  return new Trader({ ...own, chain, wallet, lightning, ordinals, market, seed, clock, log });
}

function openShop(parts: ServiceParts, { trader, auth }: { trader: Trader; auth: Auth }) {
  const { config, database, chain, ordinals, clock, log, royaltyBps } = parts;
  const { tables, store } = database;
  const { network, fees, limits } = config;
  const nowSeconds = () => clock.nowSeconds();
  const id = newId(clock);
  const prices = { minSats: limits.minTradeSats, maxSats: limits.maxTradeSats };
  const listings = new Listings({
    ...{ tables, chain, ordinals, network, limits: prices },
    ...{ sellerId: trader.id, newId: id, nowSeconds },
  });
  const checkouts = new Checkouts(tables);
  const quotes = new Quotes({ chain, fees, limits, royaltyBps, nowSeconds });
  const desk = new Desk({
    ...{ trader, chain, listings, quotes, checkouts, network, newId: id, nowSeconds },
    capitalAtRiskSats: limits.capitalAtRiskSats,
    atRiskSats: async () => (await store.liveAnywhere()).reduce((sum, trade) => sum + costOf(trade), 0n),
    issueToken: (of) => auth.issueToken({ ...of, role: 'buyer' }),
  });
  const issueToken = auth.issueToken.bind(auth);
  const trades = new Trades({
    desk,
    listings,
    checkouts,
    trader,
    listingSeconds: LISTING_SECONDS,
    issueToken,
    nowSeconds,
  });
  const delivery = new Delivery({ trader, chain });
  const after = { trader, chain, ordinals, listings, checkouts, log, relistSeconds: RELIST_SECONDS, nowSeconds };
  return { listings, desk, trades, delivery, aftermath: new Aftermath(after) };
}

/** What a live sale has cost us, or will: what its fill pays to others. */
function costOf(trade: Trade): bigint {
  if (!isSale(trade) || !('offer' in trade) || trade.offer.fill === undefined) return 0n;
  const { listing, payouts } = trade.offer.fill;
  return [listing.payout, ...payouts].reduce((sum, { valueSats }) => sum + valueSats, trade.offer.reserveSats);
}

function opsOf(parts: ServiceParts) {
  const { config, chain, clock, version, lightning } = parts;
  const blockHeight = async () => (await chain.tip()).height;
  const health = healthOf({ version, network: config.network, nodeId: () => lightning.nodeId(), blockHeight, clock });
  const waitingFor = async () => {
    const { lightning: node, bitcoin } = await health();
    return [...(node.connected ? [] : ['the Lightning node']), ...(bitcoin.connected ? [] : ['the Bitcoin node'])];
  };
  return { health, waitingFor };
}

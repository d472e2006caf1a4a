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
import { assertNodeCan } from 'sparkle-protocol/trader/needs';
import { Trader } from 'sparkle-protocol/trader/trader';
import { Aftermath } from '../exchange/aftermath.ts';
import { createApp } from '../api/app.ts';
import { Auth, authLimits } from '../access/auth.ts';
import { Books } from '../books/books.ts';
import { tellChanges } from '../news/changes.ts';
import { tellSellers } from '../news/changes-seller.ts';
import { Claims } from '../exchange/claims.ts';
import { Checkouts } from '../exchange/checkouts.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../database/database.ts';
import { Delivery } from '../exchange/delivery.ts';
import { Desk } from '../exchange/desk.ts';
import { Feed } from '../news/feed.ts';
import { Forwards } from '../exchange/forwards.ts';
import { Hub } from '../hub/hub.ts';
import { mailLimits } from '../hub/hub-mail.ts';
import { offerLimits } from '../hub/hub-offers.ts';
import { keepShelf } from '../exchange/keep-shelf.ts';
import { Ledger } from '../books/ledger.ts';
import type { LimitParts } from '../http/limits.ts';
import { Listings } from '../exchange/listings.ts';
import type { Metrics } from '../watch/metrics.ts';
import { notingStore, Outgoing } from '../books/outgoing.ts';
import { PayoutRows } from '../royalties/payout-rows.ts';
import { assertCanPayOut, type PayoutParts, Payouts } from '../royalties/payouts.ts';
import { Quotes } from '../exchange/quotes.ts';
import { SatProofs } from '../exchange/sat-proofs.ts';
import { isSale } from '../exchange/sold.ts';
import { type Health, healthOf } from '../watch/health.ts';
import { Trades } from '../exchange/trades.ts';
import { isUnproven, toProvenKeys } from '../exchange/unproven.ts';
import type { Webhooks } from '../news/webhooks.ts';

/** What a coordinator is made of. The seed stays in its trader; `config` is what an operator decided. */
export type ServiceParts = {
  config: Pick<
    Config,
    'network' | 'api' | 'fees' | 'royalties' | 'limits' | 'listers' | 'ratesPerMinute' | 'idempotencySeconds'
  >;
  database: Database;
  chain: Chain;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  seed: Uint8Array;
  clock: Clock;
  log: FastifyBaseLogger & Log;
  /** Where what works on trades logs, when it is not `log`: what it alerts of may have to reach a human. */
  traderLog?: Log;
  version: string;
  tickMilliseconds: number;
  /** Whether the process has been told to end; never when absent. */
  isDraining?: () => boolean;
  metrics?: Metrics;
  webhooks?: Webhooks;
  pressure?: LimitParts['pressure'];
  /** How services of Lightning addresses are reached; as the system reaches them when absent. */
  lnurlReach?: Pick<PayoutParts['reach'], 'ca' | 'resolve' | 'timeoutMilliseconds'>;
};

const LISTING_SECONDS = 30 * 24 * 3600;
const RELIST_SECONDS = 90 * 24 * 3600;
const GRACE_SECONDS = 90 * 24 * 3600;
const FEED_SECONDS = 30 * 24 * 3600;

/** A running coordinator without its sockets: `app` may be listened on, or asked directly. */
export class Service {
  readonly app: FastifyInstance;
  readonly trader: Trader;
  readonly health: () => Promise<Health>;
  readonly #stops: (() => void | Promise<void>)[];

  private constructor(of: Pick<Service, 'app' | 'trader' | 'health'> & { stops: (() => void | Promise<void>)[] }) {
    this.app = of.app;
    this.trader = of.trader;
    this.health = of.health;
    this.#stops = of.stops;
  }

  /** Resumes what was under way and begins to serve. Throws what `Trader.start` throws. */
  static async open(parts: ServiceParts): Promise<Service> {
    const { config, clock, log } = parts;
    const hub = openHub(parts);
    const trader = openTrader(parts, hub);
    const auth = new Auth({ ...authLimits, database: parts.database, clock, publicUrl: config.api.publicUrl });
    const payouts = openPayouts(parts);
    const shop = openShop(parts, { trader, auth, hub, payouts });
    const { listings, aftermath } = shop;
    trader.answerWith((request) => shop.desk.answerTo(request));
    await trader.start();
    // First what became of trades: what a fill of our own has spent is not gone.
    const stopFollowing = await aftermath.start();
    await listings.start();
    const keeping = keepShelf({ ...parts, ...shop });
    const { health, waitingFor } = opsOf(parts);
    const feed = new Feed({ database: parts.database, clock, keptSeconds: FEED_SECONDS, log });
    const told = { ...shop, feed, webhooks: parts.webhooks, log };
    const sellers = tellSellers(told);
    const telling = tellChanges({ ...told, trader, sellers });
    await telling.start();
    const ops = { health, waitingFor, isDraining: parts.isDraining ?? (() => false) };
    const books = openBooks(parts, trader);
    const stopsOfMoney = [books.start(), payouts.start(), shop.claims.start()];
    const app = await createApp({ ...parts, ...shop, auth, hub, newId: newId(clock), feed, ops });
    const stops = [
      () => app.close(),
      () => shop.satProofs.close(),
      () => [keeping.stop, stopFollowing, ...stopsOfMoney].forEach((stop) => stop()),
      () => trader.stop(),
      // After it: of a trade that ends last of all nobody would be told any more.
      () => telling.stop(),
      () => aftermath.idle(),
      () => Promise.all([books.idle(), payouts.idle(), shop.claims.idle(), telling.idle(), keeping.idle()]),
      () => (sellers.stop(), sellers.idle()),
      () => feed.close(),
      () => hub.close(),
    ];
    return new Service({ app, trader, health, stops });
  }

  /** Answers what was asked, finishes what it is doing, and ends; the parts are the caller's to close. */
  async close(): Promise<void> {
    for (const stop of this.#stops) await stop();
  }
}

/** Names with 16 random bytes. */
export const newId = (clock: Clock) => (): string => hex.encode(clock.randomBytes(16));

function openHub({ database, clock, log, config: { network } }: ServiceParts): Hub {
  return new Hub({ database, clock, log, network, limits: { ...mailLimits, ...offerLimits } });
}

function openTrader(parts: ServiceParts, hub: Hub): Trader {
  const { config, database, chain, wallet, lightning, ordinals, seed, clock, tickMilliseconds } = parts;
  const log = parts.traderLog ?? parts.log;
  const me = identityKey({ seed, network: config.network });
  const sign = (digest: Uint8Array) => schnorr.sign(digest, me.secret, clock.randomBytes(32));
  const market = toProvenKeys(hub.marketFor({ publicKey: me.public, sign }), (id) => database.store.load(id));
  const store = notingStore({ store: database.store, outgoing: new Outgoing(database.tables), log });
  const own = { network: config.network, store, tickMilliseconds };
  const { capitalAtRiskSats: mostFilledSats, forwardSats: mostForwardedSats, maxOpenTrades: mostSales } = config.limits;
  if (mostForwardedSats > 0n) assertNodeCan('forward hold-first', lightning.capabilities);
  const limits = { mostFilledSats, mostForwardedSats, mostSales };
  const hasReader = (trade: Trade) => !isUnproven(trade);
  return new Trader({ ...own, ...limits, hasReader, chain, wallet, lightning, ordinals, market, seed, clock, log });
}

function openBooks({ database, chain, lightning, clock, log }: ServiceParts, trader: Trader): Books {
  const { store, tables } = database;
  const ledger = new Ledger(database);
  const outgoing = new Outgoing(tables);
  return new Books({ store, chain, lightning, trader, ledger, outgoing, log, nowSeconds: () => clock.nowSeconds() });
}

/** Throws `bad_config` for a node that cannot pay, where creators are to be paid. */
function openPayouts({ config, database, lightning, clock, log, traderLog = log, lnurlReach }: ServiceParts): Payouts {
  const { network, royalties } = config;
  const { overLightning: isOn, routeFeeBps, privateOrigins: allowedOrigins } = royalties;
  if (isOn) assertCanPayOut(lightning.capabilities);
  const reach = { ...lnurlReach, allowedOrigins };
  const own = { rows: new PayoutRows(database), network, reach, isOn, routeFeeBps };
  return new Payouts({ ...own, lightning, clock, log, alarms: traderLog });
}

type Around = { trader: Trader; auth: Auth; hub: Hub; payouts: Payouts };

function openShop(parts: ServiceParts, { trader, auth, hub, payouts }: Around) {
  const { config, database, chain, ordinals, clock, log } = parts;
  const { tables, store } = database;
  const { network, fees, limits, royalties } = config;
  const nowSeconds = () => clock.nowSeconds();
  const id = newId(clock);
  const prices = { minSats: limits.minTradeSats, maxSats: limits.maxTradeSats };
  const checkouts = new Checkouts(tables);
  const listings = new Listings({
    ...{ tables, chain, ordinals, network, limits: prices },
    ...{ sellerId: trader.id, newId: id, nowSeconds },
    isFilled: (offerId) => isFilled({ trader, checkouts, offerId }),
  });
  const quotes = new Quotes({ chain, fees, limits, overLightning: royalties.overLightning, nowSeconds });
  const forwards = new Forwards({ offers: hub.offers, store, fees, limits, forwarderId: trader.id, nowSeconds });
  const desk = new Desk({
    ...{ trader, chain, listings, quotes, forwards, checkouts, network, newId: id, nowSeconds },
    limits,
    // What was left with us has cost as much as what is under way.
    atRiskSats: async () =>
      (await store.committed()).reduce((sum, trade) => sum + costOf(trade), await listings.ownSats()),
    issueToken: (of) => auth.issueToken({ ...of, role: 'buyer' }),
  });
  const issueToken = auth.issueToken.bind(auth);
  const trades = new Trades({
    ...{ desk, listings, checkouts, trader, issueToken, nowSeconds, listers: config.listers },
    ...{ listingSeconds: LISTING_SECONDS, graceSeconds: GRACE_SECONDS },
  });
  const satProofs = new SatProofs({ chain, clock });
  const claims = new Claims({ tables, chain, clock, network, log });
  const delivery = new Delivery({ trader, chain, ordinals, claims, satProofs, clock, network, log });
  const after = { trader, chain, ordinals, listings, checkouts, payouts, relistSeconds: RELIST_SECONDS, nowSeconds };
  const aftermath = new Aftermath({ ...after, log: parts.traderLog ?? log });
  return { listings, checkouts, desk, trades, delivery, claims, satProofs, aftermath };
}

/** Whether a trade of this offer has built its lock: then what it spends was spent by us. */
async function isFilled(of: { trader: Trader; checkouts: Checkouts; offerId: string }): Promise<boolean> {
  for (const { tradeId } of await of.checkouts.open(of.offerId)) {
    const trade = await of.trader.trade(tradeId);
    if (trade !== undefined && 'lock' in trade) return true;
  }
  return false;
}

/** What a live sale has cost us, or will: what its fill pays to others. */
export function costOf(trade: Trade): bigint {
  if (!isSale(trade) || !('acceptedHeight' in trade) || trade.offer.fill === undefined) return 0n;
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

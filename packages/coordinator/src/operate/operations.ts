import type { FastifyInstance } from 'fastify';
import { systemResolve } from 'sparkle-protocol/lightning/lnurl-guard';
import { canPay } from 'sparkle-protocol/protocol/layout';
import { adminApp, type AdminParts } from '../watch/admin.ts';
import { owedRoyalties, type Reserve } from '../watch/admin-view.ts';
import { Alarms } from '../watch/alarms.ts';
import { backupsOf } from '../database/backup-stream.ts';
import type { Config } from '../config/config.ts';
import { type Alarm, Guardian } from '../watch/guardian.ts';
import { monthIn } from '../watch/ledger-report.ts';
import { createMetrics, type Metrics, type Snapshot } from '../watch/metrics.ts';
import { measuredStore } from '../watch/metrics-store.ts';
import { PayoutRows } from '../royalties/payout-rows.ts';
import type { Health } from '../watch/health.ts';
import { costOf, newId, type ServiceParts } from './service.ts';
import { isSale } from '../exchange/sold.ts';
import { alarmPoster } from '../watch/webhooks-alarm.ts';
import { Webhooks } from '../news/webhooks.ts';

const WEBHOOK_MILLISECONDS = 10_000;

const guard = {
  resolve: systemResolve,
  ca: undefined,
  timeoutMilliseconds: WEBHOOK_MILLISECONDS,
};

/** What watches over the trades and tells humans and programs of them. */
export type Operations = {
  metrics: Metrics;
  webhooks: Webhooks;
  /** The parts as the service shall use them: its store measured, what its trader alerts of told to the operator. */
  parts: ServiceParts;
  /** Begins to watch; the returned function ends it, and resolves when nothing of it is under way any more. */
  start(): () => Promise<void>;
  /** The admin API; `undefined` where the operator has given no token for it. */
  admin(health: () => Promise<Health>): FastifyInstance | undefined;
};

export type OperationsConfig = Pick<Config, 'admin' | 'alerts' | 'databaseUrl' | 'webhookPrivateOrigins'>;

export function openOperations(given: ServiceParts, config: OperationsConfig): Operations {
  const { clock, log, chain, database } = given;
  const { store, tables } = database;
  const reach = { ...guard, privateOrigins: config.webhookPrivateOrigins };
  const webhooks = new Webhooks({ tables, clock, log, guard: reach });
  const metrics = createMetrics(() => snapshotOf(given, webhooks));
  const post = countedBy(metrics, posterOf(given, config));
  const alarms = new Alarms({ post, clock, log });
  const liveTrades = () => store.liveAnywhere();
  const tipHeight = async () => (await chain.tip()).height;
  const onBlock = (run: () => void) => chain.subscribe((event) => (event.type === 'tip' ? run() : undefined));
  const guardian = new Guardian({ liveTrades, tipHeight, onBlock, clock, log, raise: post });
  const measured = measuredStore({ store, metrics, nowMilliseconds: () => performance.now() });
  return {
    ...{ metrics, webhooks },
    parts: { ...given, metrics, webhooks, database: { ...database, store: measured }, traderLog: alarms.log() },
    start: () => startAll([guardian, alarms, webhooks]),
    admin: (health) => {
      if (config.admin === undefined) return undefined;
      const deadLetters = { list: () => webhooks.deadLetters(), replay: (seq: number) => webhooks.replay(seq) };
      const reserve = () => reserveOf(given);
      return adminApp({
        token: config.admin.token,
        log,
        newId: newId(clock),
        metrics,
        health,
        liveTrades,
        reserve,
        deadLetters,
        royalties: royaltiesOf(given),
        report: ({ month }) => monthIn(database, month),
        backup: backupsOf(database, config.databaseUrl),
      });
    },
  };
}

function royaltiesOf({ database, clock }: ServiceParts): AdminParts['royalties'] {
  const rows = new PayoutRows(database);
  return {
    owed: async () => owedRoyalties(await rows.unpaid()),
    tryAgain: (payoutId) => rows.tryAgain({ payoutId, at: clock.nowSeconds() }),
  };
}

type Watcher = { start(): () => void; idle(): Promise<void> };

function startAll(watchers: readonly Watcher[]): () => Promise<void> {
  const stops = watchers.map((watcher) => watcher.start());
  return async () => {
    stops.forEach((stop) => stop());
    await Promise.all(watchers.map((watcher) => watcher.idle()));
  };
}

async function snapshotOf({ database, chain }: ServiceParts, webhooks: Webhooks): Promise<Snapshot> {
  const trades = await database.store.liveAnywhere();
  return {
    trades,
    height: (await chain.tip()).height,
    capitalLockedSats: trades.reduce((sum, trade) => sum + costOf(trade), 0n),
    holds: trades.filter((trade) => isSale(trade) && 'acceptedHeight' in trade).length,
    deadLetters: await webhooks.deadCount(),
  };
}

async function reserveOf({ wallet, lightning }: ServiceParts): Promise<Reserve> {
  const coins = (await wallet.coins()).filter(canPay);
  const { spendableMsat, ownedMsat } = await lightning.balance();
  return {
    wallet_coins: String(coins.length),
    wallet_sats: String(coins.reduce((sum, { valueSats }) => sum + valueSats, 0n)),
    lightning_spendable_sats: String(spendableMsat / 1000n),
    lightning_owned_sats: String(ownedMsat / 1000n),
  };
}

type Post = (alarm: Alarm) => Promise<void>;

const countedBy =
  (metrics: Metrics, post: Post): Post =>
  (alarm) => {
    metrics.alarm(alarm);
    return post(alarm);
  };

/** Without an address for alarms they are in the log alone, at the level of errors. */
function posterOf({ clock, log }: ServiceParts, { alerts }: OperationsConfig): Post {
  if (alerts !== undefined) return alarmPoster({ ...alerts, guard, clock });
  return async ({ level, sentence, ...alarm }) => log.error({ ...alarm, alarm: level }, sentence);
}

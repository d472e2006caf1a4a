import { createHash } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { installAuth } from '../http/auth-http.ts';
import type { Auth } from '../access/auth.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../database/database.ts';
import type { Delivery } from '../exchange/delivery.ts';
import type { Desk } from '../exchange/desk.ts';
import type { Hub } from '../hub/hub.ts';
import { installDraining } from '../http/drain.ts';
import { installIdempotency } from '../http/idempotency.ts';
import { addressOf, installLimits, type LimitParts } from '../http/limits.ts';
import { installMetrics, type Metrics } from '../watch/metrics.ts';
import { installOpenapi } from '../http/openapi.ts';
import { newServer } from '../http/server.ts';
import { exchanges } from './exchanges/all.ts';
import { authRoutes } from './routes/auth.ts';
import { checkoutRoutes } from './routes/checkout.ts';
import { messageRoutes } from './routes/messages.ts';
import { offerRoutes } from './routes/offers.ts';
import { opsRoutes, type OpsParts } from './routes/ops.ts';
import { tradeRoutes } from './routes/trades.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { installSockets, type SocketLimits, socketLimits, socketRoutes } from './socket.ts';
import { type TradeFeed } from '../news/feed.ts';
import type { Trades } from '../exchange/trades.ts';
import type { Webhooks } from '../news/webhooks.ts';

export type AppParts = {
  config: Pick<Config, 'api' | 'ratesPerMinute' | 'idempotencySeconds'>;
  database: Database;
  clock: Clock;
  log: FastifyBaseLogger;
  newId(): string;
  auth: Auth;
  hub: Hub;
  desk: Desk;
  trades: Trades;
  delivery: Delivery;
  ops: OpsParts;
  feed: TradeFeed | undefined;
  version: string;
  metrics?: Metrics;
  webhooks?: Webhooks;
  /** When it is said that there is too much to do; `PRESSURE` unless given. */
  pressure?: LimitParts['pressure'];
  /** What one connection may cost; `socketLimits` unless given. */
  sockets?: SocketLimits;
};

/**
 * Beyond these a process that holds trades does better to say that it is busy. A sample in which the loop never came round
 * counts as endless delay, so it lasts longer than a pause that nobody need be sent away for.
 */
const PRESSURE = { maxEventLoopDelayMilliseconds: 1_000, maxHeapBytes: 1_500_000_000, sampleMilliseconds: 2_000 };

/** A key, or the hash of a token: never the token itself. */
function callerOf({ known, headers }: FastifyRequest): string | undefined {
  if (known === undefined) return undefined;
  if ('party' in known.identity) return known.identity.party;
  return createHash('sha256')
    .update(headers.authorization ?? '')
    .digest('hex');
}

/** The public API. Every rule is behind it: a route reads, asks and answers. */
export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const { config, database, clock, log, newId, auth, hub, desk, trades, delivery, ops, feed } = parts;
  const { corsOrigins, publicUrl, trustedProxies } = config.api;
  const app = newServer({ log, trustedProxies, newId, onProblem: parts.metrics?.problem });
  installDraining(app);
  if (parts.metrics !== undefined) installMetrics(app, parts.metrics);
  installAuth(app);
  const { ratesPerMinute, idempotencySeconds } = config;
  await installLimits(app, { ratesPerMinute, corsOrigins, publicUrl, callerOf, pressure: parts.pressure ?? PRESSURE });
  installIdempotency(app, {
    ...{ tables: database.tables, clock, retentionSeconds: idempotencySeconds },
    // Whoever has not said who he is is told from others by his address.
    callerOf: (request) => callerOf(request) ?? addressOf(request),
  });
  await installSockets(app);
  await installOpenapi(app, { version: parts.version, exchanges });
  await app.register(opsRoutes(ops));
  await app.register(authRoutes(auth));
  await app.register(checkoutRoutes({ desk, auth }));
  await app.register(tradeRoutes({ auth, trades, delivery }));
  await app.register(messageRoutes({ hub, auth, clock }));
  await app.register(offerRoutes({ hub, auth }));
  if (parts.webhooks !== undefined) await app.register(webhookRoutes({ webhooks: parts.webhooks, auth }));
  await app.register(socketRoutes({ auth, mail: hub.mail, feed, clock, limits: parts.sockets ?? socketLimits }));
  return app;
}

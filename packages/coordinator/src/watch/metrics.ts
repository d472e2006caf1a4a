import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { blocksToDeadline } from './guardian.ts';

/** What is true at one moment; asked for when somebody reads the metrics, and at no other time. */
export type Snapshot = {
  /** Live trades. */
  trades: readonly Trade[];
  height: number;
  /** The coordinator's own sats that are in items for buyers. */
  capitalLockedSats: bigint;
  /** Payments that the node holds. */
  holds: number;
  /** Webhooks that were given up. */
  deadLetters: number;
};

export type Metrics = {
  contentType: string;
  /** The text that Prometheus reads. What cannot be seen at the moment is left out, and said to be. */
  text(): Promise<string>;
  /** One run of an effect; `seconds` from the decision to its end. */
  effectRan(run: { effect: string; outcome: 'done' | 'failed'; seconds: number }): void;
  problem(code: string): void;
  alarm(raised: { level: string; code: string }): void;
  request(answered: { method: string; route: string; status: number; seconds: number }): void;
};

const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** An effect may wait for a node that is away. */
const EFFECT_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 15, 60, 300, 1800];

type Value = { name: string; help: string; value: number };

const put = (register: Registry, { name, help, value }: Value): void =>
  new Gauge({ name, help, registers: [register] }).set(value);

function show(register: Registry, { trades, height, capitalLockedSats, holds, deadLetters }: Snapshot): void {
  const live = new Gauge({
    name: 'sparkle_trades',
    help: 'Live trades',
    labelNames: ['role', 'mode', 'state'] as const,
    registers: [register],
  });
  for (const { role, mode, state } of trades) live.inc({ role, mode, state });
  const blocks = blocksToDeadline(trades, height);
  if (blocks !== undefined)
    put(register, {
      name: 'sparkle_blocks_to_deadline',
      help: 'Fewest blocks that a live trade has left until its next deadline; absent without one',
      value: blocks,
    });
  put(register, { name: 'sparkle_chain_height_blocks', help: 'Height of the best block', value: height });
  put(register, {
    name: 'sparkle_capital_locked_sats',
    help: "The coordinator's own sats that are in items for buyers",
    value: Number(capitalLockedSats),
  });
  put(register, { name: 'sparkle_holds', help: 'Payments that the Lightning node holds', value: holds });
  put(register, { name: 'sparkle_dead_letters', help: 'Webhooks that were given up', value: deadLetters });
}

/** Made anew at each reading: a gauge that stays while nobody can be asked would tell what is no longer true. */
async function snapshotText(snapshot: () => Promise<Snapshot>): Promise<string> {
  const register = new Registry();
  const seen = await snapshot().catch(() => undefined);
  put(register, {
    name: 'sparkle_snapshot_up',
    help: '1 while trades, chain and node can be seen; else 0, and what they would say is absent',
    value: seen === undefined ? 0 : 1,
  });
  if (seen !== undefined) show(register, seen);
  return register.metrics();
}

/** The service's metrics; every name says its unit. Nothing is measured by a timer of ours. */
export function createMetrics(snapshot: () => Promise<Snapshot>): Metrics {
  const register = new Registry();
  const registers = [register];
  collectDefaultMetrics({ register });
  const effects = new Histogram({
    name: 'sparkle_effect_duration_seconds',
    help: 'From the decision for an effect to its end',
    labelNames: ['effect', 'outcome'] as const,
    buckets: EFFECT_SECONDS,
    registers,
  });
  const problems = new Counter({
    name: 'sparkle_errors_total',
    help: 'Answers that were no success, by their code',
    labelNames: ['code'] as const,
    registers,
  });
  const alarms = new Counter({
    name: 'sparkle_alarms_total',
    help: 'Alarms for the operator, by their code; one that nobody could be told of counts again when it is told again',
    labelNames: ['level', 'code'] as const,
    registers,
  });
  const requests = new Histogram({
    name: 'sparkle_http_request_duration_seconds',
    help: 'From a request to its answer, by the pattern of its route',
    labelNames: ['method', 'route', 'status'] as const,
    buckets: HTTP_SECONDS,
    registers,
  });
  return {
    contentType: register.contentType,
    text: async () => `${await snapshotText(snapshot)}\n${await register.metrics()}`,
    effectRan: ({ effect, outcome, seconds }) => effects.observe({ effect, outcome }, seconds),
    problem: (code) => problems.inc({ code }),
    alarm: ({ level, code }) => alarms.inc({ level, code }),
    request: ({ method, route, status, seconds }) => requests.observe({ method, route, status }, seconds),
  };
}

/** To be installed before any route. What has no route is one name: paths that strangers make up would be without end. */
export function installMetrics(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions } = request;
    const route = routeOptions.url ?? 'none';
    metrics.request({ method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1000 });
  });
}

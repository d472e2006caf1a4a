import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { networkNames } from 'sparkle-protocol/protocol/network';
import { type Clock, within } from 'sparkle-protocol/trader/clock';
import { z } from 'zod';

const healthSchema = z
  .object({
    status: z.enum(['ok', 'degraded']).describe('degraded: a part cannot be reached, see which'),
    version: z.string(),
    network: z.enum(networkNames as [NetworkName, ...NetworkName[]]),
    lightning: z.object({ connected: z.boolean(), node_id: z.string().nullable() }),
    bitcoin: z.object({ connected: z.boolean(), block_height: z.int().nullable() }),
  })
  .meta({ id: 'Health', description: 'What the service depends on. Source: coordinator API of v0.3, part 2.3' });

export type Health = z.infer<typeof healthSchema>;

const readySchema = z.object({ ready: z.boolean(), waiting_for: z.array(z.string()) });

export type HealthParts = {
  version: string;
  network: NetworkName;
  /** Identity of the Lightning node; rejects while it is away. */
  nodeId(): Promise<string>;
  /** Height of the best block; rejects while no chain can be asked. */
  blockHeight(): Promise<number>;
  clock: Clock;
};

const MOST_WAIT_MILLISECONDS = 2_000;
const FRESH_SECONDS = 1;

/** Asks both parts, each for two seconds at most; all who ask within a second are given one answer. */
export function healthOf(parts: HealthParts): () => Promise<Health> {
  const { clock, version, network } = parts;
  let last: { at: number; answer: Promise<Health> } | undefined;
  const bounded = <T>(answer: Promise<T>): Promise<T | undefined> =>
    within(clock, MOST_WAIT_MILLISECONDS, answer).catch(() => undefined);
  const ask = async (): Promise<Health> => {
    const [nodeId, height] = await Promise.all([bounded(parts.nodeId()), bounded(parts.blockHeight())]);
    return {
      status: nodeId !== undefined && height !== undefined ? 'ok' : 'degraded',
      version,
      network,
      lightning: { connected: nodeId !== undefined, node_id: nodeId ?? null },
      bitcoin: { connected: height !== undefined, block_height: height ?? null },
    };
  };
  return () => {
    const at = clock.nowSeconds();
    if (last === undefined || at - last.at >= FRESH_SECONDS) last = { at, answer: ask() };
    return last.answer;
  };
}

export type OpsParts = {
  health(): Promise<Health>;
  /** What is still missing, in words; empty when trades can be made. */
  waitingFor(): Promise<readonly string[]>;
  /** Whether the process ends: whoever sends requests here shall send them elsewhere, however well everything works. */
  isDraining(): boolean;
};

const DRAINING = 'another process: this one is draining';

const tags = ['operation'];
const healthRoute = {
  schema: {
    operationId: 'health',
    summary: 'Whether the service and its parts work',
    tags,
    response: { 200: healthSchema },
  },
};
const config = { rateClass: 'unlimited' } as const;
const liveRoute = {
  config,
  schema: {
    operationId: 'live',
    summary: 'Whether the process lives',
    tags,
    response: { 200: z.object({ live: z.literal(true) }) },
  },
};
const readyRoute = {
  config,
  schema: {
    operationId: 'ready',
    summary: 'Whether trades can be made here now',
    tags,
    response: { 200: readySchema, 503: readySchema },
  },
};

/** Health is for people and markets, `/livez` and `/readyz` are for whoever starts and stops processes. */
export const opsRoutes =
  ({ health, waitingFor, isDraining }: OpsParts): FastifyPluginAsyncZod =>
  async (app) => {
    app.get('/api/health', healthRoute, health);
    app.get('/livez', liveRoute, async () => ({ live: true }) as const);
    app.get('/readyz', readyRoute, async (_, reply) => {
      const waiting_for = isDraining() ? [DRAINING] : [...(await waitingFor())];
      const ready = waiting_for.length === 0;
      return reply.status(ready ? 200 : 503).send({ ready, waiting_for });
    });
  };

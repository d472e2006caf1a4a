import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type Health, healthSchema } from '../../watch/health.ts';

const readySchema = z.object({ ready: z.boolean(), waiting_for: z.array(z.string()) });

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

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { before, describe, test } from 'node:test';
import Fastify, { type FastifySchema } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { exchanges } from '../../packages/coordinator/src/api/exchanges/all.ts';
import { authRoutes } from '../../packages/coordinator/src/api/routes/auth.ts';
import { checkoutRoutes } from '../../packages/coordinator/src/api/routes/checkout.ts';
import { messageRoutes } from '../../packages/coordinator/src/api/routes/messages.ts';
import { offerRoutes } from '../../packages/coordinator/src/api/routes/offers.ts';
import { opsRoutes } from '../../packages/coordinator/src/api/routes/ops.ts';
import { tradeRoutes } from '../../packages/coordinator/src/api/routes/trades.ts';
import { webhookRoutes } from '../../packages/coordinator/src/api/routes/webhooks.ts';
import type { Exchange } from '../../packages/coordinator/src/http/openapi-document.ts';
import { recordExchanges } from './exchanges.ts';

const FOLDER = new URL('../../packages/coordinator/src/api/exchanges/', import.meta.url);

type Schemas = { params?: unknown; querystring?: unknown; body?: unknown; response?: Record<string, unknown> };

/** What each operation is validated by. */
async function schemasOfRoutes(): Promise<Map<string, Schemas>> {
  const found = new Map<string, Schemas>();
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.addHook('onRoute', ({ schema }: { schema?: FastifySchema & { operationId?: string } }) => {
    if (schema?.operationId !== undefined) found.set(schema.operationId, schema as Schemas);
  });
  const parts = { health: async () => ({}) } as never;
  for (const routes of [opsRoutes, authRoutes, checkoutRoutes, tradeRoutes, offerRoutes, webhookRoutes])
    await app.register(routes(parts));
  await app.register(messageRoutes({ hub: {}, auth: {}, clock: {} } as never));
  await app.ready();
  await app.close();
  return found;
}

const parses = (schema: unknown, value: unknown): boolean => z.core.safeParse(schema as z.core.$ZodType, value).success;

/** The kinds of values by their names, whatever they are: of a list, those of its first. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.slice(0, 1).map(shapeOf);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  const named = Object.entries(value).map(([name, each]) => [name, shapeOf(each)] as const);
  return Object.fromEntries(named.toSorted(([one], [other]) => (one < other ? -1 : 1)));
}

/** What may not change without being written anew; ids, times and amounts may. */
const outlineOf = ({ refusal, ...exchange }: Exchange) => {
  const { error, field } = (refusal?.answer ?? {}) as { error?: string; field?: string };
  return {
    ...(shapeOf(exchange) as object),
    status: exchange.status,
    refusal: { status: refusal?.status, error, field },
  };
};

describe('the examples of the API', () => {
  let recorded: Record<string, Record<string, Exchange>>;
  before(async () => {
    recorded = await recordExchanges();
    if (process.env['UPDATE'] !== '1') return;
    for (const [tag, ofTag] of Object.entries(recorded)) {
      const head = "import type { Exchanges } from '../../http/openapi-document.ts';\n\n";
      const text = `${head}export const ${tag}: Exchanges = ${JSON.stringify(ofTag, undefined, 2)};\n`;
      writeFileSync(fileURLToPath(new URL(`${tag}.ts`, FOLDER)), text);
    }
  });

  test('are what a coordinator is sent and answers, of every operation (UPDATE=1 writes them anew, to be formatted)', () => {
    const had = Object.assign({}, ...Object.values(recorded)) as Record<string, Exchange>;
    assert.deepEqual(Object.keys(exchanges).toSorted(), Object.keys(had).toSorted());
    for (const [operationId, exchange] of Object.entries(had))
      assert.deepEqual(outlineOf(exchanges[operationId] as Exchange), outlineOf(exchange), operationId);
  });

  test('are read by the schemas that the routes are validated by', async () => {
    const schemas = await schemasOfRoutes();
    assert.deepEqual([...schemas.keys()].toSorted(), Object.keys(exchanges).toSorted());
    for (const [operationId, { parameters = {}, request, status, answer }] of Object.entries(exchanges)) {
      const { params, querystring, body, response } = schemas.get(operationId) ?? {};
      const wrong = [
        ...(params === undefined || parses(params, parameters) ? [] : ['params']),
        ...(querystring === undefined || parses(querystring, parameters) ? [] : ['querystring']),
        ...((body === undefined ? request === undefined : parses(body, request)) ? [] : ['body']),
        ...(parses(response?.[status], answer) ? [] : [`response ${status}`]),
      ];
      assert.deepEqual(wrong, [], operationId);
    }
  });

  test('show a refusal of all but those that only tell whether the service works', () => {
    const without = Object.entries(exchanges).filter(([, { refusal }]) => refusal === undefined);
    assert.deepEqual(without.map(([operationId]) => operationId).toSorted(), ['health', 'live', 'ready']);
  });

  test('hold no secret but the one that everybody knows for none', () => {
    const secrets = JSON.stringify(exchanges).matchAll(/"(?:token|secret|payment_preimage)":"([^"]*)"/g);
    const seen = new Set([...secrets].map(([, secret]) => secret));
    assert.deepEqual([...seen], ['0123456789abcdef'.repeat(4)]);
  });
});

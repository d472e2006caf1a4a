import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { docsPage } from './docs-page.ts';
import { pageHeaders } from './html.ts';
import type { ApiDocument, Exchange, Exchanges, Operation, PathItem } from './openapi-document.ts';

/** Every answer that is no success; written here once, because it belongs to no route. */
const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['error', 'message', 'request_id'],
  properties: {
    error: { type: 'string', description: 'A code for programs; never reused for something else' },
    message: { type: 'string', description: 'What was expected and what came, for people' },
    field: { type: 'string', description: 'The field that is refused, where it is one' },
    request_id: { type: 'string', description: 'Names this request in the log' },
  },
} as const;

const refTo = (name: string): string => `#/components/schemas/${name}`;

const JSON_TYPE = 'application/json';

const PROBLEM = {
  description:
    'Not done: error says why. 400 wrong input, 401 or 403 not allowed, 404 none, 405 another method, 409 not in this state, 413 too long, 415 not JSON, 422 an Idempotency-Key of another request, 429 too often, 503 try again later',
  content: { [JSON_TYPE]: { schema: { $ref: refTo('Problem') } } },
};

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  schema: { type: 'string', minLength: 16, maxLength: 128 },
  description: 'Whoever repeats a request with its key is given the first answer again, and nothing is done twice',
};

const INFO = {
  title: 'Sparkle coordinator',
  description:
    'Sells Bitcoin inscriptions for Lightning payments. It can refuse, but never steal: the buyer alone knows the preimage of what he pays.',
};

const SECURITY = {
  bearer: { type: 'http', scheme: 'bearer', description: 'The token of a trade or of a session' },
  nostr: { type: 'http', scheme: 'Nostr', description: 'A signed event for this one request (NIP-98)' },
} as const;

function withCommon(operation: Operation, method: string): Operation {
  const parameters = method === 'post' ? [...(operation.parameters ?? []), IDEMPOTENCY_KEY] : operation.parameters;
  return {
    ...operation,
    ...(parameters !== undefined && { parameters }),
    responses: { ...operation.responses, default: PROBLEM },
  };
}

/** The same with an exchange that was had, each part of it where its schema stands. */
function withExchange(operation: Operation, { parameters, request, status, answer, refusal }: Exchange): Operation {
  const { requestBody, responses = {} } = operation;
  const known = (operation.parameters ?? []).map((each) => {
    const example = parameters?.[each.name];
    return example === undefined ? each : { ...each, example };
  });
  const said = (of: { content?: NonNullable<Operation['requestBody']>['content'] } | undefined, more: object) => ({
    ...of,
    content: { ...of?.content, [JSON_TYPE]: { ...of?.content?.[JSON_TYPE], ...more } },
  });
  const refused = refusal && { examples: { [refusal.status]: { value: refusal.answer } } };
  return {
    ...operation,
    ...(known.length > 0 && { parameters: known }),
    ...(requestBody !== undefined && { requestBody: said(requestBody, { example: request }) }),
    responses: {
      ...responses,
      [status]: said(responses[status], { example: answer }),
      ...(refused !== undefined && { default: said(responses['default'], refused) }),
    },
  };
}

function completed(document: ApiDocument, exchanges: Exchanges): ApiDocument {
  const paths = Object.entries(document.paths ?? {}).map(([path, item]) => {
    const operations = Object.entries(item).map(([method, operation]) => {
      const common = withCommon(operation, method);
      const exchange = exchanges[operation.operationId ?? ''];
      return [method, exchange === undefined ? common : withExchange(common, exchange)];
    });
    return [path, Object.fromEntries(operations) as PathItem];
  });
  const { components } = document;
  // Of each named schema there is one for what comes in and one for what goes out, whether or not a route has it.
  const used = JSON.stringify([paths, components?.schemas]);
  const schemas = Object.entries(components?.schemas ?? {}).filter(([name]) => used.includes(`"${refTo(name)}"`));
  return {
    ...document,
    components: { ...components, schemas: { ...Object.fromEntries(schemas), Problem: PROBLEM_SCHEMA } },
    paths: Object.fromEntries(paths) as Record<string, PathItem>,
  };
}

/**
 * Serves the description of all routes that are registered after it at `/openapi.json`, and for people at `/docs`. Both
 * are made of the schemas that the routes are validated by, with `exchanges` as their examples, and are the same wherever
 * the service runs.
 */
export async function installOpenapi(
  app: FastifyInstance,
  { version, exchanges }: { version: string; exchanges: Exchanges },
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { ...INFO, version },
      servers: [{ url: '/' }],
      components: { securitySchemes: SECURITY },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => completed(jsonSchemaTransformObject(document) as ApiDocument, exchanges) as object,
  });
  // Routes do not change once they are served: both are made once, by whoever asks first.
  const text = once(() => openapiText(app));
  const docs = once(() => docsPage(openapiDocument(app)));
  app.get('/openapi.json', { schema: { hide: true } }, async (_, reply) =>
    reply.type('application/json; charset=utf-8').send(text()),
  );
  app.get('/docs', { schema: { hide: true } }, async (_, reply) => reply.headers(pageHeaders).send(docs()));
}

function once(make: () => string): () => string {
  let made: string | undefined;
  return () => (made ??= make());
}

/** The document of an app that is ready. */
export const openapiDocument = (app: FastifyInstance): ApiDocument => app.swagger() as ApiDocument;

/** The document as it is kept in `docs/openapi.json`. */
export const openapiText = (app: FastifyInstance): string => `${JSON.stringify(openapiDocument(app), undefined, 2)}\n`;

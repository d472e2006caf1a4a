import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import Fastify from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import * as mini from 'zod/mini';
import { installOpenapi, openapiDocument, openapiText } from './openapi.ts';
import type { ApiDocument } from './openapi-document.ts';

const EVIL = '<script>alert("1")</script>';
const EXCHANGE = {
  ...{ parameters: { id: 'seven' }, request: { id: 'abc' }, status: 201, answer: { name: EVIL, sats: 7 } },
  refusal: { status: 409, answer: { error: 'in_progress' } },
};

async function service() {
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  await installOpenapi(app, { version: '2.0.0', exchanges: { make: EXCHANGE } });
  const Item = z.object({ name: z.string().describe(EVIL), sats: z.int().min(1).max(99) }).meta({ id: 'Item' });
  const body = mini.strictObject({
    id: mini.string().check(mini.regex(/^[a-f]+$/)),
    buyer: mini.strictObject({ ord_address: mini.string() }),
    kind: mini.optional(mini.enum(['spark', 'lightning'])),
    list: mini.array(mini.strictObject({ deep: mini.boolean() })),
  });
  const typed = app.withTypeProvider<ZodTypeProvider>();
  const schema = {
    operationId: 'make',
    summary: 'Makes an item',
    tags: ['items'],
    security: [{ bearer: [] }, { nostr: [] }],
    body,
    response: { 201: Item },
  };
  typed.post('/v1/items/:id', { schema }, async (_, reply) => reply.status(201).send({ name: 'a', sats: 1 }));
  typed.get('/v1/items', { schema: { operationId: 'list', response: { 200: z.array(Item) } } }, async () => []);
  await app.ready();
  return app;
}

test('the document is OpenAPI 3.1 and made of the schemas of the routes', async () => {
  const app = await service();
  const answer = await app.inject('/openapi.json');
  assert.match(String(answer.headers['content-type']), /^application\/json/);
  const document = answer.json<ApiDocument>();
  assert.equal(document.openapi, '3.1.0');
  assert.deepEqual(Object.keys(document.paths ?? {}), ['/v1/items/{id}', '/v1/items']);
  const make = document.paths?.['/v1/items/{id}']?.['post'];
  assert.equal(make?.operationId, 'make');
  const body = make?.requestBody?.content?.['application/json']?.schema;
  assert.deepEqual(body?.required, ['id', 'buyer', 'list']);
  assert.equal(body?.additionalProperties, false);
  assert.equal(body?.properties?.['id']?.pattern, '^[a-f]+$');
  assert.equal(answer.body, openapiText(app));
});

test('what belongs to every route is in every route, and only what is referred to is in the schemas', async () => {
  const { paths = {}, components } = openapiDocument(await service());
  for (const [path, item] of Object.entries(paths))
    for (const [method, { responses, parameters = [] }] of Object.entries(item)) {
      const schema = responses?.['default']?.content?.['application/json']?.schema;
      assert.deepEqual(schema, { $ref: '#/components/schemas/Problem' }, `${method} ${path}`);
      assert.equal(
        parameters.some(({ name }) => name === 'Idempotency-Key'),
        method === 'post',
      );
    }
  assert.deepEqual(Object.keys(components?.schemas ?? {}), ['Item', 'Problem']);
  assert.deepEqual(Object.keys(components?.securitySchemes ?? {}), ['bearer', 'nostr']);
});

test('an exchange that was had stands where its schemas stand, and on the page', async () => {
  const app = await service();
  const { parameters, requestBody, responses } =
    openapiDocument(app).paths?.['/v1/items/{id}']?.['post'] ?? assert.fail('the route must be there');
  assert.equal(parameters?.find(({ name }) => name === 'Idempotency-Key')?.example, undefined);
  assert.deepEqual(requestBody?.content?.['application/json']?.example, EXCHANGE.request);
  assert.deepEqual(responses?.['201']?.content?.['application/json']?.example, EXCHANGE.answer);
  assert.deepEqual(responses?.['default']?.content?.['application/json']?.examples, {
    409: { value: EXCHANGE.refusal.answer },
  });
  const { body } = await app.inject('/docs');
  for (const shown of ['&quot;id&quot;: &quot;abc&quot;', '&quot;sats&quot;: 7', 'For example 409', 'in_progress'])
    assert.ok(body.includes(shown), shown);
  assert.doesNotMatch(body, /<script/);
});

test('two services of one version have the same document', async () => {
  assert.equal(openapiText(await service()), openapiText(await service()));
});

test('the page shows each route with its fields, and nothing of it becomes part of the page', async () => {
  const { body, headers, statusCode } = await (await service()).inject('/docs');
  assert.equal(statusCode, 200);
  assert.match(String(headers['content-type']), /^text\/html/);
  for (const shown of [
    'POST /v1/items/{id}',
    'Makes an item',
    'Needs: bearer or nostr',
    'buyer.ord_address',
    'list[].deep',
    'Idempotency-Key',
    '&quot;spark&quot; or &quot;lightning&quot;',
    '&gt;= 1',
    'request_id',
  ])
    assert.ok(body.includes(shown), shown);
  assert.doesNotMatch(body, /<script|https?:\/\//);
  assert.ok(body.includes('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;'));
});

test('the policy of the page allows its style by the hash of every character between the tags', async () => {
  const { body, headers } = await (await service()).inject('/docs');
  const style = /<style>([\s\S]*?)<\/style>/.exec(body)?.[1] ?? '';
  const hash = createHash('sha256').update(style).digest('base64');
  assert.ok(style.length > 100);
  assert.ok(String(headers['content-security-policy']).includes(`style-src 'sha256-${hash}'`));
  assert.equal(body.match(/<style/g)?.length, 1);
  assert.doesNotMatch(body, / style=/);
});

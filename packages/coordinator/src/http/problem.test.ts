import assert from 'node:assert/strict';
import { test } from 'node:test';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { type ErrorCode, SparkleError } from 'sparkle-protocol/protocol/errors';
import { z } from 'zod';
import { installProblems, type Problem, type ProblemCode, sendProblem, statusOf } from './problem.ts';

const PREIMAGE = 'ab'.repeat(32);

function service(lines: string[] = [], heard: ProblemCode[] = []): FastifyInstance {
  const app = Fastify({
    logger: { level: 'info', stream: { write: (line: string) => void lines.push(line) } },
    bodyLimit: 200,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  installProblems(app, (code) => heard.push(code));
  const body = z.strictObject({
    inscription_id: z.string().min(3),
    pricing: z.strictObject({ seller_sats: z.int().min(1) }),
    payment_preimage: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .optional(),
    network: z.enum(['spark', 'ln-mainnet']).optional(),
  });
  const typed = app.withTypeProvider<ZodTypeProvider>();
  typed.post('/v1/trade/:id', { schema: { body } }, async () => ({ fine: true }));
  typed.get(
    '/v1/trade/:id',
    { schema: { querystring: z.strictObject({ limit: z.coerce.number().int() }) } },
    async () => ({}),
  );
  app.get('/throws/:code', async (request) => {
    const { code } = request.params as { code: ErrorCode };
    throw new SparkleError(code, 'bitcoind at 10.0.0.7:8332 must answer; it does not', { field: 'x' });
  });
  app.get('/breaks', async () => {
    throw new TypeError(`cannot read ${PREIMAGE} of undefined`);
  });
  app.get('/throws-text', async () => {
    throw 'text' as unknown as Error;
  });
  return app;
}

const good = { inscription_id: 'abci0', pricing: { seller_sats: 5 } };
const send = async (app: FastifyInstance, payload: unknown) => {
  const answer = await app.inject({ method: 'POST', url: '/v1/trade/1', payload: payload as object });
  return { status: answer.statusCode, ...answer.json<Problem>() };
};

test('what fits the schema goes through', async () => {
  assert.equal((await service().inject({ method: 'POST', url: '/v1/trade/1', payload: good })).statusCode, 200);
});

for (const [said, payload, field, message] of [
  ['a missing field', { pricing: { seller_sats: 5 } }, 'inscription_id', 'inscription_id must be text; got nothing'],
  ['a wrong type', { ...good, inscription_id: 7 }, 'inscription_id', 'inscription_id must be text; got 7'],
  [
    'a text too short',
    { ...good, inscription_id: 'a' },
    'inscription_id',
    'inscription_id must be text of at least 3 characters; got "a"',
  ],
  [
    'a number in text',
    { ...good, pricing: { seller_sats: '5' } },
    'pricing.seller_sats',
    'pricing.seller_sats must be a number; got "5"',
  ],
  [
    'a number too small',
    { ...good, pricing: { seller_sats: 0 } },
    'pricing.seller_sats',
    'pricing.seller_sats must be a number of at least 1; got 0',
  ],
  [
    'a word that is none',
    { ...good, network: 'btc' },
    'network',
    'network must be one of "spark", "ln-mainnet"; got "btc"',
  ],
  ['a field too many', { ...good, extra: 1 }, 'extra', 'extra is not known here; send nothing of that name'],
  ['an array for an object', [], 'body', 'body must be a JSON object; got an array'],
] as const) {
  test(`${said} is answered with the field's name, what was expected and what came`, async () => {
    const { request_id, ...problem } = await send(service(), payload);
    assert.match(request_id, /./);
    assert.deepEqual(problem, { status: 400, error: 'bad_message', message, field });
  });
}

test('a wrong query names its parameter', async () => {
  const answer = await service().inject('/v1/trade/1?limit=many');
  assert.equal(answer.statusCode, 400);
  assert.equal(answer.json<Problem>().field, 'limit');
});

test('a preimage is repeated neither from its own field nor from another', async () => {
  const wrong = await send(service(), { ...good, payment_preimage: `${PREIMAGE}00` });
  assert.equal(wrong.field, 'payment_preimage');
  const misplaced = await send(service(), { ...good, network: PREIMAGE });
  assert.match(misplaced.message, /got 64 characters$/);
  assert.doesNotMatch(JSON.stringify([wrong, misplaced]), /abab/);
});

for (const [said, request, status, error] of [
  ['an unknown path', { method: 'GET', url: '/nowhere' }, 404, 'not_found'],
  ['a path that is no text', { method: 'GET', url: '/%E0%A4%A' }, 400, 'bad_message'],
  ['another method', { method: 'DELETE', url: '/v1/trade/abc' }, 405, 'method_not_allowed'],
  ['a body too long', { method: 'POST', url: '/v1/trade/1', payload: { a: 'x'.repeat(300) } }, 413, 'too_large'],
  [
    'a body of another type',
    { method: 'POST', url: '/v1/trade/1', payload: '<a/>', headers: { 'content-type': 'text/xml' } },
    415,
    'unsupported_media_type',
  ],
  [
    'what is no JSON',
    { method: 'POST', url: '/v1/trade/1', payload: '{"a":', headers: { 'content-type': 'application/json' } },
    400,
    'bad_message',
  ],
  [
    'a poisoned prototype',
    {
      method: 'POST',
      url: '/v1/trade/1',
      payload: '{"__proto__":{}}',
      headers: { 'content-type': 'application/json' },
    },
    400,
    'bad_message',
  ],
  ['no body', { method: 'POST', url: '/v1/trade/1' }, 400, 'bad_message'],
] as const) {
  test(`${said} is answered with ${status} and the one body of problems`, async () => {
    const heard: ProblemCode[] = [];
    const answer = await service([], heard).inject(request as never);
    const body = answer.json<Problem>();
    assert.deepEqual([answer.statusCode, body.error], [status, error]);
    assert.ok(body.message.length > 0 && body.request_id.length > 0);
    if (said === 'a path that is no text') assert.match(body.message, /^the path must be/);
    else assert.deepEqual(heard, [error]);
  });
}

test('an unknown path is told where all are listed, for people and for programs', async () => {
  const { message } = (await service().inject('/')).json<Problem>();
  assert.equal(message, 'there is no such path; /docs and /openapi.json list all');
});

test('another method is told which are allowed', async () => {
  const answer = await service().inject({ method: 'PUT', url: '/v1/trade/abc?x=1' });
  assert.equal(answer.headers.allow, 'POST, GET, HEAD');
});

test('an error of ours has the status of its code, its sentence and its field', async () => {
  const answer = await service().inject('/throws/unknown_trade');
  assert.equal(answer.statusCode, statusOf('unknown_trade'));
  const { request_id: _, ...problem } = answer.json<Problem>();
  const message = 'bitcoind at 10.0.0.7:8332 must answer; it does not';
  assert.deepEqual(problem, { error: 'unknown_trade', message, field: 'x' });
});

test('a part of ours that is away is 503 with Retry-After, and where it lives is told to nobody', async () => {
  const lines: string[] = [];
  const answer = await service(lines).inject('/throws/chain_unavailable');
  assert.equal(answer.statusCode, 503);
  assert.equal(answer.headers['retry-after'], '5');
  assert.doesNotMatch(answer.body, /10\.0\.0\.7/);
  assert.match(lines.join(''), /10\.0\.0\.7/);
});

for (const path of ['/breaks', '/throws-text', '/throws/bad_state'])
  test(`${path} is an internal error: its stack is in the log and not in the answer`, async () => {
    const lines: string[] = [];
    const answer = await service(lines).inject(path);
    assert.equal(answer.statusCode, 500);
    const { request_id, ...problem } = answer.json<Problem>();
    assert.deepEqual(problem, { error: 'internal', message: 'internal error' });
    assert.match(lines.join(''), new RegExp(request_id));
    if (path === '/breaks') assert.match(lines.join(''), /problem\.test\.ts/);
  });

test('an error is answered also where nobody listens for its code', async () => {
  const app = Fastify();
  installProblems(app);
  app.get('/breaks', async () => {
    throw new SparkleError('refused', 'not this time');
  });
  assert.equal((await app.inject('/breaks')).statusCode, 409);
});

test('a schema without words of its own is answered with what it wanted', async () => {
  const app = Fastify();
  app.setValidatorCompiler(() => () => ({
    error: [
      {
        keyword: 'invalid_type',
        instancePath: '/buyer',
        schemaPath: '',
        message: 'Invalid input',
        params: { expected: 'object' },
      },
    ] as never,
  }));
  installProblems(app);
  app.post('/x', { schema: { body: {} } }, async () => ({}));
  const answer = await app.inject({ method: 'POST', url: '/x', payload: { buyer: 5 } });
  assert.equal(answer.json<Problem>().message, 'buyer must be a JSON object; got 5');
});

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type ErrorCode, SparkleError } from 'sparkle-protocol/protocol/errors';
import { sentenceOf } from './problem-field.ts';

/** What only HTTP itself can complain about; no part of Sparkle throws it. */
type HttpCode = 'method_not_allowed' | 'too_large' | 'unsupported_media_type' | 'internal';

export type ProblemCode = ErrorCode | HttpCode;

/** The body of every answer that is not a success. */
export type Problem = { error: ProblemCode; message: string; field?: string; request_id: string };

/** The one place where a code becomes a status: 400 what was sent is wrong, 404 there is none, 409 not in this state. */
const STATUS = {
  bad_amount: 400,
  bad_hex: 400,
  bad_key: 400,
  bad_address: 400,
  bad_network: 400,
  bad_inscription_id: 400,
  bad_outpoint: 400,
  bad_satpoint: 400,
  bad_height: 400,
  bad_message: 400,
  bad_signature: 400,
  bad_phrase: 500,
  bad_config: 500,
  bad_state: 500,
  bad_invoice: 400,
  bad_script: 400,
  bad_transaction: 400,
  bad_preimage: 400,
  bad_proof: 400,
  sat_lost: 400,
  dust: 400,
  fee_too_high: 409,
  nonce_reused: 500,
  insufficient_funds: 503,
  broadcast_refused: 409,
  chain_unavailable: 503,
  sources_disagree: 503,
  dishonest_source: 503,
  wrong_network: 400,
  lightning_unavailable: 503,
  not_supported: 400,
  no_route: 409,
  payment_failed: 409,
  unknown_invoice: 404,
  invoice_exists: 409,
  invoice_not_held: 409,
  too_late: 409,
  not_indexed: 503,
  unknown_inscription: 404,
  market_unavailable: 503,
  duplicate_trade: 409,
  unknown_trade: 404,
  schema_mismatch: 500,
  store_in_use: 503,
  store_unavailable: 503,
  elsewhere: 503,
  refused: 409,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  in_progress: 409,
  key_reused: 422,
  rate_limited: 429,
  too_many_holds: 429,
  busy: 503,
} as const satisfies Record<ErrorCode, number>;

/** The status that a code is answered with. */
export const statusOf = (code: ErrorCode): number => STATUS[code];

/** Sentences of these are made for callers; those of the other 5xx speak of our own nodes, their addresses and files. */
const SAID_ALOUD: readonly ErrorCode[] = ['busy', 'rate_limited'];
const RETRY_AFTER_SECONDS = 5;

const CODE_OF_STATUS: Readonly<Record<number, ProblemCode>> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'too_large',
  415: 'unsupported_media_type',
  429: 'rate_limited',
  503: 'busy',
};

type Answer = { status: number; error: ProblemCode; message: string; field?: string };

const INTERNAL: Answer = { status: 500, error: 'internal', message: 'internal error' };

function ofSparkle({ code, message, detail }: SparkleError): Answer {
  const status = statusOf(code);
  if (status === 500) return INTERNAL;
  if (status === 503 && !SAID_ALOUD.includes(code))
    return { status, error: code, message: `the coordinator must reach its own parts to answer; it cannot (${code})` };
  const { field } = detail;
  return { status, error: code, message, ...(typeof field === 'string' && { field }) };
}

/** Fastify's and its plugins' own complaints, whose codes begin with FST: those about the request are the caller's. */
function ofFastify(error: FastifyError, request: FastifyRequest): Answer {
  const { statusCode = 500, validation, validationContext } = error;
  const [issue] = validation ?? [];
  if (issue !== undefined) {
    const where = validationContext === 'querystring' ? 'query' : (validationContext ?? 'body');
    return { status: 400, error: 'bad_message', ...sentenceOf({ issue, where, given: request[where as 'body'] }) };
  }
  if (statusCode !== 503 && (statusCode < 400 || statusCode > 499)) return INTERNAL;
  const code = CODE_OF_STATUS[statusCode] ?? 'bad_message';
  return { status: statusCode, error: code, ...sentenceOfStatus(statusCode, { request, code: error.code }) };
}

const BODY_SENTENCES: Readonly<Record<string, string>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: 'body must be JSON; it is empty',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body must be of its stated length (content-length); it is not',
};

function sentenceOfStatus(
  status: number,
  { request, code }: { request: FastifyRequest; code: string },
): { message: string; field?: string } {
  switch (status) {
    case 400:
      return request.is404
        ? { message: 'the path must be valid percent-encoded text; it is not', field: 'path' }
        : { message: BODY_SENTENCES[code] ?? 'body must be JSON; it cannot be read', field: 'body' };
    case 413:
      return {
        message: `body must be at most ${request.routeOptions.bodyLimit ?? 0} bytes; it is longer`,
        field: 'body',
      };
    case 415:
      return { message: 'content-type must be application/json; it is another', field: 'content-type' };
    case 503:
      return { message: 'the coordinator is busy; try again soon' };
    default:
      return { message: `the request is refused with status ${status}` };
  }
}

const isFastifyError = (error: unknown): error is FastifyError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('FST_');

function answerOf(error: unknown, request: FastifyRequest): Answer {
  if (error instanceof SparkleError) return ofSparkle(error);
  return isFastifyError(error) ? ofFastify(error, request) : INTERNAL;
}

/** Answers with a problem; the stack and the sentence of what is our own fault go to the log and nowhere else. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): ProblemCode {
  const { status, ...problem } = answerOf(error, request);
  if (status === 500) request.log.error({ err: error }, 'a request failed for a reason of our own');
  else if (status === 503)
    request.log.warn({ code: problem.error, error: String(error) }, 'a request could not be served');
  if (status === 503 && !reply.hasHeader('retry-after')) reply.header('retry-after', RETRY_AFTER_SECONDS);
  const body: Problem = { ...problem, request_id: request.id };
  // A route's own response schemas know nothing of problems: this one is written by itself.
  reply.status(status).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body);
  return problem.error;
}

/** Paths that are served with some method, so that another method is 405 and not 404 (RFC 9110 15.5.6). */
function servedMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: { method: string; segments: string[] }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return;
    for (const one of [method].flat()) routes.push({ method: one, segments: url.split('/') });
  });
  return (path) => {
    const asked = path.split('/');
    const serves = (segments: string[]) =>
      segments.length === asked.length && segments.every((part, i) => part.startsWith(':') || part === asked[i]);
    return [...new Set(routes.filter(({ segments }) => serves(segments)).map(({ method }) => method))];
  };
}

/**
 * The one exit of errors: every answer that is not a success has the body `Problem`. To be installed before any route.
 * `onProblem` hears the code of each.
 */
export function installProblems(app: FastifyInstance, onProblem?: (code: ProblemCode) => void): void {
  const methodsOf = servedMethods(app);
  app.setErrorHandler((error, request, reply) => {
    const code = sendProblem(error, request, reply);
    onProblem?.(code);
    return reply;
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = methodsOf(path);
    const isWrongMethod = methods.length > 0;
    if (isWrongMethod) reply.header('allow', methods.join(', '));
    const problem: Omit<Problem, 'request_id'> = isWrongMethod
      ? { error: 'method_not_allowed', message: `the method must be ${methods.join(' or ')}; it is ${request.method}` }
      : { error: 'not_found', message: 'there is no such path; /docs and /openapi.json list all' };
    onProblem?.(problem.error);
    return reply.status(isWrongMethod ? 405 : 404).send({ ...problem, request_id: request.id });
  });
}

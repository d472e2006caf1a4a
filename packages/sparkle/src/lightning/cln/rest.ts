import { Agent, request as httpsRequest } from 'node:https';
import { checkServerIdentity } from 'node:tls';
import { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import { codeOf, readText } from '../http-answer.ts';
import type { ClnMethod } from './rune.ts';

type ClnRestOptions = {
  /** `https://host:port` of clnrest. */
  url: string;
  rune: string;
  /** The node's own certificate authority (`ca.pem` in its folder): nothing else is trusted. */
  ca: string;
  /** How long one answer may take. A payment has no such limit: a held one is answered days later. */
  timeoutMilliseconds: number;
};

/** The node's answer: a result, or its refusal in its own words. */
export type RpcAnswer = { result: unknown } | { refusal: Refusal };
export type Refusal = { code: number | null; message: string };

export type Ask = { method: ClnMethod; params: Readonly<Record<string, unknown>> };

const MAX_CONNECTIONS = 8;
const PROBE_MILLISECONDS = 30_000;
/** clnrest answers a success with 201, and nothing else does. */
const SUCCESS = 201;
/** lightningd's common/json_command.h: what the rune's check says. */
const RUNE_MISSING_OR_FOREIGN = 1501;
const RUNE_FORBIDS = 1502;

const errorShape = z.object({ code: z.number().nullable(), message: z.string() });

/** Everything that leaves the outcome open. `reason` is for programs, `said` for people. */
export function unavailable(reason: string, said: string, detail: Record<string, unknown> = {}): SparkleError {
  return new SparkleError('lightning_unavailable', `the Core Lightning node must answer; ${said}`, {
    ...detail,
    reason,
  });
}

/** What a node says can repeat what it was told: invoices, preimages and runes are cut out of it. */
const withoutSecrets = (message: string): string => message.slice(0, 300).replace(/[A-Za-z0-9_=+/-]{24,}/g, '...');

/** Throws `bad_config` for anything but an https address without credentials. */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && url.protocol === 'https:' && url.username === '' && url.password === '') return url;
  throw new SparkleError('bad_config', "url must be clnrest's https address without credentials; got another", {
    field: 'url',
  });
}

/** clnrest's RPC over TLS, pinned to the node's certificate authority. */
export class ClnRest {
  readonly #url: URL;
  readonly #options: ClnRestOptions;
  readonly #short: Agent;
  readonly #long: Agent;
  readonly #closing = new AbortController();

  constructor(options: ClnRestOptions) {
    this.#url = readUrl(options.url);
    this.#options = options;
    const tls = {
      ca: options.ca,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      checkServerIdentity: isNode,
    } as const;
    this.#short = new Agent({ ...tls, keepAlive: true, maxSockets: MAX_CONNECTIONS });
    // A payment keeps its connection until it ends: it must never wait for another one's.
    this.#long = new Agent({ ...tls, keepAlive: false });
  }

  /** A result in the shape of `schema`; a refusal or another shape throws `lightning_unavailable`. */
  async call<T>(ask: Ask, schema: z.ZodType<T>): Promise<T> {
    const answer = await this.ask(ask);
    if ('refusal' in answer) throw refused(ask.method, answer.refusal);
    return readResult(ask.method, answer.result, schema);
  }

  /** Throws `lightning_unavailable` where no answer of the RPC comes; a refusal is an answer. */
  ask(ask: Ask): Promise<RpcAnswer> {
    return this.#post(ask, this.#short, AbortSignal.timeout(this.#options.timeoutMilliseconds));
  }

  /** As `ask`, for as long as it takes. */
  askLong(ask: Ask): Promise<RpcAnswer> {
    return this.#post(ask, this.#long, undefined);
  }

  close(): void {
    this.#closing.abort();
    this.#short.destroy();
    this.#long.destroy();
  }

  async #post({ method, params }: Ask, agent: Agent, limit: AbortSignal | undefined): Promise<RpcAnswer> {
    const closing = this.#closing.signal;
    if (closing.aborted) throw unavailable('closed', 'this driver is closed', { method });
    const signal = limit === undefined ? closing : AbortSignal.any([closing, limit]);
    try {
      const reply = await this.#send({ method, body: JSON.stringify(params), agent, signal });
      return readReply(method, reply);
    } catch (error) {
      if (error instanceof SparkleError) throw error;
      throw lost(method, limit?.aborted === true ? 'ETIMEDOUT' : codeOf(error));
    }
  }

  #send(of: { method: string; body: string; agent: Agent; signal: AbortSignal }): Promise<Reply> {
    const { method, body, agent, signal } = of;
    const headers = {
      Rune: this.#options.rune,
      'Content-Type': 'application/json',
      'Content-Length': new TextEncoder().encode(body).length,
    };
    return new Promise((resolve, reject) => {
      const url = new URL(`/v1/${method}`, this.#url);
      const request = httpsRequest(url, { method: 'POST', agent, headers, signal }, (response) => {
        readText(response, answerLimit).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      });
      request.on('error', reject);
      // A node that lost its power says nothing: without probes a payment would seem to run for ever.
      request.setSocketKeepAlive(true, PROBE_MILLISECONDS);
      request.end(body);
    });
  }
}

type Reply = { status: number; text: string };

/** The node's own authority signs only for the node, under the name `cln` (clnrest); the address it is reached at may be another. */
const isNode: typeof checkServerIdentity = (host, certificate) =>
  checkServerIdentity(host, certificate) === undefined ? undefined : checkServerIdentity('cln', certificate);

const answerLimit = { maxBytes: 64 * 1024 * 1024, tooLong: (said: string) => unavailable('garbage', said) };

function lost(method: string, code: string): SparkleError {
  if (code === 'ETIMEDOUT') return unavailable('timeout_unknown', `it has not in time: ${method}`, { method, code });
  if (/CERT|SIGNATURE|TLS|SSL/.test(code))
    return unavailable('wrong_certificate', `its certificate is not by the given authority (${code})`, {
      method,
      code,
    });
  const unsent = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(code);
  return unsent
    ? unavailable('unreachable', `it cannot be reached (${code})`, { method, code })
    : unavailable('connection_lost', `the connection broke during ${method} (${code})`, { method, code });
}

function readReply(method: string, { status, text }: Reply): RpcAnswer {
  const json = parsed(text);
  if (status === SUCCESS && json !== undefined) return { result: json };
  const error = errorShape.safeParse(json);
  if (!error.success || status === SUCCESS)
    throw unavailable('garbage', `HTTP ${status} to ${method} is no answer of clnrest`, { method, status });
  const { code, message } = error.data;
  if (status === 401 || status === 403) throw forbidden({ method, code, message });
  if (status !== 404 && status !== 500)
    throw unavailable('garbage', `HTTP ${status} to ${method} was not expected`, { method, status });
  return { refusal: { code, message } };
}

function forbidden({ method, code, message }: Refusal & { method: string }): SparkleError {
  const detail = { method, code };
  if (code === RUNE_FORBIDS && /rate|too (?:soon|often|frequent)|per\b/i.test(message))
    return unavailable('rate_limited', `its rune allows no more calls now`, detail);
  if (code === RUNE_FORBIDS)
    return unavailable('unauthorized', `its rune does not permit ${method}: ${withoutSecrets(message)}`, detail);
  const why = code === RUNE_MISSING_OR_FOREIGN ? 'is not one of its own' : 'cannot be read';
  return unavailable('unauthorized', `the rune ${why}`, detail);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A refusal nobody expected: nothing can be concluded from it. */
export const refused = (method: string, { code, message }: Refusal): SparkleError =>
  unavailable('refused', `it refused ${method} with ${code}: ${withoutSecrets(message)}`, { method, code });

/** Throws `lightning_unavailable`, naming the member that is not as it should be and never its value. */
export function readResult<T>(method: string, result: unknown, schema: z.ZodType<T>): T {
  const read = schema.safeParse(result);
  if (read.success) return read.data;
  const path = read.error.issues[0]?.path.join('.') ?? '';
  throw unavailable('garbage', `its answer to ${method} is not as expected at "${path}"`, { method, path });
}

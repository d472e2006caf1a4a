import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { codeOf, readText } from './http-answer.ts';

type PhoenixdAsk = {
  method: 'GET' | 'POST';
  path: string;
  form: Readonly<Record<string, string>>;
  /** `held`: the answer comes when a payment ends, which may be days. */
  patience: 'short' | 'held';
};

/** What came, read as JSON where it is; errors are plain text and are not repeated. */
export type PhoenixdReply = { status: number; json: unknown };

const PROBE_MILLISECONDS = 30_000;
const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])$/;

export function phoenixdUnavailable(reason: string, said: string): SparkleError {
  return new SparkleError('lightning_unavailable', `phoenixd must answer; ${said}`, { reason });
}

const answerLimit = { maxBytes: 1024 * 1024, tooLong: (said: string) => phoenixdUnavailable('garbage', said) };

/** phoenixd's HTTP, with basic authentication: the user has no name. */
export class PhoenixdRest {
  readonly #url: URL;
  readonly #login: string;
  readonly #timeoutMilliseconds: number;
  readonly #closing = new AbortController();

  constructor(options: { url: string; password: string; timeoutMilliseconds: number }) {
    this.#url = readUrl(options.url);
    this.#login = Buffer.from(`:${readPassword(options.password)}`).toString('base64');
    this.#timeoutMilliseconds = options.timeoutMilliseconds;
  }

  /** Throws `lightning_unavailable` where no answer comes or the password is refused. */
  async ask(ask: PhoenixdAsk): Promise<PhoenixdReply> {
    const limit = ask.patience === 'held' ? undefined : AbortSignal.timeout(this.#timeoutMilliseconds);
    const closing = this.#closing.signal;
    if (closing.aborted) throw phoenixdUnavailable('closed', 'this driver is closed');
    try {
      const response = await this.#send(ask, limit === undefined ? closing : AbortSignal.any([closing, limit]));
      const reply = { status: response.statusCode ?? 0, json: parsed(await readText(response, answerLimit)) };
      if (reply.status !== 401 && reply.status !== 403) return reply;
      throw phoenixdUnavailable('unauthorized', `its password does not permit ${ask.path.split('/')[1] ?? ''}`);
    } catch (error) {
      if (error instanceof SparkleError) throw error;
      throw lost(limit?.aborted === true ? 'ETIMEDOUT' : codeOf(error));
    }
  }

  close(): void {
    this.#closing.abort();
  }

  #send({ method, path, form }: PhoenixdAsk, signal: AbortSignal): Promise<IncomingMessage> {
    const body = new URLSearchParams({ ...form }).toString();
    const headers = {
      Authorization: `Basic ${this.#login}`,
      'Content-Type': 'application/x-www-form-urlencoded',
      'Content-Length': body.length,
    };
    const request = this.#url.protocol === 'https:' ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const sent = request(new URL(path, this.#url), { method, headers, signal, agent: false }, resolve);
      sent.on('error', reject);
      // A wallet that lost its power says nothing: without probes a payment would seem to run for ever.
      sent.setSocketKeepAlive(true, PROBE_MILLISECONDS);
      sent.end(method === 'POST' ? body : undefined);
    });
  }
}

/** Throws `bad_config`: a password over plain HTTP may not leave the machine. */
function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  if (url !== undefined && safe && url.username === '' && url.password === '') return url;
  const expected = 'an https address, or http on this machine, without credentials';
  throw new SparkleError('bad_config', `url of phoenixd must be ${expected}; got another`, { field: 'url' });
}

function readPassword(text: string): string {
  const password = text.trim();
  if (password !== '') return password;
  throw new SparkleError('bad_config', 'password must be http-password of phoenix.conf; got nothing', {
    field: 'password',
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function lost(code: string): SparkleError {
  if (code === 'ETIMEDOUT') return phoenixdUnavailable('timeout_unknown', 'it has not in time');
  const unsent = ['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'].includes(code);
  return unsent
    ? phoenixdUnavailable('unreachable', `it cannot be reached (${code})`)
    : phoenixdUnavailable('connection_lost', `the connection broke (${code})`);
}

/** The JSON of a success. Throws `lightning_unavailable`, naming the member that is wrong and never its value. */
export function readSuccess<T>({ status, json }: PhoenixdReply, schema: z.ZodType<T>): T {
  if (status !== 200) throw phoenixdUnavailable('refused', `it answered with HTTP ${status}`);
  const read = schema.safeParse(json);
  if (read.success) return read.data;
  const path = read.error.issues[0]?.path.join('.') ?? '';
  throw phoenixdUnavailable('garbage', `its answer is not as expected at "${path}"`);
}

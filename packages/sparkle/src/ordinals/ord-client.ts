import pLimit from 'p-limit';
import type { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';

/** How to reach an `ord` server, and how much of it is borne. */
export type OrdClientOptions = {
  /** Where it listens, without credentials. */
  url: string;
  /** What `--server-username` and `--server-password` of the server say; only over https or on one's own machine. */
  credentials?: { user: string; password: string };
  /** How long one answer may take, the last byte of it included. */
  timeoutMilliseconds: number;
  /** Most bytes of one answer that are read. */
  maxAnswerBytes: number;
  /** Requests under way at one time; the others wait in order. */
  maxInFlight: number;
};

/** Why a server could not be asked: `detail.reason` of the error. */
type OrdTrouble = 'unreachable' | 'timeout' | 'rate_limited' | 'server_error' | 'not_json' | 'garbage' | 'oversized';

/** What came back: a JSON answer, or that there is no such thing, or that the request was refused. */
type Reply = { status: number; type: string; text: string };

export type OrdClient = {
  /** A JSON answer in the shape of `schema`; `undefined` for HTTP 404. Throws `not_indexed` or `bad_config`. */
  get<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined>;
  /** The same for a list sent by POST; `undefined` also for HTTP 400, with which a server refuses a long list. */
  post<T>(path: string, body: readonly string[], schema: z.ZodType<T>): Promise<T | undefined>;
};

/** The server cannot say now. For a trade that is "not yet", whatever the cause; `reason` tells the operator which. */
export const notNow = (reason: string, sentence: string, more: { detail?: object; cause?: unknown } = {}) =>
  new SparkleError('not_indexed', sentence, { source: 'ord', reason, ...more.detail }, { cause: more.cause });

/** The server may say so of itself, or show it in an answer about an output. */
export const noInscriptionIndex = (): SparkleError =>
  new SparkleError('bad_config', 'the ord server must index inscriptions; its inscription index is off', {
    source: 'ord',
    reason: 'no_inscription_index',
  });

const trouble = (reason: OrdTrouble, path: string, more: { said: string; detail?: object; cause?: unknown }) =>
  notNow(reason, `the ord server must answer ${path}; ${more.said}`, { ...more, detail: { path, ...more.detail } });

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usable = url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:');
  // The text is not repeated: a URL that is refused here may hold a password.
  if (!usable || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new SparkleError('bad_config', "url must be the ord server's http or https URL without credentials", {
      field: 'url',
    });
  return url.href.replace(/\/$/, '');
}

/** The body as text, given up at the limit: who answers without end must not fill our memory. */
async function readBody(response: Response, limits: { path: string; maxAnswerBytes: number }): Promise<string> {
  const { path, maxAnswerBytes } = limits;
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    bytes += next.value.length;
    if (bytes > maxAnswerBytes) {
      await reader.cancel();
      throw trouble('oversized', path, {
        said: `its answer has more than ${maxAnswerBytes} bytes`,
        detail: { maxAnswerBytes },
      });
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}

/** Throws what a reply means that is no answer. 404 and 400 are left to the caller: they depend on the question. */
function assertAnswered({ status, type }: Reply, path: string): void {
  if (status === 401 || status === 403)
    throw new SparkleError('bad_config', 'the ord server must accept the credentials; it refused them', {
      source: 'ord',
      reason: 'unauthorized',
      status,
    });
  if (status === 406)
    throw new SparkleError('bad_config', 'the ord server must have its JSON API on; it runs with it disabled', {
      source: 'ord',
      reason: 'json_api_off',
      status,
    });
  if (status === 429) throw trouble('rate_limited', path, { said: 'it answers no more for now', detail: { status } });
  if (status >= 500 || (status !== 200 && status !== 404 && status !== 400))
    throw trouble('server_error', path, { said: `it answered HTTP ${status}`, detail: { status } });
  // A server in front of ord, or ord itself without the right header, answers 200 with a page.
  if (status === 200 && !/^application\/json\b/.test(type))
    throw trouble('not_json', path, { said: `its answer is ${type || 'of no type'}, not JSON`, detail: { status } });
}

function parsed<T>(reply: Reply, path: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(reply.text);
  } catch (cause) {
    throw trouble('garbage', path, { said: 'its answer is no JSON', cause });
  }
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data as T;
  const issues = error.issues.slice(0, 3).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw trouble('garbage', path, { said: `its answer has another shape (${issues.join('; ')})`, detail: { issues } });
}

type Request = { path: string; method: 'GET' } | { path: string; method: 'POST'; body: string };

/** Sends one request at a time out of `maxInFlight`; the reply is not judged yet. */
function sender(options: OrdClientOptions): (request: Request) => Promise<Reply> {
  const { credentials, timeoutMilliseconds, maxAnswerBytes } = options;
  const base = readUrl(options.url);
  const turn = pLimit(options.maxInFlight);
  // ord compares the header as a whole: with anything added it answers with a page.
  const always: Record<string, string> = { accept: 'application/json' };
  if (credentials !== undefined)
    always['authorization'] = `Basic ${btoa(`${credentials.user}:${credentials.password}`)}`;

  const send = async ({ path, ...init }: Request): Promise<Reply> => {
    const headers = init.method === 'POST' ? { ...always, 'content-type': 'application/json' } : always;
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    try {
      const response = await fetch(`${base}${path}`, { ...init, headers, signal, redirect: 'error' });
      const text = await readBody(response, { path, maxAnswerBytes });
      return { status: response.status, type: response.headers.get('content-type') ?? '', text };
    } catch (cause) {
      if (cause instanceof SparkleError) throw cause;
      // The body's reader is told of the abort in another class than `fetch` is, so the signal itself is asked.
      if (signal.aborted) throw trouble('timeout', path, { said: `no answer within ${timeoutMilliseconds} ms`, cause });
      throw trouble('unreachable', path, { said: 'it cannot be reached', cause });
    }
  };
  return (request) => turn(() => send(request));
}

/** Questions to an `ord` server over HTTP. Throws `bad_config` for a URL that is none. */
export function ordClient(options: OrdClientOptions): OrdClient {
  const send = sender(options);
  return {
    async get(path, schema) {
      const reply = await send({ path, method: 'GET' });
      assertAnswered(reply, path);
      // The end of ord's own words. Whatever else answers 404 at this address has not said that there is no such thing.
      if (reply.status === 404 && reply.text.endsWith(' not found')) return undefined;
      if (reply.status === 404)
        throw trouble('garbage', path, { said: 'it answered HTTP 404 in other words than ord' });
      if (reply.status === 400) throw trouble('server_error', path, { said: 'it refused the question' });
      return parsed(reply, path, schema);
    },
    async post(path, body, schema) {
      const reply = await send({ path, method: 'POST', body: JSON.stringify(body) });
      assertAnswered(reply, path);
      return reply.status === 200 ? parsed(reply, path, schema) : undefined;
    },
  };
}

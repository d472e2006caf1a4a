import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import pLimit from 'p-limit';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';

/**
 * How to reach a Bitcoin node. `url` carries no credentials; they come from the node's cookie file, which it writes anew
 * at each start, or from a configured user.
 */
export type BitcoindRpcOptions = {
  url: string;
  credentials: { cookieFile: string } | { user: string; password: string };
  /** How long one answer may take before the node counts as unavailable. */
  timeoutMilliseconds: number;
};

/** The node's answer: a result, or its refusal in its own words (`code` as in Bitcoin Core's rpc/protocol.h). */
export type RpcAnswer = { result: unknown } | { refusal: { code: number; reason: string } };

export type BitcoindRpc = {
  /** Throws `chain_unavailable` when there is no answer; a refusal is an answer. */
  ask(method: string, params: readonly unknown[]): Promise<RpcAnswer>;
  /** A result in the shape of `schema`; a refusal or another shape throws `chain_unavailable`. */
  call<T>(method: string, params: readonly unknown[], schema: z.ZodType<T>): Promise<T>;
};

/** rpc/protocol.h: still loading its index, cannot answer anything yet. */
const IN_WARMUP = -28;

/** bitcoind works on 4 requests at once and refuses when its queue is full; more at a time would gain nothing. */
const MAX_IN_FLIGHT = 8;

/** A connection that nobody uses is ours to end, long before the node does (`rpcservertimeout`, 30 s) with a call under way. */
const IDLE_MILLISECONDS = 5_000;

const answerShape = z.object({
  result: z.unknown(),
  error: z.union([z.null(), z.object({ code: z.number(), message: z.string() })]),
});

const unavailable = (reason: string, detail: Record<string, unknown>, cause?: unknown): SparkleError =>
  new SparkleError('chain_unavailable', `the Bitcoin node must answer; ${reason}`, { ...detail, reason }, { cause });

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const usable = url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:');
  // The text is not repeated: a URL that is refused here may hold a password.
  if (!usable || url.username !== '' || url.password !== '')
    throw new SparkleError('bad_config', "url must be the node's http or https URL without credentials; got another", {
      field: 'url',
    });
  return url.href.replace(/\/$/, '');
}

async function readCredentials(credentials: BitcoindRpcOptions['credentials']): Promise<string> {
  if ('user' in credentials) return `${credentials.user}:${credentials.password}`;
  try {
    return (await readFile(credentials.cookieFile, 'utf8')).trim();
  } catch (cause) {
    throw unavailable('its cookie file cannot be read', { cookieFile: credentials.cookieFile }, cause);
  }
}

type Reply = { status: number; text: string };
type Call = { url: string; body: string; login: string; milliseconds: number };

/**
 * HTTP of a client's own connections. Node's `fetch` costs a call three times the processor time, and a trace of an
 * inscription is thousands of calls.
 */
class Poster {
  readonly #request: typeof httpRequest;
  readonly #agent: HttpAgent;

  constructor(url: string) {
    const own = { keepAlive: true, maxSockets: MAX_IN_FLIGHT, timeout: IDLE_MILLISECONDS };
    this.#request = url.startsWith('https:') ? httpsRequest : httpRequest;
    this.#agent = url.startsWith('https:') ? new HttpsAgent(own) : new HttpAgent(own);
  }

  async post(call: Call): Promise<Reply> {
    const signal = AbortSignal.timeout(call.milliseconds);
    try {
      return await this.#send(call, signal);
    } catch (cause) {
      const reason = signal.aborted ? `no answer within ${call.milliseconds} ms` : 'it cannot be reached';
      throw unavailable(reason, { url: call.url }, cause);
    }
  }

  #send({ url, body, login }: Call, signal: AbortSignal): Promise<Reply> {
    const headers = {
      authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      const sent = this.#request(url, { method: 'POST', agent: this.#agent, headers, signal }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, text })).once('error', reject);
      });
      sent.once('error', reject).end(body);
    });
  }
}

function readReply({ status, text }: Reply, method: string): RpcAnswer {
  if (status === 401 || status === 403) throw unavailable('it refused the credentials', { method, status });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw unavailable(`it answered HTTP ${status} without JSON`, { method, status }, cause);
  }
  const { data } = answerShape.safeParse(parsed);
  if (data === undefined) throw unavailable('its answer is not JSON-RPC', { method, status });
  if (data.error === null) return { result: data.result };
  const { code, message } = data.error;
  if (code === IN_WARMUP) throw unavailable(`it is starting (${message})`, { method });
  return { refusal: { code, reason: message } };
}

/** JSON-RPC to a Bitcoin node. Throws `bad_config` for a URL that is none. */
export function bitcoindRpc(options: BitcoindRpcOptions): BitcoindRpc {
  const url = readUrl(options.url);
  const turn = pLimit(MAX_IN_FLIGHT);
  const poster = new Poster(url);
  let login: string | undefined;
  let requests = 0;

  const send = async (method: string, params: readonly unknown[]): Promise<Reply> => {
    const body = JSON.stringify({ jsonrpc: '1.0', id: (requests += 1), method, params });
    const request = { url, body, milliseconds: options.timeoutMilliseconds };
    login ??= await readCredentials(options.credentials);
    const reply = await poster.post({ ...request, login });
    if (reply.status !== 401 || 'user' in options.credentials) return reply;
    // A node that restarted has written a new cookie.
    login = await readCredentials(options.credentials);
    return poster.post({ ...request, login });
  };
  const ask: BitcoindRpc['ask'] = (method, params) => turn(async () => readReply(await send(method, params), method));

  return {
    ask,
    async call(method, params, schema) {
      const answer = await ask(method, params);
      if ('refusal' in answer) throw unavailable(`it refused ${method}: ${answer.refusal.reason}`, { method });
      const { data, error } = schema.safeParse(answer.result);
      if (error !== undefined)
        throw unavailable(`its answer to ${method} has another shape`, { method, issues: error.issues.slice(0, 3) });
      return data as z.infer<typeof schema>;
    },
  };
}

export const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
export const hexBytes = z.string().regex(/^([0-9a-f]{2})*$/);

/** An amount as the node prints it, in BTC; below 21 million BTC a double holds eight decimals exactly once rounded. */
export const sats = z
  .number()
  .min(0)
  .max(21_000_000)
  .transform((coins) => BigInt(Math.round(coins * 1e8)));

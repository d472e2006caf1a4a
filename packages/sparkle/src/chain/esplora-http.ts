import pLimit from 'p-limit';
import type { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';

export type EsploraHttpOptions = {
  /** Where the API begins, for example `https://esplora.example/api`; without credentials and query. */
  url: string;
  /** How long one answer may take, its body counted. */
  timeoutMilliseconds: number;
  /** The time of day, as `Retry-After` may name one. */
  nowSeconds: () => number;
};

/** What is asked for: how many bytes the answer may have and what it must look like. */
export type Question<T> = { path: string; maxBytes: number; shape: z.ZodType<T> };

export type Sent = { path: string; body: string; contentType: string };

/** Questions to one server. Each throws `chain_unavailable`; `detail.reason` says why. */
export type EsploraHttp = {
  host: string;
  /** An answer in JSON; `undefined` when the server says that there is no such thing (404). */
  json<T>(question: Question<T>): Promise<T | undefined>;
  /** An answer that is one word, such as a hash. */
  word<T>(question: Question<T>): Promise<T | undefined>;
  /** Hands something over. A refusal is an answer. */
  post(sent: Sent): Promise<{ status: number; text: string }>;
  /** Gives up what is under way; everything asked from then on fails. */
  close(): void;
};

/** So that a public server is not overrun, and a browser's own limit per host not reached. */
const MAX_IN_FLIGHT = 6;
const POSTED_ANSWER_BYTES = 256_000;
const FIRST_PAUSE_SECONDS = 1;
const MOST_DOUBLED_SECONDS = 64;
/** A server that asks for more than this is as good as away; it is asked again then. */
const MOST_PAUSE_SECONDS = 3600;

export type Reason =
  | 'rate_limited'
  | 'timeout'
  | 'unreachable'
  | 'server_error'
  | 'garbage'
  | 'oversized'
  | 'lagging'
  | 'unproven'
  | 'changing';

/** Never the whole URL: some providers put a key into its path. */
export const unavailable = (given: {
  host: string;
  reason: Reason;
  sentence: string;
  detail?: Record<string, unknown>;
  cause?: unknown;
}): SparkleError => {
  const { host, reason, sentence, detail = {}, cause } = given;
  return new SparkleError(
    'chain_unavailable',
    `the Esplora server ${host} must answer; ${sentence}`,
    {
      ...{ host, reason },
      ...detail,
    },
    { cause },
  );
};

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:');
  // The text is not repeated: a URL that is refused here may hold a password.
  if (!isHttp || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new SparkleError(
      'bad_config',
      'url must be the http or https URL of an Esplora API without credentials, query and fragment; got another',
      { field: 'url' },
    );
  return url;
}

/** How long to be silent: what the server asked for, or else twice as long with each refusal. */
class Pause {
  private untilMilliseconds = 0;
  private refusals = 0;

  left(): number {
    return Math.max(0, (this.untilMilliseconds - performance.now()) / 1000);
  }

  begin(askedSeconds: number | undefined): void {
    const doubled = Math.min(MOST_DOUBLED_SECONDS, FIRST_PAUSE_SECONDS * 2 ** Math.min(this.refusals, 16));
    const seconds = Math.min(MOST_PAUSE_SECONDS, Math.max(FIRST_PAUSE_SECONDS, askedSeconds ?? doubled));
    this.refusals += 1;
    this.untilMilliseconds = Math.max(this.untilMilliseconds, performance.now() + seconds * 1000);
  }

  forget(): void {
    this.refusals = 0;
  }
}

/** RFC 9110 10.2.3: seconds, or a date. */
function readRetryAfter(text: string | null, nowSeconds: number): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at / 1000 - nowSeconds;
}

class TooLong extends Error {}
class TooLate extends Error {}

/** Reads no further than `maxBytes`: an answer without end must not fill the memory. */
async function readBody(response: Response, maxBytes: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += (value as Uint8Array).length;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw new TooLong();
    }
    text += decoder.decode(value as Uint8Array, { stream: true });
  }
}

type Answer = { status: number; text: string };
type Wanted = { path: string; maxBytes: number; init: RequestInit };

class Http implements EsploraHttp {
  readonly host: string;
  private readonly base: string;
  private readonly options: EsploraHttpOptions;
  private readonly turn = pLimit(MAX_IN_FLIGHT);
  private readonly pause = new Pause();
  /** Each request has its own: one signal for all, combined with theirs, would keep a trace of every request. */
  private readonly underWay = new Set<AbortController>();
  private closed = false;

  constructor(options: EsploraHttpOptions) {
    const url = readUrl(options.url);
    this.options = options;
    this.host = url.host;
    this.base = url.href.replace(/\/$/, '');
  }

  async json<T>(question: Question<T>): Promise<T | undefined> {
    const text = await this.get(question);
    return text === undefined ? undefined : this.read(question, parsed(text));
  }

  async word<T>(question: Question<T>): Promise<T | undefined> {
    const text = await this.get(question);
    return text === undefined ? undefined : this.read(question, text.trim());
  }

  async post({ path, body, contentType }: Sent): Promise<Answer> {
    const init = { method: 'POST', body, headers: { 'content-type': contentType } };
    return this.send({ path, maxBytes: POSTED_ANSWER_BYTES, init });
  }

  close(): void {
    this.closed = true;
    for (const controller of this.underWay) controller.abort(new Error('closed'));
  }

  private async get({ path, maxBytes }: Question<unknown>): Promise<string | undefined> {
    const { status, text } = await this.send({ path, maxBytes, init: {} });
    if (status === 404) return undefined;
    if (status === 200) return text;
    throw this.failure(status >= 500 ? 'server_error' : 'garbage', `it answered HTTP ${status} to ${path}`, { status });
  }

  private read<T>({ path, shape }: Question<T>, value: unknown): T {
    const { data, success } = shape.safeParse(value);
    if (success) return data;
    throw this.failure('garbage', `its answer to ${path} has another shape`, { path });
  }

  private send(wanted: Wanted): Promise<Answer> {
    return this.turn(async () => {
      this.assertNoPause();
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(new TooLate()), this.options.timeoutMilliseconds);
      this.underWay.add(controller);
      if (this.closed) controller.abort(new Error('closed'));
      try {
        return await this.exchange(wanted, controller.signal);
      } catch (cause) {
        throw cause instanceof SparkleError ? cause : this.failed(wanted, cause);
      } finally {
        clearTimeout(timer);
        this.underWay.delete(controller);
      }
    });
  }

  private async exchange({ path, maxBytes, init }: Wanted, signal: AbortSignal): Promise<Answer> {
    const response = await fetch(`${this.base}${path}`, { ...init, signal, redirect: 'error' });
    const { status, headers } = response;
    if (status === 429 || (status === 503 && headers.has('retry-after'))) {
      this.pause.begin(readRetryAfter(headers.get('retry-after'), this.options.nowSeconds()));
      await response.body?.cancel();
      this.assertNoPause();
    }
    this.pause.forget();
    return { status, text: await readBody(response, maxBytes) };
  }

  private assertNoPause(): void {
    const seconds = Math.ceil(this.pause.left());
    if (seconds === 0) return;
    throw this.failure('rate_limited', `it wants to be left alone for ${seconds} s`, { retryAfterSeconds: seconds });
  }

  private failed({ path, maxBytes }: Wanted, cause: unknown): SparkleError {
    if (cause instanceof TooLong)
      return this.failure('oversized', `its answer to ${path} is longer than ${maxBytes} bytes`, { path, maxBytes });
    const milliseconds = this.options.timeoutMilliseconds;
    if (cause instanceof TooLate)
      return this.failure('timeout', `no answer to ${path} within ${milliseconds} ms`, { path, milliseconds });
    const { host } = this;
    return unavailable({ host, reason: 'unreachable', sentence: 'it cannot be reached', cause });
  }

  private failure(reason: Reason, sentence: string, detail: Record<string, unknown>): SparkleError {
    return unavailable({ host: this.host, reason, sentence, detail });
  }
}

/** What no shape accepts, where the text is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Speaks HTTP to an Esplora server, in a browser as in Node. Throws `bad_config` for a URL that is none. */
export const esploraHttp = (options: EsploraHttpOptions): EsploraHttp => new Http(options);

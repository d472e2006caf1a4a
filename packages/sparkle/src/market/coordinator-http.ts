import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import * as z from 'zod/mini';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import type { KeyPair } from '../protocol/keys.ts';
import { after, type CoordinatorClock } from './coordinator-clock.ts';
import { authDigest } from './coordinator-signing.ts';
import { challengeSchema, refusalSchema, sessionSchema } from './coordinator-wire.ts';

/** Who calls: an x-only key, and its BIP 340 signatures over 32-byte digests. The key itself may be in a wallet. */
export type CoordinatorSigner = {
  publicKey: string;
  sign(digest: Uint8Array): Promise<Uint8Array> | Uint8Array;
};

/** Signs as the holder of this key; the clock's chance goes into each signature (BIP 340). */
export const signerOf = (key: KeyPair, clock: Pick<CoordinatorClock, 'randomBytes'>): CoordinatorSigner => ({
  publicKey: key.public,
  sign: (digest) => schnorr.sign(digest, key.secret, clock.randomBytes(32)),
});

export type HttpOptions = {
  url: string;
  signer: CoordinatorSigner;
  fetch: typeof globalThis.fetch;
  clock: CoordinatorClock;
  answerMilliseconds: number;
};

/** What is asked; `as` says whether the coordinator must know who asks. */
export type Ask<T> = {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  body?: unknown;
  as: 'party' | 'anybody';
  shape: z.core.$ZodType<T>;
  /** How long the coordinator was asked to hold its answer back, on top of the usual wait. */
  heldMilliseconds?: number;
};

/** A page of a hundred messages is shorter: the coordinator ends it before. */
const MOST_ANSWER_BYTES = 8_000_000;
const MOST_SHOWN = 300;
/** What a caller may act on; any other refusal is `refused`, so that no answer can pose as a chain or a node. */
const PASSED_ON: readonly ErrorCode[] = ['unauthorized', 'forbidden', 'not_found', 'rate_limited', 'busy'];
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The base of a coordinator's paths. Throws `bad_config` for a URL with credentials, query or fragment, and for http
 * to any but this machine: whoever is on the way would read the session.
 */
export function readCoordinatorUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.test(url.hostname));
  // The text is not repeated: a URL that is refused here may hold a password.
  if (
    url === undefined ||
    !isSafe ||
    url.username !== '' ||
    url.password !== '' ||
    url.search !== '' ||
    url.hash !== ''
  )
    throw new SparkleError(
      'bad_config',
      'url must be the https URL of a coordinator without credentials, query and fragment (http on this machine only); got another',
      { field: 'url' },
    );
  return url;
}

/** Speaks HTTP to one coordinator, with a session that it opens when one is needed and again when it is over. */
export class CoordinatorHttp {
  readonly #options: HttpOptions;
  readonly #url: URL;
  readonly #underWay = new Set<AbortController>();
  #session: Promise<string> | undefined;
  #token: string | undefined;
  #closed = false;

  constructor(options: HttpOptions) {
    this.#options = options;
    this.#url = readCoordinatorUrl(options.url);
  }

  /** The WebSocket beside the HTTP paths. */
  get socketUrl(): string {
    return `${this.#base()}/v1/socket`.replace(/^http/, 'ws');
  }

  /** Throws `market_unavailable` (`detail.reason`: unreachable, timeout, garbage, oversized), `refused` and what is passed on. */
  async ask<T>(wanted: Ask<T>): Promise<T> {
    if (wanted.as === 'anybody') return this.#exchange(wanted, undefined);
    const token = await this.token();
    try {
      return await this.#exchange(wanted, token);
    } catch (error) {
      if (!(error instanceof SparkleError && error.code === 'unauthorized')) throw error;
      this.forget(token);
      return this.#exchange(wanted, await this.token());
    }
  }

  /** A session's token; one login at a time, however many ask. */
  async token(): Promise<string> {
    const session = (this.#session ??= this.#login());
    try {
      this.#token = await session;
      return this.#token;
    } catch (error) {
      if (this.#session === session) this.#session = undefined;
      throw error;
    }
  }

  /** The coordinator no longer knows this token: the next who needs one logs in again. */
  forget(token: string): void {
    if (this.#token !== token) return;
    this.#token = undefined;
    this.#session = undefined;
  }

  close(): void {
    this.#closed = true;
    for (const controller of this.#underWay) controller.abort();
  }

  unavailable(reason: string, sentence: string, options?: { cause?: unknown }): SparkleError {
    const { host } = this.#url;
    return new SparkleError(
      'market_unavailable',
      `the coordinator ${host} must answer as agreed; ${sentence}`,
      { host, reason },
      options,
    );
  }

  async #login(): Promise<string> {
    const { signer } = this.#options;
    const public_key = signer.publicKey;
    const post = { method: 'POST', as: 'anybody' } as const;
    const { challenge } = await this.ask({
      ...post,
      path: '/v1/auth/challenge',
      body: { public_key },
      shape: challengeSchema,
    });
    const signature = hex.encode(await signer.sign(authDigest({ challenge, host: this.#url.host })));
    const body = { public_key, challenge, signature };
    return (await this.ask({ ...post, path: '/v1/auth/session', body, shape: sessionSchema })).token;
  }

  async #exchange<T>(wanted: Ask<T>, token: string | undefined): Promise<T> {
    const { answerMilliseconds, clock } = this.#options;
    const controller = new AbortController();
    const milliseconds = answerMilliseconds + (wanted.heldMilliseconds ?? 0);
    let isLate = false;
    const stop = after(clock, milliseconds, () => {
      isLate = true;
      controller.abort();
    });
    this.#underWay.add(controller);
    if (this.#closed) controller.abort();
    try {
      const answer = await this.#send(wanted, { token, signal: controller.signal });
      return this.#read(wanted, answer);
    } catch (cause) {
      if (cause instanceof SparkleError) throw cause;
      if (isLate) throw this.unavailable('timeout', `no answer to ${wanted.path} came within ${milliseconds} ms`);
      throw this.unavailable('unreachable', 'it cannot be reached', { cause });
    } finally {
      stop();
      this.#underWay.delete(controller);
    }
  }

  async #send<T>(
    { method, path, body }: Ask<T>,
    { token, signal }: { token: string | undefined; signal: AbortSignal },
  ): Promise<{ status: number; text: string }> {
    const response = await this.#options.fetch(`${this.#base()}${path}`, {
      method,
      signal,
      redirect: 'error',
      credentials: 'omit',
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await this.#text(response) };
  }

  /** Reads no further than the limit: an answer without end must not fill the memory. */
  async #text(response: Response): Promise<string> {
    const reader = response.body?.getReader();
    const decoder = new TextDecoder();
    let [text, bytes] = ['', 0];
    while (reader !== undefined) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += (value as Uint8Array).length;
      if (bytes > MOST_ANSWER_BYTES) {
        await reader.cancel();
        throw this.unavailable('oversized', `its answer has more than ${MOST_ANSWER_BYTES} bytes`);
      }
      text += decoder.decode(value as Uint8Array, { stream: true });
    }
    return text + decoder.decode();
  }

  #read<T>({ path, shape }: Ask<T>, { status, text }: { status: number; text: string }): T {
    const value = parsed(text);
    if (status >= 200 && status < 300) {
      const result = z.safeParse(shape, value);
      if (result.success) return result.data;
      throw this.unavailable('garbage', `its answer to ${path.split('?')[0]} has another shape`);
    }
    const refusal = z.safeParse(refusalSchema, value);
    if (!refusal.success) throw this.unavailable('garbage', `it answered ${status} without saying why`);
    const { error, message, field } = refusal.data;
    const code = PASSED_ON.find((each) => each === error) ?? (status >= 500 ? 'market_unavailable' : 'refused');
    const said = message.slice(0, MOST_SHOWN);
    throw new SparkleError(code, `the coordinator ${this.#url.host} must take this; it said: ${said}`, {
      ...{ host: this.#url.host, status, error },
      ...(field !== undefined && { field }),
    });
  }

  #base(): string {
    return this.#url.href.replace(/\/$/, '');
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

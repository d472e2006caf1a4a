import type { VerifiedEvent } from 'nostr-tools/pure';
import type { z } from 'zod';
import type { SparkleError } from '../../protocol/errors.ts';
import type { NwcConnection } from './connection.ts';
import type { Conversation, Scheme } from './conversation.ts';
import type { LinkTiming } from './relay-link.ts';
import { Relays } from './relays.ts';
import { unavailable, walletError } from './wallet-error.ts';
import { kinds, notificationSchema, parseJson, responseSchema, type Method } from './wire.ts';

/** How long to wait for what, in milliseconds. */
export type ClientTiming = LinkTiming & {
  /** For the wallet's answer to anything but a payment. */
  answerMilliseconds: number;
};

export const usualTiming: ClientTiming = {
  relayMilliseconds: 5_000,
  firstRetryMilliseconds: 500,
  lastRetryMilliseconds: 30_000,
  pingMilliseconds: 30_000,
  answerMilliseconds: 20_000,
};

type ClientOptions = {
  connection: NwcConnection;
  timing: ClientTiming;
  nowMilliseconds: () => number;
  warn: (words: string) => void;
  /** A notification of the wallet; only its kind and hash, because what counts is what a look-up answers. */
  onNotification: (notification: { type: string; paymentHash: string }) => void;
  /** A relay listens again after an outage: notifications may have been missed. */
  onReconnected: () => void;
};

export type Call<Result> = {
  method: Method;
  params: Record<string, unknown>;
  result: z.ZodType<Result>;
  timeoutMilliseconds: number;
};

type Waiting = {
  method: Method;
  scheme: Scheme;
  settle: (outcome: { result: unknown } | { error: SparkleError }) => void;
};

/** Asks a wallet over relays: one request, at most one answer, by the wallet's own key. Source: NIP-47. */
export class NwcClient {
  readonly #options: ClientOptions;
  readonly #conversation: Conversation;
  readonly #relays: Relays;
  readonly #waiting = new Map<string, Waiting>();
  readonly #since: number;
  #info: VerifiedEvent | undefined;
  #closed = false;
  #wasReady = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    const { connection, timing, warn } = options;
    this.#conversation = connection.conversation;
    this.#since = this.#nowSeconds();
    this.#relays = new Relays({
      urls: connection.relays,
      filters: () => this.#filters(),
      onEvent: (event) => this.#heard(event),
      onReady: () => {
        if (this.#wasReady) options.onReconnected();
        this.#wasReady = true;
      },
      sign: (event) => this.#conversation.sign(event),
      ...{ warn, timing },
    });
  }

  /** Waits for a relay. Throws `lightning_unavailable` when none answers in time. */
  async start(): Promise<void> {
    if (await this.#relays.ready(this.#options.timing.answerMilliseconds)) return;
    throw unavailable('unreachable', 'no relay of the wallet connection answers');
  }

  /**
   * NIP-47: the info event names what the wallet reads; without the tag it reads NIP-04 only. A wallet without an info
   * event is asked with NIP-44, which the NIP demands of it.
   */
  get scheme(): Scheme {
    if (this.#info === undefined) return 'nip44_v2';
    const schemes = this.#info.tags.find(([name]) => name === 'encryption')?.[1]?.split(' ') ?? [];
    return schemes.includes('nip44_v2') ? 'nip44_v2' : 'nip04';
  }

  /** The methods that the wallet's info event names; none when it has not come. */
  get announced(): string[] {
    return this.#info?.content.split(' ').filter((method) => method !== '') ?? [];
  }

  /**
   * Throws what the wallet's error means, or `lightning_unavailable` when no answer came: then the request may still be
   * under way until its `expiration`, and nothing is known of what it did.
   */
  async call<Result>({ method, params, result, timeoutMilliseconds }: Call<Result>): Promise<Result> {
    const end = this.#options.nowMilliseconds() + timeoutMilliseconds;
    if (this.#closed) throw unavailable('closed', 'the wallet connection was closed');
    if (!(await this.#relays.ready(timeoutMilliseconds)))
      throw unavailable('unreachable', `no relay of the wallet connection takes ${method}`);
    const answer = result.safeParse(await this.#ask({ method, params, end }));
    if (answer.success) return answer.data;
    // The library's words would quote what came, and that can hold a preimage.
    throw unavailable('garbage', `the wallet's answer to ${method} is not what NIP-47 says`);
  }

  close(): void {
    this.#closed = true;
    this.#relays.close();
    for (const { settle } of this.#waiting.values())
      settle({ error: unavailable('closed', 'the wallet connection was closed') });
  }

  #ask({ method, params, end }: Pick<Call<unknown>, 'method' | 'params'> & { end: number }): Promise<unknown> {
    const { scheme } = this;
    const event = this.#request({ method, params, scheme, end });
    return new Promise((resolve, reject) => {
      const settle: Waiting['settle'] = (outcome) => {
        if (!this.#waiting.delete(event.id)) return;
        clearTimeout(timer);
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result);
      };
      const wait = Math.max(0, end - this.#options.nowMilliseconds());
      const late = (): void =>
        settle({ error: unavailable('timeout_unknown', `the wallet does not answer ${method}`) });
      const timer = setTimeout(late, wait);
      this.#waiting.set(event.id, { method, scheme, settle });
      void this.#relays.publish(event).then((handing) => {
        if (handing === 'refused')
          settle({ error: unavailable('unreachable', `no relay of the wallet connection takes ${method}`) });
      });
    });
  }

  #request({
    method,
    params,
    scheme,
    end,
  }: Omit<Call<unknown>, 'result' | 'timeoutMilliseconds'> & { scheme: Scheme; end: number }) {
    return this.#conversation.sign({
      kind: kinds.request,
      created_at: this.#nowSeconds(),
      tags: [
        ['p', this.#conversation.peer],
        ['encryption', scheme],
        // A relay that delivers late must not start a payment that nobody follows any more.
        ['expiration', String(Math.ceil(end / 1000))],
      ],
      content: this.#conversation.encrypt({ scheme, text: JSON.stringify({ method, params }) }),
    });
  }

  #filters() {
    const authors = [this.#conversation.peer];
    const told = [kinds.response, kinds.notification, kinds.notificationNip04];
    return [
      { kinds: [kinds.info], authors, limit: 1 },
      // A clock that is a little behind ours would hide answers.
      { kinds: told, authors, '#p': [this.#conversation.self], since: this.#since - 600 },
    ];
  }

  #heard(event: VerifiedEvent): void {
    switch (event.kind) {
      case kinds.info:
        // Replaceable: of several relays the newest one counts.
        if (this.#info === undefined || event.created_at > this.#info.created_at) this.#info = event;
        return;
      case kinds.response:
        return this.#answered(event);
      case kinds.notification:
        return this.#notified(event, 'nip44_v2');
      case kinds.notificationNip04:
        // A wallet that knows NIP-44 tells each thing twice.
        if (this.scheme === 'nip04') this.#notified(event, 'nip04');
    }
  }

  /** Relays deliver again what was answered long ago: an answer is of the request that its `e` tag names, once. */
  #answered(event: VerifiedEvent): void {
    const id = event.tags.find(([name]) => name === 'e')?.[1] ?? '';
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    const { method, settle } = waiting;
    const garbage = { error: unavailable('garbage', `the wallet's answer to ${method} cannot be read`) };
    const response = responseSchema.safeParse(this.#read(event, waiting.scheme));
    if (!response.success) return settle(garbage);
    const { error, result, result_type } = response.data;
    if (error !== undefined && error !== null)
      return settle({ error: walletError({ method, code: error.code ?? 'OTHER', message: error.message ?? '' }) });
    settle(result_type === method ? { result } : garbage);
  }

  #notified(event: VerifiedEvent, scheme: Scheme): void {
    const told = notificationSchema.safeParse(this.#read(event, scheme));
    if (!told.success) return;
    const { notification_type: type, notification } = told.data;
    this.#options.onNotification({ type, paymentHash: notification.payment_hash });
  }

  /** Wallets answer a request that they cannot decrypt with NIP-44, whatever it was encrypted with. */
  #read(event: VerifiedEvent, scheme: Scheme): unknown {
    const { content } = event;
    const text =
      this.#conversation.decrypt({ scheme, content }) ?? this.#conversation.decrypt({ scheme: 'nip44_v2', content });
    return text === undefined ? undefined : parseJson(text);
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.nowMilliseconds() / 1000);
  }
}

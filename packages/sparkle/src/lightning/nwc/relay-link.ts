import type { Filter } from 'nostr-tools/filter';
import { makeAuthEvent } from 'nostr-tools/nip42';
import { verifyEvent, type EventTemplate, type NostrEvent, type VerifiedEvent } from 'nostr-tools/pure';
import { WebSocket } from 'ws';
import { matchFilters } from 'nostr-tools/filter';
import { parseJson } from './wire.ts';

/** How long to wait for what, in milliseconds. */
export type LinkTiming = {
  /** For a relay to say that it took an event, and for a new connection to stand. */
  relayMilliseconds: number;
  /** Between tries to reach a relay that is away: the first wait, doubled each time up to the last. */
  firstRetryMilliseconds: number;
  lastRetryMilliseconds: number;
  pingMilliseconds: number;
};

type LinkOptions = {
  url: string;
  filters: () => Filter[];
  onEvent: (event: VerifiedEvent) => void;
  /** An event that was heard already is not worth checking a signature again. */
  isKnown: (id: string) => boolean;
  /** The relay listens to us: again after every outage. */
  onReady: () => void;
  sign: (event: EventTemplate) => VerifiedEvent;
  warn: (words: string) => void;
  timing: LinkTiming;
};

const MAX_PAYLOAD = 512 * 1024;
const SUBSCRIPTION = 'nwc';

/**
 * What became of an event that was handed in. `unknown`: the relay said nothing, which of events that it does not store
 * some never do (nostr-rs-relay), so that it may have been delivered all the same.
 */
export type Handing = 'taken' | 'refused' | 'unknown';

type Publishing = { resolve: (handing: Handing) => void; timer: NodeJS.Timeout };

/** One connection to one relay, made again for ever with growing waits; an outage is told once, and its end. */
export class RelayLink {
  readonly #options: LinkOptions;
  readonly #publishing = new Map<string, Publishing>();
  #socket: WebSocket | undefined;
  #ready = false;
  #closed = false;
  #complained = false;
  #tries = 0;
  #retry: NodeJS.Timeout | undefined;
  #pulse: NodeJS.Timeout | undefined;
  #alive = true;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#dial();
  }

  get ready(): boolean {
    return this.#ready;
  }

  publish(event: VerifiedEvent): Promise<Handing> {
    if (!this.#ready) return Promise.resolve('refused');
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#published(event.id, 'unknown'), this.#options.timing.relayMilliseconds);
      this.#publishing.set(event.id, { resolve, timer });
      this.#send(['EVENT', event]);
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  #dial(): void {
    const { url, timing } = this.#options;
    const socket = new WebSocket(url, {
      handshakeTimeout: timing.relayMilliseconds,
      maxPayload: MAX_PAYLOAD,
      perMessageDeflate: false,
      followRedirects: false,
    });
    this.#socket = socket;
    socket.on('open', () => this.#opened(socket));
    socket.on('message', (data, isBinary) => {
      if (this.#socket === socket && !isBinary) this.#received(String(data as Buffer));
    });
    socket.on('pong', () => (this.#alive = true));
    // What went wrong is told by the close that follows; the words of an error may name the whole address.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #opened(socket: WebSocket): void {
    this.#alive = true;
    this.#pulse = setInterval(() => {
      if (!this.#alive) return socket.terminate();
      this.#alive = false;
      socket.ping();
    }, this.#options.timing.pingMilliseconds);
    this.#subscribe();
  }

  #subscribe(): void {
    this.#send(['REQ', SUBSCRIPTION, ...this.#options.filters()]);
  }

  #lost(): void {
    this.#drop();
    if (this.#closed) return;
    const { timing, warn } = this.#options;
    if (!this.#complained) warn(`the relay at ${this.#name()} is away; trying again`);
    this.#complained = true;
    const wait = Math.min(timing.lastRetryMilliseconds, timing.firstRetryMilliseconds * 2 ** Math.min(this.#tries, 20));
    this.#tries += 1;
    this.#retry = setTimeout(() => this.#dial(), wait);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#ready = false;
    clearInterval(this.#pulse);
    for (const id of this.#publishing.keys()) this.#published(id, 'unknown');
    socket?.terminate();
  }

  #send(message: unknown[]): void {
    // A socket that is closing loses this, as a relay could: whoever waits for an answer waits for so long only.
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #received(text: string): void {
    const message = parseJson(text);
    if (!Array.isArray(message)) return;
    const [type, first, second, third]: unknown[] = message;
    if (type === 'EVENT' && first === SUBSCRIPTION) this.#heard(second);
    if (type === 'EOSE' && first === SUBSCRIPTION) this.#listened();
    if (type === 'OK' && typeof first === 'string')
      this.#published(first, isTaken(second, third) ? 'taken' : 'refused');
    if (type === 'AUTH' && typeof first === 'string') this.#authenticate(first);
    // The relay has ended our subscription; without one nothing is heard, so the connection is of no use.
    if (type === 'CLOSED' && first === SUBSCRIPTION && !isAuthWanted(second)) this.#socket?.close();
  }

  #heard(event: unknown): void {
    const { filters, isKnown, onEvent } = this.#options;
    if (isEvent(event) && !isKnown(event.id) && matchFilters(filters(), event) && verifyEvent(event)) onEvent(event);
  }

  #listened(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#tries = 0;
    if (this.#complained) this.#options.warn(`the relay at ${this.#name()} is back`);
    this.#complained = false;
    this.#options.onReady();
  }

  #published(id: string, handing: Handing): void {
    const publishing = this.#publishing.get(id);
    if (publishing === undefined) return;
    this.#publishing.delete(id);
    clearTimeout(publishing.timer);
    publishing.resolve(handing);
  }

  /** NIP-42: relays of wallet services may talk to their own users only. */
  #authenticate(challenge: string): void {
    const event = this.#options.sign(makeAuthEvent(this.#options.url, challenge));
    const timer = setTimeout(() => this.#published(event.id, 'unknown'), this.#options.timing.relayMilliseconds);
    const resolve = (handing: Handing): void => {
      if (handing === 'taken') this.#subscribe();
    };
    this.#publishing.set(event.id, { resolve, timer });
    this.#send(['AUTH', event]);
  }

  #name(): string {
    return new URL(this.#options.url).host;
  }
}

/** NIP-01: a relay that has the event already has taken it. */
const isTaken = (ok: unknown, words: unknown): boolean =>
  ok === true || (typeof words === 'string' && words.startsWith('duplicate:'));

const isAuthWanted = (words: unknown): boolean => typeof words === 'string' && words.startsWith('auth-required:');

function isEvent(value: unknown): value is NostrEvent {
  if (typeof value !== 'object' || value === null) return false;
  const { id, pubkey, sig, kind, created_at, content, tags } = value as Record<string, unknown>;
  return (
    [id, pubkey, sig, content].every((text) => typeof text === 'string') &&
    Number.isSafeInteger(kind) &&
    Number.isSafeInteger(created_at) &&
    Array.isArray(tags) &&
    tags.every((tag) => Array.isArray(tag) && tag.every((item) => typeof item === 'string'))
  );
}

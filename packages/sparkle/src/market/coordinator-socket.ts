import * as z from 'zod/mini';
import { after, type CoordinatorClock } from './coordinator-clock.ts';
import { type ClientFrame, type MailWire, type ServerFrame, serverFrameSchema } from './coordinator-wire.ts';

type Heard<Event> = { hear(event: Event): void }['hear'] | null;

/** What is used of a WebSocket: a browser's own, or that of `ws` in Node. */
export type SocketLike = {
  onmessage: Heard<{ data: unknown }>;
  onclose: Heard<{ code: number }>;
  onerror: Heard<never>;
  send(data: string): void;
  close(): void;
};
export type SocketClass = new (url: string) => SocketLike;

export type SocketTiming = {
  /** For a connection to be opened, known and subscribed. */
  readyMilliseconds: number;
  /** Between two signs of life; a connection on which none came back is given up. */
  pingMilliseconds: number;
};

export type LinkOptions = {
  WebSocket: SocketClass;
  url: string;
  clock: CoordinatorClock;
  timing: SocketTiming;
  /** Everything up to this number is handled. */
  since: number;
  token: () => Promise<string>;
  /** The coordinator knows the token no longer. */
  onRefused: (token: string) => void;
  onReady: () => void;
  /** A message came, or an answer to a ping. */
  onLife: () => void;
  onMail: (mail: MailWire) => void;
  /** Once, however the connection ended. */
  onEnd: () => void;
};

/** The longest message, each of its characters written as an escape, and the fields beside it. */
const MOST_FRAME_CHARACTERS = 500_000;

/** One connection to a coordinator, from the first word to its end; whoever wants another makes another. */
export class SocketLink {
  readonly #options: LinkOptions;
  readonly #socket: SocketLike;
  #stopTimer: () => void;
  #token: string | undefined;
  #isHeard = true;
  #isReady = false;
  #isOver = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { clock, timing } = options;
    this.#socket = new options.WebSocket(options.url);
    this.#stopTimer = after(clock, timing.readyMilliseconds, () => this.close());
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    // What went wrong is told by the close that follows.
    this.#socket.onerror = () => undefined;
    this.#socket.onclose = () => this.close();
  }

  /** Tells that all messages up to this number are handled. */
  ack(seq: number): void {
    if (this.#isReady) this.#say({ type: 'ack', seq });
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isReady = false;
    this.#stopTimer();
    this.#socket.close();
    this.#options.onEnd();
  }

  #say(frame: ClientFrame): void {
    try {
      this.#socket.send(JSON.stringify(frame));
    } catch {
      // It is closing: its end will be told.
    }
  }

  #hear(data: unknown): void {
    if (this.#isOver) return;
    this.#isHeard = true;
    const frame = readFrame(data);
    // A coordinator that speaks otherwise is not one: the next connection may reach a better one.
    if (frame === undefined) return this.close();
    switch (frame.type) {
      case 'challenge':
        return void this.#login();
      case 'ready':
        return this.#begin();
      case 'message':
        if (!this.#isReady) return;
        this.#options.onLife();
        return this.#options.onMail(frame);
      case 'error':
        if (frame.code === 'unauthorized' && this.#token !== undefined) this.#options.onRefused(this.#token);
        return this.close();
      case 'pong':
        return this.#options.onLife();
      case 'trade_update':
        return;
      default:
        frame satisfies never;
    }
  }

  async #login(): Promise<void> {
    try {
      this.#token = await this.#options.token();
    } catch {
      // No session, hence no use for the connection: the same is tried again with the next one.
      return this.close();
    }
    if (!this.#isOver) this.#say({ type: 'token', token: this.#token });
  }

  #begin(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#stopTimer();
    const { clock, timing, since } = this.#options;
    this.#stopTimer = clock.every(timing.pingMilliseconds, () => {
      if (!this.#isHeard) return this.close();
      this.#isHeard = false;
      this.#say({ type: 'ping' });
    });
    this.#say({ type: 'subscribe', channel: 'messages', since });
    this.#options.onReady();
  }
}

function readFrame(data: unknown): ServerFrame | undefined {
  if (typeof data !== 'string' || data.length > MOST_FRAME_CHARACTERS) return undefined;
  try {
    const result = z.safeParse(serverFrameSchema, JSON.parse(data));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

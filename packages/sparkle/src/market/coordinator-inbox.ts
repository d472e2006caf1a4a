import { after, backoff, type CoordinatorClock } from './coordinator-clock.ts';
import type { CoordinatorHttp } from './coordinator-http.ts';
import { type SocketClass, SocketLink, type SocketTiming } from './coordinator-socket.ts';
import { acceptedSchema, type MailWire, messagePageSchema } from './coordinator-wire.ts';
import type { Envelope } from './market.ts';

export type InboxTiming = SocketTiming & {
  /** Between tries to reach a coordinator that is away, or to hand a message to a receiver that failed. */
  firstRetryMilliseconds: number;
  lastRetryMilliseconds: number;
  /** Handled messages are told together, at most this often. */
  ackMilliseconds: number;
  /** How long a coordinator may hold back the answer to a client without WebSocket; at most 25 seconds. */
  pollSeconds: number;
};

export type InboxOptions = {
  http: CoordinatorHttp;
  /** Without one, as in Node 20, messages are asked for over HTTP. */
  WebSocket: SocketClass | undefined;
  clock: CoordinatorClock;
  timing: InboxTiming;
  receive: (envelope: Envelope) => Promise<void>;
};

/** Some networks let no WebSocket through: after so many failures in a row messages are asked for. */
const FAILURES_BEFORE_POLLING = 3;
/** How many answers to wait for before the WebSocket is tried again. */
const POLLS_BEFORE_SOCKET = 10;
const PAGE = 100;

/** The messages to one key: each handed over until its receiver took it, in whatever way the coordinator is reached. */
export class Inbox {
  readonly #options: InboxOptions;
  /** Numbers of messages above the mark, in the order they came; `true` once the receiver took it. */
  readonly #taken = new Map<number, boolean>();
  readonly #timers = new Set<() => void>();
  #mark = 0;
  #told = 0;
  #stopTelling: (() => void) | undefined;
  #link: SocketLink | undefined;
  /** Connections in a row that never got ready, and tries since the last sign of life. */
  #failures = 0;
  #tries = 0;
  #isClosed = false;

  constructor(options: InboxOptions) {
    this.#options = options;
    this.#reach();
  }

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
    this.#stopTelling?.();
    this.#link?.close();
  }

  #reach(): void {
    if (this.#isClosed) return;
    const { WebSocket } = this.#options;
    if (WebSocket === undefined || this.#failures >= FAILURES_BEFORE_POLLING) return void this.#poll(WebSocket);
    this.#connect(WebSocket);
  }

  #connect(WebSocket: SocketClass): void {
    const { http, clock, timing } = this.#options;
    let wasReady = false;
    const onEnd = (): void => {
      this.#link = undefined;
      if (!wasReady) this.#failures += 1;
      this.#later(this.#wait(this.#tries), () => this.#reach());
      this.#tries += 1;
    };
    try {
      this.#link = new SocketLink({
        ...{ WebSocket, url: http.socketUrl, clock, timing, since: this.#mark, onEnd },
        token: () => http.token(),
        onRefused: (token) => http.forget(token),
        onReady: () => {
          wasReady = true;
          this.#failures = 0;
        },
        // Not when it is ready: one that is cut off right after would be dialled without end.
        onLife: () => (this.#tries = 0),
        onMail: (mail) => this.#arrived(mail),
      });
    } catch {
      // A page's own rules may forbid the address; then the class throws.
      onEnd();
    }
  }

  /** Never rejects. Asks in turn until the WebSocket is worth another try. */
  async #poll(WebSocket: SocketClass | undefined): Promise<void> {
    let tries = 0;
    for (let asked = 0; !this.#isClosed; asked += 1) {
      if (WebSocket !== undefined && asked === POLLS_BEFORE_SOCKET) {
        this.#failures = FAILURES_BEFORE_POLLING - 1;
        return this.#reach();
      }
      try {
        const found = await this.#page();
        tries = 0;
        // A coordinator that holds nothing back is not to be asked without a pause.
        if (found === 0) await this.#pause(0);
      } catch {
        await this.#pause(tries);
        tries += 1;
      }
    }
  }

  /** How many messages came. */
  async #page(): Promise<number> {
    const { http, timing } = this.#options;
    const since = Math.max(this.#mark, ...this.#taken.keys());
    const { messages } = await http.ask({
      method: 'GET',
      path: `/v1/messages?since=${since}&limit=${PAGE}&wait_seconds=${timing.pollSeconds}`,
      as: 'party',
      shape: messagePageSchema,
      heldMilliseconds: timing.pollSeconds * 1000,
    });
    for (const mail of messages) this.#arrived(mail);
    return messages.length;
  }

  #arrived(mail: MailWire): void {
    if (this.#isClosed || mail.seq <= this.#mark || this.#taken.has(mail.seq)) return;
    this.#taken.set(mail.seq, false);
    void this.#hand(mail, 0);
  }

  async #hand(mail: MailWire, tries: number): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#options.receive({ from: mail.from, text: mail.text });
    } catch {
      // Whoever failed has told his own log; the message comes again until he takes it.
      return this.#later(this.#wait(tries), () => void this.#hand(mail, tries + 1));
    }
    this.#taken.set(mail.seq, true);
    this.#advance();
  }

  /** Moves the mark over all messages that are handled without a gap, and tells it soon. */
  #advance(): void {
    for (const [seq, isHandled] of this.#taken) {
      if (!isHandled) break;
      this.#taken.delete(seq);
      this.#mark = Math.max(this.#mark, seq);
    }
    if (this.#mark === this.#told || this.#stopTelling !== undefined || this.#isClosed) return;
    const { clock, timing } = this.#options;
    this.#stopTelling = after(clock, timing.ackMilliseconds, () => {
      this.#stopTelling = undefined;
      this.#tell(this.#mark);
    });
  }

  #tell(seq: number): void {
    this.#told = seq;
    if (this.#link !== undefined) return this.#link.ack(seq);
    // One that is lost costs nothing: the next says as much, and a message that comes twice is known.
    this.#options.http
      .ask({ method: 'POST', path: '/v1/messages/ack', body: { seq }, as: 'party', shape: acceptedSchema })
      .catch(() => undefined);
  }

  #pause(tries: number): Promise<void> {
    return new Promise((resolve) => this.#later(this.#wait(tries), resolve));
  }

  #wait(tries: number): number {
    const { firstRetryMilliseconds, lastRetryMilliseconds } = this.#options.timing;
    const bounds = { firstMilliseconds: firstRetryMilliseconds, lastMilliseconds: lastRetryMilliseconds };
    return backoff(this.#options.clock, { tries, ...bounds });
  }

  #later(milliseconds: number, run: () => void): void {
    if (this.#isClosed) return;
    const stop = after(this.#options.clock, milliseconds, () => {
      this.#timers.delete(stop);
      run();
    });
    this.#timers.add(stop);
  }
}

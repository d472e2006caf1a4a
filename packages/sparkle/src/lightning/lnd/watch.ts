import { hex } from '@scure/base';
import type { z } from 'zod';
import type { LightningEvent } from '../lightning.ts';
import type { StreamName } from './calls.ts';
import { brokenBy, says, unreachable, type LndFailure } from './failures.ts';
import type { LndRpc } from './rpc.ts';
import { wire } from './wire.ts';

/** How long it takes at most to notice a connection that went silent without ending. */
const HEARTBEAT_MILLISECONDS = 30_000;
const SHORTEST_PAUSE_MILLISECONDS = 200;
const LONGEST_PAUSE_MILLISECONDS = 15_000;
/** What ends sooner than this after it came back was not back: the pauses go on growing, and nobody is told again. */
const STEADY_MILLISECONDS = 10_000;

type Deps = {
  rpc: LndRpc;
  warn: (words: string) => void;
  /** Asks LND something cheap. Throws when it does not answer. */
  probe: () => Promise<unknown>;
};

type Followed<Message> = {
  event: LightningEvent;
  name: StreamName;
  request: object;
  schema: z.ZodType<Message>;
  /** `quiet`: nothing that anybody need look at. `last`: nothing comes after it. */
  weigh: (message: Message) => 'quiet' | 'news' | 'last';
  isUnknown: (failure: LndFailure) => boolean;
};

const keyOf = ({ type, paymentHash }: LightningEvent): string => `${type} ${paymentHash}`;

/**
 * Tells listeners when to look at a payment or an invoice again. LND begins each stream with the state as it is, so
 * nothing that happened while nobody listened is missed. One loop reconnects for all of them.
 */
export class LndWatch {
  readonly #deps: Deps;
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  /** What is not over yet, by key. */
  readonly #live = new Map<string, LightningEvent>();
  /** What ends the stream that follows a live one. */
  readonly #streams = new Map<string, () => void>();
  #state: 'idle' | 'up' | 'down' | 'closed' = 'idle';
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #hasWarned = false;
  #upSince = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    // The same function may listen twice.
    const own = (event: LightningEvent): void => listener(event);
    this.#listeners.add(own);
    if (this.#state === 'idle') this.#up();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#rest('idle');
    };
  }

  /** Follows a payment or an invoice from now on, until it is over. */
  follow(event: LightningEvent): void {
    const key = keyOf(event);
    this.#live.set(key, event);
    if (this.#state === 'up' && !this.#streams.has(key)) this.#open(event);
  }

  /** The same where the caller has a stream already, and says what comes through it with `over` and `lost`. */
  followed(event: LightningEvent, end: () => void): void {
    this.#live.set(keyOf(event), event);
    this.#streams.set(keyOf(event), end);
  }

  over(event: LightningEvent): void {
    this.#forget(event);
    this.#tell(event);
  }

  /** A look has found it over before its stream said so: whoever else listens hears of it all the same, once. */
  foundOver(event: LightningEvent): void {
    if (this.#live.has(keyOf(event))) this.over(event);
  }

  #forget(event: LightningEvent): void {
    const key = keyOf(event);
    this.#live.delete(key);
    this.#streams.get(key)?.();
    this.#streams.delete(key);
  }

  lost(event: LightningEvent, failure: LndFailure | undefined): void {
    this.#streams.delete(keyOf(event));
    this.#down(failure ?? unreachable('a stream ended'));
  }

  close(): void {
    this.#listeners.clear();
    this.#live.clear();
    this.#rest('closed');
  }

  #tell(event: LightningEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #rest(state: 'idle' | 'closed'): void {
    if (this.#state === 'closed') return;
    this.#endStreams();
    this.#state = state;
  }

  #endStreams(): void {
    clearTimeout(this.#timer);
    for (const end of this.#streams.values()) end();
    this.#streams.clear();
  }

  #up(): void {
    this.#state = 'up';
    this.#upSince = performance.now();
    this.#later(STEADY_MILLISECONDS, () => void this.#beat());
    for (const [key, event] of this.#live) if (!this.#streams.has(key)) this.#open(event);
  }

  /** Ends all streams of this connection, and tries until LND answers again: once for all that broke with it. */
  #down(failure: LndFailure): void {
    if (this.#state !== 'up') return;
    this.#state = 'down';
    if (performance.now() - this.#upSince > STEADY_MILLISECONDS) this.#failures = 0;
    if (!this.#hasWarned) this.#deps.warn(`LND is not heard any more (${failure.words}); trying until it is`);
    this.#hasWarned = true;
    this.#endStreams();
    this.#retry();
  }

  #retry(): void {
    const pause = Math.min(LONGEST_PAUSE_MILLISECONDS, SHORTEST_PAUSE_MILLISECONDS * 2 ** this.#failures);
    this.#failures += 1;
    this.#later(pause, () => {
      this.#deps.probe().then(
        () => this.#back(),
        () => this.#state === 'down' && this.#retry(),
      );
    });
  }

  /** Anything may have happened meanwhile. */
  #back(): void {
    if (this.#state !== 'down') return;
    this.#up();
    for (const event of this.#live.values()) this.#tell(event);
  }

  #later(milliseconds: number, work: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(work, milliseconds);
    this.#timer.unref();
  }

  async #beat(): Promise<void> {
    const since = this.#upSince;
    const answers = await this.#deps.probe().then(
      () => true,
      () => false,
    );
    if (this.#state !== 'up' || since !== this.#upSince) return;
    if (!answers) return this.#down(unreachable('no answer'));
    this.#failures = 0;
    if (this.#hasWarned) this.#steadyAgain();
    this.#later(HEARTBEAT_MILLISECONDS, () => void this.#beat());
  }

  /** A node that crashed gives back what it forgot only when its channels are up again, and tells nobody. */
  #steadyAgain(): void {
    this.#hasWarned = false;
    this.#deps.warn('LND is heard again');
    for (const event of this.#live.values()) this.#tell(event);
  }

  #open(event: LightningEvent): void {
    if (event.type === 'invoice') this.#stream(invoiceStream(event));
    else this.#stream(paymentStream(event));
  }

  #stream<Message>({ event, name, request, schema, weigh, isUnknown }: Followed<Message>): void {
    const key = keyOf(event);
    // Stands for the stream until that is open: whoever ends it meanwhile takes this out.
    const opening = (): void => undefined;
    this.#streams.set(key, opening);
    const got = (message: Message): void => {
      const weight = weigh(message);
      if (weight === 'last') this.over(event);
      else if (weight === 'news') this.#tell(event);
    };
    const ended = (failure: LndFailure | undefined): void => {
      if (failure !== undefined && isUnknown(failure)) this.#forget(event);
      else this.lost(event, failure);
    };
    this.#deps.rpc.stream(name, request, { schema, got, ended }).then(
      (end) => {
        if (this.#streams.get(key) === opening) this.#streams.set(key, end);
        else end();
      },
      (error: unknown) => {
        if (this.#streams.get(key) === opening) this.lost(event, brokenBy(error));
      },
    );
  }
}

const invoiceStream = (event: LightningEvent): Followed<{ state: string }> => ({
  ...{ event, name: 'subscribeSingleInvoice', request: { r_hash: hex.decode(event.paymentHash) } },
  schema: wire.invoice,
  weigh: ({ state }) => {
    if (state === 'OPEN') return 'quiet';
    return state === 'ACCEPTED' ? 'news' : 'last';
  },
  isUnknown: (failure) => says(failure, 'unknownInvoice'),
});

const paymentStream = (event: LightningEvent): Followed<{ status: string }> => ({
  ...{
    event,
    name: 'trackPaymentV2',
    request: { payment_hash: hex.decode(event.paymentHash), no_inflight_updates: true },
  },
  schema: wire.payment,
  weigh: ({ status }) => (status === 'SUCCEEDED' || status === 'FAILED' ? 'last' : 'quiet'),
  isUnknown: (failure) => says(failure, 'unknownPayment'),
});

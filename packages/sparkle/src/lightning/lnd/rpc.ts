import type { z } from 'zod';
import { calls, type AskName, type StreamName } from './calls.ts';
import {
  failureOf,
  isDisconnected,
  LndCallFailed,
  unexpected,
  unreachable,
  unknownOutcome,
  type LndFailure,
} from './failures.ts';

type LndStream = {
  on(event: 'data', listener: (message: unknown) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  cancel(): void;
};

type Ask = (request: object, options: { deadline: Date }, answer: (error: unknown, response?: unknown) => void) => void;
type Open = (request: object, options: { deadline?: Date }) => LndStream;

/** The gRPC services as the `lightning` library builds them, as far as this driver uses them. */
export type LndServices = Readonly<Record<'default' | 'invoices' | 'router', Readonly<Record<string, unknown>>>>;

/** A way to LND. `open` makes new connections, `isReachable` asks cheaply whether that is worth it. */
export type LndLink = {
  open(): Promise<{ services: LndServices; close: () => void }>;
  isReachable(): Promise<boolean>;
};

type Opened = Awaited<ReturnType<LndLink['open']>>;

/** After a failed attempt the next one waits twice as long, up to this; the library needs much time for each. */
const LONGEST_PAUSE_MILLISECONDS = 30_000;
const SHORTEST_PAUSE_MILLISECONDS = 250;

/** Calls to LND: each with a deadline, each answer read by a schema, over a connection that is made anew when it broke. */
export class LndRpc {
  readonly #link: LndLink;
  readonly #patienceMilliseconds: number;
  #opened: Promise<Opened> | undefined;
  #broken = false;
  #failures = 0;
  #openedAt = 0;
  #closed = false;

  constructor({ link, patienceMilliseconds }: { link: LndLink; patienceMilliseconds: number }) {
    this.#link = link;
    this.#patienceMilliseconds = patienceMilliseconds;
  }

  get patienceMilliseconds(): number {
    return this.#patienceMilliseconds;
  }

  /** Throws `LndCallFailed` with LND's words. */
  async ask<Answer>(name: AskName, request: object, schema: z.ZodType<Answer>): Promise<Answer> {
    const service = (await this.#services(name))[calls[name].service];
    const method = service[name] as Ask;
    const deadline = new Date(Date.now() + this.#patienceMilliseconds);
    const response = await new Promise<unknown>((resolve, reject) => {
      method.call(service, request, { deadline }, (error, answer) => {
        if (error === null || error === undefined) resolve(answer);
        else reject(this.#failed(name, failureOf(error)));
      });
    });
    this.#worked();
    return readAnswer(name, response, schema);
  }

  /**
   * Opens a stream. `ended` is told once, with a failure unless the stream was over: not after the returned function has
   * been called. A message the schema does not know ends the stream.
   */
  async stream<Message>(
    name: StreamName,
    request: object,
    {
      schema,
      got,
      ended,
    }: {
      schema: z.ZodType<Message>;
      got: (message: Message) => void;
      ended: (failure: LndFailure | undefined) => void;
    },
  ): Promise<() => void> {
    const service = (await this.#services(name))[calls[name].service];
    const stream = (service[name] as Open).call(service, request, {});
    let over = false;
    const end = (failure: LndFailure | undefined): void => {
      if (over) return;
      over = true;
      if (failure !== undefined) this.#note(failure);
      stream.cancel();
      ended(failure);
    };
    stream.on('data', (message) => {
      if (over) return;
      this.#worked();
      const read = schema.safeParse(message);
      if (read.success) got(read.data);
      else end(unexpected(misread(read.error)));
    });
    // Listened to after the end too: a stream that is canceled says so with an error.
    stream.on('error', (error) => end(failureOf(error)));
    stream.on('end', () => end(undefined));
    return () => {
      over = true;
      stream.cancel();
    };
  }

  close(): void {
    this.#closed = true;
    void this.#opened?.then(
      ({ close }) => close(),
      () => undefined,
    );
  }

  #worked(): void {
    this.#failures = 0;
    this.#broken = false;
  }

  #note(failure: LndFailure): void {
    if (isDisconnected(failure)) this.#broken = true;
  }

  #failed(name: AskName, failure: LndFailure): LndCallFailed {
    this.#note(failure);
    return new LndCallFailed(name, failure);
  }

  async #services(name: AskName | StreamName): Promise<LndServices> {
    if (this.#closed) throw new LndCallFailed(name, unreachable('the connection was closed'));
    if (this.#broken && !(await this.#link.isReachable()))
      throw new LndCallFailed(name, unreachable('nobody listens there'));
    const pause = Math.min(LONGEST_PAUSE_MILLISECONDS, SHORTEST_PAUSE_MILLISECONDS * 2 ** this.#failures);
    if (this.#broken && performance.now() - this.#openedAt > pause) this.#renew();
    this.#opened ??= this.#open();
    return (await this.#opened).services;
  }

  /** gRPC waits up to two minutes before it tries a lost connection again, and never notices one that went silent. */
  #renew(): void {
    const old = this.#opened;
    this.#opened = undefined;
    this.#broken = false;
    this.#failures += 1;
    void old?.then(
      ({ close }) => close(),
      () => undefined,
    );
  }

  #open(): Promise<Opened> {
    this.#openedAt = performance.now();
    const opened = this.#link.open();
    // A file that is not there yet may be there the next time.
    opened.catch(() => {
      if (this.#opened === opened) this.#opened = undefined;
    });
    return opened;
  }
}

const misread = (error: z.ZodError): string =>
  `unexpected answer at ${error.issues
    .map(({ path }) => path.join('.') || 'its root')
    .slice(0, 5)
    .join(', ')}`;

function readAnswer<Answer>(name: AskName, response: unknown, schema: z.ZodType<Answer>): Answer {
  const read = schema.safeParse(response);
  if (read.success) return read.data;
  throw new LndCallFailed(name, unexpected(misread(read.error)));
}

/** Runs a call whose failures all mean that nothing is known. */
export async function known<Answer>(work: Promise<Answer>): Promise<Answer> {
  return work.catch((error: unknown) => {
    if (error instanceof LndCallFailed) throw unknownOutcome(error.what, error.failure);
    throw error;
  });
}

/** A failure that came as an exception; anything else is thrown on. */
export function failureIn(error: unknown): LndFailure {
  if (error instanceof LndCallFailed) return error.failure;
  throw error;
}

import pLimit from 'p-limit';
import { z } from 'zod';
import { SparkleError } from '../protocol/errors.ts';
import { networks, type NetworkName } from '../protocol/network.ts';
import { ElectrumSession, type ElectrumAnswer, type ElectrumNotice } from './electrum-session.ts';
import { openSocket, readTarget, unavailable, type ElectrumServer, type Target } from './electrum-socket.ts';

export type ElectrumLinkOptions = ElectrumServer & {
  network: NetworkName;
  /** How long one answer, or the connection, may take before the server counts as unavailable. */
  timeoutMilliseconds: number;
  /** How long to wait before the second try to connect, twice as long before each further one, and at most how long. */
  backoff: { firstMilliseconds: number; mostMilliseconds: number };
};

export const hex32 = z.string().regex(/^[0-9a-f]{64}$/);

/** Electrum servers work on about ten questions of one client at a time; more at once would only wait there. */
const MOST_IN_FLIGHT = 16;
const PROTOCOLS = ['1.4', '1.6'] as const;
/** aiorpcX, which ElectrumX is built on: too many resources used, and too busy. */
const BUSY_CODES: readonly number[] = [-101, -102];

const versionShape = z.tuple([z.string(), z.string().regex(/^\d+(\.\d+)*$/)]);
const featuresShape = z.object({ genesis_hash: hex32 });

function rateLimited({ code, words }: { code: number; words: string }): boolean {
  return BUSY_CODES.includes(code) || /excessive resource usage|server busy|too many requests|rate limit/i.test(words);
}

/** A server that is asked over one connection, which is made when it is needed and made again when it was lost. */
export class ElectrumLink {
  readonly #options: ElectrumLinkOptions;
  readonly #target: Target;
  readonly #turn = pLimit(MOST_IN_FLIGHT);
  readonly #listeners = new Set<(notice: ElectrumNotice | 'lost') => void>();
  #session: ElectrumSession | undefined;
  #opening: Promise<ElectrumSession> | undefined;
  #protocol: readonly number[] = [];
  #failures = 0;
  #lastTry = 0;
  #sessions = 0;
  readonly #closing = new AbortController();

  constructor(options: ElectrumLinkOptions) {
    this.#target = readTarget(options);
    this.#options = options;
  }

  /** The number of the connection; what was subscribed to on an earlier one has to be again. */
  get session(): number {
    return this.#sessions;
  }

  /** Whether the server speaks protocol 1.6 or newer. */
  async speaks16(): Promise<boolean> {
    await this.#open();
    return (this.#protocol[1] ?? 0) >= 6;
  }

  /** Throws `chain_unavailable` when there is no answer; a refusal is an answer. */
  async ask(method: string, params: readonly unknown[]): Promise<ElectrumAnswer> {
    const answer = await this.#turn(async () => {
      const session = await this.#open();
      return session.ask({ method, params, milliseconds: this.#options.timeoutMilliseconds });
    });
    if ('refusal' in answer && rateLimited(answer.refusal))
      throw unavailable('rate_limited', `it says that it was asked too much: ${answer.refusal.words}`, { method });
    return answer;
  }

  /** A result in the shape of `schema`; a refusal or another shape throws `chain_unavailable`. */
  async call<T>(method: string, params: readonly unknown[], schema: z.ZodType<T>): Promise<T> {
    return readAnswer({ method, answer: await this.ask(method, params), schema });
  }

  /** Calls `listener` with what the server says by itself and when the connection is lost. */
  listen(listener: (notice: ElectrumNotice | 'lost') => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closing.abort();
    this.#session?.end(unavailable('closed', 'this driver was closed'));
  }

  #tell(notice: ElectrumNotice | 'lost'): void {
    for (const listener of this.#listeners) listener(notice);
  }

  async #open(): Promise<ElectrumSession> {
    if (this.#session?.isOpen === true) return this.#session;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #connect(): Promise<ElectrumSession> {
    await this.#pause();
    this.#lastTry = performance.now();
    try {
      const socket = await openSocket(this.#target, this.#options.timeoutMilliseconds);
      const session = new ElectrumSession({
        socket,
        notice: (notice) => this.#tell(notice),
        ended: () => this.#tell('lost'),
      });
      await this.#greet(session);
      this.#failures = 0;
      this.#sessions += 1;
      this.#session = session;
      if (this.#closing.signal.aborted) this.close();
      return session;
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
  }

  /** However often the server is asked, it is not called more often than the back-off allows. */
  async #pause(): Promise<void> {
    const { firstMilliseconds, mostMilliseconds } = this.#options.backoff;
    const gap = Math.min(firstMilliseconds * 2 ** (this.#failures - 1), mostMilliseconds);
    const wait = this.#failures === 0 ? 0 : this.#lastTry + gap - performance.now();
    const { signal } = this.#closing;
    if (wait > 0 && !signal.aborted)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, wait);
        signal.addEventListener('abort', done);
      });
    if (signal.aborted) throw unavailable('closed', 'this driver was closed');
  }

  async #greet(session: ElectrumSession): Promise<void> {
    const milliseconds = this.#options.timeoutMilliseconds;
    const ask = async <T>(method: string, params: readonly unknown[], schema: z.ZodType<T>): Promise<T> =>
      readAnswer({ method, answer: await session.ask({ method, params, milliseconds }), schema });
    try {
      const [, protocol] = await ask('server.version', ['sparkle', PROTOCOLS], versionShape);
      this.#protocol = protocol.split('.').map(Number);
      const { genesis_hash: came } = await ask('server.features', [], featuresShape);
      this.#checkNetwork(came);
    } catch (error) {
      session.end(error instanceof SparkleError ? error : unavailable('garbage', 'it did not introduce itself'));
      throw error;
    }
  }

  #checkNetwork(came: string): void {
    const { network } = this.#options;
    const wanted = networks[network].genesisHash;
    if (came === wanted) return;
    const sentence = `the Electrum server must be one of ${network}; its chain begins with ${came}`;
    throw new SparkleError('wrong_network', sentence, { network, wanted, came });
  }
}

function readAnswer<T>(read: { method: string; answer: ElectrumAnswer; schema: z.ZodType<T> }): T {
  const { method, answer, schema } = read;
  if ('refusal' in answer)
    throw unavailable('refused', `it refused ${method}: ${answer.refusal.words}`, {
      method,
      code: answer.refusal.code,
    });
  const { data, error } = schema.safeParse(answer.result);
  if (error !== undefined)
    throw unavailable('garbage', `its answer to ${method} has another shape`, {
      method,
      issues: error.issues.slice(0, 3),
    });
  return data as z.infer<typeof schema>;
}

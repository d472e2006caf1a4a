import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Checkpoint } from 'sparkle-protocol/trader/engine';
import type { Parts } from 'sparkle-protocol/trader/parts';

type PortName = 'chain' | 'wallet' | 'lightning' | 'ordinals' | 'market' | 'store';

/** What a life tells the world. `fault`: something went wrong that no trader may swallow. */
export type Witness = {
  fault(sentence: string): void;
  note(sentence: string): void;
  died(where: string): void;
};

class Killed extends Error {}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

const said = (error: unknown): string => {
  if (error instanceof SparkleError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.stack}` : String(error);
};

/**
 * One run of a trader's program, from its start to its end or its violent death. Its parts are behind gates: dead, its
 * calls go nowhere, nothing it waited for ever comes, and nobody calls it any more.
 */
export class Life {
  readonly parts: Parts;
  /** For `createTrader`: where death can strike. */
  readonly checkpoint: Checkpoint;
  readonly #given: Parts;
  readonly #witness: Witness;
  readonly #leavings: (() => void)[] = [];
  #interruptions: { calls: number; act: () => void }[] = [];
  #isAlive = true;
  #chainIsDown = false;
  #fuse = Number.POSITIVE_INFINITY;

  constructor(given: Parts, witness: Witness) {
    this.#given = given;
    this.#witness = witness;
    this.parts = this.#gatedParts();
    this.checkpoint = (at, what) => this.#pass(`${at} ${what}`);
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  kill(): void {
    this.#isAlive = false;
    for (const leave of this.#leavings.splice(0)) leave();
  }

  /** Dies at checkpoint number `checkpoints` from now. */
  setFuse(checkpoints: number): void {
    this.#fuse = checkpoints;
  }

  /** The chain source cannot be asked until told otherwise. */
  setChainDown(isDown: boolean): void {
    this.#chainIsDown = isDown;
  }

  /** Runs `act` in the midst of things: just before call number `calls` from now reaches the chain. */
  interrupt(interruption: { calls: number; act: () => void }): void {
    this.#interruptions.push({ ...interruption });
  }

  #pass(where: string): void {
    this.#fuse -= 1;
    if (!this.#isAlive || this.#fuse > 0) return;
    this.kill();
    this.#witness.died(where);
    throw new Killed();
  }

  #interrupted(): void {
    for (const each of this.#interruptions) each.calls -= 1;
    const due = this.#interruptions.filter(({ calls }) => calls <= 0);
    this.#interruptions = this.#interruptions.filter(({ calls }) => calls > 0);
    for (const { act } of due) act();
  }

  async #call(port: PortName, name: string, call: () => Promise<unknown>): Promise<unknown> {
    if (!this.#isAlive) return never();
    if (port === 'chain') this.#interrupted();
    if (port === 'chain' && this.#chainIsDown)
      throw new SparkleError('chain_unavailable', 'the chain source does not answer');
    try {
      const answer = await call();
      return this.#isAlive ? answer : never();
    } catch (error) {
      if (!this.#isAlive) return never();
      if (!(error instanceof SparkleError)) this.#witness.fault(`${port}.${name} threw ${said(error)}`);
      throw error;
    }
  }

  #gated<T extends object>(port: PortName, target: T, own: Partial<T>): T {
    const gates = new Map<string | symbol, unknown>();
    const get = (_target: T, name: string | symbol): unknown => {
      if (name in own) return own[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const run = async (args: unknown[]): Promise<unknown> => Reflect.apply(value, target, args) as unknown;
      const known = gates.get(name);
      if (known !== undefined) return known;
      const gate = (...args: unknown[]) => this.#call(port, String(name), () => run(args));
      gates.set(name, gate);
      return gate;
    };
    return new Proxy(target, { get });
  }

  /** Listens for a trader as long as he lives. */
  #listening<Event>(subscribe: (listener: (event: Event) => void) => () => void) {
    return (listener: (event: Event) => void): (() => void) => {
      const leave = subscribe((event) => {
        if (this.#isAlive) listener(event);
      });
      this.#leavings.push(leave);
      return leave;
    };
  }

  #gatedParts(): Parts {
    const { chain, wallet, lightning, ordinals, log } = this.#given;
    return {
      ...this.#given,
      chain: this.#gated('chain', chain, { subscribe: this.#listening((listener) => chain.subscribe(listener)) }),
      wallet: this.#gated('wallet', wallet, {}),
      lightning: this.#gated('lightning', lightning, {
        subscribe: this.#listening((listener) => lightning.subscribe(listener)),
      }),
      ordinals: this.#gated('ordinals', ordinals, {}),
      market: this.#market(),
      store: this.#store(),
      clock: this.#clock(),
      log: {
        info: (fields, sentence) => void (this.#isAlive && log.info(fields, sentence)),
        warn: (fields, sentence) => void (this.#isAlive && log.warn(fields, sentence)),
        error: (fields, sentence) => void (this.#isAlive && log.error(fields, sentence)),
      },
    };
  }

  #market(): Parts['market'] {
    const { market } = this.#given;
    const inbox: Parts['market']['inbox'] = (me, receive) => {
      const leave = market.inbox(me, (envelope) => this.#receive(() => receive(envelope)));
      this.#leavings.push(leave);
      return leave;
    };
    return this.#gated('market', market, { inbox });
  }

  async #receive(receive: () => Promise<void>): Promise<void> {
    if (!this.#isAlive) return never();
    try {
      await receive();
    } catch (error) {
      if (!this.#isAlive) return never();
      if (error instanceof SparkleError) this.#witness.note(`a message will come again: ${said(error)}`);
      else this.#witness.fault(`reading a message threw ${said(error)}`);
      throw error;
    }
  }

  #store(): Parts['store'] {
    const { store } = this.#given;
    const update: Parts['store']['update'] = async (tradeId, change) => {
      const watched: typeof change = (trade) => {
        try {
          return change(trade);
        } catch (error) {
          this.#witness.fault(`a step of the ${trade.role} in ${trade.state} threw ${said(error)}`);
          throw error;
        }
      };
      return (await this.#call('store', 'update', () => store.update(tradeId, watched))) as Awaited<
        ReturnType<typeof store.update>
      >;
    };
    return this.#gated('store', store, { update });
  }

  #clock(): Parts['clock'] {
    const { clock } = this.#given;
    const every: Parts['clock']['every'] = (milliseconds, run) => {
      const leave = clock.every(milliseconds, () => {
        if (this.#isAlive) run();
      });
      this.#leavings.push(leave);
      return leave;
    };
    return { ...clock, every };
  }
}

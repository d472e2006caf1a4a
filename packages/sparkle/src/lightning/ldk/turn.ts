import { SparkleError } from '../../protocol/errors.ts';

type TurnHooks = {
  begin(): void;
  /** Lets the library work until it has nothing left to do, and translates its events into rows. */
  workOff(): void;
  /** Writes everything that changed into the open transaction. */
  save(): void;
  commit(): void;
  rollback(): void;
  /** Told once, when the node can no longer go on. */
  died(cause: unknown): void;
};

/**
 * Every call into the library happens inside a turn: the call, then its events until quiet, then ONE database
 * transaction with all of LDK's state and our rows, and only then bytes and transactions leave the process. So nobody
 * outside can have seen what a crash makes us forget, and LDK's parts can never be of different ages on disk.
 */
export class Turns {
  readonly #hooks: TurnHooks;
  #running = false;
  #over = false;
  #outward: (() => void)[] = [];

  constructor(hooks: TurnHooks) {
    this.#hooks = hooks;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Puts off what leaves the process until the turn is on disk; outside a turn it happens at once. */
  afterCommit(work: () => void): void {
    if (this.#running) this.#outward.push(work);
    else work();
  }

  /** No turn is taken any more: what is on disk is what there is. */
  end(): void {
    this.#over = true;
  }

  /**
   * Runs one turn and returns what `work` returns. A SparkleError is an answer: the turn is still finished and saved.
   * Anything else (a panic in the library, a full disk) ends the node, which must then be started again from disk.
   */
  run<Answer>(work: () => Answer): Answer {
    if (this.#over) throw new SparkleError('lightning_unavailable', 'the Lightning node is stopped');
    if (this.#running) throw new Error('a turn inside a turn');
    this.#running = true;
    let answer: { value: Answer } | { refusal: SparkleError };
    try {
      this.#hooks.begin();
      answer = attempt(work);
      this.#hooks.workOff();
      this.#hooks.save();
      this.#hooks.commit();
    } catch (cause) {
      this.#die(cause);
      throw new SparkleError(
        'lightning_unavailable',
        'the Lightning node has failed and must be started again',
        {},
        { cause },
      );
    } finally {
      this.#running = false;
    }
    this.#release();
    if ('refusal' in answer) throw answer.refusal;
    return answer.value;
  }

  #release(): void {
    const outward = this.#outward;
    this.#outward = [];
    for (const work of outward) work();
  }

  #die(cause: unknown): void {
    this.#over = true;
    this.#outward = [];
    this.#hooks.rollback();
    this.#hooks.died(cause);
  }
}

function attempt<Answer>(work: () => Answer): { value: Answer } | { refusal: SparkleError } {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof SparkleError) return { refusal: error };
    throw error;
  }
}

import { until } from '../regtest/kept-process.ts';

/** Other things may be killed meanwhile. */
const SUPERVISING = { patienceMilliseconds: 300_000, everyMilliseconds: 250 };

type Program = {
  name: string;
  isRunning(): boolean;
  /** Returns when it can be used. Throws when it ends before that; it may be asked again. */
  start(): Promise<void>;
  kill(): Promise<void>;
};

/** A program as its operator's supervisor has it: whenever it has ended it is started again, until it can be used. */
export class Supervised {
  readonly name: string;
  /** How often it ended without having been killed. */
  endedByItself = 0;
  readonly #program: Program;
  #isWanted = false;
  #starting: Promise<void> | undefined;

  constructor(program: Program) {
    this.name = program.name;
    this.#program = program;
  }

  /** `kill -9`, and nobody starts it before `up`. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    await this.#program.kill();
    await this.#starting?.catch(() => undefined);
    // What was being started could not be ended before.
    if (this.#program.isRunning()) await this.#program.kill();
  }

  /** Resolves when it can be used, or when it is killed before that. */
  async up(): Promise<void> {
    this.#isWanted = true;
    await (this.#starting ??= this.#start().finally(() => (this.#starting = undefined)));
  }

  /** What a supervisor does every moment. */
  async look(): Promise<void> {
    if (!this.#isWanted || this.#starting !== undefined || this.#program.isRunning()) return;
    this.endedByItself += 1;
    await this.up();
  }

  #start(): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      if (!this.#isWanted || this.#program.isRunning()) return true;
      return this.#program.start().then(
        () => true,
        // One that serves nobody yet waits for another part, and is not started twice.
        () => this.#program.isRunning(),
      );
    };
    return until(`${this.name} to be up`, isUp, SUPERVISING);
  }
}

/** Looks after all of them; the returned function ends it, and throws what one of them threw. */
export function supervise(programs: readonly Supervised[]): () => Promise<void> {
  let isOver = false;
  const look = async (program: Supervised): Promise<void> => {
    while (!isOver) {
      await program.look();
      await new Promise((resolve) => setTimeout(resolve, SUPERVISING.everyMilliseconds));
    }
  };
  const looking = Promise.all(programs.map(look));
  looking.catch(() => undefined);
  return async () => {
    isOver = true;
    await looking;
  };
}

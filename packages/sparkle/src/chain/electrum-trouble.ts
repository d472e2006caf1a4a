import { setTimeout as wait } from 'node:timers/promises';
import { SparkleError } from '../protocol/errors.ts';
import { unavailable } from './electrum-socket.ts';

/** What a server is caught at; `detail.what` of a `dishonest_source`. */
export type Lie =
  | 'bad_header'
  | 'bad_work'
  | 'bad_difficulty'
  | 'bad_time'
  | 'broken_linkage'
  | 'other_chain'
  | 'fake_confirmation'
  | 'wrong_raw'
  | 'hidden_transaction';

export const dishonest = (
  what: Lie,
  sentence: string,
  detail: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): SparkleError =>
  new SparkleError('dishonest_source', `the Electrum server lies: ${sentence}`, { ...detail, what }, { cause });

/**
 * Two answers of a server that do not fit together. Once, that is a block or a payment that came in between; every time
 * anew, it is `error`.
 */
export class Misfit extends Error {
  readonly error: SparkleError;

  constructor(error: SparkleError) {
    super(error.message);
    this.name = 'Misfit';
    this.error = error;
  }
}

/** The server's view of the chain changed between two answers, or it is in the middle of changing it. */
export const changing = (sentence: string, detail: Readonly<Record<string, unknown>> = {}): Misfit =>
  new Misfit(unavailable('changing', `its answers do not fit together: ${sentence}`, detail));

const PAUSES_MILLISECONDS = [20, 100, 400, 1_500];

/** Asks anew while the answers do not fit together, a few times; then the last misfit is what it is called. */
export async function untilItFits<T>(look: () => Promise<T>): Promise<T> {
  for (let round = 0; ; round += 1) {
    try {
      return await look();
    } catch (error) {
      const pause = PAUSES_MILLISECONDS[round];
      if (!(error instanceof Misfit)) throw error;
      if (pause === undefined) throw error.error;
      await wait(pause);
    }
  }
}

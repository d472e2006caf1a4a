import { SparkleError } from '../protocol/errors.ts';

/** Of the chain, not of an index: whoever meets these waits with everything. */
const OF_THE_CHAIN: readonly string[] = ['chain_unavailable', 'dishonest_source'];

/**
 * The code of what keeps an index from answering, whatever that is: one that follows another network or was rebuilt
 * without what is needed must stop no claim and no refund, and hide no deadline. `undefined` for any other failure.
 */
export const indexProblemOf = (error: unknown): string | undefined =>
  error instanceof SparkleError && !OF_THE_CHAIN.includes(error.code) ? error.code : undefined;

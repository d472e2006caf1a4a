import { SparkleError } from '../protocol/errors.ts';

/** A refusal in the words of Bitcoin Core, so that whoever reads reasons reads the same ones here. */
export const refusal = (reason: string, detail: Record<string, unknown> = {}): SparkleError =>
  new SparkleError('broadcast_refused', `the node must take the transaction; it refused: ${reason}`, {
    ...detail,
    reason,
  });

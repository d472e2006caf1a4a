import type { Shown } from '../protocol/checks-delivery.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { SatProof } from '../protocol/satproof.ts';
import { type ProofWire, rescueSchema } from './checkout-wire.ts';

/**
 * What `GET /v1/trade/{id}/proof` answered, or `rescue`, as the checks take it (`verifyDelivery`, `checkPrepared`). Throws
 * `bad_message` for what has another form.
 */
export function shownBy(answer: unknown): Shown {
  const read = rescueSchema.safeParse(answer);
  if (!read.success) {
    const field = read.error.issues[0]?.path.join('.') ?? '';
    throw new SparkleError('bad_message', `a proof must have the form of the API; its ${field} has not`, { field });
  }
  const { messages, lock, sat_proof: satProof } = read.data;
  return {
    messages,
    ...(lock === undefined ? {} : { lock }),
    ...(satProof === undefined ? {} : { satProof: satProofOf(satProof) }),
  };
}

const satProofOf = (wire: NonNullable<ProofWire['sat_proof']>): SatProof => ({
  inscriptionId: wire.inscription_id,
  ...(wire.from === undefined ? {} : { from: wire.from }),
  ...{ satpoint: wire.satpoint, transactions: wire.transactions },
});

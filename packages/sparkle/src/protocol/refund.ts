import { withWitness } from './draft.ts';
import { planSpend, refundWitness, signLeaf, type Built, type SpendRequest } from './spend.ts';

/** `refundSecret` is the secret of the refund key, `auxRand` 32 random bytes for the signature (BIP 340). */
export type RefundSigning = SpendRequest & { refundSecret: Uint8Array; auxRand: Uint8Array };

/**
 * The seller's refund: nodes take it from the moment their tip is at R, its nLockTime (BIP 65). It is complete when no
 * coins of `funding` were needed; the wallet signs those that were.
 * Throws `bad_key` for another secret than the refund key's, `fee_too_high`, `insufficient_funds`, `sat_lost`, `dust`, and
 * what `buildLock` throws.
 */
export function buildRefund(wanted: RefundSigning): Built {
  const { terms, refundSecret, auxRand } = wanted;
  const { lock, ...planned } = planSpend(wanted, 'refund');
  const signature = signLeaf({ planned, leaf: lock.refundLeaf, key: terms.refundKey, secret: refundSecret, auxRand });
  return { ...planned, raw: withWitness(planned.raw, 0, refundWitness({ lock, signature })) };
}

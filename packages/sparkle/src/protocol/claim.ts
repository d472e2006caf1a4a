import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { sumSats } from './amount.ts';
import { decodeTransaction, signatureMessage, withWitness } from './draft.ts';
import { SparkleError } from './errors.ts';
import { buildLock, type Lock, type LockTerms } from './lock.ts';
import { isPreimageOf } from './preimage.ts';
import { claimWitness, planSpend, signLeaf, type Built, type SpendRequest } from './spend.ts';
import { txidOf } from './transaction.ts';

/**
 * A claim that lacks nothing but the preimage: whoever learns that can complete it, and nobody can redirect it, because
 * the signature commits to every input and output. Plain data, fit for a watchtower. `signature` is hex.
 */
export type PresignedClaim = Built & { terms: LockTerms; signature: string };

/** `claimSecret` is the secret of the claim key, `auxRand` 32 random bytes for the signature (BIP 340). */
export type ClaimSigning = SpendRequest & { claimSecret: Uint8Array; auxRand: Uint8Array };

const lockTermsOf = ({
  script,
  internalKey,
  paymentHash,
  claimKey,
  refundKey,
  refundHeight,
  network,
}: LockTerms): LockTerms => ({
  script,
  internalKey,
  paymentHash,
  claimKey,
  refundKey,
  refundHeight,
  network,
});

/**
 * Builds and signs the buyer's claim, all but the preimage. The fee comes from the lock's reserve, and from `funding`
 * when that is too small; coins of `funding` that were used are left unsigned for the wallet.
 * Throws `bad_key` for another secret than the claim key's, `fee_too_high`, `insufficient_funds`, `sat_lost`, `dust`, and
 * what `buildLock` throws.
 */
export function presignClaim(wanted: ClaimSigning): PresignedClaim {
  const { terms, claimSecret, auxRand } = wanted;
  const { lock, ...planned } = planSpend(wanted, 'claim');
  const signature = signLeaf({ planned, leaf: lock.claimLeaf, key: terms.claimKey, secret: claimSecret, auxRand });
  return { ...planned, terms: lockTermsOf(terms), signature: hex.encode(signature) };
}

/**
 * A presigned claim is what it says: it spends the lock of its terms, its txid and fee are those of its bytes, and the claim
 * key has signed it. Returns that lock. Throws `bad_script`, `bad_transaction` or `bad_signature`.
 */
function assertPresigned({ raw, txid, feeSats, spent, terms, signature }: PresignedClaim): Lock {
  const lock = buildLock(terms);
  const [first] = spent;
  if (first?.script !== lock.script)
    throw new SparkleError('bad_script', `input 0 must spend the lock ${lock.script}; it spends ${first?.script}`, {
      lock: lock.script,
    });
  const { inputs, outputs } = decodeTransaction(raw);
  const paidSats =
    sumSats(spent.map(({ valueSats }) => valueSats)) - sumSats(outputs.map(({ valueSats }) => valueSats));
  const isSpent = inputs.map(({ outpoint }) => outpoint).join() === spent.map(({ outpoint }) => outpoint).join();
  if (!isSpent || txidOf(raw) !== txid || paidSats !== feeSats)
    throw new SparkleError(
      'bad_transaction',
      'a presigned claim must have the inputs, txid and fee it says; it has others',
      {
        txid,
        feeSats,
      },
    );
  const message = signatureMessage({ raw, spent, leaf: lock.claimLeaf });
  const isSigned = /^[0-9a-f]{128}$/.test(signature);
  if (!isSigned || !schnorr.verify(hex.decode(signature), message, hex.decode(terms.claimKey)))
    throw new SparkleError('bad_signature', 'the signature must be one by the claim key for this claim; it is not', {
      txid,
    });
  return lock;
}

/**
 * Puts the preimage (hex) into a presigned claim. Everything that came with the claim is checked again, because it may
 * come from another party. Throws `bad_preimage` when the preimage does not hash to the payment hash, and what
 * `assertPresigned` throws.
 */
export function completeClaim({ presigned, preimage }: { presigned: PresignedClaim; preimage: string }): Built {
  const { terms, signature, ...built } = presigned;
  if (!isPreimageOf(preimage, terms.paymentHash))
    throw new SparkleError(
      'bad_preimage',
      `the preimage must be 32 bytes that hash to ${terms.paymentHash}; it is not`,
      {
        paymentHash: terms.paymentHash,
      },
    );
  const lock = assertPresigned(presigned);
  const parts = { script: terms.script, lock, signature: hex.decode(signature), preimage: hex.decode(preimage) };
  return { ...built, raw: withWitness(built.raw, 0, claimWitness(parts)) };
}

/** The buyer's claim, complete when no coins of `funding` were needed. Throws as `presignClaim` and `completeClaim` do. */
export const buildClaim = (wanted: ClaimSigning & { preimage: string }): Built =>
  completeClaim({ presigned: presignClaim(wanted), preimage: wanted.preimage });

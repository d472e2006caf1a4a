import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { keyAggExport, keyAggregate, nonceAggregate, nonceGen, Session } from '@scure/btc-signer/musig2.js';
import { decodeTransaction, signatureMessage, withWitness, type Decoded } from './draft.ts';
import { SparkleError } from './errors.ts';
import { buildLock, musigKeys, type LockTerms } from './lock.ts';
import { planSpend, publicKeyOf, type Built, type SpendRequest, type SpendTerms } from './spend.ts';
import { txidOf } from './transaction.ts';
import { lockValueSats } from './trade/terms.ts';

/** Which of the two keys in the internal key is ours. */
export type CosignerRole = 'refund' | 'claim';

/** What one side agrees to sign: this transaction, spending this lock, paying only these scripts (hex). */
export type Cosigning = {
  terms: SpendTerms;
  lockOutpoint: string;
  /** The unsigned transaction, as `buildCooperativeClaim` makes it. */
  raw: string;
  allowedScripts: readonly string[];
  role: CosignerRole;
  secret: Uint8Array;
};

/**
 * One MuSig2 signature on one transaction, one type per step. Nothing can be skipped, each step that touches the secret
 * nonce works once, and none of it can be stored: after a restart a new session is made with new randomness.
 */
type Created = {
  /**
   * Makes the nonce from 32 fresh random bytes, which are wiped: using them again would give the secret key away.
   * Throws `nonce_reused` the second time, or when the bytes have been wiped.
   */
  nonce(randomness: Uint8Array): Nonced;
};
type Nonced = {
  /** 66 bytes of hex for the other side. */
  publicNonce: string;
  /** Takes the other side's nonce. Throws `bad_signature` when it is none, `nonce_reused` the second time. */
  aggregate(theirNonce: string): Aggregated;
};
type Aggregated = {
  /** Signs our part. Whoever must not be first to sign calls this last. Throws `nonce_reused` the second time. */
  sign(): Signed;
};
export type Signed = {
  /** 32 bytes of hex for the other side. */
  partial: string;
  /** Checks the other side's part. Throws `bad_signature` when it is not one for this very transaction. */
  verify(theirPartial: string): Verified;
};
type Verified = {
  /** The finished transaction; its signature has been verified against the lock's output key. */
  complete(): { raw: string; txid: string; signature: string };
};

/**
 * A spend of the lock by both sides: unsigned, 111 vB to P2TR, fee from the reserve. Paying the buyer it is a claim that shows no
 * preimage; paying the seller, a refund that need not wait for R. Throws as `presignClaim`, and `bad_script` without a key path.
 */
export function buildCooperativeClaim(wanted: SpendRequest): Built {
  assertKeyPath(wanted.terms);
  const { lock: _, ...planned } = planSpend(wanted, 'key');
  return planned;
}

/** The lock has a key path that the two can sign for. Throws `bad_script`. */
function assertKeyPath({ internalKey }: Pick<LockTerms, 'internalKey'>): void {
  if (internalKey !== 'musig')
    throw new SparkleError(
      'bad_script',
      `a lock must have a musig internal key to be spent by both; it has ${internalKey}`,
      {
        internalKey,
      },
    );
}

/**
 * The transaction spends the lock and nothing else, pays only allowed scripts, and keeps the inscription among the postage of
 * output 0. Without this a co-signer would sign whatever the other side made up (R9). Throws `bad_transaction` or `sat_lost`.
 */
function assertCosignable(
  decoded: Decoded,
  wanted: Pick<Cosigning, 'terms' | 'lockOutpoint' | 'allowedScripts'>,
): void {
  const { terms, lockOutpoint, allowedScripts } = wanted;
  const spent = decoded.inputs.map(({ outpoint }) => outpoint);
  if (spent.length !== 1 || spent[0] !== lockOutpoint)
    throw new SparkleError(
      'bad_transaction',
      `the only input must be the lock ${lockOutpoint}; inputs are ${spent.join()}`,
      { spent },
    );
  const foreign = decoded.outputs.find(({ script }) => !allowedScripts.includes(script));
  if (foreign !== undefined)
    throw new SparkleError('bad_transaction', `outputs must pay allowed scripts; one pays ${foreign.script}`, {
      script: foreign.script,
    });
  const keptSats = decoded.outputs[0]?.valueSats ?? 0n;
  if (keptSats < terms.postageSats || terms.offsetSats >= terms.postageSats)
    throw new SparkleError(
      'sat_lost',
      `output 0 must keep ${terms.postageSats} sats with the inscription; it has ${keptSats}`,
      {
        keptSats,
        offsetSats: terms.offsetSats,
      },
    );
}

/** A function that works once. BIP 327: two signatures with one nonce give the secret key away. */
function once<A extends unknown[], R>(what: string, run: (...given: A) => R): (...given: A) => R {
  let isUsed = false;
  return (...given) => {
    if (isUsed) throw new SparkleError('nonce_reused', `${what} must happen once in a session; it was asked for again`);
    isUsed = true;
    return run(...given);
  };
}

/** BIP 327 keys have a sign; ours stand for the even point, so the secret of an odd one is negated, as BIP 340 does. */
function evenSecret(secret: Uint8Array, key: string): Uint8Array {
  if (publicKeyOf(secret) !== key)
    throw new SparkleError('bad_key', `the secret must be the one behind the key ${key}; it is another`, { key });
  if (secp256k1.getPublicKey(secret, true)[0] === 2) return secret.slice();
  const { Fn } = secp256k1.Point;
  return Fn.toBytes(Fn.neg(Fn.fromBytes(secret)));
}

/** What all steps of one session share: the exact message, the keys in the order of the lock, and whose turn is whose. */
type Context = {
  raw: string;
  message: Uint8Array;
  keys: Uint8Array[];
  tweak: Uint8Array;
  outputKey: Uint8Array;
  ours: 0 | 1;
  theirs: 0 | 1;
  secret: Uint8Array;
};

function contextOf({ terms, raw, role, secret }: Cosigning): Context {
  const lock = buildLock(terms);
  const keys = musigKeys(terms);
  const tweak = schnorr.utils.taggedHash('TapTweak', hex.decode(lock.internalKey), hex.decode(lock.merkleRoot));
  const outputKey = keyAggExport(keyAggregate(keys, [tweak], [true]));
  // BIP 341: the scriptPubKey is OP_1 and the key that the final signature has to verify under.
  if (`5120${hex.encode(outputKey)}` !== lock.script)
    throw new SparkleError('bad_script', 'the tweaked MuSig2 key must be the output key of the lock; it is not');
  const spent = [{ valueSats: lockValueSats(terms), script: lock.script }];
  const sides: Pick<Context, 'ours' | 'theirs'> = role === 'refund' ? { ours: 0, theirs: 1 } : { ours: 1, theirs: 0 };
  return {
    raw,
    message: signatureMessage({ raw, spent }),
    keys,
    tweak,
    outputKey,
    ...sides,
    secret: evenSecret(secret, role === 'refund' ? terms.refundKey : terms.claimKey),
  };
}

/**
 * Opens a session for one signature on one transaction, after checking what is going to be signed. Who may open it when is
 * the machine's business: the payee only with the preimage stored, the buyer for a refund only when his payment has failed.
 * Throws `bad_script` without a key path, `bad_transaction` or `sat_lost` for another transaction than agreed, `bad_key`.
 */
export function createSession(wanted: Cosigning): Created {
  assertKeyPath(wanted.terms);
  assertCosignable(decodeTransaction(wanted.raw), wanted);
  const context = contextOf(wanted);
  return { nonce: once('the nonce', (randomness: Uint8Array) => makeNonce(context, randomness)) };
}

function makeNonce(context: Context, randomness: Uint8Array): Nonced {
  if (randomness.length !== 32)
    throw new SparkleError('bad_key', `a nonce needs 32 random bytes; got ${randomness.length}`, {
      length: randomness.length,
    });
  if (randomness.every((byte) => byte === 0))
    throw new SparkleError('nonce_reused', 'a nonce needs fresh randomness; got bytes that were used and wiped');
  const { keys, ours, secret, outputKey, message } = context;
  const key = keys[ours] ?? new Uint8Array();
  const nonces = nonceGen(key, secret, outputKey, message, new Uint8Array(), randomness);
  randomness.fill(0);
  return {
    publicNonce: hex.encode(nonces.public),
    aggregate: once('the aggregation', (theirNonce: string) => aggregateNonces(context, nonces, theirNonce)),
  };
}

/** Runs a step on what the other side sent; whatever the library says about it becomes one refusal. */
function readTheirs<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SparkleError(
      'bad_signature',
      `the other side's ${what} must be one of BIP 327; it is not`,
      { what },
      { cause },
    );
  }
}

type SecretNonces = ReturnType<typeof nonceGen>;

function aggregateNonces(context: Context, nonces: SecretNonces, theirNonce: string): Aggregated {
  const { ours, message, keys, tweak } = context;
  const publicNonces = readTheirs('public nonce', () => {
    const theirs = hex.decode(theirNonce);
    return ours === 0 ? [nonces.public, theirs] : [theirs, nonces.public];
  });
  const session = readTheirs(
    'public nonce',
    () => new Session(nonceAggregate(publicNonces), keys, message, [tweak], [true]),
  );
  return { sign: once('the signature', () => signPartially({ context, nonces, session, publicNonces })) };
}

type Signing = { context: Context; nonces: SecretNonces; session: Session; publicNonces: Uint8Array[] };

function signPartially({ context, nonces, session, publicNonces }: Signing): Signed {
  // The library checks its own part and wipes the secret nonce.
  const partial = session.sign(nonces.secret, context.secret);
  context.secret.fill(0);
  return {
    partial: hex.encode(partial),
    verify: (theirPartial) => {
      const theirs = readTheirs('partial signature', () => hex.decode(theirPartial));
      const isValid = readTheirs('partial signature', () =>
        session.partialSigVerify(theirs, publicNonces, context.theirs),
      );
      if (!isValid)
        throw new SparkleError(
          'bad_signature',
          'the other side must sign this very transaction; its part does not verify',
          {
            txid: txidOf(context.raw),
          },
        );
      return { complete: () => completeSpend(context, session.partialSigAgg([partial, theirs])) };
    },
  };
}

function completeSpend({ raw, message, outputKey }: Context, signature: Uint8Array): ReturnType<Verified['complete']> {
  if (!schnorr.verify(signature, message, outputKey))
    throw new SparkleError('bad_signature', 'the final signature must verify under the output key; it does not');
  return { raw: withWitness(raw, 0, [signature]), txid: txidOf(raw), signature: hex.encode(signature) };
}

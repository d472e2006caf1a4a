import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { addressScript, decodeTransaction, encodeDraft, signatureMessage, vsizeOf } from './draft.ts';
import type { DraftInput, Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { replacementFee, type Replaced } from './fees.ts';
import { layOut, REPLACEABLE, tryLayOut, unsignedRaw, type LaidOut, type Layout } from './layout.ts';
import { buildLock, type Lock, type LockTerms } from './lock.ts';
import { assertPromises } from './promises.ts';
import { txidOf } from './transaction.ts';
import { lockValueSats } from './trade/terms.ts';

/** A lock and the sats in it: see `Terms`, of which this is a part. */
export type SpendTerms = LockTerms & { postageSats: bigint; reserveSats: bigint; offsetSats: bigint };

/** Coins that may be added after the lock when its reserve does not pay the fee, and where their change goes. */
export type Funding = { coins: readonly Prevout[]; changeAddress: string };

/** What a spend of a lock is made from. Feerates are sat/vB; `replaces` names what must leave the mempool for it (BIP 125). */
export type SpendRequest = {
  terms: SpendTerms;
  lockOutpoint: string;
  /** Where the inscription goes: any standard address of the network. */
  destination: string;
  feerateSatVb: number;
  maxFeeSats: bigint;
  funding?: Funding;
  replaces?: readonly Replaced[];
};

/**
 * A transaction of ours and what its inputs spend, which is what a wallet needs to sign the inputs that are still open.
 * `feerateSatVb` is what it really pays. `vsize` counts the signatures that are still to come.
 */
export type Built = {
  raw: string;
  txid: string;
  vsize: number;
  feeSats: bigint;
  feerateSatVb: number;
  spent: readonly Prevout[];
};

/**
 * Offset, postage and reserve that a lock can have: the sat among the postage, the postage able to stand alone as the P2TR
 * output it comes in, no debt. Throws `sat_lost`, `dust` or `bad_amount`.
 */
export function assertSpendTerms({ offsetSats, postageSats, reserveSats }: SpendTerms): void {
  const detail = { offsetSats, postageSats, reserveSats };
  if (offsetSats < 0n || offsetSats >= postageSats)
    throw new SparkleError(
      'sat_lost',
      `the offset must be from 0 to below the postage of ${postageSats}; it is ${offsetSats}`,
      detail,
    );
  if (postageSats < P2TR_DUST_SATS)
    throw new SparkleError('dust', `the postage must be at least ${P2TR_DUST_SATS} sats; it is ${postageSats}`, detail);
  if (reserveSats < 0n)
    throw new SparkleError('bad_amount', `the reserve must not be negative; it is ${reserveSats}`, detail);
}

/** How a lock is spent: by the buyer with the preimage, by the seller after R, or by both together with one signature. */
export type SpendPath = 'claim' | 'refund' | 'key';

const P2TR_DUST_SATS = 330n;
const PLACEHOLDER_SIGNATURE = new Uint8Array(64);
const PLACEHOLDER_PREIMAGE = new Uint8Array(32);

/**
 * Witness of the claim leaf. Whatever a leaf reads first lies on top of the stack, that is last: `sip3` hashes the
 * preimage first, `v1` checks the signature first.
 */
export function claimWitness(given: {
  script: LockTerms['script'];
  lock: Lock;
  signature: Uint8Array;
  preimage: Uint8Array;
}): Uint8Array[] {
  const { script, lock, signature, preimage } = given;
  const stack = script === 'sip3' ? [signature, preimage] : [preimage, signature];
  return [...stack, hex.decode(lock.claimLeaf), hex.decode(lock.claimControl)];
}

/** Witness of the refund leaf, which is the same for both script versions. */
export const refundWitness = ({ lock, signature }: { lock: Lock; signature: Uint8Array }): Uint8Array[] => [
  signature,
  hex.decode(lock.refundLeaf),
  hex.decode(lock.refundControl),
];

function placeholderWitness(path: SpendPath, script: LockTerms['script'], lock: Lock): Uint8Array[] {
  const signature = PLACEHOLDER_SIGNATURE;
  switch (path) {
    case 'claim':
      return claimWitness({ script, lock, signature, preimage: PLACEHOLDER_PREIMAGE });
    case 'refund':
      return refundWitness({ lock, signature });
    case 'key':
      return [signature];
  }
}

/** `older(1)` in the v1 claim leaf asks BIP 68 for one confirmation; 1 is below 0xfffffffe, so it signals replacement too. */
const sequenceOf = (path: SpendPath, { script }: LockTerms): number =>
  path === 'claim' && script === 'v1' ? 1 : REPLACEABLE;

function lockInput({ terms, lockOutpoint }: SpendRequest, path: SpendPath, lock: Lock): DraftInput {
  return {
    outpoint: lockOutpoint,
    valueSats: lockValueSats(terms),
    script: lock.script,
    sequence: sequenceOf(path, terms),
    witness: placeholderWitness(path, terms.script, lock),
  };
}

/**
 * Fee from the reserve alone, unused reserve staying with the inscription; from coins after the lock, with change after
 * output 0, when the reserve does not suffice.
 */
function layOutSpend(request: SpendRequest, path: SpendPath, input: DraftInput): LaidOut {
  const { terms, feerateSatVb, replaces, funding } = request;
  const base = {
    lockHeight: path === 'refund' ? terms.refundHeight : 0,
    inputs: [input],
    kept: {
      script: addressScript(request.destination, terms.network),
      wantedSats: terms.postageSats,
      leastSats: terms.postageSats,
    },
    others: [],
    leftover: 'kept' as const,
    feeSatsOf: (vsize: number) => replacementFee({ vsize, feerateSatVb, replaced: replaces ?? [] }),
  };
  const alone = { ...base, coins: [], change: undefined };
  const found = tryLayOut(alone);
  if (found !== undefined) return found;
  if (funding === undefined) throw reserveTooSmall(terms, base.feeSatsOf(lockOnlyVsize(alone)));
  return layOut({ ...base, coins: funding.coins, change: addressScript(funding.changeAddress, terms.network) });
}

const lockOnlyVsize = ({ inputs, lockHeight, kept }: Omit<Layout, 'feeSatsOf'>): number =>
  vsizeOf(encodeDraft({ inputs, lockHeight, outputs: [{ script: kept.script, valueSats: kept.leastSats }] }));

const reserveTooSmall = ({ reserveSats }: SpendTerms, feeSats: bigint): SparkleError =>
  new SparkleError(
    'fee_too_high',
    `the fee must be at most the reserve of ${reserveSats} sats when no coins are given; it is ${feeSats}`,
    { reserveSats, feeSats },
  );

/** An unsigned spend of a lock by one of its paths, with the lock that was rebuilt for it. */
type PlannedSpend = Built & { lock: Lock };

/**
 * Lays out a spend of the lock and asserts every promise about it; the witness of input 0 is still missing. Throws what
 * the terms, addresses and coins deserve, `fee_too_high` above the cap, `sat_lost` and `dust` where the inscription is at risk.
 */
export function planSpend(request: SpendRequest, path: SpendPath): PlannedSpend {
  const { terms, feerateSatVb, maxFeeSats, funding } = request;
  assertSpendTerms(terms);
  const lock = buildLock(terms);
  const laidOut = layOutSpend(request, path, lockInput(request, path, lock));
  const { draft, vsize, feeSats } = laidOut;
  const raw = unsignedRaw(laidOut);
  const spent = draft.inputs.map(({ outpoint, valueSats, script }) => ({ outpoint, valueSats, script }));
  assertPromises(raw, {
    spent,
    sequences: spent.map((_, index) => (index === 0 ? sequenceOf(path, terms) : REPLACEABLE)),
    lockHeight: path === 'refund' ? terms.refundHeight : 0,
    offsetSats: terms.offsetSats,
    postageSats: terms.postageSats,
    destination: addressScript(request.destination, terms.network),
    change: funding === undefined ? undefined : addressScript(funding.changeAddress, terms.network),
    vsize,
    feeSats,
    feerateSatVb,
    maxFeeSats,
  });
  return { raw, txid: txidOf(raw), vsize, feeSats, feerateSatVb: Number(feeSats) / vsize, spent, lock };
}

/**
 * Exact size in vB of a spend of a lock that needs no coins, to an output with the given script (hex): key path 111,
 * sip3 claim 154, v1 claim 155 to P2TR. Together with `feerateWithin` this says what a reserve can pay.
 */
export function lockSpendVsize(wanted: { terms: LockTerms; path: SpendPath; destinationScript: string }): number {
  const { terms, path, destinationScript } = wanted;
  const witness = placeholderWitness(path, terms.script, buildLock(terms));
  const input = { outpoint: `${'00'.repeat(32)}:0`, valueSats: 0n, script: '', sequence: REPLACEABLE, witness };
  return vsizeOf(
    encodeDraft({ lockHeight: 0, inputs: [input], outputs: [{ valueSats: 0n, script: destinationScript }] }),
  );
}

/** A leaf of a planned spend and the key that the leaf asks for. */
type LeafSigning = {
  planned: Pick<PlannedSpend, 'raw' | 'spent'>;
  leaf: string;
  key: string;
  secret: Uint8Array;
  /** 32 random bytes (BIP 340); what they are does not show, but they guard the secret against faults. */
  auxRand: Uint8Array;
};

/**
 * Signs input 0 for one leaf and checks the signature before handing it out. Throws `bad_key` when the secret is not the
 * one behind the key in the leaf: another key makes a transaction that looks finished and that no node takes.
 */
export function signLeaf({ planned, leaf, key, secret, auxRand }: LeafSigning): Uint8Array {
  if (auxRand.length !== 32 || publicKeyOf(secret) !== key)
    throw new SparkleError('bad_key', `the secret must be the one behind the leaf's key ${key}; it is another`, {
      key,
    });
  const message = signatureMessage({ raw: planned.raw, spent: planned.spent, leaf });
  const signature = schnorr.sign(message, secret, auxRand);
  if (!schnorr.verify(signature, message, hex.decode(key)))
    throw new SparkleError('bad_signature', 'our own signature must verify; it does not', { key });
  return signature;
}

/** The x-only key (hex) of a secret, `undefined` when the bytes are none. */
export function publicKeyOf(secret: Uint8Array): string | undefined {
  try {
    return hex.encode(schnorr.getPublicKey(secret));
  } catch {
    return undefined;
  }
}

/**
 * The preimage (hex) behind `paymentHash` if any input of the raw transaction shows it. Looks at every witness item and
 * not at a place in the witness, because whoever spends the lock chooses how. Throws `bad_transaction`.
 */
export function findPreimage(raw: string, paymentHash: string): string | undefined {
  const items = decodeTransaction(raw).inputs.flatMap(({ witness }) => witness);
  const found = items.find((item) => item.length === 32 && hex.encode(sha256(item)) === paymentHash);
  return found === undefined ? undefined : hex.encode(found);
}

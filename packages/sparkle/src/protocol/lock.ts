import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { keyAggExport, keyAggregate } from '@scure/btc-signer/musig2.js';
import { p2tr } from '@scure/btc-signer/payment.js';
import { TaprootControlBlock } from '@scure/btc-signer/psbt.js';
import { Script } from '@scure/btc-signer/script.js';
import { withChecksum } from './descriptor.ts';
import { SparkleError } from './errors.ts';
import { readHeight, readHex32 } from './json.ts';
import { networks, readNetwork, type NetworkName } from './network.ts';

/** `sip3`: the two leaves of SIP-3 v0.2, wire-compatible; `v1`: Miniscript leaves, recoverable with any descriptor wallet. */
export type ScriptVersion = 'sip3' | 'v1';

/**
 * What a lock is made of: hash and x-only keys are 32-byte lowercase hex, `refundHeight` is R, an absolute block height.
 * `internalKey`: `nums` has no key path; `musig` is MuSig2 of (refund key, claim key), in that order, unsorted.
 */
export type LockTerms = {
  script: ScriptVersion;
  internalKey: 'nums' | 'musig';
  paymentHash: string;
  claimKey: string;
  refundKey: string;
  refundHeight: number;
  network: NetworkName;
};

/** The output that holds an inscription during a trade, and what its two leaves need to be spent. All lowercase hex. */
export type Lock = {
  script: string;
  address: string;
  claimLeaf: string;
  refundLeaf: string;
  internalKey: string;
  merkleRoot: string;
  claimControl: string;
  refundControl: string;
  /** Only `v1`: the output as a descriptor with checksum, which any descriptor wallet can watch and spend. */
  descriptor?: string;
};

/**
 * BIP 341: a point with no known discrete logarithm, used bare as SIP-3 v0.2's implementations do. Both traders can see
 * from the constant that nobody has a key path.
 */
export const NUMS_KEY = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0';

function checkKey(key: string, field: 'claimKey' | 'refundKey'): void {
  // BIP 342: a key of any length but 32 bytes is an unknown key type, and anybody may spend it.
  if (!/^[0-9a-f]{64}$/.test(key))
    throw new SparkleError(
      'bad_key',
      `${field} must be an x-only key of 64 lowercase hex digits; got ${key.length} characters`,
      {
        field,
      },
    );
  if (key === NUMS_KEY)
    throw new SparkleError('bad_key', `${field} must be a key somebody holds; got the NUMS point`, { field, key });
  try {
    schnorr.utils.lift_x(BigInt(`0x${key}`));
  } catch (cause) {
    throw new SparkleError(
      'bad_key',
      `${field} must be on the curve (BIP 340 lift_x); got ${key}`,
      { field, key },
      { cause },
    );
  }
}

function checkTerms(terms: LockTerms): void {
  const { paymentHash, claimKey, refundKey, refundHeight } = terms;
  readNetwork(terms.network);
  readHex32(paymentHash, 'paymentHash');
  // From 500,000,000 on consensus reads Unix seconds, and a refund meant for a far height would be open today (BIP 65).
  readHeight(refundHeight, 'refundHeight');
  checkKey(claimKey, 'claimKey');
  checkKey(refundKey, 'refundKey');
  if (claimKey === refundKey)
    throw new SparkleError('bad_key', 'claimKey and refundKey must differ; got the same key twice', { claimKey });
  if (terms.script === 'sip3' && terms.internalKey !== 'nums')
    throw new SparkleError('bad_script', `a sip3 lock must have the NUMS internal key; got ${terms.internalKey}`, {
      internalKey: terms.internalKey,
    });
}

type Leaves = { claim: Uint8Array; refund: Uint8Array };

/** The leaves of SIP-3 v0.2, byte for byte, except that keys are 32 bytes: the seed's 33-byte keys are spendable by anyone. */
function sip3Leaves({ paymentHash, claimKey, refundKey, refundHeight }: LockTerms): Leaves {
  return {
    claim: Script.encode(['SHA256', hex.decode(paymentHash), 'EQUALVERIFY', hex.decode(claimKey), 'CHECKSIG']),
    refund: Script.encode([refundHeight, 'CHECKLOCKTIMEVERIFY', 'DROP', hex.decode(refundKey), 'CHECKSIG']),
  };
}

/**
 * The bytes of the Miniscript in `v1Policies`. `SIZE 32`: a buyer who claimed with a preimage of another length would
 * leave the payee with one that Lightning cannot settle. `1 CSV`: a buyer cannot pin the unconfirmed lock (R6).
 */
function v1Leaves({ paymentHash, claimKey, refundKey, refundHeight }: LockTerms): Leaves {
  const hash = hex.decode(paymentHash);
  return {
    claim: Script.encode([
      ...[hex.decode(claimKey), 'CHECKSIGVERIFY' as const],
      ...['SIZE' as const, 32, 'EQUALVERIFY' as const, 'SHA256' as const, hash, 'EQUALVERIFY' as const],
      ...[1, 'CHECKSEQUENCEVERIFY' as const],
    ]),
    refund: Script.encode([hex.decode(refundKey), 'CHECKSIGVERIFY', refundHeight, 'CHECKLOCKTIMEVERIFY']),
  };
}

const v1Policies = ({ paymentHash, claimKey, refundKey, refundHeight }: LockTerms): [claim: string, refund: string] => [
  `and_v(v:pk(${claimKey}),and_v(v:sha256(${paymentHash}),older(1)))`,
  `and_v(v:pk(${refundKey}),after(${refundHeight}))`,
];

function leavesOf(terms: LockTerms): Leaves {
  switch (terms.script) {
    case 'sip3':
      return sip3Leaves(terms);
    case 'v1':
      return v1Leaves(terms);
    default:
      terms.script satisfies never;
      throw new SparkleError('bad_script', `script must be sip3 or v1; got ${String(terms.script)}`, {
        script: terms.script,
      });
  }
}

/** The x-only keys as BIP 327 wants them, even Y, in the order that the internal key commits to: (refund, claim). */
export const musigKeys = ({ refundKey, claimKey }: Pick<LockTerms, 'refundKey' | 'claimKey'>): Uint8Array[] => [
  hex.decode(`02${refundKey}`),
  hex.decode(`02${claimKey}`),
];

function internalKeyOf(terms: LockTerms): string {
  switch (terms.internalKey) {
    case 'nums':
      return NUMS_KEY;
    case 'musig':
      return hex.encode(keyAggExport(keyAggregate(musigKeys(terms))));
    default:
      terms.internalKey satisfies never;
      throw new SparkleError('bad_script', `internalKey must be nums or musig; got ${String(terms.internalKey)}`, {
        internalKey: terms.internalKey,
      });
  }
}

function controlBlock(payment: ReturnType<typeof taprootOf>, leaf: Uint8Array): string {
  const found = payment.tapLeafScript?.find(([, script]) => hex.encode(script.subarray(0, -1)) === hex.encode(leaf));
  if (found === undefined) throw new SparkleError('bad_script', 'the Taproot tree must contain the leaf; it does not');
  return hex.encode(TaprootControlBlock.encode(found[0]));
}

const taprootOf = (terms: LockTerms, internalKey: string, { claim, refund }: Leaves) =>
  p2tr(
    hex.decode(internalKey),
    [{ script: claim }, { script: refund }],
    networks[terms.network].address,
    // The library knows our leaves as "unknown"; it would refuse them, and their bytes are what this file is about.
    true,
  );

/**
 * The output that holds the inscription: the buyer takes it with the preimage, the seller from `refundHeight` on.
 * Always rebuilt from the terms, never taken from a message.
 * Throws `bad_key`, `bad_hex`, `bad_height`, `bad_network` or `bad_script` for terms that would make an unsafe output.
 */
export function buildLock(terms: LockTerms): Lock {
  checkTerms(terms);
  const leaves = leavesOf(terms);
  const internalKey = internalKeyOf(terms);
  const payment = taprootOf(terms, internalKey, leaves);
  const descriptor =
    terms.script === 'v1' ? withChecksum(`tr(${internalKey},{${v1Policies(terms).join(',')}})`) : undefined;
  return {
    script: hex.encode(payment.script),
    address: payment.address,
    claimLeaf: hex.encode(leaves.claim),
    refundLeaf: hex.encode(leaves.refund),
    internalKey,
    merkleRoot: hex.encode(payment.tapMerkleRoot),
    claimControl: controlBlock(payment, leaves.claim),
    refundControl: controlBlock(payment, leaves.refund),
    ...(descriptor === undefined ? {} : { descriptor }),
  };
}

/** Whether `script` (hex of a scriptPubKey) is exactly the lock that these terms make. Throws as `buildLock` does. */
export const sameLock = (terms: LockTerms, script: string): boolean => buildLock(terms).script === script;

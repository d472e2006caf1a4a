import { schnorr as realSchnorr, secp256k1 as realSecp256k1 } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { recalling } from './recall.ts';

export * from '@noble/curves/secp256k1.js';

/*
 * The curve as it is, but for one thing: a signature that was made in this process for a message and a key is known to be
 * good for them and is not checked again. Every other is.
 */
const good = new Set<string>();
const MOST_GOOD = 50_000;

const triple = (signature: Uint8Array, message: Uint8Array, key: Uint8Array): string =>
  hex.encode(signature) + hex.encode(message) + hex.encode(key);

function remember(signature: Uint8Array, message: Uint8Array, key: Uint8Array): void {
  if (good.size >= MOST_GOOD) good.clear();
  good.add(triple(signature, message, key));
}

const { Fn, BASE } = realSchnorr.Point;
const { taggedHash, pointToBytes } = realSchnorr.utils;
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${hex.encode(bytes)}`);
const isEven = (y: bigint): boolean => (y & 1n) === 0n;

const publicPoint = recalling(
  (secret: Uint8Array) => {
    const scalar = Fn.fromBytes(secret);
    const point = BASE.multiply(scalar);
    return { scalar: isEven(point.toAffine().y) ? scalar : Fn.neg(scalar), bytes: pointToBytes(point) };
  },
  (secret) => hex.encode(secret),
);

const NONCES = 64;

/** Nonces that are used again and again would give the secret away to anyone. Here are no secrets. */
const nonceAt = recalling(
  (index: number) => {
    const nonce = Fn.create(numberOf(taggedHash('sparkle/simulated nonce', Uint8Array.of(index))));
    const point = BASE.multiply(nonce);
    const k = isEven(point.toAffine().y) ? nonce : Fn.neg(nonce);
    return { k, inverse: Fn.inv(k), r: pointToBytes(point) };
  },
  (index) => `${index}`,
);

/** BIP 340, but for the choice of the nonce; the signature is good everywhere. */
function sign(message: Uint8Array, secret: Uint8Array, auxRand: Uint8Array): Uint8Array<ArrayBuffer> {
  const { scalar, bytes } = publicPoint(secret);
  const { k, r } = nonceAt((auxRand[0] ?? 0) % NONCES);
  const e = Fn.create(numberOf(taggedHash('BIP0340/challenge', r, bytes, message)));
  const signature = Uint8Array.from([...r, ...Fn.toBytes(Fn.create(k + e * scalar))]);
  remember(signature, message, bytes);
  return signature;
}

export const schnorr: typeof realSchnorr = {
  ...realSchnorr,
  getPublicKey: (secret) => publicPoint(secret).bytes.slice(),
  sign: (message, secret, auxRand) =>
    auxRand === undefined ? realSchnorr.sign(message, secret) : sign(message, secret, auxRand),
  verify: (signature, message, key) =>
    good.has(triple(signature, message, key)) || realSchnorr.verify(signature, message, key),
  utils: { ...realSchnorr.utils, lift_x: recalling(realSchnorr.utils.lift_x, (x) => x.toString(16)) },
};

const getPublicKey: typeof realSecp256k1.getPublicKey = recalling(
  (secret: Uint8Array, isCompressed?: boolean) => realSecp256k1.getPublicKey(secret, isCompressed),
  (secret, isCompressed) => `${hex.encode(secret)}${isCompressed ?? true}`,
);

/** Whose signature it is, for those that were made in this process. */
const signers = new Map<string, Uint8Array>();

/** ECDSA with a low S and the recovery id in front, again but for the choice of the nonce. */
function signRecovered(digest: Uint8Array, secret: Uint8Array): Uint8Array<ArrayBuffer> {
  const { inverse, r } = nonceAt((digest[0] ?? 0) % NONCES);
  const sum = Fn.create(numberOf(digest) + Fn.create(numberOf(r)) * Fn.fromBytes(secret));
  const s = Fn.create(inverse * sum);
  const isHigh = s > Fn.ORDER / 2n;
  const signature = Uint8Array.from([isHigh ? 1 : 0, ...r, ...Fn.toBytes(isHigh ? Fn.neg(s) : s)]);
  if (signers.size >= MOST_GOOD) signers.clear();
  signers.set(hex.encode(signature) + hex.encode(digest), getPublicKey(secret));
  return signature;
}

export const secp256k1: typeof realSecp256k1 = {
  ...realSecp256k1,
  sign: (message, secret, options) =>
    options?.format === 'recovered' && options.prehash === false
      ? signRecovered(message, secret)
      : realSecp256k1.sign(message, secret, options),
  recoverPublicKey: (signature, message, options) =>
    signers.get(hex.encode(signature) + hex.encode(message))?.slice() ??
    realSecp256k1.recoverPublicKey(signature, message, options),
  getPublicKey,
};

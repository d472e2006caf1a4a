import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { schnorr as fastSchnorr, secp256k1 as fastSecp256k1 } from './curve.ts';

const secret = new Uint8Array(32).fill(3);
const digests = Array.from({ length: 20 }, (_, index) => new Uint8Array(32).fill(index * 11 + 1));
const invoice = { prehash: false, format: 'recovered', lowS: true } as const;

test('signatures of the simulator are good ones: whoever has no memory of them agrees', () => {
  assert.deepEqual(fastSchnorr.getPublicKey(secret), schnorr.getPublicKey(secret));
  for (const digest of digests) {
    const signature = fastSchnorr.sign(digest, secret, digest);
    assert.equal(schnorr.verify(signature, digest, schnorr.getPublicKey(secret)), true);
    const recovered = fastSecp256k1.sign(digest, secret, invoice);
    const key = secp256k1.getPublicKey(secret);
    assert.equal(secp256k1.verify(recovered, digest, key, invoice), true);
    assert.deepEqual(secp256k1.recoverPublicKey(recovered, digest, { prehash: false }), key);
  }
});

test('a signature that was not made here is checked, and a bad one is bad', () => {
  const [digest = secret, other = secret] = digests;
  const key = schnorr.getPublicKey(secret);
  assert.equal(fastSchnorr.verify(schnorr.sign(digest, secret, digest), digest, key), true);
  const own = fastSchnorr.sign(digest, secret, digest);
  assert.equal(fastSchnorr.verify(own, other, key), false);
  assert.equal(fastSchnorr.verify(own, digest, schnorr.getPublicKey(new Uint8Array(32).fill(4))), false);
  const ecdsa = secp256k1.sign(digest, secret, invoice);
  assert.deepEqual(fastSecp256k1.recoverPublicKey(ecdsa, digest, { prehash: false }), secp256k1.getPublicKey(secret));
});

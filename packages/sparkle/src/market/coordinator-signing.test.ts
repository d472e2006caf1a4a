import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { canonicalJson } from '../protocol/json.ts';
import { authDigest, isSignatureOf, isSignedBySeller, offerDigest } from './coordinator-signing.ts';
import vectors from './coordinator-signing.vectors.json' with { type: 'json' };
import { offerSchema, type OfferWire } from './coordinator-wire.ts';

const publicKey = vectors.public_key;

for (const { challenge, host, digest, signature } of vectors.auth)
  test(`the answer to a challenge of ${host} is signed over exactly these bytes`, () => {
    assert.equal(hex.encode(authDigest({ challenge, host })), digest);
    assert.ok(isSignatureOf({ publicKey, signature, digest: authDigest({ challenge, host }) }));
    assert.ok(!isSignatureOf({ publicKey, signature, digest: authDigest({ challenge, host: 'other.example' }) }));
  });

for (const vector of vectors.offers) {
  const offer: OfferWire = offerSchema.parse(vector.offer);
  const { sig, ...unsigned } = offer;

  test('an offer is signed over its canonical JSON', () => {
    assert.equal(canonicalJson(unsigned), vector.canonical);
    assert.equal(hex.encode(offerDigest(unsigned)), vector.digest);
    assert.ok(isSignedBySeller(offer));
  });

  for (const [field, value] of Object.entries({
    ...{ id: 'two', network: 'mainnet', inscription_id: `${'1e'.repeat(32)}i0`, price_sats: 49_999 },
    ...{ modes: ['hold-first'], expires_at: 1, seller: '02'.repeat(32), sig: `${sig.slice(0, -1)}0` },
  }))
    test(`an offer whose ${field} was changed is not signed by its seller`, () => {
      assert.ok(!isSignedBySeller({ ...offer, [field]: value }));
    });
}

test('a key that is no point of the curve signed nothing, and nothing is thrown', () => {
  const [auth] = vectors.auth;
  const digest = hex.decode(auth?.digest ?? '');
  assert.ok(!isSignatureOf({ publicKey: 'ff'.repeat(32), signature: auth?.signature ?? '', digest }));
});

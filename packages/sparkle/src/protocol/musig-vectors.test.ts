import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { keyAggExport, keyAggregate, nonceAggregate, nonceGen, Session } from '@scure/btc-signer/musig2.js';
import vectors from './musig.vectors.json' with { type: 'json' };

const bytes = (text: string): Uint8Array => hex.decode(text.toLowerCase());
const text = (value: Uint8Array): string => hex.encode(value).toUpperCase();
const pick = (from: readonly string[], indices: readonly number[]): Uint8Array[] =>
  indices.map((index) => bytes(from[index] ?? ''));

// What the sessions of musig.ts are built on: the library must agree with every official case, refusals included.
describe('BIP 327 vectors', () => {
  test('key aggregation', () => {
    const { pubkeys, tweaks, valid_test_cases: valid, error_test_cases: errors } = vectors.key_agg;
    for (const { key_indices: keys, expected } of valid)
      assert.equal(text(keyAggExport(keyAggregate(pick(pubkeys, keys)))), expected);
    for (const { key_indices: keys, tweak_indices: tweaked, is_xonly: isXonly, comment } of errors)
      assert.throws(() => keyAggregate(pick(pubkeys, keys), pick(tweaks, tweaked), isXonly), comment);
  });

  test('nonce generation', () => {
    for (const given of vectors.nonce_gen.test_cases) {
      const optional = (value: string | null): Uint8Array | undefined => (value === null ? undefined : bytes(value));
      const nonces = nonceGen(
        bytes(given.pk),
        optional(given.sk),
        optional(given.aggpk),
        optional(given.msg),
        optional(given.extra_in),
        bytes(given.rand_),
      );
      assert.equal(text(nonces.secret), given.expected_secnonce);
      assert.equal(text(nonces.public), given.expected_pubnonce);
    }
  });

  test('nonce aggregation', () => {
    const { pnonces, valid_test_cases: valid, error_test_cases: errors } = vectors.nonce_agg;
    for (const { pnonce_indices: indices, expected } of valid)
      assert.equal(text(nonceAggregate(pick(pnonces, indices))), expected);
    for (const { pnonce_indices: indices, comment } of errors)
      assert.throws(() => nonceAggregate(pick(pnonces, indices)), comment);
  });

  test('partial signing', () => {
    const { sk, pubkeys, secnonces, aggnonces, msgs, pnonces, valid_test_cases: valid } = vectors.sign_verify;
    const sessionOf = (given: { key_indices: number[]; aggnonce_index: number; msg_index: number }): Session =>
      new Session(
        bytes(aggnonces[given.aggnonce_index] ?? ''),
        pick(pubkeys, given.key_indices),
        bytes(msgs[given.msg_index] ?? ''),
      );
    for (const given of valid) {
      const session = sessionOf(given);
      const partial = session.sign(bytes(secnonces[0] ?? ''), bytes(sk));
      assert.equal(text(partial), given.expected);
      assert.equal(session.partialSigVerify(partial, pick(pnonces, given.nonce_indices), given.signer_index), true);
    }
    for (const given of vectors.sign_verify.sign_error_test_cases)
      assert.throws(
        () => sessionOf(given).sign(bytes(secnonces[given.secnonce_index] ?? ''), bytes(sk)),
        given.comment,
      );
  });

  test('partial verification refuses', () => {
    const {
      pubkeys,
      pnonces,
      msgs,
      verify_fail_test_cases: fails,
      verify_error_test_cases: errors,
    } = vectors.sign_verify;
    const verify = (given: (typeof fails)[number]): boolean => {
      const nonces = pick(pnonces, given.nonce_indices);
      const session = new Session(
        nonceAggregate(nonces),
        pick(pubkeys, given.key_indices),
        bytes(msgs[given.msg_index] ?? ''),
      );
      return session.partialSigVerify(bytes(given.sig), nonces, given.signer_index);
    };
    for (const given of fails) assert.equal(verify(given), false, given.comment);
    for (const given of errors) assert.throws(() => verify(given), given.comment);
  });

  test('signing under tweaked keys', () => {
    const { sk, pubkeys, secnonce, pnonces, aggnonce, tweaks, msg } = vectors.tweak;
    const sessionOf = (given: { key_indices: number[]; tweak_indices: number[]; is_xonly: boolean[] }): Session =>
      new Session(
        bytes(aggnonce),
        pick(pubkeys, given.key_indices),
        bytes(msg),
        pick(tweaks, given.tweak_indices),
        given.is_xonly,
      );
    for (const given of vectors.tweak.valid_test_cases) {
      const session = sessionOf(given);
      const partial = session.sign(bytes(secnonce), bytes(sk));
      assert.equal(text(partial), given.expected, given.comment);
      assert.equal(session.partialSigVerify(partial, pick(pnonces, given.nonce_indices), given.signer_index), true);
    }
    for (const given of vectors.tweak.error_test_cases) assert.throws(() => sessionOf(given), given.comment);
  });

  test('aggregation of partial signatures, whose sum verifies as a BIP 340 signature', () => {
    const { pubkeys, tweaks, psigs, msg, valid_test_cases: valid, error_test_cases: errors } = vectors.sig_agg;
    const sum = (given: (typeof valid)[number] | (typeof errors)[number]): Uint8Array => {
      const keys = pick(pubkeys, given.key_indices);
      const session = new Session(
        bytes(given.aggnonce),
        keys,
        bytes(msg),
        pick(tweaks, given.tweak_indices),
        given.is_xonly,
      );
      return session.partialSigAgg(pick(psigs, given.psig_indices));
    };
    for (const given of valid) {
      const key = keyAggregate(pick(pubkeys, given.key_indices), pick(tweaks, given.tweak_indices), given.is_xonly);
      assert.equal(text(sum(given)), given.expected);
      assert.ok(schnorr.verify(sum(given), bytes(msg), keyAggExport(key)));
    }
    for (const given of errors) assert.throws(() => sum(given), given.comment);
  });
});

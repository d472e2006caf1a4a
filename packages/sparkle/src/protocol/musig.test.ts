import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { addressScript, decodeTransaction, encodeDraft, signatureMessage, vsizeOf } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { buildLock } from './lock.ts';
import { buildCooperativeClaim, createSession, type Cosigning, type CosignerRole } from './musig.ts';
import { findPreimage, publicKeyOf, type SpendTerms } from './spend.ts';
import { lockValueSats } from './trade/terms.ts';

const preimage = '11'.repeat(32);
const secrets = { claim: new Uint8Array(32).fill(7), refund: new Uint8Array(32).fill(9) };

const terms: SpendTerms = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: hex.encode(sha256(hex.decode(preimage))),
  claimKey: publicKeyOf(secrets.claim) ?? '',
  refundKey: publicKeyOf(secrets.refund) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
  postageSats: 10_000n,
  reserveSats: 3_000n,
  offsetSats: 546n,
};
const lockOutpoint = `${'aa'.repeat(32)}:0`;
const destination = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
const request = { terms, lockOutpoint, destination, feerateSatVb: 2, maxFeeSats: 3_000n };
const built = buildCooperativeClaim(request);
const allowedScripts = [addressScript(destination, 'regtest')];

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

const cosigning = (role: CosignerRole, given: Partial<Cosigning> = {}): Cosigning => ({
  ...{ terms, lockOutpoint, raw: built.raw, allowedScripts, role, secret: secrets[role] },
  ...given,
});
const fresh = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);

/** Both sides up to their partial signatures. */
function bothSigned(of: SpendTerms = terms, secret: Record<CosignerRole, Uint8Array> = secrets) {
  const raw = buildCooperativeClaim({ ...request, terms: of }).raw;
  const buyer = createSession(cosigning('claim', { terms: of, raw, secret: secret.claim })).nonce(fresh(1));
  const seller = createSession(cosigning('refund', { terms: of, raw, secret: secret.refund })).nonce(fresh(2));
  return {
    raw,
    buyer: buyer.aggregate(seller.publicNonce).sign(),
    seller: seller.aggregate(buyer.publicNonce).sign(),
  };
}

describe('co-operative spend', () => {
  test('is 111 vB, spends the lock alone, signals replacement and has no locktime', () => {
    const { version, lockHeight, inputs, outputs } = decodeTransaction(built.raw);
    assert.deepEqual([built.vsize, built.feeSats, version, lockHeight], [111, 222n, 2, 0]);
    assert.deepEqual(inputs, [{ outpoint: lockOutpoint, sequence: 0xfffffffd, witness: [] }]);
    assert.deepEqual(outputs, [{ valueSats: 13_000n - 222n, script: allowedScripts[0] }]);
  });

  test('needs a lock with a key path', () => {
    throws('bad_script', () => buildCooperativeClaim({ ...request, terms: { ...terms, internalKey: 'nums' } }));
  });

  test('either side completes the same transaction, with one signature that verifies under the output key', () => {
    const { raw, buyer, seller } = bothSigned();
    const done = buyer.verify(seller.partial).complete();
    assert.deepEqual(seller.verify(buyer.partial).complete(), done);
    assert.equal(done.txid, built.txid);
    assert.equal(vsizeOf(done.raw), 111);
    const { script } = buildLock(terms);
    const message = signatureMessage({ raw, spent: [{ valueSats: lockValueSats(terms), script }] });
    assert.ok(schnorr.verify(hex.decode(done.signature), message, hex.decode(script.slice(4))));
  });

  test('shows no preimage', () => {
    const { buyer, seller } = bothSigned();
    assert.equal(findPreimage(buyer.verify(seller.partial).complete().raw, terms.paymentHash), undefined);
  });

  test('works whatever the parity of the two keys is', () => {
    for (const claim of [1, 2, 3, 5])
      for (const refund of [4, 6]) {
        const secret = { claim: fresh(claim), refund: fresh(refund) };
        const of = { ...terms, claimKey: publicKeyOf(secret.claim) ?? '', refundKey: publicKeyOf(secret.refund) ?? '' };
        const { buyer, seller } = bothSigned(of, secret);
        assert.equal(vsizeOf(buyer.verify(seller.partial).complete().raw), 111);
      }
  });
});

describe('a session', () => {
  test('opens for no lock without a key path', () => {
    throws('bad_script', () => createSession(cosigning('claim', { terms: { ...terms, internalKey: 'nums' } })));
  });

  test('opens only for the lock, and for the lock alone', () => {
    throws('bad_transaction', () => createSession(cosigning('refund', { lockOutpoint: `${'aa'.repeat(32)}:1` })));
    const input = { valueSats: 13_000n, script: '', sequence: 0xfffffffd, witness: [] };
    const raw = encodeDraft({
      lockHeight: 0,
      inputs: [lockOutpoint, `${'cc'.repeat(32)}:0`].map((outpoint) => ({ ...input, outpoint })),
      outputs: [{ valueSats: 12_000n, script: allowedScripts[0] ?? '' }],
    });
    throws('bad_transaction', () => createSession(cosigning('refund', { raw })));
  });

  test('opens only for allowed outputs that keep the postage', () => {
    throws('bad_transaction', () => createSession(cosigning('refund', { allowedScripts: [] })));
    const raw = (valueSats: bigint): string =>
      encodeDraft({
        lockHeight: 0,
        inputs: [{ outpoint: lockOutpoint, valueSats: 0n, script: '', sequence: 0xfffffffd, witness: [] }],
        outputs: [{ valueSats, script: allowedScripts[0] ?? '' }],
      });
    throws('sat_lost', () => createSession(cosigning('refund', { raw: raw(9_999n) })));
    throws('sat_lost', () =>
      createSession(cosigning('refund', { raw: raw(10_000n), terms: { ...terms, offsetSats: 10_000n } })),
    );
    createSession(cosigning('refund', { raw: raw(10_000n) }));
  });

  test('opens only with the secret of its role', () => {
    throws('bad_key', () => createSession(cosigning('claim', { secret: secrets.refund })));
    throws('bad_key', () => createSession(cosigning('refund', { secret: new Uint8Array(32) })));
  });

  test('makes one nonce, and wipes the randomness it was made from', () => {
    const session = createSession(cosigning('claim'));
    const randomness = fresh(1);
    session.nonce(randomness);
    assert.deepEqual(randomness, new Uint8Array(32));
    throws('nonce_reused', () => session.nonce(fresh(2)));
    throws('nonce_reused', () => createSession(cosigning('claim')).nonce(randomness));
  });

  test('takes 32 bytes of randomness, no less, whatever they are but all zero', () => {
    const randomness = fresh(1);
    randomness[7] = 0;
    assert.equal(createSession(cosigning('claim')).nonce(randomness).publicNonce.length, 132);
    throws('bad_key', () => createSession(cosigning('claim')).nonce(new Uint8Array(16).fill(1)));
  });

  test('binds its nonce to the first nonce of the other side, even when that was no nonce', () => {
    const nonced = createSession(cosigning('claim')).nonce(fresh(1));
    const theirs = createSession(cosigning('refund')).nonce(fresh(2)).publicNonce;
    throws('bad_signature', () => nonced.aggregate('00'.repeat(66)));
    throws('nonce_reused', () => nonced.aggregate(theirs));
  });

  test('refuses as a nonce what is none', () => {
    for (const theirs of ['', 'zz', '02', `04${'11'.repeat(65)}`, 'ff'.repeat(66)])
      throws('bad_signature', () => createSession(cosigning('claim')).nonce(fresh(1)).aggregate(theirs));
  });

  test('signs once', () => {
    const theirs = createSession(cosigning('refund')).nonce(fresh(2)).publicNonce;
    const aggregated = createSession(cosigning('claim')).nonce(fresh(1)).aggregate(theirs);
    aggregated.sign();
    throws('nonce_reused', () => aggregated.sign());
  });

  test('refuses a partial signature for another transaction, another signer, or none at all', () => {
    const { buyer, seller } = bothSigned();
    const other = buildCooperativeClaim({ ...request, feerateSatVb: 3 }).raw;
    const nonced = createSession(cosigning('refund', { raw: other })).nonce(fresh(2));
    const foreign = nonced
      .aggregate(createSession(cosigning('claim', { raw: other })).nonce(fresh(1)).publicNonce)
      .sign();
    for (const partial of [foreign.partial, buyer.partial, '', 'zz', '00'.repeat(32), 'ff'.repeat(32)])
      throws('bad_signature', () => buyer.verify(partial));
    assert.equal(vsizeOf(buyer.verify(seller.partial).complete().raw), 111);
  });

  test('cannot be stored: neither JSON nor a structured clone nor a print of it holds the nonce or the secret', () => {
    const nonced = createSession(cosigning('claim')).nonce(fresh(1));
    const aggregated = nonced.aggregate(createSession(cosigning('refund')).nonce(fresh(2)).publicNonce);
    for (const step of [nonced, aggregated, aggregated.sign()]) {
      assert.throws(() => structuredClone(step));
      const shown = JSON.stringify(step) + inspect(step, { showHidden: true, depth: null });
      assert.doesNotMatch(shown, /(07){8}|secret|Uint8Array/);
    }
    assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(nonced)) as object), ['publicNonce']);
  });
});

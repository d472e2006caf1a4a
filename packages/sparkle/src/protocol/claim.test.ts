import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { buildClaim, completeClaim, presignClaim, type ClaimSigning } from './claim.ts';
import { addressScript, decodeTransaction, signatureMessage, vsizeOf, withWitness } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { buildLock } from './lock.ts';
import { findPreimage, publicKeyOf } from './spend.ts';

const preimage = '11'.repeat(32);
const claimSecret = new Uint8Array(32).fill(7);
const refundSecret = new Uint8Array(32).fill(9);

const terms = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: hex.encode(sha256(hex.decode(preimage))),
  claimKey: publicKeyOf(claimSecret) ?? '',
  refundKey: publicKeyOf(refundSecret) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
  postageSats: 10_000n,
  reserveSats: 3_000n,
  offsetSats: 546n,
} as const;
const sip3 = { ...terms, script: 'sip3', internalKey: 'nums' } as const;

const destination = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
const changeAddress = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const coin = { outpoint: `${'bb'.repeat(32)}:1`, valueSats: 50_000n, script: addressScript(changeAddress, 'regtest') };

const wanted: ClaimSigning & { preimage: string } = {
  terms,
  lockOutpoint: `${'aa'.repeat(32)}:0`,
  destination,
  feerateSatVb: 2,
  maxFeeSats: 20_000n,
  claimSecret,
  auxRand: new Uint8Array(32).fill(1),
  preimage,
};

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

describe('claim', () => {
  test('v1: preimage, then signature on top, input 0 with sequence 1, no locktime', () => {
    const { raw } = buildClaim(wanted);
    const lock = buildLock(terms);
    const { version, lockHeight, inputs } = decodeTransaction(raw);
    const [input] = inputs;
    assert.deepEqual([version, lockHeight, inputs.length, input?.sequence], [2, 0, 1, 1]);
    assert.deepEqual(
      input?.witness.map((item) => item.length),
      [32, 64, 75, 65],
    );
    assert.equal(hex.encode(input?.witness[0] ?? new Uint8Array()), preimage);
    assert.equal(hex.encode(input?.witness[2] ?? new Uint8Array()), lock.claimLeaf);
    assert.equal(hex.encode(input?.witness[3] ?? new Uint8Array()), lock.claimControl);
  });

  test('sip3: signature, then preimage on top, input 0 replaceable', () => {
    const [input] = decodeTransaction(buildClaim({ ...wanted, terms: sip3 }).raw).inputs;
    assert.equal(input?.sequence, 0xfffffffd);
    assert.deepEqual(
      input?.witness.map((item) => item.length),
      [64, 32, 69, 65],
    );
    assert.equal(hex.encode(input?.witness[1] ?? new Uint8Array()), preimage);
  });

  test('the size and the fee are those of the finished bytes', () => {
    for (const [of, vsize] of [
      [terms, 155],
      [sip3, 154],
    ] as const) {
      const claim = buildClaim({ ...wanted, terms: of });
      assert.equal(vsizeOf(claim.raw), vsize);
      assert.deepEqual([claim.vsize, claim.feeSats, claim.feerateSatVb], [vsize, BigInt(2 * vsize), 2]);
    }
  });

  test('whoever reads it finds the preimage', () => {
    assert.equal(findPreimage(buildClaim(wanted).raw, terms.paymentHash), preimage);
  });

  test('the reserve that the fee does not need stays with the inscription', () => {
    const { raw } = buildClaim(wanted);
    assert.deepEqual(decodeTransaction(raw).outputs, [
      { valueSats: 13_000n - 310n, script: addressScript(destination, 'regtest') },
    ]);
  });

  test('the whole reserve can be paid as fee, and the postage stays', () => {
    const { raw } = buildClaim({ ...wanted, terms: { ...terms, reserveSats: 310n } });
    assert.equal(decodeTransaction(raw).outputs[0]?.valueSats, 10_000n);
  });

  test('one sat less of reserve is refused when no coins are given', () => {
    assert.throws(
      () => buildClaim({ ...wanted, terms: { ...terms, reserveSats: 309n } }),
      (error: SparkleError) =>
        error.code === 'fee_too_high' && error.detail['feeSats'] === 310n && error.detail['reserveSats'] === 309n,
    );
  });

  test('coins are used only when the reserve is too small, after the lock, with change after the inscription', () => {
    const funding = { coins: [coin], changeAddress };
    assert.equal(decodeTransaction(buildClaim({ ...wanted, funding }).raw).inputs.length, 1);
    const claim = buildClaim({ ...wanted, funding, feerateSatVb: 50 });
    const { inputs, outputs } = decodeTransaction(claim.raw);
    assert.deepEqual(
      inputs.map(({ outpoint }) => outpoint),
      [wanted.lockOutpoint, coin.outpoint],
    );
    assert.deepEqual(
      inputs.map(({ sequence }) => sequence),
      [1, 0xfffffffd],
    );
    assert.equal(outputs[0]?.valueSats, 10_000n);
    assert.equal(outputs[1]?.script, coin.script);
    assert.equal(inputs[1]?.witness.length, 0);
    assert.equal(claim.feeSats, BigInt(claim.vsize) * 50n);
    assert.equal(claim.feeSats, 63_000n - 10_000n - (outputs[1]?.valueSats ?? 0n));
  });

  test('a coin too small for change leaves the rest with the inscription', () => {
    const { raw, feeSats } = buildClaim({
      ...wanted,
      feerateSatVb: 20,
      funding: { coins: [{ ...coin, valueSats: 2_000n }], changeAddress },
    });
    const { outputs } = decodeTransaction(raw);
    assert.equal(outputs.length, 1);
    assert.equal(outputs[0]?.valueSats, 15_000n - feeSats);
  });

  test('coins that do not suffice are refused', () => {
    const funding = { coins: [{ ...coin, valueSats: 600n }], changeAddress };
    throws('insufficient_funds', () => buildClaim({ ...wanted, funding, feerateSatVb: 100 }));
  });

  test('a fee above the cap is refused', () => {
    throws('fee_too_high', () => buildClaim({ ...wanted, maxFeeSats: 309n }));
  });

  test('a claim that has to replace one pays more than that one by its own relay', () => {
    const first = buildClaim(wanted);
    assert.equal(buildClaim({ ...wanted, replaces: [first] }).feeSats, first.feeSats + 155n);
  });

  test('an inscription beyond the postage, or postage that is dust where it goes, is refused', () => {
    throws('sat_lost', () => buildClaim({ ...wanted, terms: { ...terms, offsetSats: 10_000n } }));
    throws('dust', () =>
      buildClaim({ ...wanted, feerateSatVb: 19.2, terms: { ...terms, offsetSats: 0n, postageSats: 300n } }),
    );
  });

  test('an address of another network is refused', () => {
    throws('wrong_network', () => buildClaim({ ...wanted, destination: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4' }));
  });

  test('the seller cannot sign the claim with his own key', () => {
    throws('bad_key', () => buildClaim({ ...wanted, claimSecret: refundSecret }));
  });

  test('another preimage, one in capitals and one of another length are refused, and not shown', () => {
    for (const wrong of ['22'.repeat(32), '11'.repeat(33), '11'.repeat(31), '', 'AB'.repeat(32)])
      assert.throws(
        () => buildClaim({ ...wanted, preimage: wrong }),
        (error: SparkleError) => error.code === 'bad_preimage' && (wrong === '' || !error.message.includes(wrong)),
      );
  });
});

describe('presigned claim', () => {
  const presigned = presignClaim(wanted);

  test('is plain data without the preimage, and completing it gives the same transaction', () => {
    assert.doesNotMatch(
      JSON.stringify(presigned, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
      /1{64}/,
    );
    assert.deepEqual(completeClaim({ presigned, preimage }), buildClaim(wanted));
  });

  test('its signature verifies under the claim key for exactly this transaction', () => {
    const { claimLeaf } = buildLock(terms);
    const message = signatureMessage({ raw: presigned.raw, spent: presigned.spent, leaf: claimLeaf });
    assert.ok(schnorr.verify(hex.decode(presigned.signature), message, hex.decode(terms.claimKey)));
  });

  test('a claim whose outputs were changed afterwards is refused, also when the rest was made to fit', () => {
    const { raw, txid, feeSats } = presignClaim({ ...wanted, destination: changeAddress });
    throws('bad_transaction', () => completeClaim({ presigned: { ...presigned, raw }, preimage }));
    throws('bad_transaction', () => completeClaim({ presigned: { ...presigned, raw, txid }, preimage }));
    throws('bad_signature', () => completeClaim({ presigned: { ...presigned, raw, txid, feeSats }, preimage }));
  });

  test('a claim that lies about nothing but its txid is refused', () => {
    throws('bad_transaction', () => completeClaim({ presigned: { ...presigned, txid: 'ee'.repeat(32) }, preimage }));
  });

  test('a claim that lies about what it spends is refused', () => {
    const [first] = presigned.spent;
    assert.ok(first !== undefined);
    const lies = [[], [first, first], [{ ...first, outpoint: coin.outpoint }], [{ ...first, valueSats: 13_001n }]];
    for (const spent of lies)
      throws(spent.length === 0 ? 'bad_script' : 'bad_transaction', () =>
        completeClaim({ presigned: { ...presigned, spent }, preimage }),
      );
    const dearer = { ...presigned, spent: [{ ...first, valueSats: 13_001n }], feeSats: presigned.feeSats + 1n };
    throws('bad_signature', () => completeClaim({ presigned: dearer, preimage }));
  });

  test('a signature that is none is refused', () => {
    const { signature: good } = presigned;
    for (const signature of ['', 'zz', '00'.repeat(64), 'ff'.repeat(64), good.toUpperCase(), `zz${good}`, `${good}00`])
      throws('bad_signature', () => completeClaim({ presigned: { ...presigned, signature }, preimage }));
  });

  test('a claim that spends another script than the lock of its terms is refused', () => {
    const spent = [{ ...coin, outpoint: wanted.lockOutpoint }];
    throws('bad_script', () => completeClaim({ presigned: { ...presigned, spent }, preimage }));
    throws('bad_script', () =>
      completeClaim({ presigned: { ...presigned, terms: { ...terms, refundHeight: 1 } }, preimage }),
    );
  });

  test('a refusal names the lock, the txid and fee, or the payment hash that did not fit', () => {
    const { txid } = presigned;
    const { paymentHash } = terms;
    const wrong: [code: ErrorCode, changed: object, detail: object][] = [
      ['bad_script', { spent: [] }, { lock: buildLock(terms).script }],
      ['bad_transaction', { feeSats: 1n }, { txid, feeSats: 1n }],
      ['bad_signature', { signature: '00'.repeat(64) }, { txid }],
    ];
    for (const [code, changed, detail] of wrong)
      assert.throws(() => completeClaim({ presigned: { ...presigned, ...changed }, preimage }), { code, detail });
    const other = () => completeClaim({ presigned, preimage: '22'.repeat(32) });
    assert.throws(other, { code: 'bad_preimage', detail: { paymentHash } });
  });

  test('signatures that a wallet put on its own inputs meanwhile are kept', () => {
    const funded = presignClaim({ ...wanted, feerateSatVb: 50, funding: { coins: [coin], changeAddress } });
    const walletWitness = [new Uint8Array(72).fill(5), new Uint8Array(33).fill(2)];
    const { raw } = completeClaim({
      presigned: { ...funded, raw: withWitness(funded.raw, 1, walletWitness) },
      preimage,
    });
    assert.deepEqual(decodeTransaction(raw).inputs[1]?.witness, walletWitness);
    assert.equal(vsizeOf(raw), funded.vsize);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { encodeDraft } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import type { LockTerms } from './lock.ts';
import {
  assertSpendTerms,
  findPreimage,
  lockSpendVsize,
  planSpend,
  publicKeyOf,
  signLeaf,
  type SpendRequest,
} from './spend.ts';

const preimage = new Uint8Array(32).fill(0x11);
const claimSecret = new Uint8Array(32).fill(7);
const refundSecret = new Uint8Array(32).fill(9);
const auxRand = new Uint8Array(32).fill(1);
const P2TR = `5120${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`;

const terms = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: hex.encode(sha256(preimage)),
  claimKey: publicKeyOf(claimSecret) ?? '',
  refundKey: publicKeyOf(refundSecret) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
  postageSats: 10_000n,
  reserveSats: 3_000n,
  offsetSats: 546n,
} as const;
const sip3 = { ...terms, script: 'sip3', internalKey: 'nums' } as const;

const request: SpendRequest = {
  terms,
  lockOutpoint: `${'aa'.repeat(32)}:0`,
  destination: 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm',
  feerateSatVb: 2,
  maxFeeSats: 5_000n,
};

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

describe('lockSpendVsize', () => {
  const sizes: [path: 'claim' | 'refund' | 'key', terms: LockTerms, vsize: number][] = [
    ['key', terms, 111],
    ['claim', terms, 155],
    ['claim', sip3, 154],
    ['refund', terms, 138],
    ['refund', sip3, 138],
  ];

  test('is exact for each path to a P2TR output', () => {
    for (const [path, of, vsize] of sizes)
      assert.equal(lockSpendVsize({ terms: of, path, destinationScript: P2TR }), vsize);
  });

  test('is what planSpend says, and 12 vB less to a P2WPKH output', () => {
    for (const [path, of, vsize] of sizes) {
      assert.equal(planSpend({ ...request, terms: { ...terms, ...of } }, path).vsize, vsize);
      assert.equal(lockSpendVsize({ terms: of, path, destinationScript: `0014${'22'.repeat(20)}` }), vsize - 12);
    }
  });
});

test('assertSpendTerms takes offset, postage and reserve to their limits, and refuses one sat beyond', () => {
  const least = { ...terms, offsetSats: 329n, postageSats: 330n, reserveSats: 0n };
  assertSpendTerms(least);
  throws('sat_lost', () => assertSpendTerms({ ...least, offsetSats: 330n }));
  throws('sat_lost', () => assertSpendTerms({ ...least, offsetSats: -1n }));
  throws('dust', () => assertSpendTerms({ ...least, offsetSats: 0n, postageSats: 329n }));
  throws('bad_amount', () => assertSpendTerms({ ...least, reserveSats: -1n }));
});

test('a refusal of offset, postage or reserve tells all three', () => {
  const numbers = { offsetSats: 1n, postageSats: 329n, reserveSats: 2n };
  assert.throws(() => assertSpendTerms({ ...terms, ...numbers }), { code: 'dust', detail: numbers });
});

describe('signLeaf', () => {
  const planned = planSpend(request, 'claim');
  const signing = { planned, leaf: planned.lock.claimLeaf, key: terms.claimKey, secret: claimSecret, auxRand };

  test('is deterministic for the same auxiliary bytes', () => {
    assert.deepEqual(signLeaf(signing), signLeaf(signing));
    assert.notDeepEqual(signLeaf(signing), signLeaf({ ...signing, auxRand: new Uint8Array(32).fill(2) }));
  });

  test('refuses the secret of another key, and bytes that are no secret', () => {
    const detail = { key: terms.claimKey };
    assert.throws(() => signLeaf({ ...signing, secret: refundSecret }), { code: 'bad_key', detail });
    throws('bad_key', () => signLeaf({ ...signing, secret: new Uint8Array(32) }));
    throws('bad_key', () => signLeaf({ ...signing, secret: new Uint8Array(31).fill(7) }));
    throws('bad_key', () => signLeaf({ ...signing, secret: new Uint8Array(32).fill(0xff) }));
  });

  test('refuses auxiliary bytes that are not 32', () => {
    throws('bad_key', () => signLeaf({ ...signing, auxRand: new Uint8Array(31) }));
  });

  test('the error does not show the secret', () => {
    assert.throws(
      () => signLeaf({ ...signing, secret: refundSecret }),
      (error: SparkleError) => !JSON.stringify([error.message, error.detail]).includes('0909'),
    );
  });
});

describe('findPreimage', () => {
  const hash = terms.paymentHash;
  const spend = (...witnesses: Uint8Array[][]): string =>
    encodeDraft({
      lockHeight: 0,
      inputs: witnesses.map((witness, index) => ({
        outpoint: `${'aa'.repeat(32)}:${index}`,
        valueSats: 0n,
        script: '',
        sequence: 0xfffffffd,
        witness,
      })),
      outputs: [{ valueSats: 1_000n, script: P2TR }],
    });
  const other = new Uint8Array(32).fill(0x12);

  test('finds it wherever in whichever witness it stands', () => {
    const found = '11'.repeat(32);
    assert.equal(findPreimage(spend([preimage]), hash), found);
    assert.equal(findPreimage(spend([new Uint8Array(64), preimage, Uint8Array.of(0x51)]), hash), found);
    assert.equal(findPreimage(spend([other], [other, preimage]), hash), found);
  });

  test('finds nothing where nothing is shown', () => {
    assert.equal(findPreimage(spend([other, new Uint8Array(64)]), hash), undefined);
    assert.equal(findPreimage(spend([]), hash), undefined);
    assert.equal(findPreimage(spend([preimage]), '00'.repeat(32)), undefined);
  });

  test('does not take 33 bytes for a preimage, even if they hash to what was asked for', () => {
    const long = new Uint8Array(33).fill(0x11);
    assert.equal(findPreimage(spend([long]), hex.encode(sha256(long))), undefined);
  });

  test('refuses bytes that are no transaction', () => {
    throws('bad_transaction', () => findPreimage('00', hash));
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { bytesToNumberBE } from '@noble/curves/utils.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { hex } from '@scure/base';
import type { ErrorCode } from './errors.ts';
import { SparkleError } from './errors.ts';
import { buildLock, musigKeys, NUMS_KEY, sameLock, type LockTerms } from './lock.ts';
import vectors from './lock.vectors.json' with { type: 'json' };

const G = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const G2 = 'c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5';
const H = hex.encode(sha256(new Uint8Array(32).fill(0x11)));

const sip3: LockTerms = {
  script: 'sip3',
  internalKey: 'nums',
  paymentHash: H,
  claimKey: G,
  refundKey: G2,
  refundHeight: 2_500_288,
  network: 'testnet',
};
const v1: LockTerms = { ...sip3, script: 'v1', internalKey: 'musig', network: 'regtest' };

const refuses = (code: ErrorCode, terms: LockTerms): void =>
  assert.throws(
    () => buildLock(terms),
    (error) => error instanceof SparkleError && error.code === code,
  );

const leafHash = (leaf: string): string =>
  hex.encode(schnorr.utils.taggedHash('TapLeaf', hex.decode(`c0${(leaf.length / 2).toString(16)}${leaf}`)));

describe('sip3 lock', () => {
  test('the output of SIP-3 implementations in the field comes out byte for byte', () => {
    assert.deepEqual(buildLock(vectors.sip3.terms as LockTerms), vectors.sip3.lock);
    assert.equal(vectors.sip3.lock.script, '512009ec72c524285b076d5bac61662f726c88a4774b91904778259f35d05ae6f42b');
    assert.equal(vectors.sip3.lock.address, 'tb1pp8k893fy9pdswm2m43skvtmjdjy2ga6tjxgyw7p9nu6aqkhx7s4scr22ee');
  });

  test('the leaves are the two scripts of SIP-3 v0.2, opcode by opcode', () => {
    const { claimLeaf, refundLeaf } = buildLock(sip3);
    // SHA256 push32 H EQUALVERIFY push32 claim CHECKSIG
    assert.equal(claimLeaf, `a8${'20'}${H}${'88'}${'20'}${G}${'ac'}`);
    // push3 R CHECKLOCKTIMEVERIFY DROP push32 refund CHECKSIG
    assert.equal(refundLeaf, `03c02626${'b1'}${'75'}${'20'}${G2}${'ac'}`);
    assert.equal(leafHash(claimLeaf), vectors.sip3.claimLeafHash);
    assert.equal(leafHash(refundLeaf), vectors.sip3.refundLeafHash);
  });

  test('both control blocks carry the NUMS key and the sibling leaf', () => {
    const { claimControl, refundControl } = buildLock(sip3);
    assert.equal(claimControl, `c0${NUMS_KEY}${vectors.sip3.refundLeafHash}`);
    assert.equal(refundControl, `c0${NUMS_KEY}${vectors.sip3.claimLeafHash}`);
  });

  test('has no descriptor, because its leaves are not Miniscript', () => {
    assert.equal(buildLock(sip3).descriptor, undefined);
  });

  test('cannot have a MuSig2 internal key', () => {
    refuses('bad_script', { ...sip3, internalKey: 'musig' });
  });
});

describe('v1 lock', () => {
  test('the leaves are the bytes of their Miniscript, opcode by opcode', () => {
    const { claimLeaf, refundLeaf } = buildLock(v1);
    // push32 claim CHECKSIGVERIFY SIZE push1 32 EQUALVERIFY SHA256 push32 H EQUALVERIFY OP_1 CHECKSEQUENCEVERIFY
    assert.equal(claimLeaf, `20${G}ad${'82'}0120${'88'}${'a8'}20${H}${'88'}${'51'}${'b2'}`);
    // push32 refund CHECKSIGVERIFY push3 R CHECKLOCKTIMEVERIFY
    assert.equal(refundLeaf, `20${G2}ad03c02626b1`);
  });

  test('no leaf contains OP_IF or OP_NOTIF, which some nodes do not relay', () => {
    for (const terms of [sip3, v1]) {
      const { claimLeaf, refundLeaf } = buildLock(terms);
      for (const leaf of [claimLeaf, refundLeaf]) {
        const opcodes = leaf.replaceAll(/20[0-9a-f]{64}/g, '').replaceAll('03c02626', '');
        assert.doesNotMatch(opcodes, /^(..)*6[34]/);
      }
    }
  });

  test('pinned outputs with NUMS and with MuSig2 stay what they are', () => {
    for (const { terms, lock } of vectors.v1) assert.deepEqual(buildLock(terms as LockTerms), lock);
  });

  test('the internal key is BIP 327 KeyAgg of (refund key, claim key), the coefficient of the second key being 1', () => {
    const [refund, claim] = musigKeys(v1);
    assert.ok(refund !== undefined && claim !== undefined);
    assert.equal(hex.encode(concatBytes(refund, claim)), `02${G2}02${G}`);
    const list = schnorr.utils.taggedHash('KeyAgg list', refund, claim);
    const coefficient = bytesToNumberBE(schnorr.utils.taggedHash('KeyAgg coefficient', list, refund));
    const point = secp256k1.Point.fromBytes(refund)
      .multiply(secp256k1.Point.Fn.create(coefficient))
      .add(secp256k1.Point.fromBytes(claim));
    assert.equal(buildLock(v1).internalKey, hex.encode(schnorr.utils.pointToBytes(point)));
  });

  test('the internal key is not sorted: exchanging the keys gives another one', () => {
    const exchanged = buildLock({ ...v1, claimKey: G2, refundKey: G });
    assert.notEqual(exchanged.internalKey, buildLock(v1).internalKey);
  });

  test('the descriptor names the internal key and both policies and ends in a BIP 380 checksum', () => {
    const { descriptor, internalKey } = buildLock(v1);
    const body = `tr(${internalKey},{and_v(v:pk(${G}),and_v(v:sha256(${H}),older(1))),and_v(v:pk(${G2}),after(2500288))})`;
    assert.equal(descriptor?.slice(0, body.length), body);
    assert.match(descriptor.slice(body.length), /^#[02-9ac-hj-np-z]{8}$/);
  });
});

describe('refund height', () => {
  // BIP 62 minimal pushes: OP_n up to 16, then little-endian with a spare byte where the top bit is set.
  const pushes: [height: number, push: string][] = [
    [1, '51'],
    [16, '60'],
    [17, '0111'],
    [127, '017f'],
    [128, '028000'],
    [255, '02ff00'],
    [256, '020001'],
    [32_767, '02ff7f'],
    [32_768, '03008000'],
    [900_144, '0330bc0d'],
    [8_388_607, '03ffff7f'],
    [8_388_608, '0400008000'],
    [499_999_999, '04ff64cd1d'],
  ];

  test('is pushed minimally in both script versions', () => {
    for (const [refundHeight, push] of pushes) {
      assert.equal(buildLock({ ...sip3, refundHeight }).refundLeaf, `${push}b17520${G2}ac`);
      assert.equal(buildLock({ ...v1, refundHeight }).refundLeaf, `20${G2}ad${push}b1`);
    }
  });

  test('is refused when consensus would read it as a time, or when it is no height at all', () => {
    for (const refundHeight of [
      0,
      -1,
      0.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      500_000_000,
      1_800_000_000,
      2 ** 32,
      4_294_967_426,
    ])
      refuses('bad_height', { ...v1, refundHeight });
  });
});

describe('keys and hash', () => {
  test('a 33-byte key is refused, because anyone may spend what it locks', () => {
    refuses('bad_key', { ...v1, claimKey: `02${G}` });
    refuses('bad_key', { ...sip3, refundKey: `03${G2}` });
  });

  test('33 bytes that are the number of a point are refused too: the leading zero is part of the key', () => {
    // x = 1 is on the curve, and so is x = 256: read as numbers, both pass for keys.
    for (const key of [`00${G}`, `${'00'.repeat(32)}01`, `${'00'.repeat(31)}0100`]) {
      refuses('bad_key', { ...v1, claimKey: key });
      refuses('bad_key', { ...v1, refundKey: key });
    }
  });

  test('a key that is short, empty or in capitals is refused', () => {
    for (const claimKey of ['', G.slice(2), G.toUpperCase()]) refuses('bad_key', { ...v1, claimKey });
  });

  test('a key that is no point of the curve is refused', () => {
    // x = 5 has no square root on secp256k1; the other is the field prime itself.
    refuses('bad_key', { ...v1, claimKey: '5'.padStart(64, '0') });
    refuses('bad_key', { ...v1, refundKey: 'fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f' });
    refuses('bad_key', { ...v1, refundKey: '0'.repeat(64) });
  });

  test('one key for both sides is refused', () => {
    refuses('bad_key', { ...v1, refundKey: G });
  });

  test('the NUMS point is refused as claim key and as refund key', () => {
    refuses('bad_key', { ...v1, claimKey: NUMS_KEY });
    refuses('bad_key', { ...sip3, refundKey: NUMS_KEY });
  });

  test('a payment hash that is not 32 bytes of lowercase hex is refused', () => {
    for (const paymentHash of ['', H.slice(2), `${H}00`, H.toUpperCase(), 'zz'.repeat(32)])
      refuses('bad_hex', { ...v1, paymentHash });
  });

  test('an unknown network, script version or internal key is refused', () => {
    refuses('bad_network', { ...v1, network: 'banana' as 'regtest' });
    refuses('bad_script', { ...v1, script: 'v2' as 'v1' });
    refuses('bad_script', { ...v1, internalKey: 'mine' as 'nums' });
  });
});

describe('a refusal', () => {
  const refusal = (changed: object): SparkleError => {
    try {
      buildLock({ ...v1, ...changed });
    } catch (error) {
      if (error instanceof SparkleError) return error;
      throw error;
    }
    throw new Error('the terms were taken');
  };

  test('names the field, and what came where that is short', () => {
    const off = '5'.padStart(64, '0');
    const rows: [changed: object, detail: object][] = [
      [{ claimKey: '02' }, { field: 'claimKey' }],
      [{ refundKey: NUMS_KEY }, { field: 'refundKey', key: NUMS_KEY }],
      [{ refundKey: off }, { field: 'refundKey', key: off }],
      [{ refundKey: G }, { claimKey: G }],
      [{ script: 'sip3' }, { internalKey: 'musig' }],
      [{ script: 'v2' }, { script: 'v2' }],
      [{ internalKey: 'mine' }, { internalKey: 'mine' }],
    ];
    for (const [changed, detail] of rows) assert.deepEqual(refusal(changed).detail, detail);
  });

  test('of a key off the curve has what the curve said as its cause', () => {
    assert.ok(refusal({ claimKey: '5'.padStart(64, '0') }).cause instanceof Error);
  });
});

describe('sameLock', () => {
  test('accepts the script of the terms and no other', () => {
    const { script } = buildLock(v1);
    assert.equal(sameLock(v1, script), true);
    const others: LockTerms[] = [
      { ...v1, internalKey: 'nums' },
      { ...v1, script: 'sip3', internalKey: 'nums' },
      { ...v1, refundHeight: v1.refundHeight + 1 },
      { ...v1, paymentHash: hex.encode(sha256(new Uint8Array(32))) },
      { ...v1, claimKey: G2, refundKey: G },
    ];
    for (const other of others) assert.equal(sameLock(other, script), false);
    assert.equal(sameLock(v1, ''), false);
  });
});

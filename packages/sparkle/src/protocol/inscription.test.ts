import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import fc from 'fast-check';
import { MAX_SATS } from './amount.ts';
import {
  compareInscriptionIds,
  compareOutpoints,
  compareSatPoints,
  inscriptionIdBytes,
  inscriptionIdText,
  outpointText,
  readInscriptionId,
  readInscriptionIdBytes,
  readOutpoint,
  readSatPoint,
  satPointText,
} from './inscription.ts';
import vectors from './inscription.vectors.json' with { type: 'json' };

const TXID = '1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100';
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const txid = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(hex.encode);

for (const { text, bytes } of vectors.ids)
  test(`the inscription id i${text.slice(65)} has its text and its binary form`, () => {
    assert.equal(inscriptionIdText(readInscriptionId(text)), text);
    assert.equal(hex.encode(inscriptionIdBytes(readInscriptionId(text))), bytes);
    assert.equal(inscriptionIdText(readInscriptionIdBytes(hex.decode(bytes))), text);
  });

test('an id with all four index bytes is read, as ord does', () => {
  for (const { text, bytes } of vectors.otherBytes)
    assert.equal(inscriptionIdText(readInscriptionIdBytes(hex.decode(bytes))), text);
});

for (const bytes of vectors.badBytes)
  test(`the bytes ...${bytes.slice(60)} (${bytes.length / 2}) are not an inscription id`, () => {
    assert.throws(() => readInscriptionIdBytes(hex.decode(bytes)), { code: 'bad_inscription_id' });
  });

test('every id, outpoint and satpoint survives being printed and read', () => {
  const offset = fc.bigInt({ min: 0n, max: MAX_SATS - 1n });
  fc.assert(
    fc.property(txid, u32, offset, (tx, number, offsetSats) => {
      const id = { txid: tx, index: number };
      const satPoint = { txid: tx, vout: number, offsetSats };
      assert.deepEqual(readInscriptionId(inscriptionIdText(id)), id);
      assert.deepEqual(readInscriptionIdBytes(inscriptionIdBytes(id)), id);
      assert.deepEqual(readOutpoint(outpointText(satPoint)), { txid: tx, vout: number });
      assert.deepEqual(readSatPoint(satPointText(satPoint)), satPoint);
    }),
  );
});

const notIds = [
  '',
  TXID,
  `${TXID}i`,
  `${TXID}:0`,
  `${TXID}I0`,
  `${TXID.toUpperCase()}i0`,
  `${TXID}i00`,
  `${TXID}i01`,
  `${TXID}i-1`,
  `${TXID}i+1`,
  `${TXID}i4294967296`,
  `${TXID}i0 `,
  ` ${TXID}i0`,
  `${TXID}i0\n`,
  `${TXID.slice(1)}i0`,
  `0${TXID}i0`,
  `${TXID.slice(2)}zzi0`,
  `${TXID}i1.0`,
  `${TXID}i٣`,
];
for (const text of notIds)
  test(`${JSON.stringify(text)} is not an inscription id`, () => {
    assert.throws(() => readInscriptionId(text), {
      code: 'bad_inscription_id',
      message: `expected an inscription id: 64 lowercase hex, i, index; got ${JSON.stringify(text)}`,
    });
  });

const notOutpoints = [
  '',
  TXID,
  `${TXID}:`,
  `${TXID}i0`,
  `${TXID}:00`,
  `${TXID}:4294967296`,
  `${TXID.toUpperCase()}:0`,
  `${TXID}:0:0`,
  `${TXID}: 0`,
  `${TXID}:0\n`,
  `${TXID}:-1`,
];
for (const text of notOutpoints)
  test(`${JSON.stringify(text)} is not an outpoint`, () => {
    assert.throws(() => readOutpoint(text), { code: 'bad_outpoint', message: /^expected an outpoint/ });
  });

const notSatPoints = [
  '',
  `${TXID}:0`,
  `${TXID}:0:`,
  `${TXID}:0:00`,
  `${TXID}:0:-1`,
  `${TXID}:4294967296:0`,
  `${TXID}:0:0:0`,
  `${TXID}:0:${MAX_SATS}`,
  `${TXID}:0:0\n`,
];
for (const text of notSatPoints)
  test(`${JSON.stringify(text)} is not a satpoint`, () => {
    assert.throws(() => readSatPoint(text), { code: 'bad_satpoint', message: /^expected a satpoint/ });
  });

test('what is not text is refused by each reader', () => {
  for (const value of [undefined, null, 5, { toString: () => `${TXID}:0` }, [`${TXID}:0`]]) {
    assert.throws(() => readInscriptionId(value), { code: 'bad_inscription_id' });
    assert.throws(() => readOutpoint(value), { code: 'bad_outpoint' });
    assert.throws(() => readSatPoint(value), { code: 'bad_satpoint' });
  }
});

test('ids are ordered by txid, then by index as a number', () => {
  const texts = [`${TXID}i10`, `${TXID}i9`, `${'00'.repeat(32)}i11`];
  const sorted = texts.map(readInscriptionId).sort(compareInscriptionIds).map(inscriptionIdText);
  assert.deepEqual(sorted, [texts[2], texts[1], texts[0]]);
  assert.equal(compareInscriptionIds(readInscriptionId(texts[0]), readInscriptionId(texts[0])), 0);
});

test('outpoints are ordered by txid, then by output number', () => {
  const texts = [`${TXID}:10`, `${TXID}:9`, `${'00'.repeat(32)}:11`];
  assert.deepEqual(texts.map(readOutpoint).sort(compareOutpoints).map(outpointText), [texts[2], texts[1], texts[0]]);
});

test('satpoints are ordered by outpoint, then by offset', () => {
  const texts = [`${TXID}:1:10`, `${TXID}:1:9`, `${TXID}:0:11`];
  assert.deepEqual(texts.map(readSatPoint).sort(compareSatPoints).map(satPointText), [texts[2], texts[1], texts[0]]);
});

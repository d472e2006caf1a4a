import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import fc from 'fast-check';
import { envelopesOf, inscriptionEnvelope, readEnvelopes, revealedLeaf, type Envelope } from './envelope.ts';
import { writeTransaction } from './transaction.ts';
import vectors from './envelope.vectors.json' with { type: 'json' };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const CONTROL = new Uint8Array(33).fill(0xc0);
const ORD = '0063036f7264';

const rawWith = (witnesses: Uint8Array[][]): string =>
  writeTransaction({
    version: 2,
    inputs: witnesses.map((witness, vout) => ({
      txid: '11'.repeat(32),
      vout,
      scriptSig: new Uint8Array(),
      sequence: 0,
      witness,
    })),
    outputs: [{ valueSats: 1000n, script: new Uint8Array() }],
    lockTime: 0,
  });

const envelopesIn = (script: Uint8Array): Envelope[] => readEnvelopes(rawWith([[script, CONTROL]]));

type Found = { contentType?: string; body?: string; pointer?: string; unknownEvenTag?: boolean };
const scripts: { what: string; script: string; found: Found[] }[] = vectors.scripts;

for (const { what, script, found } of scripts)
  test(`of ${what}, ${found.length} inscriptions are read`, () => {
    assert.deepEqual(
      envelopesIn(hex.decode(script.replaceAll(' ', ''))),
      found.map((fields, index) => ({
        index,
        input: 0,
        contentType: fields.contentType,
        body: fields.body === undefined ? undefined : utf8(fields.body),
        pointer: fields.pointer === undefined ? undefined : BigInt(fields.pointer),
        hasUnknownEvenTag: fields.unknownEvenTag === true,
      })),
    );
  });

test('number opcodes from -1 to 16 push what they say', () => {
  for (const [opcode, byte] of [[0x4f, 0x81], ...Array.from({ length: 16 }, (_, index) => [0x51 + index, index + 1])])
    assert.deepEqual(envelopesIn(hex.decode(`${ORD}00${opcode?.toString(16)}68`))[0]?.body, Uint8Array.of(byte ?? 0));
});

test('an envelope is written byte for byte as ord writes it', () => {
  const envelope = inscriptionEnvelope({ contentType: 'text/plain', body: utf8('hello') });
  assert.equal(hex.encode(envelope), '0063036f726401010a746578742f706c61696e000568656c6c6f68');
});

test('a body is written in pushes of 520 bytes, of which the last holds the rest', () => {
  const envelope = hex.encode(inscriptionEnvelope({ contentType: 'a', body: new Uint8Array(1041).fill(7) }));
  assert.equal(envelope, `${ORD}0101016100${`4d0802${'07'.repeat(520)}`.repeat(2)}010768`);
});

test('an empty body is a body without pushes', () => {
  assert.equal(hex.encode(inscriptionEnvelope({ contentType: 'a', body: new Uint8Array() })), `${ORD}010101610068`);
});

test('what is inscribed is read back', () => {
  const type = fc.string({ unit: 'grapheme', maxLength: 100 }).filter((text) => utf8(text).length <= 520);
  fc.assert(
    fc.property(type, fc.uint8Array({ maxLength: 3000 }), (contentType, body) => {
      const [envelope, ...others] = envelopesIn(inscriptionEnvelope({ contentType, body }));
      assert.deepEqual(envelope, {
        index: 0,
        input: 0,
        contentType,
        body,
        pointer: undefined,
        hasUnknownEvenTag: false,
      });
      assert.equal(others.length, 0);
    }),
  );
});

test('a content type longer than one push is refused', () => {
  const body = new Uint8Array();
  assert.equal(envelopesIn(inscriptionEnvelope({ contentType: 'x'.repeat(520), body }))[0]?.contentType?.length, 520);
  assert.throws(() => inscriptionEnvelope({ contentType: 'x'.repeat(521), body }), { code: 'bad_script' });
});

test('inscriptions are numbered over all inputs, in their order', () => {
  const one = hex.decode(`${ORD}68`);
  const two = hex.decode(`${ORD}68${ORD}68`);
  const envelopes = readEnvelopes(rawWith([[one, CONTROL], [new Uint8Array(64)], [new Uint8Array(64), two, CONTROL]]));
  assert.deepEqual(
    envelopes.map(({ index, input }) => [index, input]),
    [
      [0, 0],
      [1, 2],
      [2, 2],
    ],
  );
});

test('the leaf is the element before the control block, an annex not counted', () => {
  const script = hex.decode(`${ORD}68`);
  const annex = Uint8Array.of(0x50, 1);
  assert.deepEqual(revealedLeaf([new Uint8Array(64), script, CONTROL]), { script, controlBlock: CONTROL });
  assert.deepEqual(revealedLeaf([script, CONTROL, annex]), { script, controlBlock: CONTROL });
  assert.equal(revealedLeaf([script]), undefined);
  assert.equal(revealedLeaf([]), undefined);
});

test('a key path spend holds no inscription, with and without an annex', () => {
  const script = hex.decode(`${ORD}68`);
  assert.deepEqual(readEnvelopes(rawWith([[script]])), []);
  assert.deepEqual(readEnvelopes(rawWith([[script, Uint8Array.of(0x50)]])), []);
  assert.deepEqual(envelopesOf({ inputs: [] }), []);
});

test('no script makes the reader of envelopes throw', () => {
  const scraps = fc.constantFrom(
    '00',
    '63',
    '036f7264',
    '68',
    '0102',
    '0101',
    '4c',
    '4d',
    '4e',
    '51',
    '05',
    'ff',
    'ac',
  );
  const scripts = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(scraps, { maxLength: 30 }).map((parts) => hex.decode(parts.join(''))),
  );
  fc.assert(fc.property(scripts, (script) => assert.ok(Array.isArray(envelopesIn(script)))));
});

test('a raw transaction that is none is refused', () => {
  assert.throws(() => readEnvelopes('00'), { code: 'bad_transaction' });
});

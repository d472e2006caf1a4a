import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { marksOf } from './guard-marks.ts';
import { writeTransaction } from './transaction.ts';

const P2TR = `5120${'07'.repeat(32)}`;

const paying = (scripts: string[], lockTime = 0): string =>
  writeTransaction({
    version: 2,
    inputs: [{ txid: 'ab'.repeat(32), vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [Uint8Array.of(1)] }],
    outputs: scripts.map((script) => ({ valueSats: 1_000n, script: hex.decode(script) })),
    lockTime,
  });

test('an ordinary payment has no marks', () => {
  assert.deepEqual(marksOf(paying([P2TR])), []);
  assert.deepEqual(marksOf(paying([P2TR, '6a0548656c6c6f'])), []);
});

test('OP_RETURN OP_13 begins a runestone, whatever follows', () => {
  assert.deepEqual(marksOf(paying([P2TR, '6a5d'])), ['runestone']);
  // Tag 22 (pointer), 1; then the body: an edict of 4 integers.
  assert.deepEqual(marksOf(paying(['6a5d0716010001020304', P2TR])), ['runestone']);
});

test('tag 16383 makes it a protostone', () => {
  assert.deepEqual(marksOf(paying(['6a5d04ff7f8101'])), ['runestone', 'protostone']);
  // Behind another field, and the payload in two pushes, the second by OP_PUSHDATA1.
  assert.deepEqual(marksOf(paying(['6a5d0216014c04ff7f8101'])), ['runestone', 'protostone']);
});

test('that number as a value, or among the edicts, is none', () => {
  assert.deepEqual(marksOf(paying(['6a5d0316ff7f'])), ['runestone']);
  assert.deepEqual(marksOf(paying(['6a5d0400ff7f01'])), ['runestone']);
});

test('bytes that are no runestone after all are read as far as they go', () => {
  assert.deepEqual(marksOf(paying(['6a5d51'])), ['runestone']);
  assert.deepEqual(marksOf(paying(['6a5d10ff7f'])), ['runestone']);
  assert.deepEqual(marksOf(paying([`6a5d20${'ff'.repeat(32)}`])), ['runestone']);
});

test('locktime 21 is the mark of a CAT-21 mint', () => {
  assert.deepEqual(marksOf(paying([P2TR], 21)), ['cat21_mint']);
  assert.deepEqual(marksOf(paying([P2TR], 22)), []);
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { Script, type ScriptType } from '@scure/btc-signer/script.js';
import { runLeaf, type LeafContext } from './memory-script.ts';
import { refusedWith } from './suite-hands.ts';

const good = new Uint8Array(64).fill(1);
const key = new Uint8Array(32).fill(2);
const context: LeafContext = {
  ...{ version: 2, lockTime: 500, sequence: 10 },
  verify: ({ key: by, signature }) => signature[0] === 1 && by[0] === 2,
};

const run = (script: ScriptType, stack: Uint8Array[], change: Partial<LeafContext> = {}): void =>
  runLeaf({ script: Script.encode(script), stack, context: { ...context, ...change } });
const runs = (script: ScriptType, stack: Uint8Array[], change: Partial<LeafContext> = {}): void =>
  assert.doesNotThrow(() => run(script, stack, change));
const fails = (script: ScriptType, stack: Uint8Array[], change: Partial<LeafContext> = {}): void =>
  void assert.throws(() => run(script, stack, change), refusedWith('broadcast_refused'));

describe('the leaf runner of the memory chain', () => {
  test('a signature is checked by the key in the leaf', () => {
    runs([key, 'CHECKSIG'], [good]);
    fails([key, 'CHECKSIG'], [new Uint8Array(64)]);
    fails([key, 'CHECKSIG'], [new Uint8Array()]);
    fails([key, 'CHECKSIGVERIFY', 1], [new Uint8Array()]);
    fails([key, 'CHECKSIG'], []);
  });

  test('any signature counts for a key that is not 32 bytes long, which is why none of ours is (BIP 342)', () => {
    runs([new Uint8Array(33).fill(2), 'CHECKSIG'], [new Uint8Array(64)]);
    fails([0, 'CHECKSIG'], [new Uint8Array(64)]);
  });

  test('a preimage must hash to the hash and, where the leaf asks, have its size', () => {
    const preimage = new Uint8Array(32).fill(3);
    const long = new Uint8Array(33).fill(3);
    runs(['SHA256', sha256(preimage), 'EQUAL'], [preimage]);
    fails(['SHA256', sha256(preimage), 'EQUALVERIFY', 1], [long]);
    runs(['SIZE', 32, 'EQUALVERIFY', 'SHA256', sha256(preimage), 'EQUAL'], [preimage]);
    fails(['SIZE', 32, 'EQUALVERIFY', 'SHA256', sha256(long), 'EQUAL'], [long]);
  });

  test('a lock height is open from that nLockTime on, and only for an input that is not final (BIP 65)', () => {
    runs([500, 'CHECKLOCKTIMEVERIFY'], []);
    fails([501, 'CHECKLOCKTIMEVERIFY'], []);
    fails([500, 'CHECKLOCKTIMEVERIFY'], [], { sequence: 0xffff_ffff });
    fails([500, 'CHECKLOCKTIMEVERIFY'], [], { lockTime: 1_700_000_000 });
    fails([1_700_000_000, 'CHECKLOCKTIMEVERIFY'], []);
    fails(['1NEGATE', 'CHECKLOCKTIMEVERIFY'], []);
    fails(['CHECKLOCKTIMEVERIFY', 1], []);
  });

  test('a relative lock is open from that sequence on (BIP 112)', () => {
    runs([10, 'CHECKSEQUENCEVERIFY'], []);
    fails([11, 'CHECKSEQUENCEVERIFY'], []);
    fails([10, 'CHECKSEQUENCEVERIFY'], [], { version: 1 });
    fails([10, 'CHECKSEQUENCEVERIFY'], [], { sequence: 0xffff_fffd });
    fails([10, 'CHECKSEQUENCEVERIFY'], [], { sequence: 0x0040_000a });
    runs([Uint8Array.of(0, 0, 0, 0x80, 0), 'CHECKSEQUENCEVERIFY', 'DROP', 1], [], { sequence: 0xffff_ffff });
  });

  test('one true item must be left, and nothing else', () => {
    runs([1], []);
    fails([1, 1], []);
    fails([0], []);
    fails(['DROP'], [good]);
    // Zero with a sign is false too.
    fails([Uint8Array.of(0, 0x80)], []);
    runs([Uint8Array.of(0x80, 0)], []);
  });

  test('an envelope is passed over, whatever stands in it', () => {
    runs([key, 'CHECKSIG', 0, 'IF', good, 'ADD', 'ENDIF'], [good]);
    runs(['IF', 'ENDIF', 1], [Uint8Array.of(1)]);
    fails(['IF', 'ENDIF', 1], [Uint8Array.of(2)]);
    fails(['IF', 1], [Uint8Array.of(1)]);
    fails([1, 'ENDIF'], []);
  });

  test('numbers are read as short as they can be written, up to five bytes', () => {
    fails([Uint8Array.of(1, 0), 'CHECKLOCKTIMEVERIFY'], []);
    fails([Uint8Array.of(1, 1, 1, 1, 1, 1), 'CHECKLOCKTIMEVERIFY'], []);
    runs([Uint8Array.of(0xff, 0), 'CHECKLOCKTIMEVERIFY'], []);
  });

  test('an operation that is none of ours is refused, and so are bytes that are no script', () => {
    fails(['ADD'], [good, good]);
    assert.throws(() => runLeaf({ script: hex.decode('4c'), stack: [], context }), refusedWith('broadcast_refused'));
  });
});

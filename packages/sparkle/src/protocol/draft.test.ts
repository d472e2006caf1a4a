import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import {
  addressScript,
  decodeTransaction,
  encodeDraft,
  signatureMessage,
  vsizeOf,
  withWitness,
  type Draft,
} from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { txidOf } from './transaction.ts';

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

/** BIP 143, "Native P2WPKH": two inputs, a signature script on the first, a witness on the second. */
const bip143 =
  '01000000000102fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f00000000494830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f9281a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac000247304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee0121025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee635711000000';

const draft: Draft = {
  lockHeight: 900_144,
  inputs: [
    {
      outpoint: `${'ab'.repeat(31)}cd:4294967295`,
      valueSats: 10_000n,
      script: `5120${'79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'}`,
      sequence: 0xfffffffd,
      witness: [],
    },
  ],
  outputs: [{ valueSats: 9_000n, script: '51024e73' }],
};

describe('reading', () => {
  test('a transaction of BIP 143 is read field by field', () => {
    const decoded = decodeTransaction(bip143);
    assert.equal(decoded.version, 1);
    assert.equal(decoded.lockHeight, 17);
    assert.deepEqual(
      decoded.inputs.map(({ outpoint, sequence, witness }) => [outpoint, sequence, witness.length]),
      [
        ['9f96ade4b41d5433f4eda31e1738ec2b36f6e7d1420d94a6af99801a88f7f7ff:0', 0xffffffee, 0],
        ['8ac60eb9575db5b2d987e29f301b5b819ea83a5c6579d282d189cc04b8e151ef:1', 0xffffffff, 2],
      ],
    );
    assert.deepEqual(
      decoded.outputs.map(({ valueSats }) => valueSats),
      [112_340_000n, 223_450_000n],
    );
  });

  test('its txid leaves the witness out and its size discounts it', () => {
    // version, inputs and outputs, locktime: without the two flag bytes after the version and without the witnesses.
    const bare = `${bip143.slice(0, 8)}${bip143.slice(12, bip143.indexOf('000247304402'))}11000000`;
    assert.equal(txidOf(bip143), hex.encode(sha256(sha256(hex.decode(bare))).reverse()));
    const total = bip143.length / 2;
    const witness = 2 + 1 + (1 + 1 + 71 + 1 + 33);
    assert.equal(vsizeOf(bip143), Math.ceil((4 * (total - witness) + witness) / 4));
  });

  test('bytes that are no transaction are refused', () => {
    for (const raw of ['', 'zz', '00', bip143.slice(0, -2), `${bip143}00`])
      throws('bad_transaction', () => decodeTransaction(raw));
  });
});

describe('writing', () => {
  test('a draft without witnesses is written in the old form and reads back', () => {
    const raw = encodeDraft(draft);
    // version 2, one input, outpoint in wire order, no script, sequence, one output, P2A, locktime 900144
    assert.equal(
      raw,
      `02000000${'01'}cd${'ab'.repeat(31)}ffffffff${'00'}fdffffff${'01'}2823000000000000${'04'}51024e73${'30bc0d00'}`,
    );
    assert.deepEqual(decodeTransaction(raw).inputs, [
      { outpoint: draft.inputs[0]?.outpoint, sequence: 0xfffffffd, witness: [] },
    ]);
  });

  test('a witness changes neither the txid nor what a signature commits to', () => {
    const raw = encodeDraft(draft);
    const signed = withWitness(raw, 0, [new Uint8Array(64).fill(1)]);
    assert.equal(txidOf(signed), txidOf(raw));
    assert.deepEqual(
      signatureMessage({ raw: signed, spent: draft.inputs }),
      signatureMessage({ raw, spent: draft.inputs }),
    );
    assert.deepEqual(decodeTransaction(signed).inputs[0]?.witness, [new Uint8Array(64).fill(1)]);
    assert.ok(vsizeOf(signed) > vsizeOf(raw));
  });

  test('setting one witness leaves the others as they are', () => {
    const second = withWitness(bip143, 0, [Uint8Array.of(9)]);
    const [first, other] = decodeTransaction(second).inputs;
    assert.deepEqual(first?.witness, [Uint8Array.of(9)]);
    assert.deepEqual(other?.witness, decodeTransaction(bip143).inputs[1]?.witness);
  });

  test('an outpoint in any other spelling is refused', () => {
    const [input] = draft.inputs;
    assert.ok(input !== undefined);
    for (const outpoint of ['', `${'AB'.repeat(32)}:0`, `${'ab'.repeat(32)}:00`, `${'ab'.repeat(32)}:4294967296`])
      throws('bad_outpoint', () => encodeDraft({ ...draft, inputs: [{ ...input, outpoint }] }));
  });
});

describe('signatureMessage', () => {
  test('commits to values and scripts of what is spent, and to the leaf', () => {
    const raw = encodeDraft(draft);
    const [input] = draft.inputs;
    assert.ok(input !== undefined);
    const messages = [
      signatureMessage({ raw, spent: [input] }),
      signatureMessage({ raw, spent: [{ ...input, valueSats: 10_001n }] }),
      signatureMessage({ raw, spent: [{ ...input, script: '51024e73' }] }),
      signatureMessage({ raw, spent: [input], leaf: '51' }),
      signatureMessage({ raw, spent: [input], leaf: '52' }),
    ].map((message) => hex.encode(message));
    assert.equal(new Set(messages).size, messages.length);
  });
});

describe('addressScript', () => {
  test('reads every standard form of an address', () => {
    const program = '751e76e8199196d454941c45d1b3a323f1433bd6';
    assert.equal(addressScript('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'mainnet'), `0014${program}`);
    assert.equal(addressScript('1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH', 'mainnet'), `76a914${program}88ac`);
    assert.equal(
      addressScript('tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c', 'testnet'),
      '5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433',
    );
  });

  test('an address of another network is refused', () => {
    throws('wrong_network', () => addressScript('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'regtest'));
    throws('wrong_network', () => addressScript('tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 'regtest'));
    throws('wrong_network', () => addressScript('', 'mainnet'));
    throws('wrong_network', () => addressScript('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5', 'mainnet'));
  });
});

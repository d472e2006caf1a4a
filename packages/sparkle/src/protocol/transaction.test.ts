import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import * as btc from '@scure/btc-signer';
import fc from 'fast-check';
import { MAX_SATS } from './amount.ts';
import { isCoinbase, isRawOf, readTransaction, txidOf, writeTransaction, type Transaction } from './transaction.ts';
import vectors from './transaction.vectors.json' with { type: 'json' };

const [genesis, witnessed] = vectors.transactions;
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const upTo = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });

const plain = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true });

const transactions: fc.Arbitrary<Omit<Transaction, 'txid'>> = plain({
  version: fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  inputs: fc.uniqueArray(
    plain({
      txid: bytes(32).map(hex.encode),
      vout: u32,
      scriptSig: upTo(300),
      sequence: u32,
      witness: fc.array(upTo(300), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 4, selector: ({ txid }) => txid },
  ),
  outputs: fc.array(plain({ valueSats: fc.bigInt({ min: 0n, max: MAX_SATS / 4n }), script: upTo(300) }), {
    minLength: 1,
    maxLength: 4,
  }),
  lockTime: u32,
});

const simple = {
  version: 2,
  inputs: [{ txid: '11'.repeat(32), vout: 0, scriptSig: new Uint8Array(), sequence: 0, witness: [] }],
  outputs: [{ valueSats: 1n, script: new Uint8Array() }],
  lockTime: 0,
};

for (const { what, raw, txid } of vectors.transactions)
  test(`the txid of ${what} is recomputed from its bytes`, () => {
    assert.equal(txidOf(raw), txid);
    assert.equal(readTransaction(raw).txid, txid);
  });

test('the txid is the one that another reader of transactions finds', () => {
  const lenient = {
    allowUnknownInputs: true,
    allowUnknownOutputs: true,
    disableScriptCheck: true,
    allowUnknownVersion: true,
  };
  fc.assert(
    fc.property(transactions, (transaction) => {
      const raw = writeTransaction({ ...transaction, version: 2 });
      assert.equal(txidOf(raw), btc.Transaction.fromRaw(hex.decode(raw), lenient).id);
    }),
  );
});

test('every transaction survives being written and read, and witnesses do not change its txid', () => {
  fc.assert(
    fc.property(transactions, (transaction) => {
      const { txid, ...read } = readTransaction(writeTransaction(transaction));
      assert.deepEqual(read, transaction);
      const inputs = transaction.inputs.map((input) => ({ ...input, witness: [] }));
      assert.equal(txidOf(writeTransaction({ ...transaction, inputs })), txid);
    }),
  );
});

test('inputs, outputs and witnesses are read in their order', () => {
  const { inputs, outputs, lockTime } = readTransaction(witnessed?.raw ?? '');
  assert.deepEqual(
    inputs.map(({ txid, vout, witness }) => [txid, vout, witness.length]),
    [
      ['9f96ade4b41d5433f4eda31e1738ec2b36f6e7d1420d94a6af99801a88f7f7ff', 0, 0],
      ['8ac60eb9575db5b2d987e29f301b5b819ea83a5c6579d282d189cc04b8e151ef', 1, 2],
    ],
  );
  assert.deepEqual(
    outputs.map(({ valueSats }) => valueSats),
    [112_340_000n, 223_450_000n],
  );
  assert.equal(lockTime, 17);
});

test('a coinbase is known by its one input that spends nothing', () => {
  assert.equal(isCoinbase(readTransaction(genesis?.raw ?? '')), true);
  assert.equal(isCoinbase(readTransaction(witnessed?.raw ?? '')), false);
});

test('a transaction that is cut anywhere, or goes on after its end, is refused', () => {
  const raw = witnessed?.raw ?? '';
  for (let length = 0; length < raw.length; length += 1)
    assert.throws(() => readTransaction(raw.slice(0, length)), { code: 'bad_transaction' });
  assert.throws(() => readTransaction(`${raw}00`), { code: 'bad_transaction' });
});

for (const [what, raw] of [
  ['nothing', ''],
  ['upper case hex', (genesis?.raw ?? '').toUpperCase()],
  ['half a byte', `${genesis?.raw}0`],
  ['what is not hex', `${(genesis?.raw ?? '').slice(0, -2)}zz`],
  ['no inputs', '02000000' + '00' + '01' + '0100000000000000' + '00' + '00000000'],
  ['no inputs and no outputs', '02000000' + '00' + '00' + '00000000'],
  [
    'a size in more bytes than it needs',
    `02000000fd0100${'11'.repeat(32)}00000000` + '00ffffffff' + '0101000000000000000000000000',
  ],
  [
    'a witness marker without any witness',
    `020000000001${'01'}${'11'.repeat(32)}0000000000ffffffff010100000000000000000000000000`,
  ],
  ['an input count beyond its end', `02000000feffffffff${'11'.repeat(40)}`],
] as const)
  test(`a raw transaction of ${what} is refused`, () => {
    assert.throws(() => readTransaction(raw), { code: 'bad_transaction' });
  });

test('a transaction without outputs is refused', () => {
  assert.throws(() => readTransaction(writeTransaction({ ...simple, outputs: [] })), {
    code: 'bad_transaction',
    message: 'a transaction must have an output',
  });
});

test('a transaction that spends the same output twice is refused', () => {
  const inputs = [...simple.inputs, ...simple.inputs];
  assert.throws(() => readTransaction(writeTransaction({ ...simple, inputs })), { message: /same output twice/ });
});

test('a transaction with a coinbase input beside another is refused', () => {
  const nothing = { txid: '00'.repeat(32), vout: 0xffff_ffff, scriptSig: new Uint8Array(), sequence: 0, witness: [] };
  const raw = writeTransaction({ ...simple, inputs: [...simple.inputs, nothing] });
  assert.throws(() => readTransaction(raw), { message: /only a coinbase/ });
});

test('outputs of more bitcoin than there is are refused, alone and together', () => {
  const script = new Uint8Array();
  const raw = (values: bigint[]): string =>
    writeTransaction({ ...simple, outputs: values.map((valueSats) => ({ valueSats, script })) });
  assert.equal(readTransaction(raw([MAX_SATS])).outputs[0]?.valueSats, MAX_SATS);
  for (const values of [[MAX_SATS + 1n], [MAX_SATS, 1n], [0xffff_ffff_ffff_ffffn]])
    assert.throws(() => readTransaction(raw(values)), { code: 'bad_transaction', message: /more than/ });
});

test('a raw transaction larger than a block is refused before it is read', () => {
  assert.throws(() => readTransaction('00'.repeat(4_000_001)), { message: /at most 4000000 bytes/ });
});

test('bytes are a transaction by their own hash alone', () => {
  const raw = writeTransaction(simple);
  assert.ok(isRawOf({ raw, txid: txidOf(raw) }));
  assert.ok(!isRawOf({ raw: writeTransaction({ ...simple, version: 1 }), txid: txidOf(raw) }));
  for (const garbage of ['', '00', `${raw}00`, 'xyz']) assert.ok(!isRawOf({ raw: garbage, txid: txidOf(raw) }));
});

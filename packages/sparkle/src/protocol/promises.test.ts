import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeDraft, type Draft } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { assertPromises, assertSatStays, type Promises } from './promises.ts';

const LOCK = `5120${'11'.repeat(32)}`;
const CHANGE = `0014${'22'.repeat(20)}`;
const source = { outpoint: `${'aa'.repeat(32)}:0`, valueSats: 10_000n, script: `5120${'33'.repeat(32)}` };
const coin = { outpoint: `${'bb'.repeat(32)}:1`, valueSats: 50_000n, script: CHANGE };

const draft: Draft = {
  lockHeight: 0,
  inputs: [source, coin].map((prevout) => ({ ...prevout, sequence: 0xfffffffd, witness: [] })),
  outputs: [
    { valueSats: 12_000n, script: LOCK },
    { valueSats: 47_600n, script: CHANGE },
  ],
};

const promised: Promises = {
  spent: [source, coin],
  sequences: [0xfffffffd, 0xfffffffd],
  lockHeight: 0,
  offsetSats: 546n,
  postageSats: 10_000n,
  destination: LOCK,
  change: CHANGE,
  vsize: 200,
  feeSats: 400n,
  feerateSatVb: 2,
  maxFeeSats: 1_000n,
};

type Wrong = { wrong?: Partial<Draft>; promise?: Partial<Promises> };

const refuses = (code: ErrorCode, sentence: RegExp, { wrong = {}, promise = {} }: Wrong): void =>
  assert.throws(
    () => assertPromises(encodeDraft({ ...draft, ...wrong }), { ...promised, ...promise }),
    (error) => error instanceof SparkleError && error.code === code && sentence.test(error.message),
  );

const [first, second] = draft.inputs;
const [lock, change] = draft.outputs;
assert.ok(first !== undefined && second !== undefined && lock !== undefined && change !== undefined);

test('a transaction that keeps its promises passes, also at the very limits', () => {
  assertPromises(encodeDraft(draft), promised);
  assertPromises(encodeDraft(draft), { ...promised, maxFeeSats: 400n, offsetSats: 9_999n });
  const outputs = [
    { ...lock, valueSats: 330n },
    { ...change, valueSats: 294n },
  ];
  const tight = { offsetSats: 0n, postageSats: 330n, feeSats: 59_376n, maxFeeSats: 59_376n };
  assertPromises(encodeDraft({ ...draft, outputs }), { ...promised, ...tight });
});

describe('each assertion fires', () => {
  const inputs = /^inputs must be/;

  test('when the coin is put before the inscription', () => {
    refuses('bad_transaction', inputs, { wrong: { inputs: [second, first] } });
  });

  test('when an input is missing or one is there that was not promised', () => {
    refuses('bad_transaction', inputs, { wrong: { inputs: [first] } });
    refuses('bad_transaction', inputs, { promise: { spent: [source], sequences: [0xfffffffd] } });
  });

  test('when no sequence was promised for an input', () => {
    refuses('bad_transaction', inputs, { promise: { sequences: [0xfffffffd] } });
  });

  test('when an outpoint is spent twice', () => {
    refuses('bad_transaction', /twice/, { wrong: { inputs: [first, first] }, promise: { spent: [source, source] } });
  });

  test('when a sequence is another', () => {
    refuses('bad_transaction', inputs, { wrong: { inputs: [first, { ...second, sequence: 0xfffffffe }] } });
  });

  test('when an input does not signal replacement, though it was promised so', () => {
    const final = [first, { ...second, sequence: 0xfffffffe }];
    refuses('bad_transaction', /BIP 125/, {
      wrong: { inputs: final },
      promise: { sequences: [0xfffffffd, 0xfffffffe] },
    });
  });

  test('when the locktime is another', () => {
    refuses('bad_transaction', /^nLockTime must be 0; it is 900144/, { wrong: { lockHeight: 900_144 } });
  });

  test('when the version is not 2', () => {
    const raw = encodeDraft(draft).replace(/^02/, '01');
    assert.throws(() => assertPromises(raw, promised), {
      code: 'bad_transaction',
      message: /^version must be 2/,
      detail: { version: 1 },
    });
  });

  test("when the inscription's sat is not in the source", () => {
    refuses('sat_lost', /within the 10000 sats/, { promise: { offsetSats: 10_000n } });
    refuses('sat_lost', /within the 10000 sats/, { promise: { offsetSats: -1n } });
    refuses('sat_lost', /within the 0 sats/, {
      promise: { spent: [{ ...source, valueSats: 0n }, coin], offsetSats: 0n },
    });
  });

  test('when the sat would come to lie on the change or in the fee', () => {
    const small = { ...lock, valueSats: 546n };
    refuses('sat_lost', /it goes to output 1/, { wrong: { outputs: [small, change] } });
    refuses('sat_lost', /it goes to the fee/, { wrong: { outputs: [small] } });
  });

  test('when the offset is not below the postage', () => {
    refuses('sat_lost', /below the postage/, { promise: { offsetSats: 9_000n, postageSats: 9_000n } });
  });

  test('when output 0 has less than the postage', () => {
    refuses('sat_lost', /must keep 10000 sats/, { wrong: { outputs: [{ ...lock, valueSats: 9_999n }, change] } });
  });

  test('when output 0 pays another script, as with change in front', () => {
    refuses('sat_lost', /output 0 must pay/, { wrong: { outputs: [change, lock] } });
    refuses('sat_lost', /output 0 must pay/, { promise: { destination: CHANGE } });
  });

  test('when there is an output that nobody asked for', () => {
    const sentence = /^there must be no output but/;
    refuses('bad_transaction', sentence, { wrong: { outputs: [lock, change, change] } });
    refuses('bad_transaction', sentence, { wrong: { outputs: [lock, { ...change, script: LOCK }] } });
    refuses('bad_transaction', sentence, { promise: { change: undefined } });
  });

  test('when an output is dust of its type', () => {
    refuses('dust', /must have 294 sats/, { wrong: { outputs: [lock, { ...change, valueSats: 293n }] } });
    refuses('dust', /must have 330 sats/, {
      wrong: { outputs: [{ ...lock, valueSats: 329n }, change] },
      promise: { offsetSats: 0n, postageSats: 300n },
    });
  });

  test('when the fee is not the promised one', () => {
    refuses('bad_transaction', /^the fee must be 399 sats; it is 400/, { promise: { feeSats: 399n } });
    refuses('bad_transaction', /it is -12000/, { wrong: { outputs: [lock, { ...change, valueSats: 60_000n }] } });
  });

  test('when the fee does not pay the feerate', () => {
    refuses('bad_transaction', /402 sats for 201 vB/, { promise: { vsize: 201 } });
  });

  test('when the fee is above the cap', () => {
    refuses('fee_too_high', /at most 399 sats/, { promise: { maxFeeSats: 399n } });
  });
});

test('a sat of a later input stays on a later output only at its own offset', () => {
  const spent = [coin, source];
  const way = { ...promised, spent, inputIndex: 1, vout: 1 };
  const raw = (frontSats: bigint) =>
    encodeDraft({ ...draft, inputs: [second, first], outputs: [{ ...change, valueSats: frontSats }, lock] });
  assertSatStays(raw(50_000n), way);
  assert.throws(() => assertSatStays(raw(49_999n), way), {
    code: 'sat_lost',
    message: /at offset 546; .* offset 547$/,
  });
  assert.throws(() => assertSatStays(raw(50_547n), way), { code: 'sat_lost', message: /on output 1; .* output 0$/ });
});

test('a refusal tells what the transaction has and what was promised', () => {
  const detailOf = ({ wrong = {}, promise = {} }: Wrong): Readonly<Record<string, unknown>> => {
    try {
      assertPromises(encodeDraft({ ...draft, ...wrong }), { ...promised, ...promise });
    } catch (error) {
      if (error instanceof SparkleError) return error.detail;
      throw error;
    }
    throw new Error('the promises were kept');
  };
  const wanted = [`${source.outpoint}/fffffffd`, `${coin.outpoint}/fffffffd`];
  const inputs = [wanted[0], `${coin.outpoint}/fffffffe`];
  const final = [first, { ...second, sequence: 0xfffffffe }];
  const dust = { ...change, valueSats: 293n };
  const told: [Wrong, object][] = [
    [{ wrong: { inputs: final } }, { inputs, wanted }],
    [{ wrong: { inputs: final }, promise: { sequences: [0xfffffffd, 0xfffffffe] } }, { inputs }],
    [{ wrong: { lockHeight: 7 } }, { lockHeight: 7, wanted: 0 }],
    [
      { promise: { destination: CHANGE } },
      { offsetSats: 546n, postageSats: 10_000n, inputValues: [10_000n, 50_000n], output: lock },
    ],
    [{ promise: { change: undefined } }, { outputs: draft.outputs, change: undefined }],
    [{ wrong: { outputs: [lock, dust] } }, { script: CHANGE, valueSats: 293n }],
    [{ promise: { feeSats: 399n } }, { paidSats: 400n, feeSats: 399n }],
    [{ promise: { vsize: 201 } }, { paidSats: 400n, leastSats: 402n, vsize: 201 }],
    [{ promise: { maxFeeSats: 399n } }, { feeSats: 400n, maxFeeSats: 399n, vsize: 200 }],
  ];
  for (const [wrong, detail] of told) assert.deepEqual(detailOf(wrong), detail);
});

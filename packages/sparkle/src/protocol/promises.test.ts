import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeDraft, type Draft } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { assertPromises, type Promises } from './promises.ts';

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

const refuses = (
  code: ErrorCode,
  { wrong = {}, promise = {} }: { wrong?: Partial<Draft>; promise?: Partial<Promises> },
): void =>
  assert.throws(
    () => assertPromises(encodeDraft({ ...draft, ...wrong }), { ...promised, ...promise }),
    (error) => error instanceof SparkleError && error.code === code,
  );

const [first, second] = draft.inputs;
const [lock, change] = draft.outputs;
assert.ok(first !== undefined && second !== undefined && lock !== undefined && change !== undefined);

test('a transaction that keeps its promises passes', () => {
  assertPromises(encodeDraft(draft), promised);
});

describe('each assertion fires', () => {
  test('when the coin is put before the inscription', () => {
    refuses('bad_transaction', { wrong: { inputs: [second, first] } });
  });

  test('when an input is missing or one is there that was not promised', () => {
    refuses('bad_transaction', { wrong: { inputs: [first] } });
    refuses('bad_transaction', { promise: { spent: [source], sequences: [0xfffffffd] } });
  });

  test('when an outpoint is spent twice', () => {
    refuses('bad_transaction', { wrong: { inputs: [first, first] }, promise: { spent: [source, source] } });
  });

  test('when a sequence is another', () => {
    refuses('bad_transaction', { wrong: { inputs: [first, { ...second, sequence: 0xfffffffe }] } });
  });

  test('when no input signals replacement', () => {
    const inputs = [first, second].map((input) => ({ ...input, sequence: 0xfffffffe }));
    refuses('bad_transaction', { wrong: { inputs }, promise: { sequences: [0xfffffffe, 0xfffffffe] } });
  });

  test('when the locktime is another', () => {
    refuses('bad_transaction', { wrong: { lockHeight: 900_144 } });
  });

  test('when the version is not 2', () => {
    const raw = encodeDraft(draft).replace(/^02/, '01');
    assert.throws(
      () => assertPromises(raw, promised),
      (error) => error instanceof SparkleError && error.code === 'bad_transaction',
    );
  });

  test("when the inscription's sat is not in the source", () => {
    refuses('sat_lost', { promise: { offsetSats: 10_000n } });
    refuses('sat_lost', { promise: { offsetSats: -1n } });
  });

  test('when the offset is not below the postage', () => {
    refuses('sat_lost', { promise: { offsetSats: 9_000n, postageSats: 9_000n } });
  });

  test('when output 0 has less than the postage', () => {
    refuses('sat_lost', { wrong: { outputs: [{ ...lock, valueSats: 9_999n }, change] } });
  });

  test('when output 0 pays another script, as with change in front', () => {
    refuses('sat_lost', { wrong: { outputs: [change, lock] } });
    refuses('sat_lost', { promise: { destination: CHANGE } });
  });

  test('when there is no output', () => {
    refuses('bad_transaction', { wrong: { outputs: [] } });
  });

  test('when there is an output that nobody asked for', () => {
    refuses('bad_transaction', { wrong: { outputs: [lock, change, change] } });
    refuses('bad_transaction', { wrong: { outputs: [lock, { ...change, script: LOCK }] } });
    refuses('bad_transaction', { promise: { change: undefined } });
  });

  test('when an output is dust of its type', () => {
    refuses('dust', { wrong: { outputs: [lock, { ...change, valueSats: 293n }] } });
    refuses('dust', {
      wrong: { outputs: [{ ...lock, valueSats: 329n }, change] },
      promise: { offsetSats: 0n, postageSats: 300n },
    });
  });

  test('when the fee is not the promised one', () => {
    refuses('bad_transaction', { promise: { feeSats: 399n } });
    refuses('bad_transaction', { wrong: { outputs: [lock, { ...change, valueSats: 60_000n }] } });
  });

  test('when the fee does not pay the feerate', () => {
    refuses('bad_transaction', { promise: { vsize: 201 } });
  });

  test('when the fee is above the cap', () => {
    refuses('fee_too_high', { promise: { maxFeeSats: 399n } });
  });
});

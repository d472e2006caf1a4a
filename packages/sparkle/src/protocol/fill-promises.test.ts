import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hex } from '@scure/base';
import { encodeDraft, type Draft, type DraftInput, type Output } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { assertFillPromises, type FillPromises } from './fill-promises.ts';
import { readListing } from './listing.ts';
import { keyPath, listed, payoutScript } from './listing.suite.ts';

const CHANGE = `0014${'22'.repeat(20)}`;
const listing = readListing({ psbt: listed(keyPath), network: 'regtest' });
const lock = { script: `5120${'11'.repeat(32)}`, valueSats: 13_000n };
const royalty = { script: `5120${'07'.repeat(32)}`, valueSats: 7_500n };
const fee = { script: `0014${'08'.repeat(20)}`, valueSats: 3_000n };

const own = (vout: number, valueSats: bigint) => ({
  outpoint: `${'bb'.repeat(32)}:${vout}`,
  valueSats,
  script: CHANGE,
});
const spent = [own(0, 600n), own(1, 700n), listing.source, own(2, 200_000n)];

const inputs = spent.map((prevout): DraftInput => ({ ...prevout, sequence: 0xfffffffd, witness: [] }));
const [dummyA, dummyB, unsigned, coin] = inputs;
assert.ok(dummyA !== undefined && dummyB !== undefined && unsigned !== undefined && coin !== undefined);
const seller = { ...unsigned, witness: listing.witness.map((item) => hex.decode(item)) };

const back = { script: CHANGE, valueSats: 1_300n };
const change = { script: CHANGE, valueSats: 36_000n };
const draft: Draft = {
  lockHeight: 0,
  inputs: [dummyA, dummyB, seller, coin],
  outputs: [back, lock, listing.payout, royalty, fee, change],
};

const promised: FillPromises = {
  ...{ spent, listing, lock, payouts: [royalty, fee], change: CHANGE },
  ...{ offsetSats: 546n, postageSats: 10_000n, vsize: 250, feeSats: 500n, feerateSatVb: 2, maxFeeSats: 1_000n },
};

type Wrong = { wrong?: Partial<Draft>; promise?: Partial<FillPromises> };

const refuses = (code: ErrorCode, sentence: RegExp, { wrong = {}, promise = {} }: Wrong): void =>
  assert.throws(
    () => assertFillPromises(encodeDraft({ ...draft, ...wrong }), { ...promised, ...promise }),
    (error) => {
      assert.ok(error instanceof SparkleError, String(error));
      assert.deepEqual([error.code, sentence.test(error.message)], [code, true], error.message);
      return true;
    },
  );

/** The outputs with one of them replaced, or left out. */
const outputs = (index: number, ...instead: Output[]): Wrong => ({
  wrong: { outputs: draft.outputs.toSpliced(index, 1, ...instead) },
});

test('a fill that keeps its promises passes, with and without change, payouts and postage to spare', () => {
  assertFillPromises(encodeDraft(draft), promised);
  assertFillPromises(encodeDraft(draft), { ...promised, offsetSats: 9_999n, maxFeeSats: 500n });
  const bare = { ...draft, outputs: [back, lock, listing.payout] };
  assertFillPromises(encodeDraft(bare), { ...promised, payouts: [], feeSats: 47_000n, maxFeeSats: 47_000n });
});

describe('each assertion fires', () => {
  test('when the promise itself is not about the listing', () => {
    const other = { ...listing, source: { ...listing.source, valueSats: 9_999n } };
    refuses('bad_transaction', /^input 2 must spend the seller's/, { promise: { listing: other } });
    const elsewhere = { ...listing, source: { ...listing.source, outpoint: own(9, 1n).outpoint } };
    refuses('bad_transaction', /^input 2 must spend the seller's/, { promise: { listing: elsewhere } });
    refuses('bad_transaction', /^input 2 must spend the seller's/, { promise: { spent: spent.slice(0, 2) } });
  });

  test('when an input is there that was not promised, is missing, or stands elsewhere', () => {
    const sentence = /^inputs must be the promised/;
    refuses('bad_transaction', sentence, {
      wrong: { inputs: [...draft.inputs, { ...coin, outpoint: own(3, 1n).outpoint }] },
    });
    refuses('bad_transaction', sentence, { wrong: { inputs: [dummyA, dummyB, seller] } });
    refuses('bad_transaction', sentence, { wrong: { inputs: [dummyA, seller, dummyB, coin] } });
  });

  test("when the seller's sequence is another than he signed, or one of ours does not signal replacement", () => {
    const sentence = /^inputs must be the promised/;
    const final = { ...seller, sequence: 0xffffffff };
    refuses('bad_transaction', sentence, { wrong: { inputs: [dummyA, dummyB, final, coin] } });
    refuses('bad_transaction', sentence, {
      wrong: { inputs: [{ ...dummyA, sequence: 0xfffffffe }, dummyB, seller, coin] },
    });
  });

  test('when there is a locktime, which the seller did not sign for', () => {
    refuses('bad_transaction', /^nLockTime must be 0; it is 7/, { wrong: { lockHeight: 7 } });
  });

  test("when the filler's own sats do not all come back in front of the lock", () => {
    const sentence = /^output 0 must give back 1300 sats/;
    refuses('bad_transaction', sentence, outputs(0, { ...back, valueSats: 1_299n }));
    refuses('bad_transaction', sentence, outputs(0, { ...back, script: fee.script }));
    refuses('bad_transaction', sentence, outputs(0));
  });

  test('when the sat is not in the source, or would not be among the postage', () => {
    refuses('sat_lost', /within the 10000 sats of input 2/, { promise: { offsetSats: 10_000n } });
    refuses('sat_lost', /within the 10000 sats of input 2/, { promise: { offsetSats: -1n } });
    refuses('sat_lost', /below the postage of 546/, { promise: { postageSats: 546n } });
  });

  test('when the sat would come to lie on the payout of the seller', () => {
    refuses('sat_lost', /stay on output 1; it goes to output 2/, outputs(1, { ...lock, valueSats: 546n }));
  });

  test('when the lock is another one, or has another value', () => {
    refuses('sat_lost', /^output 1 must pay/, outputs(1, { ...lock, script: royalty.script }));
    refuses(
      'bad_transaction',
      /^the lock must have 13000 sats; it has 13001/,
      outputs(1, { ...lock, valueSats: 13_001n }),
    );
    refuses('sat_lost', /it goes to the fee$/, { wrong: { outputs: [back] } });
    refuses('sat_lost', /^output 1 must keep 10000 sats/, outputs(1, { ...lock, valueSats: 9_999n }));
  });

  test("when the seller's payout has another value or script, or stands elsewhere", () => {
    const sentence = /^output 2 must pay the seller 150000 sats/;
    refuses('bad_transaction', sentence, outputs(2, { script: payoutScript, valueSats: 149_999n }));
    refuses('bad_transaction', sentence, outputs(2, { script: payoutScript, valueSats: 150_001n }));
    refuses('bad_transaction', sentence, outputs(2, { ...listing.payout, script: CHANGE }));
    refuses('bad_transaction', sentence, { wrong: { outputs: [back, lock, royalty, listing.payout, fee, change] } });
  });

  test("when the seller's witness is missing or another, or does not verify", () => {
    const sentence = /^input 2 must have the seller's witness/;
    const witnessed = (witness: Uint8Array[]) => ({ inputs: [dummyA, dummyB, { ...seller, witness }, coin] });
    refuses('bad_transaction', sentence, { wrong: witnessed([]) });
    refuses('bad_transaction', sentence, { wrong: witnessed([new Uint8Array(65)]) });
    const forged = new Uint8Array(65).fill(0x83);
    refuses('bad_signature', /must be one by the owner/, {
      wrong: witnessed([forged]),
      promise: { listing: { ...listing, witness: [hex.encode(forged)] } },
    });
  });

  test('when a payout is missing, is another, is there twice or in another order', () => {
    const sentence = /^every payout must be there, in order/;
    refuses('bad_transaction', sentence, outputs(3));
    refuses('bad_transaction', sentence, outputs(4, { ...fee, valueSats: 2_999n }));
    refuses('bad_transaction', sentence, { wrong: { outputs: [back, lock, listing.payout, fee, royalty, change] } });
    refuses('bad_transaction', /but change$/, outputs(4, fee, fee));
  });

  test('when there is an output that nobody asked for', () => {
    refuses('bad_transaction', /but change$/, outputs(5, change, change));
    refuses('bad_transaction', /but change$/, outputs(5, { ...change, script: royalty.script }));
  });

  test('when an output is dust of its type', () => {
    refuses('dust', /must have 294 sats; it has 293/, outputs(5, { ...change, valueSats: 293n }));
    const small = { ...royalty, valueSats: 329n };
    const promise = { payouts: [small, fee], feeSats: 7_671n, maxFeeSats: 7_671n };
    refuses('dust', /must have 330 sats; it has 329/, { ...outputs(3, small), promise });
  });

  test('when the fee is another, too low for the size, or above the cap', () => {
    refuses('bad_transaction', /^the fee must be 500 sats; it is 499/, outputs(5, { ...change, valueSats: 36_001n }));
    refuses('bad_transaction', /502 sats for 251 vB/, { promise: { vsize: 251 } });
    refuses('fee_too_high', /at most 499 sats/, { promise: { maxFeeSats: 499n } });
  });
});

test('a refusal tells what the fill has and what was promised', () => {
  const richer = { ...lock, valueSats: 13_001n };
  const told: [Wrong, object][] = [
    [{ promise: { spent: [] } }, { input: undefined, source: listing.source }],
    [outputs(0, fee), { output: fee, wanted: back }],
    [outputs(1, richer), { valueSats: 13_001n, wantedSats: 13_000n }],
    [outputs(2, fee), { output: fee, payout: listing.payout }],
    [{ wrong: { inputs: [dummyA, dummyB, { ...seller, witness: [] }, coin] } }, { items: 0 }],
    [outputs(4), { outputs: [royalty, change], payouts: [royalty, fee] }],
    [outputs(5, royalty), { outputs: [royalty], change: CHANGE }],
  ];
  for (const [{ wrong = {}, promise = {} }, detail] of told)
    assert.throws(() => assertFillPromises(encodeDraft({ ...draft, ...wrong }), { ...promised, ...promise }), {
      detail,
    });
});

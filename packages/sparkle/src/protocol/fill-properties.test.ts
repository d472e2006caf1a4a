import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressScript, decodeTransaction, vsizeOf, type Prevout } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { dustLimitSats, feeFor } from './fees.ts';
import { buildFillAbort, buildFillTransaction } from './fill.ts';
import { changeAddress, signedFill, terms } from './fill.suite.ts';
import { readListing } from './listing.ts';
import { assertSingleSigned } from './listing-signature.ts';
import { keyHash, keyPath, listed, payoutScript } from './listing.suite.ts';
import { buildLock } from './lock.ts';
import { buildBumpTransaction, replacedOf, type BuiltLock } from './lock-tx.ts';

const scripts = [addressScript(changeAddress, 'regtest'), keyPath.source.script, payoutScript];
const lockScript = buildLock(terms).script;

/** Refusals that a builder may answer with when the numbers do not fit; anything else is a fault of ours. */
const honest: ErrorCode[] = ['sat_lost', 'dust', 'fee_too_high', 'insufficient_funds'];

function orRefusal<T>(build: () => T): T | undefined {
  try {
    return build();
  } catch (error) {
    assert.ok(error instanceof SparkleError && honest.includes(error.code), String(error));
    return undefined;
  }
}

const sum = (items: readonly { valueSats: bigint }[]): bigint =>
  items.reduce((total, { valueSats }) => total + valueSats, 0n);

/** First in, first out, counted by hand: on which output a sat comes to lie, and how deep. */
function placeOf({ raw, position }: { raw: string; position: bigint }): string {
  let before = 0n;
  for (const [vout, { valueSats }] of decodeTransaction(raw).outputs.entries()) {
    if (position < before + valueSats) return `${vout}:${position - before}`;
    before += valueSats;
  }
  return 'fee';
}

const sats = (max: bigint) => fc.oneof(fc.bigInt({ min: 1n, max: 2_000n }), fc.bigInt({ min: 1n, max }));
/** Rich enough that most of what is drawn can be paid for, and poor enough that some cannot. */
const coinSats = fc.oneof(
  { weight: 1, arbitrary: sats(400_000n) },
  { weight: 3, arbitrary: fc.bigInt({ min: 100_000n, max: 2_000_000n }) },
);
const prevout = (txid: string) =>
  fc
    .array(fc.tuple(coinSats, fc.constantFrom(...scripts)), { minLength: 2, maxLength: 6 })
    .map((items) =>
      items.map(([valueSats, script], vout): Prevout => ({ outpoint: `${txid}:${vout}`, valueSats, script })),
    );
const fillCase = fc.record({
  owner: fc.constantFrom(keyPath, keyHash),
  sourceSats: fc.oneof(fc.constantFrom(330n, 546n, 10_000n), fc.bigInt({ min: 1n, max: 300_000n })),
  sequence: fc.constantFrom(0xfffffffd, 0xfffffffe, 0xffffffff, 0x80000000),
  priceSats: sats(300_000n),
  postageSats: sats(20_000n),
  reserveSats: sats(30_000n),
  offsetSats: fc.bigInt({ min: 0n, max: 12_000n }),
  own: prevout('bb'.repeat(32)),
  payouts: fc
    .array(fc.tuple(sats(20_000n), fc.constantFrom(...scripts)), { maxLength: 3 })
    .map((items) => items.map(([valueSats, script]) => ({ valueSats, script }))),
  feerateSatVb: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.double({ min: 0.1, max: 30, noNaN: true })),
});
type FillCase = typeof fillCase extends fc.Arbitrary<infer T> ? T : never;

function requestOf(drawn: FillCase) {
  const { owner, sourceSats, sequence, priceSats, postageSats, reserveSats, offsetSats } = drawn;
  const source = { ...owner.source, valueSats: sourceSats };
  const payout = { script: payoutScript, valueSats: priceSats };
  const psbt = listed({ ...owner, source }, { sequence, payouts: [payout] });
  const [first, second, ...coins] = drawn.own;
  assert.ok(first !== undefined && second !== undefined);
  return {
    ...{ listing: readListing({ psbt, network: 'regtest' }), dummies: [first, second] as const, coins, changeAddress },
    terms: { ...terms, postageSats, reserveSats, offsetSats },
    ...{ payouts: drawn.payouts, feerateSatVb: drawn.feerateSatVb, maxFeeSats: 10_000_000n },
  };
}

function assertSound(fill: BuiltLock, request: ReturnType<typeof requestOf>): void {
  const { listing, dummies, payouts, feerateSatVb } = request;
  const { postageSats, reserveSats, offsetSats } = request.terms;
  const { raw } = signedFill(fill);
  const { outputs, inputs } = decodeTransaction(raw);
  assert.equal(placeOf({ raw, position: sum(dummies) + offsetSats }), `1:${offsetSats}`);
  assert.deepEqual(outputs[1], { script: lockScript, valueSats: postageSats + reserveSats });
  assert.deepEqual(outputs[2], listing.payout);
  assert.deepEqual(outputs.slice(3, 3 + payouts.length), payouts);
  // Nobody's sats but the filler's own are in front of the lock, and none of them falls into it.
  for (const position of [0n, sum(dummies) - 1n]) assert.match(placeOf({ raw, position }), /^0:/);
  assert.equal(sum(fill.spent) - sum(outputs), fill.feeSats);
  assert.ok(fill.feeSats >= feeFor({ vsize: fill.vsize, feerateSatVb }));
  assert.equal(vsizeOf(raw), fill.vsize);
  for (const { script, valueSats } of outputs) assert.ok(valueSats >= dustLimitSats(script));
  assert.ok(inputs.every(({ sequence }, index) => sequence === (index === 2 ? listing.sequence : 0xfffffffd)));
  assertSingleSigned({ raw, index: 2, source: listing.source, witness: listing.witness });
}

test('whatever the numbers: the sat is in the lock, sums balance, the seller is paid and his signature verifies', () => {
  let fills = 0;
  fc.assert(
    fc.property(fillCase, (drawn) => {
      const request = orRefusal(() => requestOf(drawn));
      const fill = request === undefined ? undefined : orRefusal(() => buildFillTransaction(request));
      if (request === undefined || fill === undefined) return;
      fills += 1;
      assertSound(fill, request);
      const lock = signedFill(fill);
      const paying = { ...request, fill: lock, coins: request.coins.slice(fill.coins.length) };
      const abort = orRefusal(() => buildFillAbort({ ...paying, replaces: [replacedOf(lock)], lost: [] }));
      if (abort !== undefined) {
        const { inputs, outputs } = decodeTransaction(abort.raw);
        assert.ok(inputs.every(({ outpoint }) => outpoint !== request.listing.source.outpoint));
        assert.ok(abort.feeSats > fill.feeSats);
        assert.deepEqual([outputs.length, outputs[0]?.script], [1, scripts[0]]);
      }
      const child = orRefusal(() => buildBumpTransaction({ ...paying, lock, replaces: [] }));
      if (child === undefined) return;
      const [spent] = child.spent;
      assert.equal(spent?.script, scripts[0]);
      for (const vout of [1, 2]) assert.ok(child.spent.every(({ outpoint }) => outpoint !== `${fill.txid}:${vout}`));
      const { feerateSatVb } = request;
      assert.ok(fill.feeSats + child.feeSats >= feeFor({ vsize: fill.vsize + child.vsize, feerateSatVb }));
    }),
    { numRuns: 300 },
  );
  assert.ok(fills > 30, `only ${fills} of the drawn cases made a fill`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { buildClaim } from './claim.ts';
import { addressScript, decodeTransaction, vsizeOf, withWitness, type Prevout } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { dustLimitSats, feeFor } from './fees.ts';
import { canPay, layOut, tryLayOut, walletInput } from './layout.ts';
import {
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  replacedOf,
  type SentLock,
} from './lock-tx.ts';
import { buildCooperativeClaim } from './musig.ts';
import { buildRefund } from './refund.ts';
import { publicKeyOf, type Built, type SpendTerms } from './spend.ts';
import { hex } from '@scure/base';
import { sha256 } from '@noble/hashes/sha2.js';

const claimSecret = new Uint8Array(32).fill(7);
const refundSecret = new Uint8Array(32).fill(9);
const auxRand = new Uint8Array(32).fill(1);
const preimage = '11'.repeat(32);
const returnAddress = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
const changeAddress = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const scripts = [returnAddress, changeAddress].map((address) => addressScript(address, 'regtest'));

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

/** First in, first out, counted by hand: on which output the sat comes to lie, and how deep. */
function placeOf({ raw, offsetSats }: { raw: string; offsetSats: bigint }): string {
  let before = 0n;
  for (const [vout, { valueSats }] of decodeTransaction(raw).outputs.entries()) {
    if (offsetSats < before + valueSats) return `${vout}:${offsetSats - before}`;
    before += valueSats;
  }
  return 'fee';
}

function assertSound(built: Built, { terms, feerateSatVb }: { terms: SpendTerms; feerateSatVb: number }): void {
  const { outputs } = decodeTransaction(built.raw);
  assert.equal(placeOf({ raw: built.raw, offsetSats: terms.offsetSats }), `0:${terms.offsetSats}`);
  for (const { script, valueSats } of outputs) assert.ok(valueSats >= dustLimitSats(script));
  const paid = built.spent.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  assert.equal(paid - outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n), built.feeSats);
  assert.ok(built.feeSats >= feeFor({ vsize: built.vsize, feerateSatVb }));
}

const signed = ({ raw, spent }: Built): SentLock => ({
  raw: spent.reduce((signing, prevout, index) => withWitness(signing, index, walletInput(prevout).witness), raw),
  spent,
  vout: 0,
});

const sats = (max: bigint) => fc.oneof(fc.bigInt({ min: 0n, max: 2_000n }), fc.bigInt({ min: 0n, max }));
const feerate = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.double({ min: 0.1, max: 30, noNaN: true }));
const coins = fc.array(fc.tuple(sats(1_000_000n), fc.constantFrom(...scripts)), { maxLength: 5 }).map((items) =>
  items.map(([valueSats, script], index): Prevout => ({
    outpoint: `${'bb'.repeat(32)}:${index}`,
    valueSats,
    script,
  })),
);
const someTerms = fc
  .record({
    script: fc.constantFrom('sip3' as const, 'v1' as const),
    postageSats: sats(30_000n),
    reserveSats: sats(100_000n),
    offsetSats: sats(12_000n),
  })
  .map((drawn): SpendTerms => ({
    ...drawn,
    internalKey: drawn.script === 'v1' ? 'musig' : 'nums',
    paymentHash: hex.encode(sha256(hex.decode(preimage))),
    claimKey: publicKeyOf(claimSecret) ?? '',
    refundKey: publicKeyOf(refundSecret) ?? '',
    refundHeight: 900_144,
    network: 'regtest',
  }));

test("lock, abort and bump: the inscription's sat never moves and every promise holds, whatever the numbers", () => {
  let locks = 0;
  const lockCase = fc.record({
    terms: someTerms,
    coins,
    feerateSatVb: feerate,
    valueSats: sats(200_000n),
    script: fc.constantFrom(...scripts),
  });
  fc.assert(
    fc.property(lockCase, ({ terms, coins: given, feerateSatVb, valueSats, script }) => {
      const source = { outpoint: `${'aa'.repeat(32)}:0`, valueSats, script };
      const paying = { terms, changeAddress, feerateSatVb, maxFeeSats: 1_000_000n };
      const lock = orRefusal(() => buildLockTransaction({ ...paying, source, coins: given }));
      if (lock === undefined) return;
      locks += 1;
      assertSound(lock, { terms, feerateSatVb });
      assert.equal(decodeTransaction(lock.raw).outputs[0]?.valueSats, terms.postageSats + terms.reserveSats);
      const sent = signed(lock);
      assert.equal(vsizeOf(sent.raw), lock.vsize);
      const rest = { ...paying, lock: sent, coins: given.slice(lock.coins.length) };
      const abort = orRefusal(() =>
        buildAbortTransaction({ ...rest, returnAddress, replaces: [replacedOf(sent)], lost: [] }),
      );
      if (abort !== undefined) {
        assertSound(abort, { terms, feerateSatVb });
        assert.ok(abort.feeSats > lock.feeSats);
      }
      const bump = orRefusal(() => buildBumpTransaction({ ...rest, replaces: [] }));
      if (bump !== undefined) {
        assert.ok(bump.spent.every(({ outpoint }) => outpoint !== `${lock.txid}:0`));
        assert.ok(lock.feeSats + bump.feeSats >= feeFor({ vsize: lock.vsize + bump.vsize, feerateSatVb }));
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(locks > 30, `only ${locks} of the drawn cases made a lock`);
});

test("claim, refund and co-operative spend: the inscription's sat never moves and the postage stays", () => {
  let spends = 0;
  const spendCase = fc.record({
    terms: someTerms,
    coins,
    feerateSatVb: feerate,
    destination: fc.constantFrom(returnAddress, changeAddress),
  });
  fc.assert(
    fc.property(spendCase, ({ terms, coins: given, feerateSatVb, destination }) => {
      const request = {
        ...{ terms, destination, feerateSatVb, maxFeeSats: 1_000_000n },
        lockOutpoint: `${'aa'.repeat(32)}:0`,
        ...(given.length === 0 ? {} : { funding: { coins: given, changeAddress } }),
      };
      const builders = [
        () => buildClaim({ ...request, claimSecret, auxRand, preimage }),
        () => buildRefund({ ...request, refundSecret, auxRand }),
        ...(terms.internalKey === 'musig' ? [() => buildCooperativeClaim(request)] : []),
      ];
      for (const builder of builders) {
        const built = orRefusal(builder);
        if (built === undefined) continue;
        spends += 1;
        assertSound(built, { terms, feerateSatVb });
        assert.ok((decodeTransaction(built.raw).outputs[0]?.valueSats ?? 0n) >= terms.postageSats);
        if (built.spent.length === 1 && terms.internalKey === 'nums') assert.equal(vsizeOf(built.raw), built.vsize);
      }
    }),
    { numRuns: 100 },
  );
  assert.ok(spends > 30, `only ${spends} spends were built`);
});

test('what does not fit is undefined from tryLayOut and insufficient_funds from layOut', () => {
  const [script = ''] = scripts;
  const source = { outpoint: `${'aa'.repeat(32)}:0`, valueSats: 1_000n, script };
  const layout = {
    lockHeight: 0,
    inputs: [walletInput(source)],
    coins: [],
    kept: { script, wantedSats: 950n, leastSats: 950n },
    others: [],
    leftover: 'kept' as const,
    change: undefined,
    feeSatsOf: () => 51n,
  };
  assert.equal(tryLayOut(layout), undefined);
  const detail = { haveSats: 1_000n, outputSats: 950n, feeSats: 51n };
  const message = /^inputs must sum up to 1001 sats .* they sum up to 1000$/;
  assert.throws(() => layOut(layout), { code: 'insufficient_funds', message, detail });
  assert.equal(layOut({ ...layout, feeSatsOf: () => 50n }).feeSats, 50n);
});

test('what cannot pay is what a builder would refuse as a coin', () => {
  const [p2tr = '', p2wpkh = ''] = scripts;
  const payable = [p2tr, p2wpkh];
  const others = ['', '51', `${p2tr}00`, p2wpkh.slice(2), `0020${'11'.repeat(32)}`, `a914${'11'.repeat(20)}87`];
  for (const script of [...payable, ...others]) {
    const coin = { outpoint: `${'bb'.repeat(32)}:0`, valueSats: 1_000n, script };
    assert.equal(canPay(coin), payable.includes(script), script);
    if (canPay(coin)) assert.equal(walletInput(coin).script, script);
    else assert.throws(() => walletInput(coin), { code: 'bad_script' });
  }
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { hex } from '@scure/base';
import { addressScript, decodeTransaction, encodeDraft, vsizeOf, type Prevout } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { assertTakenBack, buildFillAbort, buildFillTransaction, type FillRequest } from './fill.ts';
import { changeAddress, signedFill, terms } from './fill.suite.ts';
import { readListing, type Listing } from './listing.ts';
import { keyHash, keyPath, listed, payoutScript } from './listing.suite.ts';
import { buildLock } from './lock.ts';
import { buildBumpTransaction, replacedOf } from './lock-tx.ts';
import { txidOf } from './transaction.ts';

const p2wpkh = addressScript(changeAddress, 'regtest');
const p2tr = `5120${keyPath.source.script.slice(4)}`;
const lockScript = buildLock(terms).script;
const read = (psbt: string): Listing => readListing({ psbt, network: 'regtest' });
const listing = read(listed(keyPath));

const coin = (index: number, valueSats: bigint, script = p2wpkh): Prevout => ({
  outpoint: `${'bb'.repeat(32)}:${index}`,
  valueSats,
  script,
});
const dummies: FillRequest['dummies'] = [coin(0, 600n), coin(1, 700n, p2tr)];
const royalty = { script: p2tr, valueSats: 7_500n };
const fee = { script: `0014${'08'.repeat(20)}`, valueSats: 3_000n };

const wanted: FillRequest = {
  ...{ terms, listing, dummies, payouts: [royalty, fee], changeAddress, feerateSatVb: 5, maxFeeSats: 20_000n },
  coins: [coin(2, 200_000n)],
};

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => {
    assert.ok(error instanceof SparkleError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });

const outputsOf = (raw: string) => decodeTransaction(raw).outputs.map(({ script, valueSats }) => [script, valueSats]);
const outpointsOf = (raw: string) => decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint);

describe('fill', () => {
  test("the filler's dummies stand in front, so that seller and payout share an index and the sat falls into the lock", () => {
    const fill = buildFillTransaction(wanted);
    const { inputs, lockHeight, version } = decodeTransaction(fill.raw);
    assert.deepEqual(
      inputs.map(({ outpoint }) => outpoint),
      [dummies[0], dummies[1], listing.source, wanted.coins[0]].map((prevout) => prevout?.outpoint),
    );
    assert.deepEqual(outputsOf(fill.raw), [
      [p2wpkh, 1_300n],
      [lockScript, 13_000n],
      [payoutScript, 150_000n],
      [p2tr, 7_500n],
      [fee.script, 3_000n],
      [p2wpkh, 211_300n - 174_800n - fill.feeSats],
    ]);
    assert.deepEqual([version, lockHeight, fill.vout, fill.txid], [2, 0, 1, txidOf(fill.raw)]);
    assert.deepEqual(fill.coins, wanted.coins);
    assert.deepEqual(fill.spent, [...dummies, listing.source, ...wanted.coins]);
  });

  test("it has the seller's witness and no other yet, and its txid is final", () => {
    const fill = buildFillTransaction(wanted);
    const witnesses = decodeTransaction(fill.raw).inputs.map(({ witness }) => witness.map((item) => hex.encode(item)));
    assert.deepEqual(witnesses, [[], [], listing.witness, []]);
    assert.equal(txidOf(signedFill(fill).raw), fill.txid);
  });

  test("the fee is that of the signed size, the seller's own witness counted", () => {
    for (const owner of [keyPath, keyHash]) {
      const fill = buildFillTransaction({ ...wanted, listing: read(listed(owner)) });
      assert.equal(vsizeOf(signedFill(fill).raw), fill.vsize);
      assert.equal(fill.feeSats, 5n * BigInt(fill.vsize));
      assert.equal(fill.feerateSatVb, 5);
    }
  });

  test("the seller's sequence stays as he signed it, and ours signal replacement", () => {
    const final = read(listed(keyPath, { sequence: 0xffffffff }));
    const { inputs } = decodeTransaction(buildFillTransaction({ ...wanted, listing: final }).raw);
    assert.deepEqual(
      inputs.map(({ sequence }) => sequence),
      [0xfffffffd, 0xfffffffd, 0xffffffff, 0xfffffffd],
    );
  });

  test('a source that is worth more than the lock leaves the rest to pay with, one that is worth less is filled up', () => {
    for (const valueSats of [547n, 100_000n]) {
      const owner = { ...keyPath, source: { ...keyPath.source, valueSats } };
      const { raw } = buildFillTransaction({ ...wanted, listing: read(listed(owner)) });
      assert.equal(decodeTransaction(raw).outputs[1]?.valueSats, 13_000n);
    }
  });

  test('without enough for change the rest goes to the fee; without payouts there are none', () => {
    const exact = { ...wanted, payouts: [], coins: [coin(2, 155_000n)] };
    const { raw, feeSats } = buildFillTransaction(exact);
    assert.equal(outputsOf(raw).length, 3);
    assert.equal(feeSats, 155_000n + 10_000n - 13_000n - 150_000n);
  });

  test('coins that do not suffice for lock, price, payouts and fee are refused with what was missing', () => {
    assert.throws(
      () => buildFillTransaction({ ...wanted, coins: [coin(2, 163_500n)] }),
      (error: SparkleError) => error.code === 'insufficient_funds' && error.detail['outputSats'] === 174_800n,
    );
    const dear = { ...terms, reserveSats: 60_000n };
    throws('insufficient_funds', () => buildFillTransaction({ ...wanted, terms: dear }));
  });

  test('an offset outside the postage or the source is refused', () => {
    throws('sat_lost', () => buildFillTransaction({ ...wanted, terms: { ...terms, offsetSats: 10_000n } }));
    throws('sat_lost', () => buildFillTransaction({ ...wanted, terms: { ...terms, offsetSats: -1n } }));
    const poor = read(listed({ ...keyPath, source: { ...keyPath.source, valueSats: 546n } }));
    throws('sat_lost', () => buildFillTransaction({ ...wanted, listing: poor }));
  });

  test('an input that is named twice is refused, also when it would not be needed', () => {
    const { source } = listing;
    const twice: Partial<FillRequest>[] = [
      { dummies: [dummies[0], dummies[0]] },
      { dummies: [source, dummies[1]] },
      { dummies: [dummies[0], source] },
      { coins: [...wanted.coins, source] },
      { coins: [...wanted.coins, dummies[0]] },
      { coins: [...wanted.coins, ...wanted.coins] },
    ];
    for (const given of twice) throws('bad_transaction', () => buildFillTransaction({ ...wanted, ...given }));
  });

  test('a dummy or a coin whose signature would change the txid is refused', () => {
    const legacy = `76a914${'11'.repeat(20)}88ac`;
    throws('bad_script', () => buildFillTransaction({ ...wanted, dummies: [dummies[0], coin(1, 700n, legacy)] }));
    throws('bad_script', () =>
      buildFillTransaction({ ...wanted, coins: [coin(2, 200_000n, `0020${'11'.repeat(32)}`)] }),
    );
  });

  test('dummies that would come back as dust, dust among the payouts, and payouts of odd kinds are refused', () => {
    throws('dust', () => buildFillTransaction({ ...wanted, dummies: [coin(0, 146n), coin(1, 147n)] }));
    assert.ok(buildFillTransaction({ ...wanted, dummies: [coin(0, 147n), coin(1, 147n)] }));
    throws('dust', () => buildFillTransaction({ ...wanted, payouts: [{ ...royalty, valueSats: 329n }] }));
    throws('bad_amount', () => buildFillTransaction({ ...wanted, payouts: [{ ...royalty, valueSats: -1n }] }));
    throws('bad_script', () =>
      buildFillTransaction({ ...wanted, payouts: [{ script: '51024e73', valueSats: 1_000n }] }),
    );
  });

  test('a listing that is not signed, or is of another network, is refused', () => {
    throws('bad_signature', () => buildFillTransaction({ ...wanted, listing: { ...listing, sequence: 0xffffffff } }));
    throws('wrong_network', () => buildFillTransaction({ ...wanted, listing: { ...listing, network: 'signet' } }));
  });

  test('a fee above the cap and terms that make no lock are refused', () => {
    throws('fee_too_high', () => buildFillTransaction({ ...wanted, maxFeeSats: 500n }));
    throws('bad_key', () => buildFillTransaction({ ...wanted, terms: { ...terms, claimKey: terms.refundKey } }));
    throws('dust', () => buildFillTransaction({ ...wanted, terms: { ...terms, offsetSats: 0n, postageSats: 329n } }));
  });
});

describe('abort', () => {
  const fill = signedFill(buildFillTransaction(wanted));
  const abort = { ...{ terms, fill, changeAddress, feerateSatVb: 1, maxFeeSats: 20_000n, coins: [], lost: [] } };
  const replaces = [replacedOf(fill)];

  test("spends the filler's inputs and not the seller's, all back to the filler", () => {
    const { raw, feeSats } = buildFillAbort({ ...abort, replaces });
    assert.deepEqual(
      outpointsOf(raw),
      [...dummies, ...wanted.coins].map(({ outpoint }) => outpoint),
    );
    assert.deepEqual(outputsOf(raw), [[p2wpkh, 201_300n - feeSats]]);
  });

  test('pays for the fill and its child that leave the mempool, and its own relay on top', () => {
    const [old] = replaces;
    const child = { feeSats: 900n, vsize: 110 };
    const alone = buildFillAbort({ ...abort, replaces });
    assert.equal(alone.feeSats, (old?.feeSats ?? 0n) + BigInt(alone.vsize));
    const both = buildFillAbort({ ...abort, replaces: [...replaces, child] });
    assert.equal(both.feeSats, alone.feeSats + 900n);
    const fast = buildFillAbort({ ...abort, replaces, feerateSatVb: 40 });
    assert.equal(fast.feeSats, 40n * BigInt(fast.vsize));
    assert.equal(vsizeOf(signedFill(fast).raw), fast.vsize);
  });

  test('takes more coins when its own inputs do not pay, and refuses what nothing pays', () => {
    const rich = read(listed({ ...keyPath, source: { ...keyPath.source, valueSats: 200_000n } }));
    const cheap = signedFill(buildFillTransaction({ ...wanted, listing: rich, coins: [] }));
    const taken = { ...abort, fill: cheap, replaces: [replacedOf(cheap)] };
    throws('insufficient_funds', () => buildFillAbort(taken));
    const { spent } = buildFillAbort({ ...taken, coins: [coin(3, 90_000n)], maxFeeSats: 60_000n });
    assert.deepEqual(spent, [...dummies, coin(3, 90_000n)]);
    throws('fee_too_high', () => buildFillAbort({ ...abort, replaces, maxFeeSats: 100n }));
  });

  test('what is no fill of these terms, or of which nobody says what it spent, cannot be aborted', () => {
    throws('bad_transaction', () => buildFillAbort({ ...abort, replaces, fill: { ...fill, spent: [] } }));
    throws('bad_transaction', () => buildFillAbort({ ...abort, replaces, terms: { ...terms, reserveSats: 1n } }));
    throws('bad_transaction', () => buildFillAbort({ ...abort, replaces, terms: { ...terms, refundHeight: 1 } }));
  });

  test('the assertion that it takes back no more than the own inputs fires', () => {
    const made = (outpoints: string[], script = p2wpkh) => {
      const input = { valueSats: 10_000n, script: p2wpkh, sequence: 0xfffffffd, witness: [] };
      const inputs = outpoints.map((outpoint) => ({ ...input, outpoint }));
      return encodeDraft({ lockHeight: 0, inputs, outputs: [{ script, valueSats: 1_000n }] });
    };
    const [own = ''] = outpointsOf(fill.raw);
    const taken = (raw: string) => () => assertTakenBack(raw, { fill, destination: p2wpkh });
    taken(made([own]))();
    throws('bad_transaction', taken(made([own, listing.source.outpoint])));
    throws('bad_transaction', taken(made([coin(9, 1n).outpoint])));
    throws('bad_transaction', taken(made([own], p2tr)));
  });
});

describe('bump', () => {
  const bump = { terms, changeAddress, coins: [], replaces: [], feerateSatVb: 20, maxFeeSats: 20_000n };

  test('the child spends the change of the fill, which is its last output, and both pay the feerate', () => {
    const lock = signedFill(buildFillTransaction(wanted));
    const parent = replacedOf(lock);
    const child = buildBumpTransaction({ ...bump, lock });
    assert.deepEqual(outpointsOf(child.raw), [`${txidOf(lock.raw)}:5`]);
    assert.equal(parent.feeSats + child.feeSats, 20n * BigInt(parent.vsize + child.vsize));
  });

  test("without change it spends the filler's own sats in front of the lock, with a coin's help", () => {
    const lock = signedFill(buildFillTransaction({ ...wanted, payouts: [], coins: [coin(2, 155_000n)] }));
    throws('insufficient_funds', () => buildBumpTransaction({ ...bump, lock }));
    const child = buildBumpTransaction({ ...bump, lock, coins: [coin(3, 30_000n)] });
    assert.deepEqual(outpointsOf(child.raw), [`${txidOf(lock.raw)}:0`, coin(3, 0n).outpoint]);
  });

  test("it never spends the lock, the seller's payout or another's payout", () => {
    const lock = signedFill(buildFillTransaction({ ...wanted, payouts: [royalty, fee], coins: [coin(2, 166_000n)] }));
    assert.equal(outputsOf(lock.raw).length, 5);
    const child = buildBumpTransaction({ ...bump, lock, coins: [coin(3, 30_000n)] });
    assert.equal(outpointsOf(child.raw)[0], `${txidOf(lock.raw)}:0`);
  });
});

test('a refusal tells what was wrong', () => {
  const fill = signedFill(buildFillTransaction(wanted));
  const odd = '51024e73';
  const told: [() => unknown, object][] = [
    [() => buildFillTransaction({ ...wanted, coins: [dummies[0]] }), { outpoint: dummies[0].outpoint }],
    [() => buildFillTransaction({ ...wanted, payouts: [{ script: odd, valueSats: 1_000n }] }), { script: odd }],
    [() => assertTakenBack(fill.raw, { fill, destination: p2wpkh }), { seller: listing.source.outpoint }],
  ];
  for (const [run, detail] of told) assert.throws(run, { detail });
});

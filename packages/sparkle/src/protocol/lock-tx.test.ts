import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressScript, decodeTransaction, encodeDraft, vsizeOf, withWitness, type Prevout } from './draft.ts';
import { SparkleError, type ErrorCode } from './errors.ts';
import { buildLock } from './lock.ts';
import {
  assertConflict,
  assertLockValue,
  assertSparesLock,
  buildAbortTransaction,
  buildBumpTransaction,
  buildLockTransaction,
  replacedOf,
  type SentLock,
} from './lock-tx.ts';
import { publicKeyOf } from './spend.ts';
import { txidOf } from './transaction.ts';

const terms = {
  script: 'v1',
  internalKey: 'musig',
  paymentHash: 'ab'.repeat(32),
  claimKey: publicKeyOf(new Uint8Array(32).fill(7)) ?? '',
  refundKey: publicKeyOf(new Uint8Array(32).fill(9)) ?? '',
  refundHeight: 900_144,
  network: 'regtest',
  postageSats: 10_000n,
  reserveSats: 3_000n,
  offsetSats: 546n,
} as const;

const returnAddress = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
const changeAddress = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080';
const p2tr = addressScript(returnAddress, 'regtest');
const p2wpkh = addressScript(changeAddress, 'regtest');
const lockScript = buildLock(terms).script;

const source: Prevout = { outpoint: `${'aa'.repeat(32)}:0`, valueSats: 10_000n, script: p2tr };
const coin = (index: number, valueSats: bigint, script = p2wpkh): Prevout => ({
  outpoint: `${'bb'.repeat(32)}:${index}`,
  valueSats,
  script,
});

const wanted = { terms, source, coins: [coin(0, 50_000n)], changeAddress, feerateSatVb: 5, maxFeeSats: 20_000n };

const throws = (code: ErrorCode, run: () => unknown): void =>
  assert.throws(run, (error) => error instanceof SparkleError && error.code === code);

/** What a wallet would do: witnesses of the sizes that its inputs have. */
const signed = ({ raw, spent }: { raw: string; spent: readonly Prevout[] }): SentLock => ({
  raw: spent.reduce(
    (signing, { script }, index) =>
      withWitness(
        signing,
        index,
        script.startsWith('5120')
          ? [new Uint8Array(64).fill(1)]
          : [new Uint8Array(72).fill(1), new Uint8Array(33).fill(2)],
      ),
    raw,
  ),
  spent,
  vout: 0,
});

const values = (raw: string): bigint[] => decodeTransaction(raw).outputs.map(({ valueSats }) => valueSats);

describe('lock', () => {
  test('the inscription is input 0, the lock output 0, change behind it, all inputs replaceable', () => {
    const lock = buildLockTransaction(wanted);
    const { inputs, outputs, lockHeight } = decodeTransaction(lock.raw);
    assert.deepEqual(
      inputs.map(({ outpoint }) => outpoint),
      [source.outpoint, wanted.coins[0]?.outpoint],
    );
    assert.deepEqual(
      inputs.map(({ sequence, witness }) => [sequence, witness.length]),
      [
        [0xfffffffd, 0],
        [0xfffffffd, 0],
      ],
    );
    assert.deepEqual(
      outputs.map(({ script }) => script),
      [lockScript, p2wpkh],
    );
    assert.equal(outputs[0]?.valueSats, 13_000n);
    assert.equal(lockHeight, 0);
    assert.deepEqual([lock.vout, lock.coins, lock.txid], [0, wanted.coins, txidOf(lock.raw)]);
  });

  test('the fee is that of the signed size, no sat more', () => {
    const lock = buildLockTransaction(wanted);
    assert.equal(vsizeOf(signed(lock).raw), lock.vsize);
    assert.equal(lock.feeSats, 5n * BigInt(lock.vsize));
    assert.deepEqual(values(lock.raw), [13_000n, 60_000n - 13_000n - lock.feeSats]);
  });

  test('what is just no dust becomes change, and the feerate that is really paid is told', () => {
    const { feeSats } = buildLockTransaction(wanted);
    const exact = buildLockTransaction({ ...wanted, coins: [coin(0, 3_000n + feeSats + 294n)] });
    assert.deepEqual(values(exact.raw), [13_000n, 294n]);
    assert.equal(exact.feerateSatVb, 5);
    const short = buildLockTransaction({ ...wanted, coins: [coin(0, 3_000n + feeSats + 293n)] });
    assert.deepEqual(values(short.raw), [13_000n]);
    assert.equal(short.feerateSatVb, Number(short.feeSats) / short.vsize);
  });

  test('a source that is worth more than the lock pays by itself, and the rest is change', () => {
    const lock = buildLockTransaction({ ...wanted, source: { ...source, valueSats: 100_000n } });
    assert.deepEqual(lock.coins, []);
    assert.deepEqual(values(lock.raw), [13_000n, 87_000n - lock.feeSats]);
  });

  test('a source that is worth less than the lock is filled up by coins', () => {
    const lock = buildLockTransaction({ ...wanted, source: { ...source, valueSats: 600n } });
    assert.equal(values(lock.raw)[0], 13_000n);
  });

  test('coins are used in the order given, and as few as needed', () => {
    const coins = [coin(0, 600n), coin(1, 700n, p2tr), coin(2, 30_000n), coin(3, 90_000n)];
    assert.deepEqual(buildLockTransaction({ ...wanted, coins }).coins, coins.slice(0, 3));
  });

  test('one more coin is taken to have change, which a child can bump', () => {
    const coins = [coin(0, 4_000n, p2tr), coin(1, 5_000n, p2tr)];
    const lock = buildLockTransaction({ ...wanted, coins });
    assert.equal(lock.coins.length, 2);
    assert.equal(values(lock.raw).length, 2);
  });

  test('without enough for change the rest goes to the fee, and the lock keeps its exact value', () => {
    const lock = buildLockTransaction({ ...wanted, coins: [coin(0, 4_000n, p2tr)] });
    assert.deepEqual(values(lock.raw), [13_000n]);
    assert.equal(lock.feeSats, 1_000n);
  });

  test('coins that do not suffice are refused with what was missing', () => {
    assert.throws(
      () => buildLockTransaction({ ...wanted, coins: [coin(0, 3_500n, p2tr)] }),
      (error: SparkleError) => error.code === 'insufficient_funds' && error.detail['haveSats'] === 13_500n,
    );
    throws('insufficient_funds', () => buildLockTransaction({ ...wanted, coins: [] }));
  });

  test('an inscription at or beyond the postage, or beyond its source, is refused', () => {
    throws('sat_lost', () => buildLockTransaction({ ...wanted, terms: { ...terms, offsetSats: 10_000n } }));
    throws('sat_lost', () => buildLockTransaction({ ...wanted, terms: { ...terms, offsetSats: -1n } }));
    throws('sat_lost', () => buildLockTransaction({ ...wanted, source: { ...source, valueSats: 546n } }));
  });

  test('the source cannot be spent as a coin too', () => {
    throws('bad_transaction', () => buildLockTransaction({ ...wanted, coins: [{ ...source, valueSats: 90_000n }] }));
  });

  test('a source or a coin whose signature would change the txid is refused', () => {
    const legacy = `76a914${'11'.repeat(20)}88ac`;
    assert.throws(() => buildLockTransaction({ ...wanted, source: { ...source, script: legacy } }), {
      code: 'bad_script',
      detail: { outpoint: source.outpoint, script: legacy },
    });
    for (const script of [
      p2tr.slice(0, -2),
      `${p2tr}00`,
      p2wpkh.slice(0, -2),
      `0020${'11'.repeat(32)}`,
      `5220${'11'.repeat(32)}`,
    ])
      throws('bad_script', () => buildLockTransaction({ ...wanted, source: { ...source, script } }));
    throws('bad_script', () =>
      buildLockTransaction({ ...wanted, coins: [coin(0, 50_000n, `a914${'11'.repeat(20)}87`)] }),
    );
  });

  test('a fee above the cap, a feerate that is none, and an address of another network are refused', () => {
    throws('fee_too_high', () => buildLockTransaction({ ...wanted, maxFeeSats: 500n }));
    throws('bad_amount', () => buildLockTransaction({ ...wanted, feerateSatVb: 0 }));
    throws('wrong_network', () =>
      buildLockTransaction({ ...wanted, changeAddress: 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4' }),
    );
  });

  test('postage below dust and a negative reserve are refused', () => {
    throws('dust', () => buildLockTransaction({ ...wanted, terms: { ...terms, offsetSats: 0n, postageSats: 329n } }));
    throws('bad_amount', () => buildLockTransaction({ ...wanted, terms: { ...terms, reserveSats: -1n } }));
  });

  test('the assertion of its value fires', () => {
    const { raw } = buildLockTransaction(wanted);
    assert.throws(() => assertLockValue(raw, { ...terms, reserveSats: 3_001n }), {
      code: 'bad_transaction',
      detail: { valueSats: 13_000n, wantedSats: 13_001n },
    });
  });
});

describe('abort', () => {
  const lock = signed(buildLockTransaction(wanted));
  const abort = { ...wanted, lock, returnAddress, coins: [], replaces: [replacedOf(lock)], lost: [] };

  test('spends the same inputs and returns the inscription at the same offset, with its old value', () => {
    const { raw } = buildAbortTransaction(abort);
    const { inputs, outputs } = decodeTransaction(raw);
    assert.deepEqual(
      inputs.map(({ outpoint }) => outpoint),
      lock.spent.map(({ outpoint }) => outpoint),
    );
    assert.deepEqual(
      outputs.map(({ script }) => script),
      [p2tr, p2wpkh],
    );
    assert.equal(outputs[0]?.valueSats, 10_000n);
  });

  test('leaves out a coin of the lock that something else has spent, and takes another', () => {
    const [, lostCoin] = lock.spent;
    const spare = { outpoint: `${'5e'.repeat(32)}:3`, valueSats: 50_000n, script: p2tr };
    const { raw } = buildAbortTransaction({ ...abort, lost: [lostCoin?.outpoint ?? ''], coins: [spare] });
    assert.deepEqual(
      decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint),
      [lock.spent[0]?.outpoint, spare.outpoint],
    );
  });

  test('never leaves out the source, whatever is said of it: only by spending it the lock becomes impossible', () => {
    const { raw } = buildAbortTransaction({ ...abort, lost: [lock.spent[0]?.outpoint ?? ''] });
    assert.equal(decodeTransaction(raw).inputs[0]?.outpoint, lock.spent[0]?.outpoint);
  });

  test('pays the fee of the lock and its own relay on top, and the wanted feerate if that is more', () => {
    const old = replacedOf(lock);
    const slow = buildAbortTransaction({ ...abort, feerateSatVb: 1 });
    assert.equal(slow.feeSats, old.feeSats + BigInt(slow.vsize));
    const fast = buildAbortTransaction({ ...abort, feerateSatVb: 40 });
    assert.equal(fast.feeSats, 40n * BigInt(fast.vsize));
  });

  test('pays for the child of the lock that leaves the mempool with it', () => {
    const old = replacedOf(lock);
    const child = { feeSats: 900n, vsize: 110 };
    const built = buildAbortTransaction({ ...abort, feerateSatVb: 1, replaces: [old, child] });
    assert.equal(built.feeSats, old.feeSats + 900n + BigInt(built.vsize));
  });

  test('lowers what stays with the inscription down to the postage when there is nothing else to pay with', () => {
    const alone = signed(buildLockTransaction({ ...wanted, source: { ...source, valueSats: 14_200n }, coins: [] }));
    const { raw, feeSats } = buildAbortTransaction({ ...abort, lock: alone, replaces: [replacedOf(alone)] });
    assert.deepEqual(values(raw), [14_200n - feeSats]);
  });

  test('gives back a source that was worth less than the postage as it was', () => {
    const poor = { ...source, valueSats: 600n };
    const small = signed(buildLockTransaction({ ...wanted, source: poor }));
    const { raw } = buildAbortTransaction({ ...abort, lock: small, replaces: [replacedOf(small)] });
    assert.equal(values(raw)[0], 600n);
  });

  test('is refused when the fee would eat the postage, or is above the cap', () => {
    throws('insufficient_funds', () => buildAbortTransaction({ ...abort, feerateSatVb: 1_000 }));
    throws('fee_too_high', () => buildAbortTransaction({ ...abort, maxFeeSats: 100n }));
  });

  test('a lock of which nobody says what it spent cannot be aborted', () => {
    throws('bad_transaction', () => buildAbortTransaction({ ...abort, lock: { ...lock, spent: [] } }));
  });

  test('the assertion that it conflicts with the lock fires', () => {
    const other = buildLockTransaction({ ...wanted, source: { ...source, outpoint: `${'cc'.repeat(32)}:0` } });
    const detail = { source: source.outpoint };
    assert.throws(() => assertConflict(other.raw, lock), { code: 'bad_transaction', detail });
  });
});

describe('bump', () => {
  const lock = signed(buildLockTransaction(wanted));
  const bump = { ...wanted, lock, coins: [], replaces: [], feerateSatVb: 20 };
  const parent = replacedOf(lock);

  test('spends only the change of the lock, and both together pay the feerate', () => {
    const child = buildBumpTransaction(bump);
    const { inputs, outputs } = decodeTransaction(child.raw);
    assert.deepEqual(
      inputs.map(({ outpoint }) => outpoint),
      [`${txidOf(lock.raw)}:1`],
    );
    assert.deepEqual(
      outputs.map(({ script }) => script),
      [p2wpkh],
    );
    assert.equal(parent.feeSats + child.feeSats, 20n * BigInt(parent.vsize + child.vsize));
    assert.equal(child.feerateSatVb, 20);
    assert.equal(vsizeOf(signed(child).raw), child.vsize);
  });

  test('pays at least its own relay when the lock already pays more than was asked for', () => {
    const child = buildBumpTransaction({ ...bump, feerateSatVb: 1 });
    assert.equal(child.feeSats, BigInt(child.vsize));
  });

  test('a second child pays what it takes to replace the first', () => {
    const first = buildBumpTransaction(bump);
    const second = buildBumpTransaction({ ...bump, replaces: [first] });
    assert.equal(second.feeSats, first.feeSats + BigInt(second.vsize));
  });

  test('coins help when the change is too small', () => {
    const small = signed(buildLockTransaction({ ...wanted, coins: [coin(0, 4_800n)] }));
    throws('insufficient_funds', () => buildBumpTransaction({ ...bump, lock: small }));
    const child = buildBumpTransaction({ ...bump, lock: small, coins: [coin(1, 30_000n)] });
    assert.equal(child.spent.length, 2);
  });

  test('a lock without change, one that is not signed, and inputs that are not its own are refused', () => {
    const bare = signed(buildLockTransaction({ ...wanted, coins: [coin(0, 4_000n, p2tr)] }));
    const named = (code: ErrorCode, sent: SentLock): void =>
      assert.throws(() => buildBumpTransaction({ ...bump, lock: sent }), { code, detail: { txid: txidOf(sent.raw) } });
    named('insufficient_funds', bare);
    const unsigned = buildLockTransaction(wanted);
    named('bad_transaction', unsigned);
    const half = { ...unsigned, raw: withWitness(unsigned.raw, 0, [new Uint8Array(64)]) };
    named('bad_transaction', half);
    named('bad_transaction', { ...lock, spent: [source] });
    named('bad_transaction', { ...lock, spent: lock.spent.toReversed() });
  });

  test('a fee above the cap is refused', () => {
    throws('fee_too_high', () => buildBumpTransaction({ ...bump, maxFeeSats: 1_000n }));
  });

  test('the assertion that it leaves the lock alone fires', () => {
    const input = { valueSats: 13_000n, script: lockScript, sequence: 0xfffffffd, witness: [] };
    const raw = encodeDraft({
      lockHeight: 0,
      inputs: [1, 0].map((vout) => ({ ...input, outpoint: `${txidOf(lock.raw)}:${vout}` })),
      outputs: [{ valueSats: 12_000n, script: p2wpkh }],
    });
    const detail = { outpoint: `${txidOf(lock.raw)}:0` };
    assert.throws(() => assertSparesLock(raw, lock), { code: 'sat_lost', detail });
  });
});

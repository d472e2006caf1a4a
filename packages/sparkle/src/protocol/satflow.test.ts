import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import fc from 'fast-check';
import { feeSatsOf, followFee, followReveal, followSat, subsidySats, type SatPlace } from './satflow.ts';
import { writeTransaction } from './transaction.ts';

const NOTHING = { txid: '00'.repeat(32), vout: 0xffff_ffff };
const CONTROL = new Uint8Array(33).fill(0xc0);

type Parts = { inputs: number; outputs: readonly bigint[]; witnesses?: readonly Uint8Array[][] };

const rawOf = ({ inputs, outputs, witnesses }: Parts): string =>
  writeTransaction({
    version: 2,
    inputs: Array.from({ length: inputs }, (_, vout) => ({
      txid: '11'.repeat(32),
      vout,
      scriptSig: new Uint8Array(),
      sequence: 0,
      witness: witnesses?.[vout] ?? [],
    })),
    outputs: outputs.map((valueSats) => ({ valueSats, script: Uint8Array.of(0x51) })),
    lockTime: 0,
  });

const coinbaseOf = (outputs: readonly bigint[]): string =>
  writeTransaction({
    version: 2,
    inputs: [{ ...NOTHING, scriptSig: Uint8Array.of(1, 2), sequence: 0, witness: [] }],
    outputs: outputs.map((valueSats) => ({ valueSats, script: Uint8Array.of(0x51) })),
    lockTime: 0,
  });

/** A witness whose leaf holds envelopes: each with these bytes between the protocol name and the end. */
const revealing = (...fields: string[]): Uint8Array[] => [
  hex.decode(fields.map((field) => `0063036f7264${field}68`).join('')),
  CONTROL,
];

test('a sat goes to the output that covers its place in the row of all inputs', () => {
  const raw = rawOf({ inputs: 3, outputs: [600n, 1000n, 300n] });
  const inputValues = [500n, 1000n, 500n];
  const follow = (inputIndex: number, offsetSats: bigint): SatPlace =>
    followSat({ raw, inputValues, inputIndex, offsetSats });
  assert.deepEqual(follow(0, 0n), { to: 'output', vout: 0, offsetSats: 0n });
  assert.deepEqual(follow(0, 499n), { to: 'output', vout: 0, offsetSats: 499n });
  assert.deepEqual(follow(1, 0n), { to: 'output', vout: 0, offsetSats: 500n });
  assert.deepEqual(follow(1, 99n), { to: 'output', vout: 0, offsetSats: 599n });
  assert.deepEqual(follow(1, 100n), { to: 'output', vout: 1, offsetSats: 0n });
  assert.deepEqual(follow(2, 399n), { to: 'output', vout: 2, offsetSats: 299n });
  assert.deepEqual(follow(2, 400n), { to: 'fee', offsetSats: 0n });
  assert.deepEqual(follow(2, 499n), { to: 'fee', offsetSats: 99n });
});

test('a claim that takes its fee from the postage gives an inscription at an offset to the miner', () => {
  const raw = rawOf({ inputs: 1, outputs: [330n] });
  const place = followSat({ raw, inputValues: [546n], inputIndex: 0, offsetSats: 330n });
  assert.deepEqual(place, { to: 'fee', offsetSats: 0n });
});

test('outputs without value hold no sat', () => {
  const raw = rawOf({ inputs: 1, outputs: [0n, 10n, 0n] });
  const place = followSat({ raw, inputValues: [10n], inputIndex: 0, offsetSats: 0n });
  assert.deepEqual(place, { to: 'output', vout: 1, offsetSats: 0n });
});

test('values of later inputs need not be known', () => {
  const raw = rawOf({ inputs: 3, outputs: [600n] });
  const place = followSat({ raw, inputValues: [500n], inputIndex: 0, offsetSats: 7n });
  assert.deepEqual(place, { to: 'output', vout: 0, offsetSats: 7n });
});

const values = fc.array(fc.bigInt({ min: 0n, max: 40n }), { minLength: 1, maxLength: 5 });

test('every sat that goes in lands in exactly one place, and every place is taken', () => {
  fc.assert(
    fc.property(values, values, (inputValues, wishes) => {
      const total = inputValues.reduce((sum, value) => sum + value, 0n);
      let left = total;
      const outputs = wishes.map((wish) => {
        const value = wish < left ? wish : left;
        left -= value;
        return value;
      });
      const raw = rawOf({ inputs: inputValues.length, outputs });
      const landed = inputValues.flatMap((value, inputIndex) =>
        Array.from({ length: Number(value) }, (_, offset) => {
          const place = followSat({ raw, inputValues, inputIndex, offsetSats: BigInt(offset) });
          return place.to === 'fee' ? `fee:${place.offsetSats}` : `${place.vout}:${place.offsetSats}`;
        }),
      );
      const sats = (name: string, value: bigint): string[] =>
        Array.from({ length: Number(value) }, (_, offset) => `${name}:${offset}`);
      // In a row: not only each place once, but in the order in which the sats came.
      assert.deepEqual(landed, [...outputs.flatMap((value, vout) => sats(String(vout), value)), ...sats('fee', left)]);
      assert.equal(feeSatsOf({ raw, inputValues }), left);
    }),
  );
});

const followed = { raw: rawOf({ inputs: 2, outputs: [10n] }), inputValues: [10n, 0n], inputIndex: 0, offsetSats: 0n };
for (const [what, wrong] of [
  ['at an offset beyond its input', { offsetSats: 10n }],
  ['at a negative offset', { offsetSats: -1n }],
  ['of an input without sats', { inputIndex: 1 }],
  ['of an input whose value is not known', { inputValues: [] }],
  ['of an input that does not exist', { inputIndex: 2 }],
  ['with more values than inputs', { inputValues: [10n, 10n, 10n] }],
  ['of a coinbase', { raw: coinbaseOf([10n]) }],
  ['of bytes that are no transaction', { raw: '00' }],
] as const)
  test(`a sat ${what} is refused`, () => {
    assert.throws(() => followSat({ ...followed, ...wrong }), { code: 'bad_transaction' });
  });

test('a fee needs the value of every input and cannot be negative', () => {
  assert.equal(feeSatsOf({ raw: followed.raw, inputValues: [10n, 5n] }), 5n);
  assert.throws(() => feeSatsOf({ raw: followed.raw, inputValues: [10n] }), { code: 'bad_transaction' });
  assert.throws(() => feeSatsOf({ raw: followed.raw, inputValues: [4n, 5n] }), { code: 'bad_amount' });
});

test('a new inscription lies on the first sat of the input that reveals it', () => {
  const witnesses = [[], revealing('')];
  const raw = rawOf({ inputs: 2, outputs: [600n, 600n], witnesses });
  assert.deepEqual(followReveal({ raw, inputValues: [700n, 500n], index: 0 }), {
    to: 'output',
    vout: 1,
    offsetSats: 100n,
  });
});

test('all inscriptions of one input lie on the same sat, unless pointers part them', () => {
  const raw = rawOf({ inputs: 1, outputs: [600n, 600n], witnesses: [revealing('', '0102025802', '010200', '')] });
  const places = [0, 1, 2, 3].map((index) => followReveal({ raw, inputValues: [1300n], index }));
  assert.deepEqual(places, [
    { to: 'output', vout: 0, offsetSats: 0n },
    { to: 'output', vout: 1, offsetSats: 0n },
    { to: 'output', vout: 0, offsetSats: 0n },
    { to: 'output', vout: 0, offsetSats: 0n },
  ]);
});

test('a pointer counts from the first output, whichever input reveals it', () => {
  const raw = rawOf({ inputs: 2, outputs: [600n, 600n], witnesses: [[], revealing('01020105')] });
  assert.deepEqual(followReveal({ raw, inputValues: [700n, 500n], index: 0 }), {
    to: 'output',
    vout: 0,
    offsetSats: 5n,
  });
});

test('a pointer to the last sat of the outputs counts, and one beyond it is ignored', () => {
  const raw = rawOf({ inputs: 2, outputs: [200n], witnesses: [[], revealing('010201c7', '010201c8')] });
  const inputValues = [100n, 500n];
  assert.deepEqual(followReveal({ raw, inputValues, index: 0 }), { to: 'output', vout: 0, offsetSats: 199n });
  assert.deepEqual(followReveal({ raw, inputValues, index: 1 }), { to: 'output', vout: 0, offsetSats: 100n });
});

test('an inscription whose first sat is fee goes to the miner', () => {
  const raw = rawOf({ inputs: 2, outputs: [200n], witnesses: [[], revealing('')] });
  assert.deepEqual(followReveal({ raw, inputValues: [250n, 500n], index: 0 }), { to: 'fee', offsetSats: 50n });
});

test('an inscription with an unknown even tag, or in an input without sats, is bound to no sat', () => {
  const raw = rawOf({ inputs: 1, outputs: [200n], witnesses: [revealing('01420101', '')] });
  assert.deepEqual(followReveal({ raw, inputValues: [500n], index: 0 }), { to: 'unbound' });
  assert.deepEqual(followReveal({ raw, inputValues: [500n], index: 1 }), { to: 'output', vout: 0, offsetSats: 0n });
  assert.deepEqual(followReveal({ raw, inputValues: [0n], index: 1 }), { to: 'unbound' });
});

test('an inscription that the transaction does not reveal is unknown', () => {
  const raw = rawOf({ inputs: 1, outputs: [200n], witnesses: [revealing('')] });
  for (const index of [1, -1, 0.5])
    assert.throws(() => followReveal({ raw, inputValues: [500n], index }), { code: 'unknown_inscription' });
});

test('a coinbase reveals nothing', () => {
  const inputs = [{ ...NOTHING, scriptSig: Uint8Array.of(1, 2), sequence: 0, witness: revealing('') }];
  const outputs = [{ valueSats: 5n, script: new Uint8Array() }];
  const raw = writeTransaction({ version: 2, inputs, outputs, lockTime: 0 });
  assert.throws(() => followReveal({ raw, inputValues: [5n], index: 0 }), { code: 'unknown_inscription' });
});

test('a sat paid as a fee comes after the subsidy and the fees before its own', () => {
  const coinbaseRaw = coinbaseOf([1000n, 30n, 100n]);
  const block = { coinbaseRaw, subsidySats: 1000n, feesSats: [10n, 20n, 100n] };
  assert.deepEqual(followFee({ ...block, feeIndex: 0, offsetSats: 0n }), { to: 'output', vout: 1, offsetSats: 0n });
  assert.deepEqual(followFee({ ...block, feeIndex: 1, offsetSats: 19n }), { to: 'output', vout: 1, offsetSats: 29n });
  assert.deepEqual(followFee({ ...block, feeIndex: 2, offsetSats: 99n }), { to: 'output', vout: 2, offsetSats: 99n });
});

test('a fee that the miner did not take is lost', () => {
  const block = { coinbaseRaw: coinbaseOf([1005n]), subsidySats: 1000n, feesSats: [10n] };
  assert.deepEqual(followFee({ ...block, feeIndex: 0, offsetSats: 4n }), { to: 'output', vout: 0, offsetSats: 1004n });
  assert.deepEqual(followFee({ ...block, feeIndex: 0, offsetSats: 5n }), { to: 'lost' });
});

test('every sat of the fees lands in exactly one place of the coinbase', () => {
  fc.assert(
    fc.property(values, fc.bigInt({ min: 0n, max: 50n }), fc.nat(200), (feesSats, subsidy, split) => {
      const total = feesSats.reduce((sum, fee) => sum + fee, subsidy);
      const first = BigInt(split) < total ? BigInt(split) : total;
      const coinbaseRaw = coinbaseOf([first, total - first]);
      const landed = feesSats.flatMap((fee, feeIndex) =>
        Array.from({ length: Number(fee) }, (_, offset) => {
          const place = followFee({
            coinbaseRaw,
            subsidySats: subsidy,
            feesSats,
            feeIndex,
            offsetSats: BigInt(offset),
          });
          assert.equal(place.to, 'output');
          return place.to === 'output' ? (place.vout === 0 ? 0n : first) + place.offsetSats : -1n;
        }),
      );
      assert.deepEqual(
        landed,
        Array.from({ length: Number(total - subsidy) }, (_, sat) => subsidy + BigInt(sat)),
      );
    }),
  );
});

const paid = { coinbaseRaw: coinbaseOf([100n]), subsidySats: 50n, feesSats: [10n], feeIndex: 0, offsetSats: 0n };
for (const [what, wrong] of [
  ['beyond its fee', { offsetSats: 10n }],
  ['at a negative offset', { offsetSats: -1n }],
  ['of a fee that the block does not have', { feeIndex: 1 }],
  ['in a coinbase that is none', { coinbaseRaw: rawOf({ inputs: 1, outputs: [100n] }) }],
] as const)
  test(`a fee sat ${what} is refused`, () => {
    assert.throws(() => followFee({ ...paid, ...wrong }), { code: 'bad_transaction' });
  });

test('the subsidy halves every 210,000 blocks until nothing is left', () => {
  const at = (height: number): bigint => subsidySats({ height, network: 'mainnet' });
  assert.deepEqual([0, 209_999, 210_000, 419_999, 420_000, 840_000, 6_929_999, 6_930_000, 210_000 * 64].map(at), [
    5_000_000_000n,
    5_000_000_000n,
    2_500_000_000n,
    2_500_000_000n,
    1_250_000_000n,
    312_500_000n,
    1n,
    0n,
    0n,
  ]);
});

test('all subsidies together are the 20,999,999.9769 BTC that can ever be', () => {
  const epochs = Array.from({ length: 34 }, (_, epoch) => subsidySats({ height: epoch * 210_000, network: 'mainnet' }));
  assert.equal(
    epochs.reduce((sum, subsidy) => sum + subsidy * 210_000n, 0n),
    2_099_999_997_690_000n,
  );
});

test('on regtest the subsidy halves every 150 blocks', () => {
  const at = (height: number): bigint => subsidySats({ height, network: 'regtest' });
  assert.deepEqual([149, 150, 300].map(at), [5_000_000_000n, 2_500_000_000n, 1_250_000_000n]);
});

test('a height that is none has no subsidy', () => {
  for (const height of [-1, 0.5, NaN, 2 ** 53])
    assert.throws(() => subsidySats({ height, network: 'mainnet' }), { code: 'bad_height' });
});

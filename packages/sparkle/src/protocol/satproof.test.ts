import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeSatProof, verifySatProof } from './satproof.ts';
import {
  PLAIN,
  envelope,
  hello,
  reveal,
  padding,
  firstHop,
  secondHop,
  inscriptionId,
  everything,
  proof,
  withoutWitness,
  spend,
  coin,
  commit,
  type Coin,
} from './satproof-bench.suite.ts';
import { readTransaction, txidOf, writeTransaction } from './transaction.ts';

const ANNEX = Uint8Array.of(0x50, 7);

test('a proof leads from the reveal to where the inscription lies now', () => {
  assert.equal(proof.satpoint, `${txidOf(secondHop)}:0:500`);
  assert.equal(verifySatProof(proof), proof.satpoint);
});

test('a proof holds what is needed in the order in which it is needed, and nothing else', () => {
  const needed = [hello.raw, reveal, padding.raw, firstHop, secondHop];
  assert.deepEqual(proof.transactions.map(txidOf), needed.map(txidOf));
});

test('only the reveal keeps a witness, and of it only the leaf and its control block', () => {
  const witnesses = proof.transactions.map((raw) => readTransaction(raw).inputs.map(({ witness }) => witness.length));
  assert.deepEqual(witnesses, [[0], [2], [0], [0, 0, 0], [0]]);
});

test('a proof without a hop ends where the reveal put the inscription', () => {
  const fresh = makeSatProof({ inscriptionId, transactions: [hello.raw, reveal] });
  assert.equal(verifySatProof(fresh), `${txidOf(reveal)}:0:0`);
});

test('a proof may begin at a satpoint that the reader knows, and then needs nothing that came before', () => {
  const from = `${txidOf(reveal)}:0:0`;
  const short = makeSatProof({ inscriptionId, from, transactions: everything });
  assert.equal(verifySatProof(short), proof.satpoint);
  assert.deepEqual(
    short.transactions.map(txidOf),
    [padding.raw, reveal, firstHop, secondHop].map(txidOf),
    'the reveal is only somebody who made an output',
  );
  assert.deepEqual(
    short.transactions.flatMap((raw) => readTransaction(raw).inputs.flatMap(({ witness }) => witness)),
    [],
  );
  const last = makeSatProof({ inscriptionId, from: `${txidOf(firstHop)}:0:500`, transactions: [firstHop, secondHop] });
  assert.equal(verifySatProof(last), proof.satpoint);
});

test('the same proof is made whatever order the transactions come in, and however often', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(everything, { minLength: everything.length }), (transactions) => {
      assert.deepEqual(makeSatProof({ inscriptionId, transactions: [...transactions, firstHop] }), proof);
    }),
    { numRuns: 10 },
  );
});

test('a reveal that was fetched with and without its witness is used with it', () => {
  const bare = withoutWitness(reveal);
  assert.deepEqual(makeSatProof({ inscriptionId, transactions: [bare, ...everything] }), proof);
  assert.deepEqual(makeSatProof({ inscriptionId, transactions: [...everything, bare] }), proof);
});

test('a pointer decides where the inscription starts', () => {
  const source = commit({ envelopes: [envelope(), envelope('01020103')], valueSats: 100n, salt: 1 });
  const raw = spend({ coins: [source], outputs: [2n, 50n], salt: 2 });
  const placed = (index: number): string =>
    verifySatProof(makeSatProof({ inscriptionId: `${txidOf(raw)}i${index}`, transactions: [source.raw, raw] }));
  assert.equal(placed(0), `${txidOf(raw)}:0:0`);
  assert.equal(placed(1), `${txidOf(raw)}:1:1`);
});

test('an inscription in a later input is found behind the sats of those before, and numbered over all of them', () => {
  const first = commit({ envelopes: [envelope()], valueSats: 100n, salt: 1 });
  const keyPath = coin({ output: 30n, salt: 2 });
  const second = commit({ envelopes: [envelope(), envelope('01010178')], valueSats: 100n, salt: 3 });
  const third = commit({ envelopes: [envelope()], valueSats: 100n, salt: 4 });
  const raw = spend({ coins: [first, keyPath, second, third], outputs: [120n, 150n], salt: 5 });
  const made = makeSatProof({
    inscriptionId: `${txidOf(raw)}i2`,
    transactions: [first.raw, keyPath.raw, second.raw, third.raw, raw],
  });
  assert.equal(verifySatProof(made), `${txidOf(raw)}:1:10`);
  assert.equal(made.transactions.length, 4, 'what comes after the input is not needed');
});

test('an annex does not hide an inscription', () => {
  const raw = spend({ coins: [{ ...hello, witness: [...(hello.witness ?? []), ANNEX] }], outputs: [900n], salt: 2 });
  const made = makeSatProof({ inscriptionId: `${txidOf(raw)}i0`, transactions: [hello.raw, raw] });
  assert.equal(verifySatProof(made), `${txidOf(raw)}:0:0`);
});

test('coinbases may be parents, although all of them spend the same nothing', () => {
  const coinbase = (salt: number): Coin => {
    const input = {
      txid: '00'.repeat(32),
      vout: 0xffff_ffff,
      scriptSig: Uint8Array.of(1, salt),
      sequence: 0,
      witness: [],
    };
    const outputs = [{ valueSats: 50n, script: PLAIN }];
    return { raw: writeTransaction({ version: 2, inputs: [input], outputs, lockTime: 0 }), vout: 0 };
  };
  const [one, two] = [coinbase(1), coinbase(2)];
  const hop = spend({ coins: [one, two, { raw: reveal, vout: 0 }], outputs: [900n], salt: 1 });
  const made = makeSatProof({ inscriptionId, transactions: [hello.raw, reveal, one.raw, two.raw, hop] });
  assert.equal(verifySatProof(made), `${txidOf(hop)}:0:100`);
});

type Plan = { before: bigint[]; after: bigint[]; cuts: number[]; feePercent: number };

const sats = fc.bigInt({ min: 0n, max: 40n });
const plans = fc.record<Plan>({
  before: fc.array(sats, { maxLength: 2 }),
  after: fc.array(sats, { maxLength: 1 }),
  cuts: fc.array(fc.nat(100), { maxLength: 3 }),
  feePercent: fc.nat(100),
});

type Place = { raw: string; vout: number; offset: bigint };

/** Moves the sat as the plan says, its fee cut so that the sat is not in it; the place is counted out sat by sat. */
function hop(
  at: Place,
  { before, after, cuts, feePercent }: Plan,
  salt: number,
): { raw: string; fetched: string[]; to: Place } {
  const coins = (values: bigint[], from: number): Coin[] =>
    values.map((output, index) => coin({ output, salt: salt * 10 + from + index }));
  const inputs = [...coins(before, 0), { raw: at.raw, vout: at.vout }, ...coins(after, 5)];
  const values = inputs.map(({ raw, vout }) => readTransaction(raw).outputs[vout]?.valueSats ?? 0n);
  const total = values.reduce((sum, value) => sum + value, 0n);
  const position = values.slice(0, before.length).reduce((sum, value) => sum + value, 0n) + at.offset;
  const kept = position + 1n + ((total - position - 1n) * BigInt(100 - feePercent)) / 100n;
  const marks = [...cuts.map((cut) => (kept * BigInt(cut)) / 100n).sort((a, b) => Number(a - b)), kept];
  const outputs = marks.map((mark, index) => mark - (marks[index - 1] ?? 0n));
  const raw = spend({ coins: inputs, outputs, salt });
  const everySat = outputs.flatMap((value, vout) =>
    Array.from({ length: Number(value) }, (_, offset) => ({ raw, vout, offset: BigInt(offset) })),
  );
  const to = everySat[Number(position)];
  assert.ok(to !== undefined);
  return { raw, fetched: [raw, ...inputs.map((input) => input.raw)], to };
}

const startCoin = commit({ envelopes: [envelope()], valueSats: 60n, salt: 1 });
const start = { raw: spend({ coins: [startCoin], outputs: [50n], salt: 2 }), vout: 0, offset: 0n };

test('a proof over any 1 to 50 hops leads to where counting sat by sat leads', () => {
  const chains = fc
    .integer({ min: 1, max: 50 })
    .chain((length) => fc.array(plans, { minLength: length, maxLength: length }));
  fc.assert(
    fc.property(chains, (chain) => {
      let at: Place = start;
      const transactions = [startCoin.raw, start.raw];
      for (const [index, plan] of chain.entries()) {
        const moved = hop(at, plan, index + 10);
        transactions.push(...moved.fetched);
        at = moved.to;
      }
      const made = makeSatProof({ inscriptionId: `${txidOf(start.raw)}i0`, transactions });
      assert.equal(verifySatProof(made), `${txidOf(at.raw)}:${at.vout}:${at.offset}`);
      assert.deepEqual(made.transactions, [...new Set(made.transactions)]);
    }),
    { numRuns: 25 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import fc from 'fast-check';
import {
  checkReveal,
  makeSatProof,
  MAX_PROOF_BYTES,
  verifySatProof,
  type ProofFault,
  type SatProof,
} from './satproof.ts';
import {
  SIGNATURE,
  PLAIN,
  envelope,
  hello,
  reveal,
  padding,
  change,
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

const refuses = (wrong: Partial<SatProof>, reason: ProofFault): void => {
  assert.throws(
    () => verifySatProof({ ...proof, ...wrong }),
    (error: { code?: unknown; detail?: { reason?: unknown } }) => {
      assert.deepEqual([error.code, error.detail?.reason], ['bad_proof', reason]);
      return true;
    },
  );
};

const refusesToMake = (
  fetched: { inscriptionId: string; transactions: string[] },
  detail: Record<string, unknown>,
): void => {
  assert.throws(
    () => makeSatProof(fetched),
    (error: { code?: unknown; detail?: Record<string, unknown> }) => {
      assert.equal(error.code, 'bad_proof');
      for (const [key, value] of Object.entries(detail)) assert.equal(error.detail?.[key], value);
      return true;
    },
  );
};

test('a parent that was not fetched is named, so that it can be', () => {
  for (const missing of [hello.raw, padding.raw]) {
    const transactions = everything.filter((raw) => raw !== missing);
    refusesToMake({ inscriptionId, transactions }, { reason: 'missing_parent', txid: txidOf(missing) });
  }
});

test('a proof that begins at a satpoint may not say another one, hold a witness, or lead elsewhere', () => {
  const from = `${txidOf(reveal)}:0:0`;
  const short = makeSatProof({ inscriptionId, from, transactions: everything });
  refuses({ ...short, from: `${txidOf(reveal)}:0:7` }, 'wrong_satpoint');
  refuses({ ...short, from: `${txidOf(padding.raw)}:0:0` }, 'unused');
  refuses({ ...short, from: `${txidOf(reveal)}:0:900` }, 'impossible');
  refuses({ ...short, from: `${'00'.repeat(32)}:0:0` }, 'unused');
  const [first = '', ...rest] = short.transactions;
  refuses({ ...short, transactions: [first, reveal, ...rest.slice(1)] }, 'witness');
});

test('a proof of more bytes than anybody should have to read is neither made nor read', () => {
  const fat = commit({
    envelopes: [envelope(`00${`4d0002${'00'.repeat(512)}`.repeat(4_000)}`)],
    valueSats: 1_000n,
    salt: 9,
  });
  const shown = spend({ coins: [fat], outputs: [900n], salt: 9 });
  refusesToMake({ inscriptionId: `${txidOf(shown)}i0`, transactions: [fat.raw, shown] }, { reason: 'too_big' });
  refuses({ transactions: ['00'.repeat(MAX_PROOF_BYTES), '00'] }, 'too_big');
});

const flipped = (raw: string, at: number, mask: number): string => {
  const bytes = hex.decode(raw);
  bytes[at] = (bytes[at] ?? 0) ^ mask;
  return hex.encode(bytes);
};

test('a proof with any one byte changed, in any of its transactions, is refused', () => {
  for (const [which, raw] of proof.transactions.entries())
    for (let at = 0; at < raw.length / 2; at += 1) {
      const transactions = proof.transactions.with(which, flipped(raw, at, 1 << (at % 8)));
      assert.throws(() => verifySatProof({ ...proof, transactions }), { code: 'bad_proof' }, `byte ${at} of ${which}`);
    }
});

test('a proof with any number of bits changed in one byte is refused', () => {
  fc.assert(
    fc.property(
      fc.nat(proof.transactions.length - 1),
      fc.nat(10_000),
      fc.integer({ min: 1, max: 255 }),
      (which, place, mask) => {
        const raw = proof.transactions[which] ?? '';
        const transactions = proof.transactions.with(which, flipped(raw, place % (raw.length / 2), mask));
        assert.throws(() => verifySatProof({ ...proof, transactions }), { code: 'bad_proof' });
      },
    ),
    { numRuns: 200 },
  );
});

test('a transaction that is cut off, or goes on, makes the proof unreadable', () => {
  for (const [which, raw] of proof.transactions.entries())
    for (const wrong of [raw.slice(0, -2), `${raw}00`, raw.toUpperCase(), ''])
      refuses({ transactions: proof.transactions.with(which, wrong) }, 'unreadable');
});

test('a proof without one of its transactions is refused, but without the last hop it proves less', () => {
  const without = (which: number): Partial<SatProof> => ({ transactions: proof.transactions.toSpliced(which, 1) });
  refuses(without(0), 'missing_parent');
  refuses(without(1), 'missing_reveal');
  refuses(without(2), 'missing_parent');
  refuses(without(3), 'unused');
  refuses(without(4), 'wrong_satpoint');
  const before = `${txidOf(firstHop)}:0:500`;
  assert.equal(verifySatProof({ ...proof, ...without(4), satpoint: before }), before);
});

test('no transactions prove nothing', () => {
  refuses({ transactions: [] }, 'missing_reveal');
});

test('a transaction that proves nothing is refused', () => {
  refuses({ transactions: [...proof.transactions, withoutWitness(change.raw)] }, 'unused');
});

test('a transaction that comes twice is refused', () => {
  refuses({ transactions: [...proof.transactions, proof.transactions[2] ?? ''] }, 'duplicate');
});

test('transactions in another order are refused', () => {
  refuses({ transactions: proof.transactions.toReversed() }, 'order');
});

test('a witness that proves nothing is refused, in the reveal and elsewhere', () => {
  refuses({ transactions: proof.transactions.with(1, reveal) }, 'witness');
  refuses({ transactions: proof.transactions.with(4, secondHop) }, 'witness');
});

test('another satpoint than the one that is proved is refused', () => {
  refuses({ satpoint: `${txidOf(secondHop)}:0:501` }, 'wrong_satpoint');
  refuses({ satpoint: proof.satpoint.toUpperCase() }, 'wrong_satpoint');
});

test('the proof of one inscription is no proof of another', () => {
  refuses({ inscriptionId: `${txidOf(reveal)}i1` }, 'no_inscription');
  refuses({ inscriptionId: `${'00'.repeat(32)}i0` }, 'witness');
  assert.throws(() => verifySatProof({ ...proof, inscriptionId: 'x' }), { code: 'bad_inscription_id' });
  assert.throws(() => makeSatProof({ inscriptionId: 'x', transactions: [] }), { code: 'bad_inscription_id' });
});

test('more than 4096 transactions are refused before one is read', () => {
  refuses({ transactions: Array<string>(4097).fill('') }, 'too_many');
});

test('a proof that would need more than 4096 transactions is not made', () => {
  const transactions = [hello.raw, reveal];
  let at: Coin = { raw: reveal, vout: 0 };
  for (let salt = 0; salt < 4095; salt += 1) {
    at = { raw: spend({ coins: [at], outputs: [50n], salt }), vout: 0 };
    transactions.push(at.raw);
  }
  refusesToMake({ inscriptionId, transactions }, { reason: 'too_many', count: 4097 });
});

test('two transactions that spend the same output are refused', () => {
  const rival = withoutWitness(spend({ coins: [{ raw: reveal, vout: 0 }], outputs: [1n], salt: 9 }));
  refuses({ transactions: [...proof.transactions, rival] }, 'conflict');
});

test('an input that names an output its parent does not have is refused', () => {
  const hop = spend({
    coins: [
      { ...padding, vout: 1 },
      { raw: reveal, vout: 0 },
    ],
    outputs: [900n],
    salt: 1,
  });
  refusesToMake(
    { inscriptionId, transactions: [hello.raw, reveal, padding.raw, hop] },
    { reason: 'missing_output', vout: 1 },
  );
});

test('a sat that a hop pays as a fee is lost', () => {
  const hop = spend({ coins: [padding, { raw: reveal, vout: 0 }], outputs: [500n], salt: 1 });
  refusesToMake(
    { inscriptionId, transactions: [hello.raw, reveal, padding.raw, hop] },
    { reason: 'sat_lost', txid: txidOf(hop) },
  );
});

test('a sat that the reveal itself pays as a fee is lost', () => {
  const raw = spend({ coins: [padding, hello], outputs: [500n], salt: 1 });
  const fetched = { inscriptionId: `${txidOf(raw)}i0`, transactions: [hello.raw, padding.raw, raw] };
  refusesToMake(fetched, { reason: 'sat_lost', txid: txidOf(raw) });
});

test('an inscription in an OP_RETURN output is burned', () => {
  const burn = { valueSats: 900n, script: Uint8Array.of(0x6a) };
  const hop = spend({ coins: [{ raw: reveal, vout: 0 }], outputs: [burn], salt: 1 });
  refusesToMake(
    { inscriptionId, transactions: [hello.raw, reveal, hop] },
    { reason: 'burned', txid: txidOf(hop), vout: 0 },
  );
});

test('an inscription that is bound to no sat has no proof', () => {
  const tagged = commit({ envelopes: [envelope('01420101')], valueSats: 100n, salt: 1 });
  const empty = commit({ envelopes: [envelope()], valueSats: 0n, salt: 1 });
  for (const source of [tagged, empty]) {
    const raw = spend({ coins: [source, padding], outputs: [50n], salt: 2 });
    const fetched = { inscriptionId: `${txidOf(raw)}i0`, transactions: [source.raw, padding.raw, raw] };
    refusesToMake(fetched, { reason: 'unbound' });
  }
});

test('a leaf that the spent output does not commit to is refused: it could hold any pointer', () => {
  const forged = commit({ envelopes: [envelope('01020103')], valueSats: 1000n, salt: 1 }).witness;
  assert.ok(forged !== undefined);
  const raw = spend({ coins: [{ ...hello, witness: forged }], outputs: [900n], salt: 2 });
  assert.equal(txidOf(raw), txidOf(reveal));
  refusesToMake({ inscriptionId, transactions: [hello.raw, raw] }, { reason: 'uncommitted_leaf', input: 0 });
  const { inputs, ...rest } = readTransaction(raw);
  const reduced = writeTransaction({
    ...rest,
    inputs: inputs.map((input) => ({ ...input, witness: forged.slice(1) })),
  });
  refuses({ transactions: proof.transactions.with(1, reduced) }, 'uncommitted_leaf');
});

test('an envelope in an input that is not Taproot is refused: nothing commits to it', () => {
  const raw = spend({ coins: [{ ...padding, witness: [envelope(), SIGNATURE] }], outputs: [400n], salt: 2 });
  refusesToMake(
    { inscriptionId: `${txidOf(raw)}i0`, transactions: [padding.raw, raw] },
    { reason: 'uncommitted_leaf' },
  );
});

test('transactions that spend more bitcoin than there is are refused', () => {
  const rich = [101, 102].map((salt) => coin({ output: 2_000_000_000_000_000n, salt }));
  const hop = spend({ coins: [...rich, { raw: reveal, vout: 0 }], outputs: [900n], salt: 1 });
  refusesToMake(
    { inscriptionId, transactions: [hello.raw, reveal, ...rich.map(({ raw }) => raw), hop] },
    { reason: 'impossible' },
  );
});

test('a coinbase reveals nothing', () => {
  const witness = hello.witness ?? [];
  const input = { txid: '00'.repeat(32), vout: 0xffff_ffff, scriptSig: Uint8Array.of(1, 2), sequence: 0, witness };
  const raw = writeTransaction({
    version: 2,
    inputs: [input],
    outputs: [{ valueSats: 5n, script: PLAIN }],
    lockTime: 0,
  });
  refusesToMake({ inscriptionId: `${txidOf(raw)}i0`, transactions: [raw] }, { reason: 'missing_parent' });
});

test('the reveal in a proof is the one that a trusted source knows', () => {
  checkReveal({ proof, raw: reveal });
});

/** One reveal of two inscriptions; the first one's creator did not make the second. */
function twoInputs(): { raw: string; forged: SatProof } {
  const [first, second] = [1, 2].map((salt) => commit({ envelopes: [envelope()], valueSats: 100n, salt }));
  assert.ok(first !== undefined && second !== undefined);
  const coins = [first, second];
  const raw = spend({ coins, outputs: [100n, 90n], salt: 3 });
  const hiding = spend({ coins: [{ ...first, witness: [SIGNATURE] }, second], outputs: [100n, 90n], salt: 3 });
  assert.equal(txidOf(hiding), txidOf(raw));
  const transactions = [...coins.map((one) => one.raw), hiding];
  return { raw, forged: makeSatProof({ inscriptionId: `${txidOf(raw)}i0`, transactions }) };
}

test('a proof that hides the envelope of an earlier input is found out with the reveal from a trusted source', () => {
  const { raw, forged } = twoInputs();
  assert.equal(verifySatProof(forged), `${txidOf(raw)}:1:0`);
  assert.throws(() => checkReveal({ proof: forged, raw }), { code: 'bad_proof', message: /not the one that revealed/ });
});

test('another transaction is not the reveal', () => {
  assert.throws(() => checkReveal({ proof, raw: firstHop }), { code: 'bad_proof' });
  assert.throws(() => checkReveal({ proof, raw: withoutWitness(reveal) }), { code: 'bad_proof' });
  assert.throws(() => checkReveal({ proof, raw: '00' }), { code: 'bad_proof' });
});

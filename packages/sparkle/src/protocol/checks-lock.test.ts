import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLock, type Failure } from './checks.ts';
import { codesOf, height, holdTerms, inscriptionId, lockTerms } from './checks.suite.ts';
import { encodeDraft, type Output, txidOf } from './draft.ts';
import { buildLock } from './lock.ts';
import type { LockFacts } from './trade/view.ts';

const { script } = buildLock(holdTerms);
const lockOutput: Output = { script, valueSats: 12_000n };
const change: Output = { script: `0014${'11'.repeat(20)}`, valueSats: 5_000n };

function transaction(outputs: Output[]): string {
  const spent = { outpoint: `${'aa'.repeat(32)}:0`, valueSats: 20_000n, script: '' };
  return encodeDraft({ lockHeight: 0, inputs: [{ ...spent, sequence: 0xfffffffd, witness: [] }], outputs });
}

function factsOf(raw: string, changed: Partial<LockFacts> = {}): LockFacts {
  const outpoint = `${txidOf(raw)}:0`;
  return {
    outpoint,
    raw,
    confirmations: 3,
    unspent: true,
    satpoint: `${outpoint}:0`,
    inscriptions: [inscriptionId],
    ...changed,
  };
}

const raw = transaction([lockOutput, change]);
const facts = factsOf(raw);
const { outpoint } = facts;
const looked = (changed: Partial<LockFacts>): Failure[] =>
  checkLock({ terms: holdTerms, facts: { ...facts, ...changed }, height });
const without = (...names: (keyof LockFacts)[]): LockFacts =>
  Object.fromEntries(Object.entries(facts).filter(([name]) => !names.includes(name as keyof LockFacts))) as LockFacts;

test('a good lock has no failure, with its confirmations and with more', () => {
  assert.deepEqual(looked({}), []);
  assert.deepEqual(looked({ confirmations: 4 }), []);
  assert.deepEqual(
    checkLock({
      terms: lockTerms,
      facts: factsOf(transaction([{ script: buildLock(lockTerms).script, valueSats: 12_000n }])),
      height,
    }),
    [],
  );
});

type Row = [code: Failure['code'], failures: () => Failure[], sentence: string, detail: Record<string, unknown>];

const refused: Row[] = [
  [
    'refund_open',
    () => checkLock({ terms: holdTerms, facts, height: height + 99 }),
    'the refund must open after the best height; it opens at 900099 and the best height is 900099',
    { height: height + 99, refundHeight: height + 99 },
  ],
  ['lock_unreadable', () => looked({ raw: '00' }), 'the lock must be a transaction; its bytes are none', {}],
  [
    'wrong_txid',
    () => {
      const other = transaction([lockOutput]);
      return checkLock({ terms: holdTerms, facts: { ...facts, raw: other }, height });
    },
    `the lock must have the txid ${txidOf(raw)}; its bytes have ${txidOf(transaction([lockOutput]))}`,
    { expected: txidOf(raw), came: txidOf(transaction([lockOutput])) },
  ],
  [
    'no_such_output',
    () => looked({ outpoint: `${txidOf(raw)}:2`, satpoint: `${txidOf(raw)}:2:0` }),
    'the lock must be output 2 of its transaction, which has 2',
    { vout: 2, count: 2 },
  ],
  [
    'wrong_script',
    () => checkLock({ terms: holdTerms, facts: factsOf(transaction([{ ...change, valueSats: 12_000n }])), height }),
    `the lock must pay to ${script}, rebuilt from the terms; it pays to ${change.script}`,
    { expected: script, came: change.script },
  ],
  [
    'wrong_value',
    () => checkLock({ terms: holdTerms, facts: factsOf(transaction([{ script, valueSats: 12_001n }])), height }),
    'the lock must hold 12000 sats, postage and reserve; it holds 12001',
    { expected: 12_000n, came: 12_001n },
  ],
  ['lock_spent', () => looked({ unspent: false }), 'the lock must be unspent, the mempool counted; it is spent', {}],
  [
    'inscription_unknown',
    () =>
      checkLock({
        terms: holdTerms,
        facts: { ...without('satpoint', 'inscriptions'), indexProblem: 'unknown_inscription' },
        height,
      }),
    `${inscriptionId} must exist and not be burned or lost; the index knows no such inscription`,
    { problem: 'unknown_inscription' },
  ],
  [
    'sat_moved',
    () => looked({ satpoint: `${outpoint}:1` }),
    `the inscription must be at ${outpoint}:0; it is at ${outpoint}:1`,
    { expected: `${outpoint}:0`, came: `${outpoint}:1` },
  ],
  [
    'inscription_missing',
    () => looked({ inscriptions: [] }),
    `the lock must hold ${inscriptionId}; the index lists 0 inscriptions without it`,
    { inscriptionId },
  ],
  [
    'other_inscriptions',
    () => looked({ inscriptions: [inscriptionId, `${'cd'.repeat(32)}i0`] }),
    'the lock must hold exactly one inscription; it holds 1 more',
    { others: [`${'cd'.repeat(32)}i0`] },
  ],
  [
    'runes_present',
    () => looked({ runes: 'some' }),
    'the lock must hold no runes besides the inscription; it holds some',
    { outpoint },
  ],
];

test('lock: runes of which nobody knows are no reason to refuse it', () => {
  for (const runes of ['none', 'unknown'] as const) assert.deepEqual(looked({ runes }), []);
});

for (const [code, failures, sentence, detail] of refused)
  test(`lock: ${code} alone, and for good`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: false }]);
  });

const unseen = without('raw', 'satpoint', 'inscriptions');
const unanswered = { ...without('satpoint', 'inscriptions'), indexProblem: 'not_indexed' };
const BEHIND = 'the index must have the block of the lock; it cannot say yet where the inscription is';

const waiting: Row[] = [
  [
    'lock_not_seen',
    () => checkLock({ terms: holdTerms, facts: { ...unseen, confirmations: 0, unspent: false }, height }),
    'the lock must be in the chain or the mempool; it is in neither',
    {},
  ],
  [
    'lock_unconfirmed',
    () => looked({ confirmations: 0 }),
    'the lock must have 3 confirmations; it is in no block yet',
    { needed: 3, confirmations: 0 },
  ],
  [
    'lock_shallow',
    () => looked({ confirmations: 2 }),
    'the lock must have 3 confirmations; it has 2',
    { needed: 3, confirmations: 2 },
  ],
  [
    'index_behind',
    () => checkLock({ terms: holdTerms, facts: unanswered, height }),
    BEHIND,
    { problem: 'not_indexed' },
  ],
  [
    'index_behind',
    () => checkLock({ terms: holdTerms, facts: without('satpoint'), height }),
    BEHIND,
    { problem: undefined },
  ],
  [
    'index_behind',
    () => checkLock({ terms: holdTerms, facts: without('inscriptions'), height }),
    BEHIND,
    { problem: undefined },
  ],
];

for (const [index, [code, failures, sentence, detail]] of waiting.entries())
  test(`lock: ${code} alone is a reason to wait (${index + 1})`, () => {
    assert.deepEqual(failures(), [{ code, sentence, detail, wait: true }]);
  });

test('the refund may open in the next block and not now', () => {
  assert.deepEqual(checkLock({ terms: holdTerms, facts, height: height + 98 }), []);
});

test('one confirmation of three is still shallow', () => {
  assert.deepEqual(codesOf(looked({ confirmations: 1 })), ['lock_shallow']);
});

test('a lock whose refund is open and that nobody sees is both', () => {
  const failures = checkLock({ terms: holdTerms, facts: unseen, height: height + 99 });
  assert.deepEqual(codesOf(failures), ['refund_open', 'lock_not_seen']);
});

test('where the inscription lies is not asked before the lock is in a block', () => {
  const elsewhere = { satpoint: `${'aa'.repeat(32)}:0:0`, inscriptions: [], confirmations: 0 };
  assert.deepEqual(codesOf(looked(elsewhere)), ['lock_unconfirmed']);
  assert.deepEqual(codesOf(looked({ ...elsewhere, confirmations: 1 })), [
    'lock_shallow',
    'sat_moved',
    'inscription_missing',
  ]);
});

test('an index that is behind is not believed even where it names a place', () => {
  assert.deepEqual(codesOf(looked({ indexProblem: 'not_indexed' })), ['index_behind']);
});

test('an unconfirmed lock that seems spent is looked at again', () => {
  const failures = looked({ confirmations: 0, unspent: false });
  assert.deepEqual(
    failures.map(({ code, wait }) => [code, wait]),
    [
      ['lock_unconfirmed', true],
      ['lock_spent', true],
    ],
  );
});

test('a wrong script is refused at once, however few confirmations it has', () => {
  const wrong = factsOf(transaction([{ ...change, valueSats: 12_000n }]), { confirmations: 0 });
  const failures = checkLock({ terms: holdTerms, facts: wrong, height });
  assert.deepEqual(
    failures.map(({ code, wait }) => [code, wait]),
    [
      ['wrong_script', false],
      ['lock_unconfirmed', true],
    ],
  );
});

test('the offset that was agreed on is the one that counts', () => {
  const terms = { ...holdTerms, offsetSats: 7n };
  assert.deepEqual(codesOf(checkLock({ terms, facts, height })), ['sat_moved']);
  assert.deepEqual(checkLock({ terms, facts: { ...facts, satpoint: `${outpoint}:7` }, height }), []);
});

test('every term of the lock is in its script: another hash, key or refund height is another script', () => {
  const other = [
    { paymentHash: '01'.repeat(32) },
    { claimKey: holdTerms.refundKey, refundKey: holdTerms.claimKey },
    { refundHeight: holdTerms.refundHeight + 1 },
    { internalKey: 'nums' as const },
  ];
  for (const changed of other)
    assert.deepEqual(codesOf(checkLock({ terms: { ...holdTerms, ...changed }, facts, height })), ['wrong_script']);
});

test('postage and reserve are only known as a sum, and the sum must be exact', () => {
  const terms = { ...holdTerms, postageSats: 11_000n, reserveSats: 1_000n };
  assert.deepEqual(checkLock({ terms, facts, height }), []);
  assert.deepEqual(codesOf(checkLock({ terms: { ...terms, reserveSats: 999n }, facts, height })), ['wrong_value']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Report } from './run.ts';
import { count, emptyTally, failureLines, merge, summary } from './tally.ts';

const good: Report = {
  seed: 5,
  losses: [],
  faults: [],
  outcome: 'hold-first: seller traded, buyer traded',
  blocks: 12,
  troubles: new Map([['reorg', 2]]),
  visited: new Set(['seller hold-first locked']),
  lines: [],
};
const lost: Report = { ...good, seed: 4, losses: ['the seller lost'], faults: ['and more'] };
const faulty: Report = { ...good, seed: 3, faults: ['something threw'] };

test('the last line counts trades, losses, outcomes and adversities', () => {
  const tally = emptyTally();
  for (const report of [good, good]) count(tally, report);
  assert.deepEqual(failureLines(tally), []);
  assert.equal(
    summary(tally).at(-1),
    '2 trades, 0 losses, 0 other failures, 24 blocks; outcomes: 2 hold-first: seller traded, buyer traded; adversities: 4 reorg',
  );
});

test('a failure is told with the command that plays it again', () => {
  const [tally, other] = [emptyTally(), emptyTally()];
  count(tally, lost);
  count(other, faulty);
  merge(tally, other);
  assert.deepEqual(failureLines(tally), [
    'seed 3: something threw',
    '  the whole story: npm run sim -- --seed 3 --trades 1',
    'seed 4: the seller lost',
    'seed 4: and more',
    '  the whole story: npm run sim -- --seed 4 --trades 1',
  ]);
  assert.match(summary(tally).at(-1) ?? '', /^2 trades, 1 losses, 1 other failures, /);
});

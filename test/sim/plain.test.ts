import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { test } from 'node:test';
import { runTrade } from './run.ts';
import { count, emptyTally, failureLines, summary } from './tally.ts';

const TRADES = 12;
const FIRST_SEED = 500;
const main = fileURLToPath(new URL('main.ts', import.meta.url));

const sim = (...args: string[]) => promisify(execFile)(process.execPath, [...process.execArgv, main, ...args]);

test('with every signature checked anew the trades are the same as with a memory for them', async () => {
  const tally = emptyTally();
  for (let seed = FIRST_SEED; seed < FIRST_SEED + TRADES; seed += 1)
    count(tally, await runTrade({ seed, told: 'not at all' }));
  assert.deepEqual(failureLines(tally), []);
  const { stdout } = await sim('--trades', `${TRADES}`, '--seed', `${FIRST_SEED}`, '--workers', '1');
  assert.equal(stdout.trim().split('\n').at(-1), summary(tally).at(-1));
});

test('one trade is told in full', async () => {
  const { stdout } = await sim('--trades', '1', '--seed', '3');
  assert.match(stdout, /^\+0 0s {2}seed 3: /);
  assert.match(stdout.trim().split('\n').at(-1) ?? '', /^1 trades, 0 losses, 0 other failures, /);
});

test('a number that is none is refused, with the way to say it right', async () => {
  await assert.rejects(sim('--trades', 'many'), (error: { code?: number; stderr?: string }) => {
    assert.equal(error.code, 2);
    assert.match(error.stderr ?? '', /--trades must be a whole number of at least 1; got many\nnpm run sim -- /);
    return true;
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runAround } from '../scripts/around.mjs';
import { Ending } from '../scripts/ending.mjs';
import { partsThatTestsUse, partsUsedBy } from '../scripts/uses.mjs';

const uses: Record<string, string[]> = { 'a.test.ts': [], 'b.test.ts': ['lnd'], 'c.test.ts': ['lnd', 'ord'] };

/** A run in which LND and ord are missing; `built` tells the outcome of their builds, `codes` what the runs end with. */
function around({ built, codes = [0, 0] }: { built: Promise<{ name: string; error?: Error }[]>; codes?: number[] }) {
  const ran: string[][] = [];
  const said: string[] = [];
  const ending = new Ending();
  const code = runAround({
    ...{ missing: ['lnd', 'ord'], building: built, files: Object.keys(uses), usedBy: (file) => uses[file] ?? [] },
    ...{ ending, log: (line) => said.push(line) },
    run: async (files) => {
      ran.push(files);
      return codes[ran.length - 1] ?? 0;
    },
  });
  return { code, ran, said, ending };
}

const there = [{ name: 'lnd' }, { name: 'ord' }];

test('what needs no missing part runs while those are built, and the rest when they are there', async () => {
  let finish: ((built: typeof there) => void) | undefined;
  const { code, ran } = around({ built: new Promise((resolve) => (finish = resolve)) });
  await new Promise((next) => setImmediate(next));
  assert.deepEqual(ran, [['a.test.ts']]);
  assert.ok(finish);
  finish(there);
  assert.equal(await code, 0);
  assert.deepEqual(ran, [['a.test.ts'], ['b.test.ts', 'c.test.ts']]);
});

test('a failure before or after the builds is the failure of the whole', async () => {
  assert.equal(await around({ built: Promise.resolve(there), codes: [1, 0] }).code, 1);
  assert.equal(await around({ built: Promise.resolve(there), codes: [0, 1] }).code, 1);
});

test('tests whose part could not be had count as failures, with the sentence; the others still run', async () => {
  const built = Promise.resolve([{ name: 'lnd' }, { name: 'ord', error: new Error('ord could not be installed') }]);
  const { code, ran, said, ending } = around({ built });
  assert.equal(await code, 3);
  assert.deepEqual(ran, [['a.test.ts'], ['b.test.ts']]);
  assert.deepEqual(said, ['\nFAIL ord could not be installed', 'FAIL c.test.ts (not run)']);
  assert.deepEqual(ending.counts, { tests: 1, fail: 1 });
});

test('who ends the tests by a signal does not wait for a build', async () => {
  const { code, ran } = around({ built: new Promise(() => undefined), codes: [130] });
  assert.equal(await code, 130);
  assert.deepEqual(ran, [['a.test.ts']]);
});

test('the parts that a test file uses are found through what it imports', () => {
  assert.deepEqual(partsUsedBy('packages/sparkle/src/chain/bitcoind.test.ts'), ['bitcoind']);
  assert.deepEqual(partsUsedBy('test/around.test.ts'), []);
  assert.deepEqual(partsUsedBy('test/regtest/parts.test.ts'), []);
  assert.ok(partsThatTestsUse().includes('bitcoind'));
});

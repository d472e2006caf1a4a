import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ending } from '../scripts/ending.mjs';

const reporter = fileURLToPath(new URL('../scripts/reporter.mjs', import.meta.url));

/** What `npm test` would print for these files, and its exit code. */
function report(context: TestContext, files: Record<string, string>): { lines: string[]; status: number | null } {
  const dir = mkdtempSync(join(tmpdir(), 'sparkle-reporter-'));
  context.after(() => rmSync(dir, { recursive: true }));
  const paths = Object.entries(files).map(([name, text]) => {
    const path = join(dir, name);
    writeFileSync(path, `import { describe, test } from 'node:test';\n${text}`);
    return path;
  });
  const { stdout, status } = spawnSync(process.execPath, ['--test', `--test-reporter=${reporter}`, ...paths], {
    encoding: 'utf8',
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  return { lines: stdout.trimEnd().split('\n'), status };
}

const summary = (counts: { tests: number; pass: number; fail: number; skipped: number }): string[] =>
  [`tests ${counts.tests}`, 'suites 0', `pass ${counts.pass}`, `fail ${counts.fail}`, 'cancelled 0']
    .concat([`skipped ${counts.skipped}`, 'todo 0'])
    .map((line) => `# ${line}`);

test('when all is well there is one line, notes and skips below it, and the counts of the runner last', (context) => {
  const { lines, status } = report(context, {
    'a.test.mjs': `test('one', (t) => t.diagnostic('seen 12 states'));
      test('two', { skip: 'no node' }, () => {});
      console.log('chatter');`,
  });
  assert.equal(status, 0);
  assert.match(lines[0] ?? '', / 2 tests +0\.\d s$/);
  assert.deepEqual(lines.slice(1, 3), ['  seen 12 states', '  1 skipped: no node']);
  assert.deepEqual(lines.slice(3, -1), summary({ tests: 2, pass: 1, fail: 0, skipped: 1 }));
  assert.match(lines.at(-1) ?? '', /^# duration_ms [\d.]+$/);
});

test('a failure is told in full: file, name, error with its cause, and what the file printed', (context) => {
  const { lines, status } = report(context, {
    'a.test.mjs': `console.log('on the way');
      test('good', () => {});
      test('bad', () => { throw new Error('the outer', { cause: new Error('the inner') }); });`,
  });
  const text = lines.join('\n');
  assert.equal(status, 1);
  assert.match(text, /FAIL .*a\.test\.mjs\n {2}bad\n {4}Error: the outer[\s\S]*the inner[\s\S]*on the way/);
  assert.match(text, / 2 tests +0\.\d s {3}1 FAILED/);
  assert.deepEqual(lines.slice(-8, -1), summary({ tests: 2, pass: 1, fail: 1, skipped: 0 }));
});

test('a file that dies is a failure, with how it ended', (context) => {
  const { lines, status } = report(context, {
    'a.test.mjs': `console.error('last words'); process.exit(7);`,
    'b.test.mjs': `test('good', () => {});`,
  });
  assert.equal(status, 1);
  assert.match(lines.join('\n'), /the file as a whole\n {4}test failed, ended by 7[\s\S]*last words/);
  assert.deepEqual(lines.slice(-8, -1), summary({ tests: 2, pass: 1, fail: 1, skipped: 0 }));
});

test('suites that drivers share are listed by room and driver, with what was skipped and what failed', (context) => {
  const { lines, status } = report(context, {
    'a.test.mjs': `describe('lightning: ldk', () => {
        test('pays', () => {});
        describe('holds', () => { test('settles', () => {}); test('cancels', () => { throw new Error('no'); }); });
      });
      describe('lightning: lnd', { skip: 'no lnd' }, () => test('pays', () => {}));`,
    'b.test.mjs': `describe('chain: memory', () => test('has a tip', () => {}));
      describe('lightning: cln', () => { test('pays', () => {}); test('holds', { skip: 'cannot' }, () => {}); });
      describe('the rest: of it', () => test('alone', () => {}));`,
  });
  assert.equal(status, 1);
  assert.deepEqual(
    lines.filter((line) => /^# suites \D/.test(line)),
    ['# suites chain: memory 1', '# suites lightning: cln 1 (1 skipped), ldk 3 (1 FAILED), lnd skipped'],
  );
  assert.match(lines.at(-8) ?? '', /^# tests \d$/);
});

test('runs are added up, and the ending is that of one run', () => {
  const ending = new Ending();
  const shared = {
    'store: sqlite': { pass: 2, fail: 0, skipped: 0 },
    'store: memory': { pass: 1, fail: 1, skipped: 0 },
  };
  ending.add({ counts: { tests: 3, pass: 2, fail: 1, duration_ms: 10.5 }, shared });
  ending.add({ counts: { tests: 4, pass: 4, fail: 0, duration_ms: 1 }, shared: { 'store: sqlite': { pass: 1 } } });
  assert.deepEqual(ending.text().trimEnd().split('\n'), [
    ...['# suites store: memory 2 (1 FAILED), sqlite 3', '# tests 7', '# pass 6', '# fail 1', '# duration_ms 11.5'],
  ]);
});

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasTest, identifiersIn, type Page, referencesOf, rowsOf, unusedTargets } from './references.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const pages: Page[] = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name.replaceAll('\\', '/')}`),
].map((path) => ({ path, text: read(path) }));

/** Every reference of every page with the path of the file that it leads to. */
const references = pages.flatMap((page) =>
  referencesOf(page).map(({ text, target }) => ({
    page: page.path,
    text,
    file: target === undefined ? undefined : normalize(join(dirname(page.path), target.replace(/#.*/, ''))),
  })),
);
const leading = (ending: RegExp) =>
  references.flatMap(({ page, text, file }) =>
    file !== undefined && ending.test(file) && existsSync(join(root, file)) ? [{ page, text, file }] : [],
  );

const safety: Page = { path: 'docs/safety.md', text: read('docs/safety.md') };
const numbered = (letter: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);

test('every link by reference leads to a file', () => {
  const dead = references.filter(({ file }) => file === undefined || !existsSync(join(root, file)));
  assert.deepEqual(
    dead.map(({ page, text }) => `${page}: ${text}`),
    [],
  );
  assert.deepEqual(
    pages.flatMap((page) => unusedTargets(page).map((name) => `${page.path}: ${name}`)),
    [],
  );
});

test('a link to a test file is the name of a test in it', () => {
  const unknown = leading(/\.(?:test|suite)\.ts$/).filter(({ text, file }) => !hasTest(read(file), text));
  assert.deepEqual(unknown, []);
});

test('a link to a source file names what is in it', () => {
  const unknown = leading(/(?<!\.test|\.suite)\.(?:ts|mjs)$/).flatMap(({ page, text, file }) =>
    identifiersIn(text)
      .filter((name) => !new RegExp(`\\b${name}\\b`).test(read(file)))
      .map((name) => `${page}: ${name} in ${file}`),
  );
  assert.deepEqual(unknown, []);
});

test('every check code has one row in docs/safety.md', () => {
  const codes = [...read('packages/sparkle/src/protocol/checks-rule.ts').matchAll(/^ {2}\| '(\w+)'/gm)];
  assert.ok(codes.length > 60);
  const wrong = codes.flatMap(([, code = '']) => (rowsOf(safety, `\`${code}\``).length === 1 ? [] : [code]));
  assert.deepEqual(wrong, []);
});

test('every rule and every known defect of its predecessor has one row in docs/safety.md', () => {
  const names = [...numbered('R', 17), ...numbered('D', 59)];
  assert.deepEqual(
    names.filter((name) => rowsOf(safety, name).length !== 1),
    [],
  );
});

test('a test is found by its whole name, and by a name that was put together', () => {
  const file = [
    `test('it holds', () => {});`,
    `run(\n  "the seller's own", () => {});`,
    `const cases = [{ sentence: 'it is paid once', run }, 'wrong_price'];`,
    'for (const code of codes) test(`quote: ${code} alone`, () => {});',
  ].join('\n');
  for (const name of ['it holds', "the seller's own", 'it is paid once', 'quote: wrong_price alone'])
    assert.equal(hasTest(file, name), true, name);
  for (const name of ['it hold', 'holds', 'wrong_price', 'quote: wrong_hash alone', 'quote:  alone'])
    assert.equal(hasTest(file, name), false, name);
});

test('a reference without a target, and a target without a reference, are named', () => {
  const page = {
    path: 'a.md',
    text: 'see [a b][one] and [c][two]\n\n```\n[not][this]\n```\n[one]: x.ts\n[three]: y.ts\n',
  };
  assert.deepEqual(referencesOf(page), [{ text: 'a b', target: 'x.ts' }, { text: 'c' }]);
  assert.deepEqual(unusedTargets(page), ['three']);
  assert.deepEqual(identifiersIn('`Trader.start()` and `step`'), ['Trader', 'start', 'step']);
});

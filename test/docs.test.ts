import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

const found = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, group]) => group ?? '');

/** Where the links of a page lead within the repository, as paths from its root. */
const linksOf = ({ path, text }: { path: string; text: string }): string[] =>
  found(text, /\]\(([^)\s]+)\)/g)
    .filter((link) => !/^[a-z]+:/.test(link) && !link.startsWith('#'))
    .map((link) => normalize(join(dirname(path), link.replace(/#.*/, ''))));

test('every link in the documentation leads somewhere', () => {
  const dead = pages.flatMap((page) =>
    linksOf(page)
      .filter((target) => !existsSync(join(root, target)))
      .map((target) => `${page.path}: ${target}`),
  );
  assert.deepEqual(dead, []);
});

test('docs/README.md leads to every page of the documentation', () => {
  const map = pages.find(({ path }) => path === 'docs/README.md');
  assert.ok(map !== undefined);
  const reached = linksOf(map);
  const unreached = pages
    .map(({ path }) => path)
    .filter((path) => path.startsWith('docs/') && path !== map.path)
    .filter((path) => !reached.some((target) => target === path || path.startsWith(`${target}/`)));
  assert.deepEqual(unreached, []);
});

test('every file that the documentation names exists', () => {
  const gone = pages.flatMap(({ path, text }) =>
    found(text, /`((?:packages|test|scripts|docs|world|bench|\.ci)\/[\w./-]+)`/g)
      .filter((file) => !existsSync(join(root, file)))
      .map((file) => `${path}: ${file}`),
  );
  assert.deepEqual(gone, []);
});

test('every command that the documentation names exists', () => {
  const unknown = pages.flatMap(({ path, text }) =>
    found(text, /\bnpm run ([a-z]+)/g)
      .filter((name) => !(name in scripts))
      .map((name) => `${path}: npm run ${name}`),
  );
  assert.deepEqual(unknown, []);
});

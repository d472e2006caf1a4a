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

test('every link in the documentation leads somewhere', () => {
  const dead = pages.flatMap(({ path, text }) =>
    found(text, /\]\(([^)\s]+)\)/g)
      .filter((link) => !/^[a-z]+:/.test(link) && !link.startsWith('#'))
      .filter((link) => !existsSync(join(root, normalize(join(dirname(path), link.replace(/#.*/, ''))))))
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(dead, []);
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

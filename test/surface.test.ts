import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = join(root, 'packages/sparkle');
const record = join(root, 'test/surface.txt');

type Exports = Record<string, { 'sparkle-source': string }>;
const { name: packageName, exports } = JSON.parse(readFileSync(join(library, 'package.json'), 'utf8')) as {
  name: string;
  exports: Exports;
};

const sources = readdirSync(join(library, 'src'), { recursive: true, encoding: 'utf8' })
  .map((file) => `./src/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.ts') && !/\.(?:test|suite)\.ts$/.test(file));

/** Every path under which a file of the library can be imported, and that file. */
function subpaths(): [string, string][] {
  return Object.entries(exports).flatMap(([subpath, { 'sparkle-source': source }]): [string, string][] => {
    const [before = '', after] = source.split('*');
    if (after === undefined) return existsSync(join(library, source)) ? [[subpath, source]] : [];
    return sources
      .filter((file) => file.startsWith(before) && file.endsWith(after))
      .map((file) => [subpath.replace('*', file.slice(before.length, -after.length)), file]);
  });
}

/** Names that a module exports, types marked. Read from the text, because types leave no trace when it runs. */
function namesOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const declared = [...text.matchAll(/^export (?:abstract |async )?(type|interface|const|function\*?|class) (\w+)/gm)];
  const listed = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)];
  const starred = [...text.matchAll(/^export \* from '([^']+)'/gm)];
  const understood = declared.length + listed.length + starred.length;
  assert.equal(text.match(/^export /gm)?.length ?? 0, understood, `${file} exports in a way this test cannot read`);
  return [
    ...declared.map(([, kind, name]) => (kind === 'type' || kind === 'interface' ? `type ${name}` : `${name}`)),
    ...listed.flatMap(([, type, list]) => listedNames(list ?? '', type !== undefined)),
    ...starred.flatMap(([, to]) => namesOf(join(dirname(file), to ?? ''))),
  ];
}

const listedNames = (list: string, typeOnly: boolean): string[] =>
  list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const name = item.replace(/^type /, '').replace(/^.* as /, '');
      return typeOnly || item.startsWith('type ') ? `type ${name}` : name;
    });

/** One line a subpath, one a name beneath it; each name carries its subpath, so that a line means something alone. */
function surface(): string[] {
  return subpaths()
    .flatMap(([subpath, source]) => {
      const path = subpath.replace('.', packageName);
      return [path, ...namesOf(join(library, source)).map((name) => `${path} ${name}`)];
    })
    .toSorted();
}

test('the names that each subpath exports are those written down in test/surface.txt', () => {
  const now = surface();
  if (process.env['UPDATE'] !== undefined) writeFileSync(record, `${now.join('\n')}\n`);
  const written = readFileSync(record, 'utf8').trimEnd().split('\n');
  // Meant to be changed? UPDATE=1 npm test -- surface, and a line in CHANGELOG.md.
  const added = now.filter((line) => !written.includes(line));
  const removed = written.filter((line) => !now.includes(line));
  assert.deepEqual({ added, removed }, { added: [], removed: [] });
});

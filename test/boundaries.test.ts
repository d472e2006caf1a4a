import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  cycles,
  forbiddenArrows,
  forbiddenInService,
  impurities,
  leftovers,
  readSources,
  type Source,
  tooLong,
  undeclared,
} from './boundaries.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const folders = ['packages', 'test', 'bench', 'world', 'scripts'].filter((folder) => existsSync(join(root, folder)));
const sources = readSources(root, folders);
const manifest = JSON.parse(readFileSync(join(root, 'packages/sparkle/package.json'), 'utf8')) as Record<
  string,
  object
>;
const declared = Object.keys({ ...manifest['dependencies'], ...manifest['peerDependencies'] });

const file = (path: string, text: string): Source => ({ path: `packages/sparkle/src/${path}`, text });

test('every import in the library follows an arrow', () => {
  assert.deepEqual(forbiddenArrows(sources), []);
});

test('every import between the rooms of the coordinator follows an arrow, and one that does not is named', () => {
  assert.deepEqual(forbiddenInService(sources), []);
  const service = (path: string, text: string): Source => ({ path: `packages/coordinator/src/${path}`, text });
  const planted = [
    service('access/a.ts', `import { x } from '../api/app.ts';`),
    service('books/b.ts', `import { x } from '../exchange/desk.ts';\nimport { y } from '../exchange/sold.ts';`),
    service('hub/c.ts', `import { x } from '../../../sparkle/src/index.ts';`),
    service('newroom/d.ts', `import { x } from '../database/database.ts';`),
    service('hub/e.test.ts', `import { x } from '../api/app.ts';`),
  ];
  assert.deepEqual(forbiddenInService(planted), [
    'packages/coordinator/src/access/a.ts -> packages/coordinator/src/api/app',
    'packages/coordinator/src/books/b.ts -> packages/coordinator/src/exchange/desk',
    'packages/coordinator/src/hub/c.ts -> packages/sparkle/src/index',
    'packages/coordinator/src/newroom/d.ts -> packages/coordinator/src/database/database',
  ]);
});

test('an import against the arrows is named', () => {
  const planted = [
    file('protocol/a.ts', `import { x } from '../store/store.ts';`),
    file('protocol/b.ts', `import { readFile } from 'node:fs/promises';`),
    file('protocol/c.ts', `import { Kysely } from 'kysely';`),
    file('trader/d.ts', `import type { Chain } from '../chain/chain.ts';\nimport { x } from '../chain/bitcoind.ts';`),
    file('chain/e.ts', `export { x } from '../lightning/lightning.ts';`),
    file('lightning/f.ts', `import type { Chain } from '../chain/chain.ts';`),
    file('lightning/ldk/g.ts', `import type { Chain } from '../../chain/chain.ts';`),
    file('ordinals/h.ts', `import { x } from '../chain/memory.ts';`),
    file('market/i.ts', `const x = await import('../store/sqlite.ts');`),
    file('store/j.ts', `import {\n  a,\n  b,\n} from '../trader/trader.ts';`),
    file('store/k.ts', `import '../../../../test/setup.ts';`),
    file('newroom/l.ts', `import { x } from '../protocol/x.ts';`),
    file('trader/m.test.ts', `import { x } from '../chain/memory.ts';`),
  ];
  assert.deepEqual(
    forbiddenArrows(planted).map((each) => each.replace('packages/sparkle/src/', '')),
    [
      'protocol/a.ts -> store/store',
      'protocol/b.ts -> node:fs/promises',
      'protocol/c.ts -> kysely',
      'trader/d.ts -> chain/bitcoind',
      'chain/e.ts -> lightning/lightning',
      'lightning/f.ts -> chain/chain',
      'ordinals/h.ts -> chain/memory',
      'market/i.ts -> store/sqlite',
      'store/j.ts -> trader/trader',
      'store/k.ts -> outside:test/setup.ts',
      'newroom/l.ts -> protocol/x',
    ],
  );
});

test('protocol touches no network, disk, clock or chance', () => {
  assert.deepEqual(impurities(sources), []);
});

test('a clock in protocol is named, one in a driver is not', () => {
  const text = 'const now = Date.now();';
  const planted = [file('protocol/a.ts', text), file('protocol/a.test.ts', text), file('chain/a.ts', text)];
  assert.deepEqual(impurities(planted), ['packages/sparkle/src/protocol/a.ts: Date.now']);
});

test('every package that the library imports stands in its package.json', () => {
  assert.deepEqual(undeclared(sources, declared), []);
});

test('a package that package.json does not name is named', () => {
  const text = `import a from 'zod';\nimport b from 'left-pad/sub';\nimport c from 'node:fs';`;
  assert.deepEqual(undeclared([file('chain/a.ts', text)], ['zod']), [
    'packages/sparkle/src/chain/a.ts -> left-pad/sub',
  ]);
});

test('no file has more than 400 lines', () => {
  assert.deepEqual(tooLong(sources), []);
});

test('a file of 401 lines is named, one of 400 is not', () => {
  const planted = [file('chain/a.ts', 'x\n'.repeat(401)), file('chain/b.ts', 'x\n'.repeat(400))];
  assert.deepEqual(tooLong(planted), ['packages/sparkle/src/chain/a.ts: 401 lines']);
});

test('nothing is left open: no reminders, no tests that do not run, no banners, no files without a subject', () => {
  assert.deepEqual(leftovers(sources), []);
});

test('each kind of leftover is named', () => {
  const planted = [
    file('chain/a.ts', '// TODO later'),
    file('chain/b.test.ts', `test.skip('x', () => {});`),
    file('chain/c.ts', '// ======== part two ========'),
    file('chain/string-utils.ts', 'x'),
  ];
  assert.deepEqual(leftovers(planted), [
    'packages/sparkle/src/chain/a.ts: TODO',
    'packages/sparkle/src/chain/b.test.ts: a test that does not run, or runs alone',
    'packages/sparkle/src/chain/c.ts: banner',
    'packages/sparkle/src/chain/string-utils.ts: name without a subject',
  ]);
});

test('no files load each other in a circle', () => {
  assert.deepEqual(cycles(sources), []);
});

test('a circle is named, one of types alone is not', () => {
  const circle = [
    file('chain/a.ts', `import { b } from './b.ts';`),
    file('chain/b.ts', `import { c } from './c.ts';`),
    file('chain/c.ts', `import { a } from './a.ts';`),
  ];
  const types = [
    file('chain/d.ts', `import type { E } from './e.ts';`),
    file('chain/e.ts', `import { d } from './d.ts';`),
  ];
  const at = 'packages/sparkle/src/chain';
  assert.deepEqual(cycles([...circle, ...types]), [`${at}/a.ts -> ${at}/b.ts -> ${at}/c.ts -> ${at}/a.ts`]);
});

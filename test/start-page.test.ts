import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockAfter, programsOf, project } from './docs-code.ts';

const PAGE = 'docs/start.md';

test('the program of docs/start.md prints what stands there', async (context) => {
  const folder = project(Object.fromEntries(programsOf(PAGE)));
  context.after(() => folder.remove());
  assert.equal(`${await folder.run('address.mjs', [], '')}\n`, blockAfter(PAGE, '`node address.mjs` prints'));
});

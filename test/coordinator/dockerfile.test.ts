import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { DockerfileParser } from 'dockerfile-ast';
import { variables } from '../../packages/coordinator/src/config/config-variables.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'packages', 'coordinator');
const file = DockerfileParser.parse(readFileSync(join(folder, 'deploy', 'Dockerfile'), 'utf8'));
const text = readFileSync(join(root, 'package.json'), 'utf8');
const { scripts, engines } = JSON.parse(text) as { scripts: Record<string, string>; engines: { node: string } };

/** What one instruction says, by its name; the last one of it counts, as when the image is built. */
const last = (keyword: string): string =>
  file
    .getInstructions()
    .filter((each) => each.getKeyword() === keyword)
    .at(-1)
    ?.getArgumentsContent() ?? '';
const words = (keyword: string): string[] => JSON.parse(last(keyword)) as string[];

test('the image is built on one version of Node, which is one that the program runs on', () => {
  const images = file.getFROMs().map((from) => from.getImage() ?? '');
  const [, version] = /^node:([0-9]+\.[0-9]+\.[0-9]+)-/.exec(images[0] ?? '') ?? [];
  assert.deepEqual(images, [`node:${version}-bookworm`, `node:${version}-bookworm-slim`]);
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  const [, oldest, oldestMinor] = /^>=([0-9]+)\.([0-9]+)$/.exec(engines.node) ?? [];
  assert.ok(major === Number(oldest) && minor >= Number(oldestMinor));
});

test('everything that is copied into the image is in the repository, or was built', () => {
  for (const copy of file.getCOPYs()) {
    const sources = copy
      .getArguments()
      .slice(0, -1)
      .map((each) => each.getValue());
    const isBuilt = copy.getFromFlag() !== null;
    for (const source of sources) {
      const inRepository = isBuilt ? source.replace(/^\/src\//, '').replace(/\/dist$/, '/src') : source;
      assert.ok(existsSync(join(root, inRepository)), source);
    }
  }
});

test('what the image runs while it is built exists', () => {
  const run = file.getInstructions().filter((each) => each.getKeyword() === 'RUN');
  const named = run.flatMap((each) =>
    [...(each.getArgumentsContent() ?? '').matchAll(/npm run (\w+)/g)].map(([, name]) => name ?? ''),
  );
  assert.deepEqual(
    named.filter((name) => !(name in scripts)),
    [],
  );
  assert.ok(named.includes('build'));
});

test('the image serves as somebody who is not root, keeps its data in a volume, and is healthy when trades can be made', () => {
  assert.equal(last('USER'), 'node');
  assert.equal(last('VOLUME'), last('WORKDIR'));
  assert.match(last('HEALTHCHECK'), /\/readyz/);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  assert.deepEqual([words('ENTRYPOINT'), words('CMD')], [Object.keys(bin), ['serve']]);
});

test('the image sets no variable that the configuration does not have', () => {
  const set = file.getENVs().flatMap((env) => env.getProperties().map((property) => property.getName()));
  assert.deepEqual(
    set.filter((name) => !(name in variables)),
    ['NODE_ENV'],
  );
});

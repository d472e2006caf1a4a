import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { root } from './install.mjs';
import { parts } from './parts/find.mjs';

/** These speak of parts and do not use them; who imports them does not use them all. */
const LISTS = ['test/regtest/parts.ts', 'test/regtest/parts.test.ts', 'scripts/parts.mjs'];
const NODE = 'test/regtest/bitcoind.ts';

const partNames = Object.keys(parts);
const constantOf = (name) => `without${name[0].toUpperCase()}${name.slice(1)}`;

const places = () => [
  ...readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name, 'src')),
  join(root, 'test'),
];

/** Every test file of the repository, as a path from its root with slashes. */
export const testFiles = () =>
  places()
    .flatMap((place) => readdirSync(place, { recursive: true }).map((name) => join(place, name)))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => relative(root, file).split(sep).join('/'))
    .sort((a, b) => (a < b ? -1 : 1));

function importsOf(path, text) {
  const named = text.matchAll(/(?:\bfrom |\bimport |\bimport\()'(\.[^']+)'/g);
  return [...named].map(([, to]) =>
    normalize(join(dirname(path), to))
      .split(sep)
      .join('/'),
  );
}

/** What one file says it uses by the names that test/regtest/parts.ts gives the parts. */
function usedIn(path, text) {
  if (path === NODE) return ['bitcoind'];
  return partNames.filter(
    (name) => new RegExp(`\\b${constantOf(name)}\\b`).test(text) || text.includes(`program('${name}')`),
  );
}

/** The names of the real parts that a test file uses, itself or through what it imports. */
export function partsUsedBy(file) {
  const used = new Set();
  const seen = new Set(LISTS);
  const visit = (path) => {
    if (seen.has(path) || !existsSync(join(root, path))) return;
    seen.add(path);
    const text = readFileSync(join(root, path), 'utf8');
    for (const name of usedIn(path, text)) used.add(name);
    for (const to of importsOf(path, text)) visit(to);
  };
  visit(file);
  return partNames.filter((name) => used.has(name));
}

/** The parts that any test uses: what `all` means. */
export function partsThatTestsUse() {
  const used = new Set(testFiles().flatMap(partsUsedBy));
  return partNames.filter((name) => used.has(name));
}

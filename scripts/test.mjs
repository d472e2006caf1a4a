import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, sep } from 'node:path';
import { findBitcoind } from './bitcoind.mjs';
import { ensureInstalled, root } from './install.mjs';
import { endWith, runNode, sourceFlags } from './run.mjs';

/** A file that has not ended by then is stuck. */
const FILE_MILLISECONDS = 300_000;
/** Files share ports, disks and nodes with nobody, but more of them than this starve each other's deadlines. */
const MOST_FILES_AT_ONCE = 4;

const places = () => [
  ...readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name, 'src')),
  join(root, 'test'),
];

const testFiles = () =>
  places()
    .flatMap((place) => readdirSync(place, { recursive: true }).map((name) => join(place, name)))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => relative(root, file).split(sep).join('/'))
    .sort((a, b) => (a < b ? -1 : 1));

/** Files whose path contains one of the words; all files without any word. */
function chosen(words) {
  const files = testFiles().filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (files.length > 0) return files;
  throw Object.assign(new Error(`no test file has ${words.join(' or ')} in its path`), { exitCode: 2 });
}

const isRequired = (part) =>
  (process.env['SPARKLE_REQUIRE'] ?? '').split(/[\s,]+/).some((word) => word === 'all' || word === part);

/** One line about the node that the tests will use, or why some will be skipped. */
async function announceBitcoind() {
  try {
    const { version, source } = await findBitcoind({ log: console.log });
    console.log(`bitcoind ${version} (${source})`);
  } catch (error) {
    if (isRequired('bitcoind')) throw error;
    console.log(`tests against a node are skipped: ${error.message}`);
  }
}

try {
  const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
  const flags = process.argv.slice(2).filter((word) => word.startsWith('-'));
  const files = chosen(words);
  await ensureInstalled({ log: console.log });
  await announceBitcoind();
  process.chdir(root);
  process.exitCode = await runNode([
    ...sourceFlags(),
    ...['--test', `--test-timeout=${FILE_MILLISECONDS}`],
    `--test-concurrency=${Math.min(availableParallelism(), MOST_FILES_AT_ONCE)}`,
    ...[`--test-reporter=${new URL('reporter.mjs', import.meta.url).href}`, '--test-reporter-destination=stdout'],
    ...flags,
    ...files,
  ]);
} catch (error) {
  endWith(error);
}

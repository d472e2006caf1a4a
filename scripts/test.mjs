import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runAround } from './around.mjs';
import { Ending } from './ending.mjs';
import { ensureInstalled, root } from './install.mjs';
import { findPart, isRequired } from './parts/find.mjs';
import { installParts } from './parts/install.mjs';
import { endWith, runNode, sourceFlags } from './run.mjs';
import { partsUsedBy, testFiles } from './uses.mjs';

/** A file that has not ended by then is stuck. */
const FILE_MILLISECONDS = 300_000;
/** Files share ports, disks and nodes with nobody, but more of them than this starve each other's deadlines. */
const MOST_FILES_AT_ONCE = 4;
/** A file that drives real nodes waits for them half of its time. */
const WAITING_FILES = 1;

/** Files whose path contains one of the words; all files without any word. */
function chosen(words) {
  const files = testFiles().filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  if (files.length > 0) return files;
  throw Object.assign(new Error(`no test file has ${words.join(' or ')} in its path`), { exitCode: 2 });
}

/** The exit code of the signal that ended us, once there was one. */
let endedBySignal;
let isRunningFiles = false;

/** A run of tests ends itself on a signal, and we wait for it; while nothing runs but builds we end, and they with us. */
function endOnSignals() {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'])
    process.on(signal, () => {
      endedBySignal = 128 + constants.signals[signal];
      if (!isRunningFiles) process.exit(endedBySignal);
    });
}

const reporter = (name) => new URL(name, import.meta.url).href;

/** A runner that was killed has written none; its exit code tells. */
function countsIn(file) {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text === '' ? {} : JSON.parse(text);
}

/** Runs test files, prints their rooms and failures, and adds their counts to `ending`. Answers with the exit code. */
async function runFiles({ files, flags, ending }) {
  if (files.length === 0) return 0;
  const dir = mkdtempSync(join(tmpdir(), 'sparkle-test-'));
  isRunningFiles = true;
  try {
    const code = await runNode([
      ...sourceFlags(),
      ...['--test', `--test-timeout=${FILE_MILLISECONDS}`],
      `--test-concurrency=${Math.min(availableParallelism() + WAITING_FILES, MOST_FILES_AT_ONCE)}`,
      ...[`--test-reporter=${reporter('rooms.mjs')}`, '--test-reporter-destination=stdout'],
      ...[`--test-reporter=${reporter('ending.mjs')}`, `--test-reporter-destination=${join(dir, 'counts.json')}`],
      ...flags,
      ...files,
    ]);
    ending.add(countsIn(join(dir, 'counts.json')));
    return endedBySignal ?? code;
  } finally {
    isRunningFiles = false;
    rmSync(dir, { recursive: true });
  }
}

/** The node is a small download that most tests wait for; the other parts take long, or are wanted by few tests. */
const installOf = (name) => (name === 'bitcoind' ? 'when missing' : 'never');

const look = (name) =>
  findPart(name, { install: installOf(name), log: console.log }).then(
    ({ version, source }) => ({ name, isThere: true, fact: `${name} ${version} (${source})` }),
    () => ({ name, isThere: false }),
  );

/** Says in one line which of these parts are there, to be installed, done without. Answers with those to be installed. */
async function announce(names) {
  const answers = await Promise.all(names.map(look));
  const absent = answers.filter(({ isThere }) => !isThere).map(({ name }) => name);
  const missing = absent.filter(isRequired);
  const skipped = absent.filter((name) => !isRequired(name));
  const facts = [
    ...answers.flatMap(({ fact }) => fact ?? []),
    ...(missing.length === 0 ? [] : [`to be installed: ${missing.join(', ')}`]),
    ...(skipped.length === 0 ? [] : [`tests skipped without: ${skipped.join(', ')} (see npm run parts)`]),
  ];
  if (facts.length > 0) console.log(`parts: ${facts.join('; ')}`);
  return missing;
}

async function main(args) {
  const files = chosen(args.filter((word) => !word.startsWith('-')));
  const flags = args.filter((word) => word.startsWith('-'));
  endOnSignals();
  const missing = await announce([...new Set(files.flatMap(partsUsedBy))]);
  // Before npm's packages: the builds are what takes longest.
  const building = installParts(missing, { log: console.log });
  await ensureInstalled({ log: console.log });
  process.chdir(root);
  const ending = new Ending();
  const code = await runAround({
    ...{ missing, building, files, usedBy: partsUsedBy, ending, log: console.log },
    run: (some) => runFiles({ files: some, flags, ending }),
  });
  process.stdout.write(ending.text());
  return code;
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  endWith(error);
  return process.exitCode;
});
// Builds may still be at work.
process.exit();

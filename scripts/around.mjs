import { MISSING_PART } from './cache.mjs';

/** Ended by a signal: whoever ended the tests does not wait for a build. */
const wasEnded = (code) => code > 128;

/**
 * Runs the test files that need none of the missing parts while those are built, then the others. Files whose part could
 * not be had are not run and count as one failed test each, as node counts a file that dies. Answers with the exit code.
 */
export async function runAround({ missing, building, files, usedBy, run, ending, log }) {
  const split = (all, names) => {
    const need = all.filter((file) => usedBy(file).some((name) => names.includes(name)));
    return { need, rest: all.filter((file) => !need.includes(file)) };
  };
  const { need: later, rest: now } = split(files, missing);
  const first = await run(now);
  if (wasEnded(first)) return first;
  const without = (await building).filter(({ error }) => error !== undefined);
  const { need: lost, rest } = split(
    later,
    without.map(({ name }) => name),
  );
  const second = await run(rest);
  for (const { error } of without) log(`\nFAIL ${error.message}`);
  for (const file of lost) log(`FAIL ${file} (not run)`);
  if (lost.length > 0) ending.add({ counts: { tests: lost.length, fail: lost.length } });
  return first || second || (without.length > 0 ? MISSING_PART : 0);
}

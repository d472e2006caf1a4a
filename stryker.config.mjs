/** `npm run mutate`: see scripts/mutate.mjs, which names the subjects. */
export default {
  testRunner: 'command',
  commandRunner: { command: 'node scripts/mutants.mjs' },
  reporters: ['clear-text'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  // What an error says is for people: its code and numbers are tested, its wording is not.
  mutator: { excludedMutations: ['StringLiteral'] },
  // Its reader of tsconfig.json needs a TypeScript with a JavaScript API; nothing here is compiled by it.
  tsconfigFile: 'no-tsconfig-is-read.json',
  disableTypeChecks: false,
  thresholds: { high: 95, low: 85, break: 85 },
  concurrency: 2,
  // A busy machine must not make a survivor look killed.
  timeoutMS: 60_000,
  ignorePatterns: ['docs', 'bench', 'world', '.ci', 'test'],
};

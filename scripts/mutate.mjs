/** `npm run mutate -- [SUBJECT ...]`: breaks each rule in turn and counts how many breakages turn a test red. */
import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { ensureInstalled, root } from './install.mjs';

const testsOf = (...names) => names.map((name) => `${name}.test.ts`);

/** What is broken, and the tests that must notice. */
export const subjects = {
  checks: {
    files: ['checks', 'checks-invoice', 'checks-lock', 'checks-rule', 'checks-terms'],
    tests: testsOf('checks', 'checks-accept', 'checks-lock', 'checks-request'),
  },
  deadlines: {
    files: ['deadlines', 'deadlines-fees', 'deadlines-rule'],
    tests: testsOf('deadlines', 'deadlines-fees', 'deadlines-refusals', 'deadlines-safety'),
  },
  listing: {
    files: ['listing', 'listing-psbt', 'listing-signature', 'fill', 'fill-promises'],
    tests: testsOf('listing', 'listing-refusals', 'fill', 'fill-promises', 'fill-vectors'),
  },
  lock: { files: ['lock', 'descriptor'], tests: testsOf('lock', 'descriptor') },
  spend: {
    files: ['spend', 'claim', 'refund', 'lock-tx', 'layout', 'promises', 'fees'],
    tests: testsOf('spend', 'claim', 'refund', 'lock-tx', 'promises', 'fees', 'layout'),
  },
};

function stryker(name) {
  const files = subjects[name].files.map((file) => `packages/sparkle/src/protocol/${file}.ts`);
  const args = ['--no-install', 'stryker', 'run', '--mutate', files.join(',')];
  const env = { ...process.env, SPARKLE_MUTATE: name };
  const child = spawn('npx', args, { cwd: root, stdio: 'inherit', env });
  return new Promise((done, failed) => {
    child.on('error', failed);
    child.on('exit', (code) => done(code ?? 1));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const asked = process.argv.slice(2);
  const unknown = asked.filter((name) => !(name in subjects));
  if (unknown.length > 0) {
    console.error(`no such subject: ${unknown.join(', ')}; there are ${Object.keys(subjects).join(', ')}`);
    process.exit(2);
  }
  await ensureInstalled({ log: console.error });
  for (const name of asked.length > 0 ? asked : Object.keys(subjects)) {
    console.log(`\n${name}`);
    if ((await stryker(name)) !== 0) process.exitCode = 1;
  }
}

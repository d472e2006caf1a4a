/** Runs the tests of one mutation subject in Stryker's sandbox: bundled once, because starting is most of the time. */
import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { subjects } from './mutate.mjs';

const name = process.env['SPARKLE_MUTATE'] ?? '';
const outfile = resolve(`mutants-${name}.mjs`);
if (!existsSync(outfile)) {
  const contents = subjects[name].tests.map((file) => `import './packages/sparkle/src/protocol/${file}';`).join('\n');
  await build({
    stdin: { contents, resolveDir: process.cwd(), loader: 'ts' },
    ...{ outfile, bundle: true, platform: 'node', format: 'esm', logLevel: 'error', ignoreAnnotations: true },
    alias: { 'node:test': resolve('scripts/at-once.mjs') },
  });
}
await import(pathToFileURL(outfile).href);

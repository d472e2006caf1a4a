import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ensureInstalled, root } from './install.mjs';
import { endWith } from './run.mjs';

/** By this name no editor and no linter takes it for their own: it sees of the other packages what is published, not their source. */
const BUILD = 'tsconfig.build.json';

/** Whether a package is the one that the others use. */
const isLibrary = (folder) => basename(folder) === 'sparkle';

/** Compiles one package into its `dist`, from nothing, so that no file of an earlier build is published. */
function build(folder) {
  const dist = join(folder, 'dist');
  rmSync(dist, { recursive: true, force: true });
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', join(folder, BUILD)], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw Object.assign(new Error(`${stdout}${stderr}`.trim()), { exitCode: 1 });
  for (const name of readdirSync(dist, { recursive: true }))
    if (name.endsWith('.d.ts')) pointDeclarationsAtJavaScript(join(dist, name));
}

/** The compiler rewrites `./x.ts` to `./x.js` in what runs, but not in declarations, where older compilers refuse it. */
function pointDeclarationsAtJavaScript(file) {
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/((?:from|import) ?\(?['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1.js'));
}

try {
  await ensureInstalled({ log: console.error });
  const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));
  const built = folders.filter((folder) => existsSync(join(folder, BUILD)));
  // The library first: the others are compiled against what it publishes.
  for (const folder of built.toSorted((a, b) => isLibrary(b) - isLibrary(a))) build(folder);
} catch (error) {
  endWith(error);
}

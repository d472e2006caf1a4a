import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './install.mjs';
import { endWith } from './run.mjs';

/** Runs a command and returns what it printed; throws all of it when the command fails. */
function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status === 0) return stdout;
  throw Object.assign(new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`), { exitCode: 1 });
}

const subpaths = readFileSync(join(root, 'test', 'surface.txt'), 'utf8')
  .split('\n')
  .filter((line) => /^[^ ]+$/.test(line));

/** What a program does that has only the published package: imports each subpath, requires it, and keeps a trade store. */
const useJavaScript = `
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
const subpaths = ${JSON.stringify(subpaths)};
for (const subpath of subpaths) assert.equal(typeof (await import(subpath)), 'object', subpath);
if (process.features.require_module) {
  const require = createRequire(import.meta.url);
  for (const subpath of subpaths) assert.equal(typeof require(subpath), 'object', subpath);
}
const { sqliteStore } = await import('sparkle-protocol/store/sqlite');
const store = await sqliteStore({ path: 'trades.db', network: 'regtest' });
assert.deepEqual(await store.all(), []);
await store.close();
for (const hidden of ['sparkle-protocol/store/store.suite', 'sparkle-protocol/package'])
  await assert.rejects(import(hidden), hidden);
`;

const useTypes = `${subpaths.map((subpath, index) => `import * as m${index} from '${subpath}';`).join('\n')}
export const all = [${subpaths.map((_, index) => `m${index}`).join(', ')}];
`;

const compilerOptions = {
  module: 'nodenext',
  target: 'es2022',
  strict: true,
  noEmit: true,
  skipLibCheck: false,
  types: ['node'],
};

/** What an operator's program finds of the nodes that it is told of here: that none of them answers. */
const env = {
  ...{ PATH: process.env.PATH, HOME: process.env.HOME, NETWORK: 'regtest', ADMIN_TOKEN: 'x'.repeat(32) },
  ...{ BITCOIN_RPC_PORT: '1', BITCOIN_RPC_USER: 'nobody', BITCOIN_RPC_PASS: 'nothing', LND_MACAROON_PATH: 'none' },
};

/** The program as its package installs it: it starts, knows its commands, and asks the parts that it is configured with. */
function operate(folder) {
  const coordinator = (...args) =>
    spawnSync(join(folder, 'node_modules', '.bin', 'coordinator'), args, { cwd: folder, env, encoding: 'utf8' });
  const { version } = JSON.parse(readFileSync(join(root, 'packages', 'coordinator', 'package.json'), 'utf8'));
  assert.equal(coordinator('--version').stdout, `${version}\n`);
  assert.equal(coordinator('serf').status, 2);
  const { status, stdout, stderr } = coordinator('check');
  assert.match(stdout, /^ok {3}database: data\/coordinator\.sqlite is not there; the first start makes it$/m, stderr);
  assert.match(stderr, /not so: bitcoin, wallet, lightning$/m);
  assert.equal(status, 1);
}

function consume(folder) {
  for (const name of ['sparkle', 'coordinator'])
    run('npm', ['pack', '--silent', '-w', `packages/${name}`, '--pack-destination', folder], root);
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
  run(
    'npm',
    ['install', '--ignore-scripts', ...quiet, ...tarballs.map((name) => `./${name}`), '@types/node@20'],
    folder,
  );
  // Compiling it once more would take a minute and show nothing new.
  const native = join('node_modules', 'better-sqlite3', 'build');
  cpSync(join(root, native), join(folder, native), { recursive: true });
  writeFileSync(join(folder, 'use.mjs'), useJavaScript);
  run(process.execPath, ['use.mjs'], folder);
  writeFileSync(join(folder, 'use.ts'), useTypes);
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['use.ts'] }));
  run(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'], folder);
  operate(folder);
}

const folder = mkdtempSync(join(tmpdir(), 'sparkle-consumer-'));
try {
  consume(folder);
  console.log(
    `${subpaths.length} subpaths of the packed library import in an empty project, and the packed coordinator runs there`,
  );
} catch (error) {
  endWith(error);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

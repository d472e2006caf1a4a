import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRunning, until } from './kept-process.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const script = join(root, 'scripts/parts.mjs');
const tools = '/usr/bin:/bin';

let folder = '';
let count = 0;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sparkle-parts-'));
});
after(() => rm(folder, { recursive: true }));

/** A machine with nothing but these programs on PATH and these files in the cache. */
function machine({ programs = {}, cached = {} }: { programs?: Programs; cached?: Record<string, string> } = {}) {
  const home = join(folder, String((count += 1)));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o755 });
  };
  mkdirSync(join(home, 'bin'), { recursive: true });
  for (const [name, lines] of Object.entries(programs)) put(join(home, 'bin', name), `#!/bin/sh\n${lines}\n`);
  for (const [path, text] of Object.entries(cached)) put(join(home, 'cache', path), text);
  const cleared = Object.keys(process.env).filter((name) => name.startsWith('SPARKLE_'));
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !cleared.includes(name))),
    PATH: join(home, 'bin'),
    SPARKLE_CACHE: join(home, 'cache'),
  };
  return { home, env, bin: join(home, 'bin'), cache: join(home, 'cache') };
}
type Programs = Record<string, string>;
type Row = { name: string; isThere: boolean; source?: string; version?: string; path?: string; problem?: string };

function run(args: string[], env: Record<string, string | undefined>) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, ...args], { env, encoding: 'utf8' });
  return { stdout, stderr, status };
}

function listed(name: string, env: Record<string, string | undefined>): Row {
  const { stdout, status } = run(['--list', '--json', name], env);
  assert.equal(status, 0);
  const [row] = JSON.parse(stdout) as Row[];
  assert.ok(row);
  return row;
}

const stamp = (version: string): string => JSON.stringify({ version });
const said = (text: string): string => `echo '${text}'`;

/** A cargo that "builds" a program which names its version. */
const cargo = `while [ $# -gt 0 ]; do [ "$1" = --root ] && root=$2; shift; done
PATH=${tools}; mkdir -p "$root/bin"; printf '#!/bin/sh\\necho ord 0.29.1\\n' > "$root/bin/ord"
chmod +x "$root/bin/ord"`;
const rust = said('rustc 1.95.0 (59807616e 2026-04-14)');

describe('npm run parts: what was asked', () => {
  test('a part that does not exist is named, with those that do, and exit code 2', () => {
    const { stderr, status } = run(['lnd', 'lndd'], machine().env);
    assert.equal(status, 2);
    assert.match(stderr, /^there is no part named lndd; there are bitcoind, lnd, ord, electrum, /);
  });

  test('the name of something every object has is no part', () => {
    assert.equal(run(['constructor'], machine().env).status, 2);
  });

  test('an unknown option, and nothing at all, are told how it is used, with exit code 2', () => {
    for (const args of [['--force', 'lnd'], []]) {
      const { stderr, status } = run(args, machine().env);
      assert.equal(status, 2);
      assert.match(stderr, /usage: npm run parts -- NAME/);
    }
  });
});

describe('npm run parts: where a part is looked for', () => {
  test('the list has one row a part, whether it is there, from where, in which version', () => {
    const { env, cache } = machine({
      programs: { ord: said('ord 0.29.0') },
      cached: { 'lnd-lowscrypt-0.21.0-beta/sparkle-part.json': stamp('0.21.0-beta') },
    });
    const { stdout, status } = run(['--list', 'lnd', 'ord', 'relay'], env);
    assert.equal(status, 0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/));
    assert.deepEqual(rows, [
      ['part', 'there', 'source', 'version', 'path'],
      ['lnd', 'yes', 'cache', '0.21.0-beta', join(cache, 'lnd-lowscrypt-0.21.0-beta/lnd')],
      ['ord', 'yes', 'PATH', '0.29.0', join(env.PATH, 'ord')],
      ['relay', 'no'],
    ]);
  });

  test('the environment comes before PATH, PATH before the cache', () => {
    const { env, bin } = machine({
      programs: { ord: said('ord 0.29.0'), 'my-ord': said('ord 0.28.0') },
      cached: { 'ord-0.29.1/sparkle-part.json': stamp('0.29.1') },
    });
    assert.equal(listed('ord', { ...env, SPARKLE_ORD: join(bin, 'my-ord') }).source, 'SPARKLE_ORD');
    assert.equal(listed('ord', env).source, 'PATH');
    assert.equal(listed('ord', { ...env, PATH: '' }).source, 'cache');
  });

  test('a variable that names nothing, or another program, is said in a sentence that tells what to do', () => {
    const { env, bin } = machine({ programs: { other: said('other 1.0') } });
    for (const path of ['/nowhere/lnd', join(bin, 'other')]) {
      const { stderr, status } = run(['lnd'], { ...env, SPARKLE_LND: path });
      assert.equal(status, 3);
      assert.match(
        stderr,
        /SPARKLE_LND names \/.* which is not LND that runs here\. To get LND: .*Debian.*macOS.*SPARKLE_LND/,
      );
      assert.ok(stderr.includes(path));
    }
  });

  test('a version that we do not work with is refused when it was named, and passed over on PATH', () => {
    const programs = {
      lnd: said('lnd version 0.17.5-beta commit=v0.17.5-beta'),
      electrumx_server: said('ElectrumX server starting. (spesmilo. version=2.0.0)'),
    };
    const { env, bin } = machine({
      programs,
      cached: { 'lnd-lowscrypt-0.21.0-beta/sparkle-part.json': stamp('0.21.0-beta') },
    });
    const { stderr, status } = run(['lnd'], { ...env, SPARKLE_LND: join(bin, 'lnd') });
    assert.equal(status, 3);
    assert.match(stderr, /SPARKLE_LND names LND 0\.17\.5-beta; it must be 0\.18 or newer/);
    assert.equal(listed('lnd', env).source, 'cache');
    assert.equal(listed('electrumx', env).isThere, false);
  });

  test('what a wrapper grumbles before the version does not matter', () => {
    const chromium = `echo '[: unexpected operator' >&2\n${said('Chromium 156.0.8078.79 built on Debian')}`;
    assert.equal(listed('chromium', machine({ programs: { chromium } }).env).version, '156.0.8078.79');
  });

  test('the folder of the database programs is what SPARKLE_POSTGRES names', () => {
    const { env, bin } = machine({ programs: { postgres: said('postgres (PostgreSQL) 15.18 (Debian)') } });
    const row = listed('postgres', { ...env, PATH: '', SPARKLE_POSTGRES: bin });
    assert.deepEqual([row.source, row.version, row.path], ['SPARKLE_POSTGRES', '15.18', join(bin, 'postgres')]);
  });

  test('only the pinned version with its stamp counts as installed', () => {
    const { env } = machine({
      cached: { 'lnd-lowscrypt-0.20.0-beta/sparkle-part.json': stamp('0.20.0-beta'), 'ord-0.29.1/bin/ord': 'half' },
    });
    assert.deepEqual([listed('lnd', env).isThere, listed('ord', env).isThere], [false, false]);
  });

  test('an unpacked Electrum is started through its own loader and Python', () => {
    const { env, cache } = machine({
      cached: {
        ...{ 'electrum-4.8.4/sparkle-part.json': stamp('4.8.4'), 'electrum-4.8.4/usr/bin/python3.13': '' },
        ...{ 'electrum-4.8.4/usr/lib64/ld-linux-x86-64.so.2': '', 'electrum-4.8.4/usr/lib/x86_64-linux-gnu/libc': '' },
      },
    });
    const usr = join(cache, 'electrum-4.8.4/usr');
    const row = listed('electrum', env) as Row & { command: string; args: string[]; env: Record<string, string> };
    assert.equal(row.command, `${usr}/lib64/ld-linux-x86-64.so.2`);
    assert.deepEqual(row.args.slice(1), [
      `${usr}/lib/x86_64-linux-gnu`,
      `${usr}/bin/python3.13`,
      `${usr}/bin/electrum`,
    ]);
    assert.equal(row.env['PYTHONHOME'], usr);
  });
});

describe('npm run parts: installing', () => {
  test('a part that cannot be had is exit code 3 with a sentence, and the others are installed', async () => {
    const { env, cache } = machine({ programs: { go: said('go version go1.20.1 linux/amd64'), cargo, rustc: rust } });
    const { stdout, stderr, status } = run(['lnd', 'ord'], env);
    assert.equal(status, 3);
    assert.match(
      stderr,
      /LND could not be installed \(Go 1\.25\.10 or newer is needed to build it; this is 1\.20\.1\)\. To get LND:/,
    );
    assert.match(stdout, /^ord +yes +installed +0\.29\.1 /m);
    assert.deepEqual(await readdir(cache), ['ord-0.29.1']);
    assert.equal(listed('ord', env).source, 'cache');
  });

  test('a compiler that is missing is said before anything is fetched', () => {
    const { stderr, status } = run(['ord'], machine().env);
    assert.equal(status, 3);
    assert.match(
      stderr,
      /ord could not be installed \(Rust 1\.95 or newer is needed to build it, and `rustc` does not run\)/,
    );
  });

  test('what was built and does not start is not installed', async () => {
    const broken = cargo.replace('echo ord', 'echo something');
    const { env, cache } = machine({ programs: { cargo: broken, rustc: rust } });
    const { stderr, status } = run(['ord'], env);
    assert.equal(status, 3);
    assert.match(stderr, /what was installed does not start on this machine/);
    assert.deepEqual(await readdir(cache), []);
  });

  test('what a build that was killed has left is removed by the next', async () => {
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const cached = { [`.ord-${gone}-x7Yz1Q/target/a`]: '', [`ord.lock.${gone}`]: String(gone) };
    const { env, cache } = machine({ programs: { cargo, rustc: rust }, cached });
    assert.equal(run(['ord'], env).status, 0);
    assert.deepEqual(await readdir(cache), ['ord-0.29.1']);
  });

  test('a build ends with the command that started it', async () => {
    const { env, home } = machine({ programs: { rustc: rust } });
    const pidFile = join(home, 'pid');
    writeFileSync(join(home, 'bin/cargo'), `#!/bin/sh\necho $$ > ${pidFile}\nexec /bin/sleep 60\n`, { mode: 0o755 });
    const child = spawn(process.execPath, [script, 'ord'], { env, stdio: 'ignore' });
    await until('the build to begin', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8') !== '');
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGTERM');
    assert.equal(await ended, 143);
    await until('the build to end', () => !isRunning(Number(readFileSync(pidFile, 'utf8'))));
  });
});

describe('parts in tests', () => {
  /** What a test file would see, in a process of its own. */
  function seen(env: Record<string, string | undefined>): string[] {
    const code = `
      import { program, withoutOrd } from ${JSON.stringify(join(root, 'test/regtest/parts.ts'))};
      console.log(withoutOrd);
      console.log(await program('ord').then(({ version }) => version, (error) => error.message));`;
    const flags = ['--conditions=sparkle-source', '--import', 'tsx', '--input-type=module', '-e', code];
    const { stdout } = spawnSync(process.execPath, flags, { cwd: root, env, encoding: 'utf8' });
    return stdout.trimEnd().split('\n');
  }

  test('a missing part is a reason to skip, and is not installed', () => {
    const [skip, problem] = seen(machine({ programs: { cargo, rustc: rust } }).env);
    assert.match(skip ?? '', /^ord is not on this machine\. To get ord: /);
    assert.equal(problem, skip);
  });

  test('a required part is no reason to skip: it is installed, or the test fails', () => {
    const { env } = machine({ programs: { cargo, rustc: rust } });
    assert.deepEqual(seen({ ...env, SPARKLE_REQUIRE: 'lnd,ord' }), ['false', '0.29.1']);
    const [skip, problem] = seen({ ...machine().env, SPARKLE_REQUIRE: 'all' });
    assert.equal(skip, 'false');
    assert.match(problem ?? '', /could not be installed/);
  });
});

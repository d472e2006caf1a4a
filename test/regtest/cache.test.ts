import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findBitcoind } from '../../scripts/bitcoind.mjs';
import { withoutBitcoind } from './bitcoind.ts';
import { isRunning, until } from './kept-process.ts';

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));

/** Runs a piece of a module in a process of its own; answers with what it printed, one line each. */
function inProcess(code: string, environment: Record<string, string>, complaints: 'inherit' | 'ignore' = 'inherit') {
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    ...{ env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', complaints] },
  });
  const lines: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
  return { child, lines, ended };
}

const cacheModule = pathToFileURL(join(scripts, 'cache.mjs')).href;
const bitcoindModule = pathToFileURL(join(scripts, 'bitcoind.mjs')).href;

/** An install that says when it runs and takes a while. */
const install = `
  import { intoCache } from ${JSON.stringify(cacheModule)};
  import { writeFile } from 'node:fs/promises';
  const { dir, facts } = await intoCache({
    part: 'thing',
    log: () => undefined,
    fill: async (folder) => {
      console.log('filling');
      await new Promise((resolve) => setTimeout(resolve, 300));
      await writeFile(folder + '/file', 'content');
      return { version: '1.2' };
    },
  });
  console.log(dir, facts.version);
`;

describe('the cache of installed parts', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sparkle-cache-'));
  });
  after(() => rm(folder, { recursive: true }));
  const cache = (name: string) => join(folder, name);

  test('two runs side by side install once, and both have it', async () => {
    const runs = [1, 2].map(() => inProcess(install, { SPARKLE_CACHE: cache('two') }));
    assert.deepEqual(await Promise.all(runs.map(({ ended }) => ended)), [0, 0]);
    const lines = runs.flatMap((run) => run.lines);
    assert.equal(lines.filter((line) => line === 'filling').length, 1);
    assert.equal(lines.filter((line) => line === `${cache('two')}/thing-1.2 1.2`).length, 2);
    assert.deepEqual(await readdir(cache('two')), ['thing-1.2']);
  });

  test('the lock of a process that is gone is taken over', async () => {
    await mkdir(cache('stale'));
    const gone = inProcess('', {});
    await gone.ended;
    await writeFile(join(cache('stale'), 'thing.lock'), String(gone.child.pid));
    assert.equal(await inProcess(install, { SPARKLE_CACHE: cache('stale') }).ended, 0);
    assert.deepEqual(await readdir(cache('stale')), ['thing-1.2']);
  });

  test('the lock of a process that no longer touches it is taken over, even if its number is in use', async () => {
    await mkdir(cache('untouched'));
    const lock = join(cache('untouched'), 'thing.lock');
    await writeFile(lock, String(process.pid));
    await utimes(lock, 0, 0);
    assert.equal(await inProcess(install, { SPARKLE_CACHE: cache('untouched') }).ended, 0);
    assert.deepEqual(await readdir(cache('untouched')), ['thing-1.2']);
  });

  test('a folder without its stamp does not count, and is replaced', async () => {
    await mkdir(join(cache('half'), 'thing-1.2'), { recursive: true });
    const run = inProcess(install, { SPARKLE_CACHE: cache('half') });
    assert.equal(await run.ended, 0);
    assert.ok(existsSync(join(cache('half'), 'thing-1.2', 'file')));
  });

  test('what fails leaves nothing, and the next run may try again', async () => {
    const failing = install.replace("console.log('filling')", "throw new Error('no network')");
    const failed = inProcess(failing, { SPARKLE_CACHE: cache('fails') }, 'ignore');
    assert.equal(await failed.ended, 1);
    assert.deepEqual(await readdir(cache('fails')), []);
  });
});

describe('finding bitcoind', () => {
  test('a named program that is none is said in one sentence that tells what to do, with exit code 3', async () => {
    const before = process.env['SPARKLE_BITCOIND'];
    process.env['SPARKLE_BITCOIND'] = '/nowhere/bitcoind';
    try {
      await assert.rejects(findBitcoind(), (error: Error & { exitCode: number }) => {
        assert.equal(error.exitCode, 3);
        assert.match(error.message, /\/nowhere\/bitcoind.*Debian.*macOS.*elsewhere/);
        return true;
      });
    } finally {
      if (before === undefined) delete process.env['SPARKLE_BITCOIND'];
      else process.env['SPARKLE_BITCOIND'] = before;
    }
  });

  test(
    'a node does not outlive its process, however that ends, and leaves no folder',
    { skip: withoutBitcoind },
    async () => {
      const start = `
      import { startBitcoind } from ${JSON.stringify(bitcoindModule)};
      const node = await startBitcoind();
      console.log(node.pid());
      console.log(node.dir);
      setInterval(() => undefined, 1000);
    `;
      for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
        const { child, lines, ended } = inProcess(start, {});
        await until('the node to start', () => lines.length === 2);
        const [pid = '', dir = ''] = lines;
        child.kill(signal);
        await ended;
        await until('the node to be gone', () => !existsSync(dir) && !isRunning(Number(pid)));
      }
    },
  );
});

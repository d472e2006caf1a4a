import { spawn } from 'node:child_process';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { cachedPart, intoCache, missingPart, timed } from './cache.mjs';
import { run, unpackDebian, unpackedProgram } from './debian.mjs';
import { keeper } from './kept.mjs';
import { freePorts } from './ports.mjs';
import { onPath } from './parts/program.mjs';

const PART = 'bitcoind-knots';
const START_MILLISECONDS = 60_000;
/** The node itself ends an idle connection after 30 s, and a call that is under way with it. */
const IDLE_MILLISECONDS = 5_000;
/** Packages with several transactions, TRUC and ephemeral dust: what our own transactions need from a node. */
const OLDEST_MAJOR = 29;

const HOW_TO_GET =
  'Sparkle needs Bitcoin Core or Bitcoin Knots 29 or newer (`bitcoind`): on Debian it is installed by itself when the ' +
  'package archive can be reached, or by `apt-get install -t trixie-backports bitcoin-knots`; on macOS run ' +
  '`brew install bitcoin`; elsewhere unpack a release of Bitcoin Core and put `bitcoind` on PATH or its path into SPARKLE_BITCOIND.';

/** `{ version, major, knots }` of a program, or `undefined` when it is not a bitcoind that runs here. */
async function versionOf({ command, args }) {
  const text = await run(command, [...args, '-version'], { timeoutMilliseconds: 20_000 }).catch(() => '');
  const found = /^Bitcoin .*version v?((\d+)\.\S+)/.exec(text);
  return found === null ? undefined : { version: found[1], major: Number(found[2]), knots: /knots/i.test(found[0]) };
}

async function fromDebian(log) {
  const { dir, facts } = await intoCache({
    part: PART,
    log,
    fill: async (dest) => {
      const version = await unpackDebian({ name: 'bitcoin-knots', dest, log });
      const found = await versionOf(await unpackedProgram({ dest, program: 'usr/bin/bitcoind' }));
      if (found === undefined) throw new Error('the unpacked bitcoind does not start on this machine');
      return { ...found, version: found.version, package: version };
    },
  });
  log(`bitcoind ${facts.version} is in ${dir}`);
  return { ...(await unpackedProgram({ dest: dir, program: 'usr/bin/bitcoind' })), ...facts, source: 'installed' };
}

async function fromCache() {
  const cached = await cachedPart(PART);
  if (cached === undefined) return undefined;
  const program = await unpackedProgram({ dest: cached.dir, program: 'usr/bin/bitcoind' });
  return { ...program, ...cached.facts, source: 'cache' };
}

/**
 * A bitcoind that runs here: `$SPARKLE_BITCOIND`, PATH, the cache, else Debian's package unpacked into the cache. Returns
 * `{ command, args, version, major, knots, source }`; the node's own arguments come after `args`.
 * Throws an error with `exitCode` 3 and one sentence that says what to install.
 */
export async function findBitcoind({ log = () => undefined, install = 'when missing' } = {}) {
  const named = process.env['SPARKLE_BITCOIND'];
  if (named !== undefined && named !== '') {
    const found = await versionOf({ command: named, args: [] });
    if (found === undefined)
      throw missingPart(`SPARKLE_BITCOIND names ${named}, which is not a bitcoind that runs here. ${HOW_TO_GET}`);
    return { command: named, args: [], ...found, source: 'SPARKLE_BITCOIND' };
  }
  const path = onPath('bitcoind');
  const found = path === undefined ? undefined : await versionOf({ command: path, args: [] });
  if (found !== undefined && found.major >= OLDEST_MAJOR) return { command: path, args: [], ...found, source: 'PATH' };
  if (found !== undefined) log(`${path} is version ${found.version}, older than ${OLDEST_MAJOR}: not used`);
  const cached = await fromCache();
  if (cached !== undefined) return cached;
  if (install === 'never') throw missingPart(HOW_TO_GET);
  try {
    return await fromDebian(timed(log));
  } catch (cause) {
    throw missingPart(
      `bitcoind could not be installed (${cause.message.split('\n', 1)[0].slice(0, 300)}). ${HOW_TO_GET}`,
      cause,
    );
  }
}

/** A signet of our own has a challenge that anybody meets (OP_TRUE): blocks are mined with work alone. */
const CHAINS = { regtest: ['-regtest'], signet: ['-signet', '-signetchallenge=51'] };

function flagsFor({ program, chain, dir, ports: [rpcPort, p2pPort, block, tx, sequence], password }) {
  const salt = randomBytes(16).toString('hex');
  const proof = createHmac('sha256', salt).update(password).digest('hex');
  return [
    ...[...CHAINS[chain], '-server', '-txindex', `-datadir=${dir}`, '-printtoconsole=0'],
    // Without an address type Knots hands out legacy addresses; with its own policy it refuses what Core relays.
    ...(program.knots ? ['-corepolicy=1'] : []),
    ...['-addresstype=bech32m', '-changetype=bech32m', '-fallbackfee=0.00002'],
    ...[`-rpcport=${rpcPort}`, '-rpcbind=127.0.0.1', '-rpcallowip=127.0.0.1', `-rpcauth=sparkle:${salt}$${proof}`],
    ...[
      `-port=${p2pPort}`,
      `-bind=127.0.0.1:${p2pPort}`,
      '-listenonion=0',
      '-dnsseed=0',
      '-fixedseeds=0',
      '-discover=0',
    ],
    ...['-natpmp=0', '-par=1', '-dbcache=32', '-rpcthreads=4', '-rpcworkqueue=128'],
    ...[`-zmqpubrawblock=tcp://127.0.0.1:${block}`, `-zmqpubrawtx=tcp://127.0.0.1:${tx}`],
    `-zmqpubsequence=tcp://127.0.0.1:${sequence}`,
  ];
}

/** Node's `fetch` costs three times the processor time, and a test asks thousands of times. */
function post({ url, authorization, body, agent }) {
  const signal = AbortSignal.timeout(60_000);
  const headers = { authorization, 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, signal, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.once('end', () => resolve({ status: response.statusCode, text })).once('error', reject);
    });
    sent.once('error', reject).end(body);
  });
}

function rpcClient({ rpcUrl, authorization }) {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MILLISECONDS });
  let id = 0;
  return async (method, params = [], wallet) => {
    const url = wallet === undefined ? rpcUrl : `${rpcUrl}/wallet/${encodeURIComponent(wallet)}`;
    const body = JSON.stringify({ jsonrpc: '1.0', id: ++id, method, params });
    const { status, text } = await post({ url, authorization, body, agent });
    if (status === 401 || text === '') throw new Error(`bitcoind answered ${method} with HTTP ${status}`);
    const { result, error } = JSON.parse(text);
    if (error) throw Object.assign(new Error(`${method}: ${error.message}`), { code: error.code });
    return result;
  };
}

async function ended(child, milliseconds) {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  child.ref();
  return Promise.race([
    new Promise((resolve) => child.once('exit', () => resolve(true))),
    sleep(milliseconds, false, { ref: false }),
  ]);
}

async function whenReady({ child, rpc, dir, chain, words }) {
  const deadline = Date.now() + START_MILLISECONDS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const log = await readFile(join(dir, chain, 'debug.log'), 'utf8').catch(() => '');
      throw new Error(`bitcoind ended while starting: ${(words() || log.slice(-800)).trim()}`);
    }
    const ready = await rpc('getblockchaininfo').then(
      () => true,
      () => false,
    );
    if (ready) return;
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`bitcoind was not ready after ${START_MILLISECONDS / 1000} s`);
    }
    await sleep(25);
  }
}

async function launch({ program, flags, dir, chain, guard, rpc }) {
  const child = spawn(program.command, [...program.args, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-2000)));
  child.on('error', (error) => (said += error.message));
  if (child.pid === undefined) throw new Error(`bitcoind could not be started: ${program.command}`);
  guard.guards(child.pid);
  // Its number may soon be another process's.
  child.once('exit', guard.guardsNothing);
  child.unref();
  child.stderr.unref?.();
  await whenReady({ child, rpc, dir, chain, words: () => said });
  return child;
}

async function endProcess(child, signal) {
  child.kill(signal);
  if (await ended(child, 20_000)) return;
  child.kill('SIGKILL');
  await ended(child, 5_000);
}

async function startOnce({ program, chain, dir, removeDir, args, ports, password }) {
  const flags = [...flagsFor({ program, chain, dir, ports, password }), ...args];
  const [rpcPort, p2pPort, block, tx, sequence] = ports;
  const rpcUrl = `http://127.0.0.1:${rpcPort}`;
  const authorization = `Basic ${Buffer.from(`sparkle:${password}`).toString('base64')}`;
  const rpc = rpcClient({ rpcUrl, authorization });
  const guard = keeper(removeDir ? dir : '');
  const start = () => launch({ program, flags, dir, chain, guard, rpc });
  let child = await start().catch((error) => {
    guard.release();
    throw error;
  });
  const end = async () => {
    await endProcess(child, removeDir ? 'SIGKILL' : 'SIGTERM');
    guard.release();
    if (removeDir) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  };
  const url = (port) => `tcp://127.0.0.1:${port}`;
  let ending;
  return {
    ...{ rpcUrl, rpcPort, p2pPort, rpcUser: 'sparkle', rpcPassword: password, dir, rpc, version: program.version },
    cookieFile: join(dir, chain, '.cookie'),
    zmq: { rawblock: url(block), rawtx: url(tx), sequence: url(sequence) },
    pid: () => child.pid,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    /** Ends the node gracefully and keeps its data, so that `up` brings it back on the same ports. */
    down: () => endProcess(child, 'SIGTERM'),
    /** Ends it as a crash would: blocks and mempool that it had not written down are lost. */
    kill: () => endProcess(child, 'SIGKILL'),
    up: async () => {
      child = await start();
    },
    /** Ends the node and removes the folder that was made for it; a folder that was given is kept. */
    stop: () => (ending ??= end()),
  };
}

/**
 * A private node on free loopback ports, ready to be asked, on regtest or on a signet of its own. `dir` keeps its data in
 * that folder; without it a temporary folder is used and removed. Whatever happens to this process, the node does not outlive it.
 */
export async function startBitcoind({ chain = 'regtest', dir, args = [], log = () => undefined, program } = {}) {
  const found = program ?? (await findBitcoind({ log }));
  for (let attempt = 1; ; attempt += 1) {
    const home = dir ?? (await mkdtemp(join(tmpdir(), 'sparkle-bitcoind-')));
    await mkdir(home, { recursive: true });
    try {
      return await startOnce({
        ...{ program: found, chain, dir: home, removeDir: dir === undefined, args },
        ports: await freePorts(5),
        password: randomBytes(16).toString('hex'),
      });
    } catch (error) {
      if (dir === undefined) await rm(home, { recursive: true, force: true });
      // Somebody else may take a port between our looking and the node's binding it.
      if (attempt === 5 || !/bind|address already in use/i.test(error.message)) throw error;
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    const { command, args, version, source } = await findBitcoind({ log: console.error });
    console.log(JSON.stringify({ command, args, version, source }));
  } catch (error) {
    console.error(error.message);
    process.exitCode = error.exitCode ?? 1;
  }
}

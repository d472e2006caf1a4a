import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { memoryNetwork } from 'sparkle-protocol/lightning/memory';
import { newPhrase, rescueSeed } from 'sparkle-protocol/protocol/keys';
import { newFolder } from '../regtest/kept-process.ts';
import { NwcSide } from '../regtest/nwc.ts';
import { startRelay, type TestRelay } from '../regtest/relay.ts';
import type { Crashing, CrashOrder } from './crashing-trader.ts';
import { shownIn } from './secret-forms.ts';

const phrase = newPhrase(new Uint8Array(16).fill(0x6b));
/** Of the version that LND bakes, and long enough to be one. */
const macaroon = `0201${'6d'.repeat(62)}`;
const program = fileURLToPath(new URL('crashing-trader.ts', import.meta.url));
/** Enough to begin with, and soon full. */
const MEMORY_MEGABYTES = 200;

type Crash = { report: string; words: string; preimage: string };

describe('what is left of a trader’s process that crashed: its words and the report that Node writes', () => {
  let relay: TestRelay;
  let side: NwcSide;
  let dir: string;

  before(async () => {
    dir = await newFolder('crash');
    relay = await startRelay();
    const network = memoryNetwork({ network: 'regtest', seed: 'crash', height: 1, nowSeconds: Date.now() / 1000 });
    const { lightning } = network.addNode({ name: 'wallet', balanceMsat: 0n });
    const backend = { lightning: () => lightning, height: async () => 1 };
    side = new NwcSide({ relays: [relay.url], backend, path: join(dir, 'wallet.nwc'), maxCltvBlocks: 1_000 });
    await side.open();
  });
  after(async () => {
    await side?.close();
    await relay?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const crash = async ({ how, env = {} }: { how: CrashOrder['how']; env?: Record<string, string> }): Promise<Crash> => {
    const reports = await newFolder('report');
    const child = fork(program, {
      ...{ cwd: reports, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
      execArgv: [
        ...['--conditions=sparkle-source', '--import', import.meta.resolve('tsx')],
        `--max-old-space-size=${MEMORY_MEGABYTES}`,
        ...['--report-uncaught-exception', '--report-on-fatalerror', `--report-directory=${reports}`],
      ],
    });
    const words = Promise.all(
      [child.stdout, child.stderr].map(async (stream) => (stream === null ? '' : text(stream))),
    );
    const known = once(child, 'message') as Promise<[Crashing]>;
    const ended = once(child, 'exit');
    child.send({ how, phrase, macaroon, connection: side.connection } satisfies CrashOrder);
    const [[{ preimage }]] = await Promise.all([Promise.race([known, ended.then(neverSaid)]), ended]);
    const [name] = (await readdir(reports)).filter((file) => file.endsWith('.json'));
    assert.ok(name !== undefined, (await words).join('\n'));
    const report = await readFile(join(reports, name), 'utf8');
    await rm(reports, { recursive: true, force: true });
    return { report, words: (await words).join('\n'), preimage };
  };

  const secrets = (preimage: string): Record<string, string> => ({
    preimage,
    phrase,
    seed: Buffer.from(rescueSeed(phrase)).toString('hex'),
    macaroon,
    connection: side.connection,
    'secret of the connection': new URL(side.connection).searchParams.get('secret') ?? '',
  });

  for (const how of ['thrown', 'out of memory'] as const)
    test(`${how}: no preimage, phrase, seed, macaroon or wallet connection is in it`, async () => {
      const { report, words, preimage } = await crash({ how });
      assert.match(preimage, /^[0-9a-f]{64}$/);
      const { header } = JSON.parse(report) as { header: { trigger: string } };
      assert.equal(header.trigger, how === 'thrown' ? 'Exception' : 'OOMError');
      assert.match(words, how === 'thrown' ? /a trader crashes/ : /heap out of memory/);
      assert.match(words, /trade moved/);
      assert.deepEqual(shownIn(`${report}\n${words}`, secrets(preimage)), []);
    });

  test('Node’s report writes the environment down: a macaroon that was given there is in it', async () => {
    const { report, words, preimage } = await crash({ how: 'thrown', env: { LND_MACAROON: macaroon } });
    assert.deepEqual(shownIn(report, secrets(preimage)), ['macaroon']);
    assert.deepEqual(shownIn(words, secrets(preimage)), []);
  });
});

const neverSaid = ([code, signal]: unknown[]): never => {
  throw new Error(`the process ended with ${String(code ?? signal)} before it was to crash`);
};

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { after, before, describe, test } from 'node:test';
import type { CheckoutStateWire } from 'sparkle-protocol/market/checkout-wire';
import { freePorts } from '../../scripts/ports.mjs';
import { blockAfter } from '../docs-code.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';

const PAGE = 'docs/coordinator.md';
const PROGRAM = fileURLToPath(new URL('../../world/coordinator.ts', import.meta.url));
const PATIENCE = { patienceMilliseconds: 120_000, everyMilliseconds: 200 };

function withoutCurl(): string | false {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'there is no curl on this machine';
  }
}

describe(`the commands of ${PAGE}`, { skip: withoutCurl() }, () => {
  let dir: string;
  let ports: number[];
  let program: KeptProcess;

  before(async () => {
    dir = await newFolder('page');
    ports = await freePorts(2);
    const args = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx'), PROGRAM];
    const given = ['--port', String(ports[0]), '--wallet-port', String(ports[1])];
    program = new KeptProcess({ title: 'the world', command: process.execPath, args: [...args, ...given], dir });
    await program.up(async () => program.said.includes('stays up until'), PATIENCE);
  });
  after(async () => {
    await program.end('SIGTERM');
    await program.release();
  });

  /** What the reader's shell prints in one folder, with the ports that are free here. */
  async function shell(lines: string): Promise<string> {
    const here = lines.replaceAll('localhost:8080', `127.0.0.1:${ports[0]}`);
    const script = here.replaceAll('localhost:8090', `127.0.0.1:${ports[1]}`);
    return (await promisify(execFile)('sh', ['-euc', script], { cwd: dir })).stdout;
  }

  test('buy what the program says is for sale, up to the checkout that is confirmed', async () => {
    const [item = ''] = /[0-9a-f]{64}i0/.exec(program.said) ?? [];
    const commands = blockAfter(PAGE, 'In another terminal').replace(/^ITEM=.*$/m, `ITEM=${item}`);
    const asked = commands.trimEnd().split('\n').at(-1) ?? '';
    const seen = [JSON.parse(await shell(commands)) as CheckoutStateWire];
    const checkout = `CHECKOUT=${seen[0]?.checkout_id}`;
    await until(
      'the checkout to be confirmed',
      async () => {
        seen.push(JSON.parse(await shell(`${checkout}\n${asked}`)) as CheckoutStateWire);
        return seen.at(-1)?.status === 'confirmed';
      },
      PATIENCE,
    );
    assert.deepEqual(new Set(seen.map(({ inscription_id }) => inscription_id)), new Set([item]));
    assert.equal(seen.at(-1)?.transfer?.confirmations, 1);
  });
});

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { after, before, describe, test } from 'node:test';
import type { CheckoutStateWire } from 'sparkle-protocol/market/checkout-wire';
import { freePorts } from '../../scripts/ports.mjs';
import { blockAfter, programsOf, project } from '../docs-code.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';

const PAGE = 'docs/coordinator.md';
const PROGRAM = fileURLToPath(new URL('../../world/coordinator.ts', import.meta.url));
/** Anybody's on regtest. */
const ADDRESS = 'bcrt1phvk0uddlt008mc4cg94tap9pkwcastexdhysh9wke0yqlmq9asqqk0vtu3';
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

  /** With the ports that are free here. */
  const here = (text: string): string =>
    text.replaceAll('localhost:8080', `127.0.0.1:${ports[0]}`).replaceAll('localhost:8090', `127.0.0.1:${ports[1]}`);
  /** What the reader's shell prints in one folder. */
  const shell = async (lines: string): Promise<string> =>
    (await promisify(execFile)('sh', ['-euc', here(lines)], { cwd: dir })).stdout;

  const items = (): string[] => program.said.match(/^ {2}[0-9a-f]{64}i0$/gm)?.map((line) => line.trim()) ?? [];

  test('buy what the program says is for sale, up to the checkout that is confirmed', async () => {
    // The dearest: its lock needs more blocks than those in which something happens.
    const item = items().at(-1) ?? '';
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
    assert.ok((seen.at(-1)?.transfer?.confirmations ?? 0) >= 3);
    const check = /`(curl [^`]*\/check[^`]*)`/.exec(readFileSync(PAGE, 'utf8'))?.[1] ?? '';
    assert.equal(await shell(check), '[]');
  });

  test('the program of a buyer with keys of his own buys, and the claim pays him', async (context) => {
    const programs = [...programsOf(PAGE)].map(([name, text]) => [name, here(text)]);
    const folder = project(Object.fromEntries(programs));
    context.after(() => folder.remove());
    const [item = ''] = items();
    const chain = /^chain +(\S+)/m.exec(program.said)?.[1] ?? '';
    const printed = await folder.run('buy.mjs', [item, chain, ADDRESS], '');
    const [, txid = ''] = /^[0-9a-f]{64}i0 is claimed by ([0-9a-f]{64})$/.exec(printed) ?? [];
    const url = new URL(chain);
    const { stdout } = await promisify(execFile)('curl', [
      ...['-s', '-u', `${url.username}:${url.password}`, url.origin],
      ...['-d', JSON.stringify({ method: 'getrawtransaction', params: [txid, true] })],
    ]);
    const { result } = JSON.parse(stdout) as { result: { vout: { scriptPubKey: { address: string } }[] } };
    assert.equal(result.vout[0]?.scriptPubKey.address, ADDRESS);
  });
});

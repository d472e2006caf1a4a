import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import type { CheckoutStateWire, TradeStateWire } from 'sparkle-protocol/market/checkout-wire';
import { freePorts } from '../../scripts/ports.mjs';
import { blockAfter, programsOf, project } from '../docs-code.ts';
import { KeptProcess, newFolder, until } from '../regtest/kept-process.ts';

const PAGE = 'docs/coordinator.md';
const LISTING_PAGE = 'docs/listing.md';
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

type Folder = ReturnType<typeof project>;
type Coin = { address: string; amount: number };

describe(`the commands of ${PAGE} and ${LISTING_PAGE}`, { skip: withoutCurl() }, () => {
  let ports: number[];
  let program: KeptProcess;
  /** The reader's, whose key the operator has named, and that of somebody whom he does not know. */
  let reader: Folder;
  let stranger: Folder;

  before(async () => {
    ports = await freePorts(2);
    const programs = [...programsOf(PAGE), ...programsOf(LISTING_PAGE)].map(([name, text]) => [name, here(text)]);
    reader = project(Object.fromEntries(programs));
    stranger = project(Object.fromEntries(programs));
    const { key } = JSON.parse(await reader.shell('node list.mjs key')) as { key: string };
    const started = blockAfter(LISTING_PAGE, 'takes it on its command line').trim();
    const [, named = ''] = /^npm run coordinator -- (.+)$/.exec(started) ?? [];
    const args = ['--conditions=sparkle-source', '--import', import.meta.resolve('tsx'), PROGRAM];
    const given = [
      '--port',
      String(ports[0]),
      '--wallet-port',
      String(ports[1]),
      ...named.replace('KEY', key).split(' '),
    ];
    const dir = await newFolder('page');
    program = new KeptProcess({ title: 'the world', command: process.execPath, args: [...args, ...given], dir });
    await program.up(async () => program.said.includes('stays up until'), PATIENCE);
  });
  after(async () => {
    await program.end('SIGTERM');
    await program.release();
    for (const folder of [reader, stranger]) folder.remove();
  });

  /** With the ports that are free here. */
  const here = (text: string): string =>
    text
      .replaceAll(/(?:localhost|127\.0\.0\.1):8080/g, `127.0.0.1:${ports[0]}`)
      .replaceAll('localhost:8090', `127.0.0.1:${ports[1]}`);
  const shell = (lines: string, folder = reader): Promise<string> => folder.shell(here(lines));
  const items = (): string[] => program.said.match(/^ {2}[0-9a-f]{64}i0$/gm)?.map((line) => line.trim()) ?? [];
  const chain = (): string => /^chain +(\S+)/m.exec(program.said)?.[1] ?? '';
  const ask = async <Result>(method: string, params: unknown[], wallet = ''): Promise<Result> => {
    const body = JSON.stringify({ method, params });
    return (JSON.parse(await shell(`curl -s '${chain()}${wallet}' -d '${body}'`)) as { result: Result }).result;
  };
  /** `list.mjs` of the page, over the chain of this world. */
  const listing = async <Result>(words: string, folder = reader): Promise<Result> =>
    JSON.parse(await shell(`export CHAIN='${chain()}'\nnode list.mjs ${words}`, folder)) as Result;

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

  test('the program of a buyer with keys of his own buys, and the claim pays him', async () => {
    const [item = ''] = items();
    const printed = await reader.run('buy.mjs', [item, chain(), ADDRESS], '');
    const [, txid = ''] = /^[0-9a-f]{64}i0 is claimed by ([0-9a-f]{64})$/.exec(printed) ?? [];
    const result = await ask<{ vout: { scriptPubKey: Coin }[] }>('getrawtransaction', [txid, true]);
    assert.equal(result.vout[0]?.scriptPubKey.address, ADDRESS);
  });

  test('the program of a seller lists, his price is paid to his address to the sat, and he takes another listing off', async () => {
    const inscribe = blockAfter(LISTING_PAGE, 'An inscription of yours').replace(
      /^export CHAIN=.*$/m,
      `CHAIN='${chain()}'`,
    );
    const last = (said: string): string => said.split('\n').at(-1) ?? '';
    const { inscription_id: item } = JSON.parse(last(await shell(inscribe))) as { inscription_id: string };
    const command = blockAfter(LISTING_PAGE, 'which is listed for')
      .trim()
      .replace(/^node list\.mjs /, '');
    const list = (inscriptionId: string, folder = reader) =>
      listing<{ trade_id: string; seller_address: string }>(command.replace('ITEM', inscriptionId), folder);

    await assert.rejects(
      list(item, stranger),
      /listings are taken from those whom the operator has named[\s\S]*'forbidden'/,
    );
    // What he does not own he cannot sign for: no coordinator hears of it.
    await assert.rejects(list(items()[1] ?? ''), /the input must be signed[\s\S]*'bad_signature'/);

    const { trade_id: id, seller_address: address } = await list(item);
    assert.equal((await listing<TradeStateWire>(`read ${id}`)).status, 'pending');
    await assert.rejects(listing(`read ${id}`, stranger), /there must be a trade of yours with this id/);
    await assert.rejects(listing(`withdraw ${id}`, stranger), /there must be a trade of yours with this id/);
    assert.match(await reader.run('buy.mjs', [item, chain(), ADDRESS], ''), /is claimed by/);
    const isConfirmed = async () => (await listing<TradeStateWire>(`read ${id}`)).status === 'confirmed';
    await until('the sale to be confirmed', isConfirmed, PATIENCE);
    const coins = await ask<Coin[]>('listunspent', [1, 9_999_999, [address]], '/wallet/mine');
    assert.deepEqual(
      coins.map(({ amount }) => Math.round(amount * 1e8)),
      [60_000],
    );

    const again = inscribe.replace(/^.*createwallet.*$/m, '');
    const { inscription_id: other } = JSON.parse(last(await shell(again))) as { inscription_id: string };
    const { trade_id } = await list(other);
    const { status, reason } = await listing<TradeStateWire>(`withdraw ${trade_id}`);
    assert.deepEqual([status, reason], ['failed', 'withdrawn']);
    const quoted = await fetch(here('http://localhost:8080/v1/quote'), {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ inscription_id: other }),
    });
    assert.equal(quoted.status, 404);
  });
});

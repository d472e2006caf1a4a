import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import {
  type CheckoutStateWire,
  createdTradeSchema,
  type PreparedWire,
  type PrepareWire,
} from 'sparkle-protocol/market/checkout-wire';
import { CoordinatorHttp, signerOf } from 'sparkle-protocol/market/coordinator-http';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { identityKey, type KeyPair, rescueSeed } from 'sparkle-protocol/protocol/keys';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { House } from './house.ts';
import { ldkNodes } from './nodes.ts';
import { Owner } from './owner.ts';
import { accessOf } from './party.ts';
import { openWallet } from './wallet.ts';
import { createWorld, type World } from './world.ts';

const USAGE = 'npm run coordinator -- [--port 8080] [--wallet-port 8090] [--lister KEY] [--once]';
const OWNER_PHRASE = 'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about';
const ASKED_SATS = [60_000n, 75_000n, 120_000n];
const COINS = 12;
const COIN_SATS = 400_000n;
const BLOCK_MILLISECONDS = 1_000;
const MOST_POLLS = 240;
const POLL_MILLISECONDS = 250;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

function readArguments(): { port: number; walletPort: number; listers: string[]; once: boolean } {
  const ports = { port: { type: 'string' }, 'wallet-port': { type: 'string' } } as const;
  const options = { ...ports, lister: { type: 'string', multiple: true }, once: { type: 'boolean' } } as const;
  const { values } = parseArgs({ options });
  const port = (name: 'port' | 'wallet-port', absent: number): number => {
    const number = Number(values[name] ?? absent);
    if (Number.isInteger(number) && number >= 0 && number <= 65_535) return number;
    throw new SparkleError('bad_config', `--${name} must be a port; got ${values[name]}; usage: ${USAGE}`);
  };
  const listers = values.lister ?? [];
  const wrong = listers.find((key) => !/^[0-9a-f]{64}$/.test(key));
  if (wrong !== undefined)
    throw new SparkleError('bad_config', `--lister must be 64 lowercase hex characters; got ${wrong}; usage: ${USAGE}`);
  return { port: port('port', 8080), walletPort: port('wallet-port', 8090), listers, once: values.once ?? false };
}

/** What its owner has listed by HTTP, as any seller would. */
async function stock({ world, house, me }: { world: World; house: House; me: KeyPair }): Promise<string[]> {
  const owner = await Owner.open(world, 'owner');
  const clock = systemClock();
  const http = new CoordinatorHttp({
    ...{ url: house.url, signer: signerOf(me, clock), fetch: globalThis.fetch, clock, answerMilliseconds: 30_000 },
  });
  const listed: string[] = [];
  for (const priceSats of ASKED_SATS) {
    const inscribed = await owner.inscribe(`for sale at ${priceSats} sats`);
    await world.mine(0);
    const { psbt, payoutAddress } = await owner.list(inscribed, priceSats);
    const { inscriptionId } = inscribed;
    const body = { inscription_id: inscriptionId, price_sats: Number(priceSats), seller_address: payoutAddress, psbt };
    await http.ask({ method: 'POST', path: '/v1/trade', body, as: 'party', shape: createdTradeSchema });
    listed.push(inscriptionId);
  }
  return listed;
}

/** After whatever happened this many blocks more come: nothing that is sold here needs to lie deeper. */
const BLOCKS_AFTER = 6;

/** A block a second, as long as there is something to put into it or something new to bury. Then time stands still. */
function keepMining(world: World, house: House): () => void {
  let busy = false;
  let left = 0;
  const look = async (): Promise<void> => {
    const { rpc } = world.regtest;
    const tip = await rpc<{ nTx: number }>('getblock', [await rpc<string>('getbestblockhash')]);
    // The tip as well: what came while a block was made is in no mempool any more.
    const isNew = tip.nTx > 1 || (await rpc<string[]>('getrawmempool')).length > 0;
    if (isNew) left = BLOCKS_AFTER;
    if (left > 0) {
      left -= 1;
      await world.mine(1);
    }
    await house.service.trader.look();
  };
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void look()
      .catch((error: unknown) => say(`no block: ${String(error)}`))
      .finally(() => (busy = false));
  }, BLOCK_MILLISECONDS);
  return () => clearInterval(timer);
}

const instructions = (of: { url: string; wallet: string; chain: string; inscriptionIds: string[] }): string =>
  [
    '',
    `coordinator  ${of.url}  its API is at /docs and /openapi.json`,
    `wallet       ${of.wallet}  a buyer with a Lightning node: /request makes what only a wallet can, /check, /pay; /inscribe`,
    `chain        ${of.chain}  bitcoind, for a client of your own`,
    'for sale',
    ...of.inscriptionIds.map((id) => `  ${id}`),
    '',
    'one checkout:',
    `  curl -s ${of.wallet}/request -H 'content-type: application/json' -d '{"inscription_id":"${of.inscriptionIds[0]}"}' \\`,
    `    | curl -s ${of.url}/api/checkout/prepare -H 'content-type: application/json' -d @- | tee checkout.json`,
    `  curl -s ${of.url}/api/checkout/status -H 'content-type: application/json' \\`,
    `    -d "{\\"checkout_id\\":\\"$(sed 's/.*"checkout_id":"\\([^"]*\\)".*/\\1/' checkout.json)\\"}"`,
    '',
    'the world stays up until Ctrl-C',
  ].join('\n');

function chainOf({ regtest }: World): string {
  const { url, credentials } = accessOf(regtest);
  return url.replace('://', `://${credentials.user}:${credentials.password}@`);
}

async function json<Answer>(url: string, body: unknown): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Answer;
}

/** The sequence of the instructions, played here: prints each new status and ends with the last. */
async function buyOne({ url, wallet, inscriptionId }: { url: string; wallet: string; inscriptionId: string }) {
  const asked = await json<PrepareWire>(`${wallet}/request`, { inscription_id: inscriptionId });
  const { checkout_id, trade_id, token } = await json<PreparedWire>(`${url}/api/checkout/prepare`, asked);
  let last = '';
  for (let poll = 0; poll < MOST_POLLS; poll += 1) {
    const state = await json<CheckoutStateWire>(`${url}/api/checkout/status`, { checkout_id });
    if (state.status !== last) process.stdout.write(`${JSON.stringify(state)}\n`);
    // What the wallet would still wait for, before it shows its preimage.
    if (state.status !== last && ['paid', 'broadcast'].includes(state.status))
      say(`the wallet waits: ${JSON.stringify(await json(`${wallet}/check`, { trade_id, token }))}`);
    last = state.status;
    if (['confirmed', 'failed', 'expired'].includes(last)) return last;
    await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
  }
  return last;
}

async function main(): Promise<number> {
  const { port, walletPort, listers, once } = readArguments();
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  const undo: (() => unknown)[] = [];
  try {
    const world = await createWorld({ log: say, openNodes: ldkNodes });
    undo.push(() => world.stop());
    for (let coin = 0; coin < COINS; coin += 1)
      await world.regtest.pay({ to: await world.seller.wallet.address(), sats: COIN_SATS });
    await world.mine(1);
    const me = identityKey({ seed: rescueSeed(OWNER_PHRASE), network: 'regtest' });
    const named = listers.length === 0 ? {} : { listers: [me.public, ...listers] };
    const house = await House.open(world.seller, { port, ...named });
    undo.push(() => house.close());
    const inscriptionIds = await stock({ world, house, me });
    const { app } = await openWallet({ world, house, port: walletPort });
    undo.push(() => app.close());
    undo.push(keepMining(world, house));
    const wallet = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    if (once)
      return (await buyOne({ url: house.url, wallet, inscriptionId: inscriptionIds[0] ?? '' })) === 'confirmed' ? 0 : 1;
    say(instructions({ url: house.url, wallet, chain: chainOf(world), inscriptionIds }));
    await interrupted;
    return 0;
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(error instanceof SparkleError && error.code === 'bad_config' ? 2 : 1);
  },
);

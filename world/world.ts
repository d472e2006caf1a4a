import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Market } from 'sparkle-protocol/market/market';
import { fairWeather, memoryMarket, Square } from 'sparkle-protocol/market/memory';
import { readSatPoint } from 'sparkle-protocol/protocol/inscription';
import { newPhrase, rescueSeed } from 'sparkle-protocol/protocol/keys';
import type { Offer, TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import { type Log, silentLog } from 'sparkle-protocol/trader/log';
import { type Inscribed, type Regtest, startRegtest } from '../test/regtest/bitcoind.ts';
import type { Nodes, OpenNodes } from './nodes.ts';
import { accessOf, createParty, type Name, type Party } from './party.ts';

/** What the chain says about a transaction; `block` is absent while it is unconfirmed. */
export type Facts = { txid: string; vsize: number; feeSats: number; block?: number };

/** A private Bitcoin, two people with a Lightning channel between them, and the square where they meet. */
export type World = {
  regtest: Regtest;
  seller: Party;
  buyer: Party;
  /** The square where all traders meet, for one more. */
  market(): Market;
  mine(blocks: number): Promise<void>;
  /** An SVG of its own for each story, inscribed into the party's wallet. */
  inscribe(party: Party, story: string): Promise<Inscribed>;
  offer(inscribed: Inscribed, mode: TradeMode, priceSats: bigint): Promise<Omit<Offer, 'sellerId' | 'network'>>;
  facts(txid: string): Promise<Facts>;
  /** The transaction that input 0 of `txid` spends. */
  parentOf(txid: string): Promise<string>;
  /** Whose wallet owns the output that a satpoint lies in. */
  holderOf(satpoint: string): Promise<'seller' | 'buyer' | 'nobody'>;
  stop(): Promise<void>;
};

type Verbose = { vsize: number; fee?: number; blockhash?: string; vin: { txid?: string }[] };

type Undo = (() => Promise<unknown>)[];

type Given = {
  log: (what: string) => void;
  openNodes: OpenNodes;
  /** Where both traders log; nowhere unless given. */
  traderLog?: Log;
};

/** Builds it all, or nothing: what was started before a failure is torn down again. */
export async function createWorld(given: Given): Promise<World> {
  const undo: Undo = [];
  const stop = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    return { ...(await build(undo, given)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function build(undo: Undo, { log, openNodes, traderLog = silentLog }: Given): Promise<Omit<World, 'stop'>> {
  const dir = await mkdtemp(join(tmpdir(), 'sparkle-world-'));
  undo.push(() => rm(dir, { recursive: true, force: true }));
  log('starting a private regtest chain');
  const regtest = await startRegtest();
  undo.push(() => regtest.stop());
  for (const name of ['seller', 'buyer']) await regtest.fundedWallet({ name, sats: FUNDS_SATS });
  const nodes = await openNodes({ regtest, dir, log, onStop: (stop) => undo.push(stop) });
  const square = new Square(fairWeather);
  const party = async (name: Name): Promise<Party> => {
    const seed = rescueSeed(newPhrase(randomBytes(16)));
    const own = { market: memoryMarket(square), lightning: nodes[name].lightning, dir: join(dir, name), seed };
    const created = await createParty({ name, node: accessOf(regtest), log: traderLog, ...own });
    undo.push(() => created.stop());
    await created.trader.start();
    return created;
  };
  const both = { seller: await party('seller'), buyer: await party('buyer') };
  const market = () => memoryMarket(square);
  return { ...views(regtest), ...both, market, regtest, mine: (blocks) => mine(regtest, { ...both, blocks, nodes }) };
}

const FUNDS_SATS = 50_000_000n;

/** Blocks that everyone has seen: both traders and both Lightning nodes. */
async function mine(
  regtest: Regtest,
  { seller, buyer, blocks, nodes }: { seller: Party; buyer: Party; blocks: number; nodes: Nodes },
): Promise<void> {
  await regtest.mine(blocks);
  await Promise.all([nodes.seller.synced(), nodes.buyer.synced()]);
  await Promise.all([seller, buyer].map(({ trader }) => trader.look()));
}

function views(regtest: Regtest): Pick<World, 'inscribe' | 'offer' | 'facts' | 'parentOf' | 'holderOf'> {
  return {
    inscribe: async (party, story) =>
      regtest.inscribe({ body: drawing(story), contentType: 'image/svg+xml', to: await party.wallet.address() }),
    offer: async (inscribed, mode, priceSats) => forSale(inscribed, { mode, priceSats }),
    facts: (txid) => factsOf(regtest, txid),
    parentOf: async (txid) => (await regtest.rpc<Verbose>('getrawtransaction', [txid, 2])).vin[0]?.txid ?? '',
    holderOf: (satpoint) => holderOf(regtest, satpoint),
  };
}

/** The node tells the fee in one place while a transaction waits and in another once it is mined, which may be in between. */
async function factsOf({ rpc }: Regtest, txid: string): Promise<Facts> {
  const waiting = await rpc<{ fees: { base: number } }>('getmempoolentry', [txid]).catch(() => undefined);
  const { vsize, fee, blockhash } = await rpc<Verbose>('getrawtransaction', [txid, 2]);
  const known = { txid, vsize, feeSats: Math.round((fee ?? waiting?.fees.base ?? 0) * 1e8) };
  if (blockhash === undefined) return known;
  return { ...known, block: (await rpc<{ height: number }>('getblockheader', [blockhash])).height };
}

/** An offer for a fresh inscription at the start of its output. */
export const forSale = (
  { inscriptionId, outpoint, valueSats }: Inscribed,
  { mode, priceSats }: { mode: TradeMode; priceSats: bigint },
): Omit<Offer, 'sellerId' | 'network'> => ({
  inscriptionId,
  priceSats,
  modes: [mode],
  sourceOutpoint: outpoint,
  sourceValueSats: valueSats,
  offsetSats: 0n,
  postageSats: valueSats,
  reserveSats: 10_000n,
  confirmations: 1,
  routeCapBlocks: 432,
  finalCltv: 40,
  maxRefundFeeSats: 50_000n,
  expiresAt: Math.floor(Date.now() / 1000) + 3600,
});

export async function holderOf(regtest: Regtest, satpoint: string): Promise<'seller' | 'buyer' | 'nobody'> {
  const { txid, vout } = readSatPoint(satpoint);
  for (const name of ['seller', 'buyer'] as const) {
    const coins = await regtest.rpc<{ txid: string; vout: number }[]>('listunspent', [0], name);
    if (coins.some((coin) => coin.txid === txid && coin.vout === vout)) return name;
  }
  return 'nobody';
}

const drawing = (story: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><title>Sparkle ${story}</title>` +
  '<rect width="64" height="64" fill="#111"/><path d="M32 6l6 20 20 6-20 6-6 20-6-20-20-6 20-6z" fill="#fc3"/></svg>';

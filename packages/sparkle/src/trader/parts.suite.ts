import { memoryChain, type MemoryChain } from '../chain/memory.ts';
import { memoryWallet } from '../chain/memory-wallet.ts';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from '../lightning/memory.ts';
import { fairWeather, memoryMarket, Square } from '../market/memory.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { addressScript } from '../protocol/draft.ts';
import type { Offer } from '../protocol/trade/terms.ts';
import { memoryDisk, memoryStore } from '../store/memory.ts';
import type { Parts } from './parts.ts';
import { silentLog } from './log.ts';
import { type Purchase, Trader } from './trader.ts';

const NOW = 1_800_000_000;
const FUNDS_SATS = 1_000_000n;
const POSTAGE_SATS = 10_000n;
/** Fast blocks, so that an invoice lives long enough in blocks. */
const BLOCK_SECONDS = 30;

/** A chain, a Lightning network and a square in memory, for tests of the trader. Nothing in it waits for a clock. */
export type Stage = {
  chain: MemoryChain;
  network: MemoryNetwork;
  nodes: Record<'seller' | 'buyer' | 'rival', MemoryNode>;
  parts: Record<'seller' | 'buyer' | 'rival', Parts>;
  inscriptionId: string;
  offer: Omit<Offer, 'sellerId' | 'network'>;
  purchase(sellerId: string, mode: 'hold-first' | 'lock-first'): Purchase;
  /** Mines and lets the Lightning nodes see it. */
  mine(blocks: number): void;
};

const seedOf = (byte: number) => new Uint8Array(64).fill(byte);
const names = ['seller', 'buyer', 'rival'] as const;

/** Follows the first output: enough of an index for inscriptions that our own builders move. */
function firstOutputs(chain: MemoryChain, inscriptionId: string): Ordinals {
  const follow = async (which: 'confirmed' | 'any'): Promise<string> => {
    let outpoint = inscriptionId.replace(/i(\d+)$/, ':$1');
    for (;;) {
      const spender = await chain.spender(outpoint, 0);
      if (spender === undefined || (which === 'confirmed' && spender.block === undefined)) return outpoint;
      outpoint = `${spender.txid}:0`;
    }
  };
  return {
    locate: async () => ({ satpoint: `${await follow('confirmed')}:0`, atBlock: await chain.tip() }),
    inscriptionsIn: async (outpoint) => (outpoint === (await follow('any')) ? [inscriptionId] : []),
    assets: async (outpoint) => ({
      inscriptions: outpoint === (await follow('any')) ? [{ id: inscriptionId, offsetSats: 0n }] : [],
      ...{ runes: 'unknown', marks: [] },
    }),
  };
}

export async function stage(): Promise<Stage> {
  const chain = memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => NOW });
  const { height } = await chain.tip();
  const network = memoryNetwork({ network: 'regtest', seed: 'trader', height, nowSeconds: NOW });
  const square = new Square(fairWeather);
  const nowSeconds = () => NOW + BLOCK_SECONDS * (network.height() - height);
  const wallets = names.map((_name, index) =>
    memoryWallet({ chain, network: 'regtest', secret: new Uint8Array(32).fill(index + 1) }),
  );
  for (const wallet of wallets)
    chain.control.pay({ script: addressScript(await wallet.address(), 'regtest'), sats: FUNDS_SATS });
  const [sellerWallet] = wallets;
  if (sellerWallet === undefined) throw new Error('there is no wallet');
  const source = chain.control.pay({
    script: addressScript(await sellerWallet.address(), 'regtest'),
    sats: POSTAGE_SATS,
  });
  const mine = (blocks: number) => {
    chain.control.mine(blocks);
    network.setHeight(network.height() + blocks);
    network.setTime(nowSeconds());
  };
  mine(1);
  const inscriptionId = source.replace(':', 'i');
  const nodes = Object.fromEntries(
    names.map((name) => [name, network.addNode({ name, balanceMsat: 1_000_000_000n })]),
  ) as Stage['nodes'];
  const part = (name: (typeof names)[number], index: number): Parts => ({
    network: 'regtest',
    seed: seedOf(index + 1),
    chain: chain.control.peer(),
    wallet: wallets[index] ?? sellerWallet,
    lightning: nodes[name].lightning,
    ordinals: firstOutputs(chain, inscriptionId),
    market: memoryMarket(square),
    store: memoryStore(memoryDisk()),
    clock: { nowSeconds, randomBytes: countingBytes(name), every: () => () => {} },
    log: silentLog,
    tickMilliseconds: 60_000,
  });
  const parts = Object.fromEntries(names.map((name, index) => [name, part(name, index)])) as Stage['parts'];
  return {
    chain,
    network,
    nodes,
    parts,
    inscriptionId,
    offer: offerOf(source, inscriptionId),
    purchase: purchaseOf(inscriptionId),
    mine,
  };
}

/** Bytes that differ each time and are the same in each run. */
function countingBytes(name: string): (length: number) => Uint8Array {
  let count = 0;
  return (length) => {
    count += 1;
    return new Uint8Array(length).map((_byte, index) => (name.charCodeAt(0) * 31 + count * 7 + index * 13) % 256);
  };
}

const offerOf = (sourceOutpoint: string, inscriptionId: string): Stage['offer'] => ({
  inscriptionId,
  priceSats: 90_000n,
  modes: ['hold-first', 'lock-first'],
  sourceOutpoint,
  sourceValueSats: POSTAGE_SATS,
  offsetSats: 0n,
  postageSats: POSTAGE_SATS,
  reserveSats: 10_000n,
  confirmations: 1,
  routeCapBlocks: 144,
  finalCltv: 40,
  maxRefundFeeSats: 50_000n,
  expiresAt: NOW + 86_400,
});

const purchaseOf =
  (inscriptionId: string): Stage['purchase'] =>
  (sellerId, mode) => ({
    sellerId,
    inscriptionId,
    priceSats: 90_000n,
    mode,
    internalKey: 'nums',
    script: 'v1',
    minPostageSats: 546n,
    maxFeeMsat: 1_000_000n,
    maxClaimFeeSats: 50_000n,
    routeCapBlocks: 144,
    expiresAt: NOW + 86_400,
  });

const MOST_ROUNDS = 400;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets messages arrive and traders look until nothing changes any more. */
export async function settle(traders: readonly Trader[]): Promise<void> {
  for (let round = 0; round < 12; round++) {
    await turn();
    await turn();
    await Promise.all(traders.map((trader) => trader.look()));
    await Promise.all(traders.map((trader) => trader.idle()));
  }
}

type Traders = readonly Trader[];

/** Plays until `done`, a block at a time. Some of the traders may begin meanwhile. */
export async function play(on: Stage, traders: Traders | (() => Traders), done: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await settle(typeof traders === 'function' ? traders() : traders);
    if (await done()) return;
    on.mine(1);
  }
  throw new Error(`nothing came of it within ${MOST_ROUNDS} blocks`);
}

export const outcomeOf = async (trader: Trader, tradeId: string): Promise<string | undefined> => {
  const trade = await trader.trade(tradeId);
  return trade?.state === 'ended' ? trade.outcome : undefined;
};

/** A started seller with his offer out, and a started buyer. */
export async function pair(on: Stage): Promise<{ seller: Trader; buyer: Trader }> {
  const seller = new Trader(on.parts.seller);
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  return { seller, buyer };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Envelope } from 'sparkle-protocol/market/market';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import { until } from '../regtest/kept-process.ts';
import { accessOf } from '../../world/party.ts';
import { forSale, holderOf } from '../../world/world.ts';
import { type Inscribed, type Regtest, startRegtest } from '../regtest/bitcoind.ts';
import { TraderProcess } from './process.ts';

const FUNDS_SATS = 50_000_000n;
const PRICE_SATS = 20_000n;
/** The least that fits a direct channel of these nodes: the refund of a payment that failed is then not far. */
const ROUTE_CAP_BLOCKS = 160;
const BLOCKS_AT_ONCE = 10;
const ENDING = { patienceMilliseconds: 300_000, everyMilliseconds: 15 };
/** Looks after which a buyer who heard nothing asks once more. */
const PATIENT_LOOKS = 50;
const CHANNEL = 'the channel between the two';

export type Kills = {
  kills: number;
  trades: number;
  disagreements: number;
  outcomes: Record<string, number>;
  deaths: string[];
};
type Both = { seller: TraderProcess; buyer: TraderProcess };
type Stage = Both & { regtest: Regtest };

const now = () => Math.floor(Date.now() / 1000);

/** The same numbers for the same seed (mulberry32), so that a run can be repeated. */
export function chance(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Plays trades over two processes with real nodes and kills one of them at a drawn checkpoint of each, until enough died. */
export async function runKills(options: { kills: number; seed: number; say: (line: string) => void }): Promise<Kills> {
  const dir = await mkdtemp(join(tmpdir(), 'sparkle-kills-'));
  const regtest = await startRegtest();
  const both = processes(regtest, dir);
  try {
    for (const name of ['seller', 'buyer']) await regtest.fundedWallet({ name, sats: FUNDS_SATS });
    const stage = { ...both, regtest };
    await wake(stage);
    await channel(stage);
    return await play(stage, options);
  } finally {
    await both.seller.end();
    await both.buyer.end();
    await regtest.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function processes(regtest: Regtest, dir: string): Both {
  const letters: { to: string; envelope: Envelope }[] = [];
  const given = { access: accessOf(regtest), dir };
  const all = (): TraderProcess[] => [both.seller, both.buyer];
  const post = (to: string, envelope: Envelope) => {
    letters.push({ to, envelope });
    for (const each of all()) if (each.identity?.traderId === to) each.tell({ order: 'mail', envelope });
  };
  const make = (name: 'seller' | 'buyer') => {
    const made = new TraderProcess(name, given, post);
    made.letters = () => letters.filter(({ to }) => to === made.identity?.traderId).map(({ envelope }) => envelope);
    return made;
  };
  const both: Both = { seller: make('seller'), buyer: make('buyer') };
  return both;
}

/** Begins whoever is dead, gives him his letters again, and brings the two nodes together. */
async function wake({ seller, buyer }: Both): Promise<boolean> {
  const dead = [seller, buyer].filter(({ alive }) => !alive);
  for (const each of dead) {
    await each.begin();
    for (const envelope of each.letters()) each.tell({ order: 'mail', envelope });
  }
  if (dead.length === 0 || seller.identity === undefined) return false;
  const { nodeId, port } = seller.identity;
  buyer.tell({ order: 'peer', nodeId, port });
  return true;
}

/** The buyer opens a channel once; both nodes remember it through every death. */
async function channel(stage: Stage): Promise<void> {
  const { buyer, seller, regtest } = stage;
  buyer.tell({ order: 'open_channel', nodeId: seller.identity?.nodeId ?? '' });
  await until('the channel is in the mempool', async () => (await regtest.rpc<string[]>('getrawmempool')).length > 0);
  await regtest.mine(1);
  await until(CHANNEL, async () => {
    await Promise.all([buyer.look(), seller.look()]);
    return buyer.usable && seller.usable;
  });
}

async function play(stage: Stage, { kills, seed, say }: Parameters<typeof runKills>[0]): Promise<Kills> {
  const draw = chance(seed);
  const result: Kills = { kills: 0, trades: 0, disagreements: 0, outcomes: {}, deaths: [] };
  const { seller, buyer } = stage;
  while (seller.deaths.length + buyer.deaths.length < kills) {
    const mode: TradeMode = draw(2) === 0 ? 'hold-first' : 'lock-first';
    const victim = draw(2) === 0 ? seller : buyer;
    victim.tell({ order: 'die', inCheckpoints: 1 + draw(45) });
    const inscribed = await stage.regtest.inscribe({
      body: `${result.trades}`,
      contentType: 'text/plain',
      to: await stage.regtest.address('seller'),
    });
    const tradeId = await trade(stage, inscribed, mode);
    const verdict = await judge(stage, inscribed, tradeId);
    result.trades += 1;
    result.outcomes[verdict] = (result.outcomes[verdict] ?? 0) + 1;
    if (verdict.startsWith('disagreement')) result.disagreements += 1;
    say(`trade ${result.trades}: ${mode}, ${verdict}; deaths so far ${seller.deaths.length + buyer.deaths.length}`);
  }
  const deaths = [...seller.deaths, ...buyer.deaths];
  return { ...result, kills: deaths.length, deaths };
}

const ended = (process: TraderProcess, tradeId: string): boolean => process.trades.get(tradeId)?.state === 'ended';

/** One trade from offer to end on both sides, whoever dies meanwhile. Returns its id. */
async function trade(stage: Stage, inscribed: Inscribed, mode: TradeMode): Promise<string> {
  const { seller, buyer, regtest } = stage;
  await wake(stage);
  const offer = { ...forSale(inscribed, { mode, priceSats: PRICE_SATS }), routeCapBlocks: ROUTE_CAP_BLOCKS };
  seller.offers.push(offer);
  seller.tell({ order: 'sell', offer });
  const known = new Set(buyer.trades.keys());
  const newest = () => [...buyer.trades.keys()].find((id) => !known.has(id));
  let looksToAsk = 0;
  let tradeId: string | undefined;
  const isOver = async (): Promise<boolean> => {
    if (await wake(stage)) looksToAsk = 0;
    tradeId = newest();
    if (tradeId === undefined && (looksToAsk -= 1) < 0) {
      looksToAsk = PATIENT_LOOKS;
      buyer.tell({ order: 'buy', purchase: purchase(stage, inscribed, mode) });
    }
    if (tradeId !== undefined && ended(buyer, tradeId) && (ended(seller, tradeId) || !seller.trades.has(tradeId)))
      return true;
    await Promise.all([seller.look(), buyer.look()]);
    const blocks = await blocksNeeded(stage, tradeId);
    if (blocks > 0) await regtest.mine(blocks);
    return false;
  };
  await until('the trade to end', isOver, ENDING).catch((cause: unknown) => {
    const last = [seller, buyer].map(({ trades }) => JSON.stringify([...trades].at(-1)));
    throw new Error(`a trade does not end: ${last.join(' ')}`, { cause });
  });
  return tradeId ?? '';
}

const purchase = ({ seller }: Stage, { inscriptionId }: Inscribed, mode: TradeMode) => ({
  sellerId: seller.identity?.traderId ?? '',
  inscriptionId,
  priceSats: PRICE_SATS,
  mode,
  internalKey: 'nums' as const,
  script: 'v1' as const,
  minPostageSats: 546n,
  maxFeeMsat: 1_000_000n,
  maxClaimFeeSats: 50_000n,
  routeCapBlocks: ROUTE_CAP_BLOCKS,
  expiresAt: now() + 600,
});

/** Blocks without which nothing goes on; many when only the refund is waited for. */
async function blocksNeeded({ regtest, seller, buyer }: Stage, tradeId: string | undefined): Promise<number> {
  if ((await regtest.rpc<string[]>('getrawmempool')).length > 0) return 1;
  if (tradeId === undefined) return 0;
  if (ended(buyer, tradeId)) return BLOCKS_AT_ONCE;
  const sold = seller.trades.get(tradeId)?.state ?? '';
  return ['waiting', 'refunding', 'aborting'].includes(sold) || buyer.trades.get(tradeId)?.state === 'claiming' ? 1 : 0;
}

/** An answer of a process that may die over the question: the checkpoint that was drawn can lie behind the end of the trade. */
async function answered(stage: Stage, ask: () => Promise<string | undefined>): Promise<string> {
  for (;;) {
    await wake(stage);
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
}

/** What really happened, by the chain and both nodes: the inscription moved exactly if the payment settled. */
async function judge(stage: Stage, { inscriptionId }: Inscribed, tradeId: string): Promise<string> {
  const { regtest, seller, buyer } = stage;
  const sold = seller.trades.get(tradeId)?.outcome ?? 'nothing';
  const bought = buyer.trades.get(tradeId)?.outcome ?? 'nothing';
  const holder = await holderOf(regtest, await answered(stage, () => buyer.placeOf(inscriptionId)));
  const paid = await answered(stage, () => buyer.paymentOf(tradeId));
  const moved = holder === 'buyer';
  const agrees =
    moved === (paid === 'settled') && (moved ? sold === 'traded' && bought === 'traded' : holder === 'seller');
  return agrees ? bought : `disagreement: seller ${sold}, buyer ${bought}, inscription with ${holder}, payment ${paid}`;
}

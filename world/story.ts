import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Purchase } from 'sparkle-protocol/trader/trader';
import type { Party } from './party.ts';
import type { Holding, Printer, Step, StoryReport } from './print.ts';
import type { World } from './world.ts';

export type StoryName = 'hold-first' | 'lock-first' | 'refund';

const PRICE_SATS = 90_000n;
const MOST_ROUNDS = 4_000;
const PAUSE_MILLISECONDS = 15;
/** Few enough that both nodes keep up. */
const MOST_BLOCKS = 20;

const pause = () => new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
const modeOf = (name: StoryName): TradeMode => (name === 'lock-first' ? 'lock-first' : 'hold-first');

type Told = { report: StoryReport; holdings: Holding[] };

/** Plays one story to its end on the world's chain and nodes, printing each step, and reads the result from outside. */
export async function tell(world: World, name: StoryName, printer: Printer): Promise<Told> {
  const started = Date.now();
  const { seller, buyer } = world;
  const say = (step: Omit<Step, 'story' | 'millis'>) =>
    printer.step({ story: name, millis: Date.now() - started, ...step });
  const inscribed = await world.inscribe(seller, name);
  say({
    who: 'seller',
    what: `inscribed ${inscribed.inscriptionId.slice(0, 16)}…`,
    ...(await world.facts(inscribed.txid)),
  });
  const before = await holdings(world, inscribed.inscriptionId);
  const stops = [seller, buyer].map((party) => narrate(world, party, say));
  await seller.trader.sell(await world.offer(inscribed, modeOf(name), PRICE_SATS));
  const tradeId = await buyer.trader.buy(
    purchase(world, inscribed.inscriptionId, { mode: modeOf(name), priceSats: PRICE_SATS }),
  );
  say({ who: 'buyer', what: `asked to buy for ${PRICE_SATS} sats, ${modeOf(name)}` });
  await play({ world, name, tradeId, printer, say });
  stops.forEach((stop) => stop());
  const after = await holdings(world, inscribed.inscriptionId);
  const report = await reportOf({ world, name, inscribed, before, after, tradeId, millis: Date.now() - started });
  return { report, holdings: rows(name, before, after) };
}

/** What the buyer of a story asks for. */
export const purchase = (
  world: World,
  inscriptionId: string,
  { mode, priceSats }: { mode: TradeMode; priceSats: bigint },
): Purchase => ({
  sellerId: world.seller.trader.id,
  inscriptionId,
  priceSats,
  mode,
  internalKey: 'nums',
  script: 'v1',
  minPostageSats: 546n,
  maxFeeMsat: 1_000_000n,
  maxClaimFeeSats: 50_000n,
  routeCapBlocks: 432,
  expiresAt: Math.floor(Date.now() / 1000) + 3600,
});

type Play = {
  world: World;
  name: StoryName;
  tradeId: string;
  printer: Printer;
  say: (step: Omit<Step, 'story' | 'millis'>) => void;
};

/** Mines whenever the trade can only go on with a block; in the refund story the buyer goes silent once he has paid. */
async function play({ world, name, tradeId, printer, say }: Play): Promise<void> {
  const { seller, buyer } = world;
  let silent = false;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const sold = await seller.trader.trade(tradeId);
    const bought = await buyer.trader.trade(tradeId);
    // Before the lock can confirm: a buyer who is awake would claim it the moment it does.
    if (name === 'refund' && !silent && sold?.state === 'locking') {
      silent = true;
      await buyer.trader.stop();
      say({ who: 'buyer', what: 'walked away: no claim will come' });
    }
    if (sold?.state === 'ended' && (silent || bought?.state === 'ended')) break;
    printer.waiting(`seller: ${sold?.state ?? 'asked'}, buyer: ${bought?.state ?? 'nobody'}`);
    const blocks = await blocksNeeded(world, { sold, bought, silent });
    if (blocks > 0) await world.mine(blocks);
    else await pause();
    if (round === MOST_ROUNDS - 1)
      throw new Error(`the story ${name} does not end: seller ${whereabouts(sold)}, buyer ${whereabouts(bought)}`);
  }
  if (silent) await buyer.trader.start();
  await returned(world, tradeId);
}

const whereabouts = (trade: Trade | undefined): string =>
  trade === undefined
    ? 'not there'
    : trade.state === 'ended'
      ? `${trade.outcome} (${trade.codes.join(', ')})`
      : trade.state;

/** The buyer's node hears a moment later that the held payment came back. */
async function returned(world: World, tradeId: string): Promise<void> {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    await world.buyer.trader.look();
    if ((await world.buyer.trader.trade(tradeId))?.state === 'ended') return;
    await pause();
  }
  throw new Error('the buyer does not end');
}

type Both = { sold: Trade | undefined; bought: Trade | undefined; silent: boolean };

/** Blocks until something can happen again: up to the refund height when only its coming is waited for, else one. */
async function blocksNeeded(world: World, { sold, bought, silent }: Both): Promise<number> {
  if ((await world.regtest.rpc<string[]>('getrawmempool')).length > 0) return 1;
  if (sold === undefined || sold.role === 'buyer') return 0;
  if (silent && sold.state === 'locked')
    return Math.max(1, Math.min(MOST_BLOCKS, sold.terms.refundHeight - (await world.regtest.height())));
  return ['waiting', 'refunding', 'aborting'].includes(sold.state) || bought?.state === 'claiming' ? 1 : 0;
}

/** Turns what a trader writes down into lines a reader understands. */
function narrate(world: World, party: Party, say: Play['say']): () => void {
  const told = new Set<string>();
  return party.trader.onChange((trade, event) => {
    const tale = taleOf(trade, event);
    if (tale === undefined || told.has(tale.what)) return;
    told.add(tale.what);
    if (tale.txid === undefined) return say({ who: party.name, what: tale.what });
    void world.facts(tale.txid).then((facts) => say({ who: party.name, what: tale.what, ...facts }));
  });
}

function taleOf(trade: Trade, event: string): { what: string; txid?: string } | undefined {
  const state = `${trade.role} ${trade.state}`;
  if (event === 'broadcast_done' && state === 'seller locking' && 'lock' in trade)
    return { what: 'locked the inscription to the payment hash', txid: trade.lock.txid };
  if (event === 'broadcast_done' && state === 'buyer claiming' && 'versions' in trade)
    return { what: 'claimed the inscription with the preimage', txid: trade.versions.at(-1)?.txid ?? '' };
  if (event === 'broadcast_done' && state === 'seller refunding' && 'refunds' in trade)
    return { what: 'took the inscription back after the refund height', txid: trade.refunds.at(-1)?.txid ?? '' };
  const what = TALES[`${state} ${trade.mode}`] ?? TALES[state];
  return what === undefined ? undefined : { what };
}

const TALES: Record<string, string> = {
  'seller invoiced': 'sent an invoice',
  'seller building hold-first': 'holds the payment, not yet his',
  'seller settling': 'saw the preimage and settles the held payment',
  'seller canceling': 'cancels the held payment',
  'seller ended': 'is done',
  'buyer arming': 'checked the lock and signs his claim, all but the preimage',
  'buyer ended': 'is done',
  'buyer paying hold-first': 'checked the terms and pays',
  'buyer paying lock-first': 'pays',
  'buyer verifying': 'was told of the lock and checks it',
};

type Balances = { place: string; holder: string; seller: bigint; buyer: bigint };

async function holdings(world: World, inscriptionId: string): Promise<Balances> {
  const place = (await world.seller.ordinals.locate(inscriptionId)).satpoint;
  const holder = await world.holderOf(place);
  const [seller, buyer] = await Promise.all([world.seller, world.buyer].map(({ lightning }) => lightning.balance()));
  return { place, holder, seller: seller?.ownedMsat ?? 0n, buyer: buyer?.ownedMsat ?? 0n };
}

const rows = (story: string, before: Balances, after: Balances): Holding[] =>
  (['seller', 'buyer'] as const).map((who) => ({
    story,
    who,
    inscription: [before.holder === who ? 'yes' : 'no', after.holder === who ? 'yes' : 'no'],
    lightningMsat: [before[who], after[who]],
  }));

async function reportOf(told: {
  world: World;
  name: StoryName;
  inscribed: { inscriptionId: string };
  before: Balances;
  after: Balances;
  tradeId: string;
  millis: number;
}): Promise<StoryReport> {
  const { world, name, inscribed, before, after, millis } = told;
  const lastTxid = after.place.split(':')[0] ?? '';
  const last = await world.facts(lastTxid);
  const lockTxid = await world.parentOf(lastTxid);
  const outcome = after.holder === 'buyer' ? 'traded' : 'refunded';
  return {
    name,
    outcome,
    inscription: inscribed.inscriptionId,
    satpointBefore: before.place,
    satpointAfter: after.place,
    lockTxid,
    ...(outcome === 'traded' ? { claimTxid: lastTxid } : { refundTxid: lastTxid }),
    vsize: last.vsize,
    feeSats: last.feeSats,
    buyerPaidMsat: Number(before.buyer - after.buyer),
    sellerReceivedMsat: Number(after.seller - before.seller),
    millis,
  };
}

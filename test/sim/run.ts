import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { paymentHashOf, type Trade } from 'sparkle-protocol/protocol/trade/step';
import { drawTroubles } from './adversity.ts';
import { base, type Inscribed } from './base.ts';
import { chance } from './chance.ts';
import { judge, type Deal, type Item, type Side, type Verdict } from './judge.ts';
import type { Party } from './party.ts';
import { boundBlocks, drawScenario, type Scenario } from './scenario.ts';
import { Troubles, type Trouble } from './trouble.ts';
import { follow, type Whereabouts } from './whereabouts.ts';
import { World, type Name, type Tamper } from './world.ts';

export type Options = {
  seed: number;
  told: 'in full' | 'not at all';
  /** Changes what was drawn, for tests that want one thing in particular. */
  staged?: {
    scenario?: Partial<Scenario>;
    troubles?: (scenario: Scenario) => Trouble[];
    tampers?: Partial<Record<Name, Tamper>>;
  };
};

export type Report = Verdict & {
  seed: number;
  /** How it ended: the seller's outcome and the buyer's. */
  outcome: string;
  blocks: number;
  troubles: ReadonlyMap<string, number>;
  /** Every state that somebody's trade was in, such as `seller hold-first locked`. */
  visited: ReadonlySet<string>;
  lines: readonly string[];
};

/** Blocks after the end, in which nothing may change any more. */
const AFTERMATH_BLOCKS = 6;
/** Blocks in which whatever waits can confirm. */
const QUIET_BLOCKS = 2;

/** Plays one random trade to its end, and judges it. The same seed gives the same trade to the last byte. */
export async function runTrade({ seed, told, staged = {} }: Options): Promise<Report> {
  const root = chance(`trade ${seed}`);
  const ground = await base();
  const scenario = { ...drawScenario(root.fork('scenario'), ground.inscriptions), ...staged.scenario };
  const troubles = staged.troubles?.(scenario) ?? drawTroubles(root.fork('troubles'), scenario);
  const tampers = Object.assign({}, ...troubles.map((trouble) => trouble.tampers ?? {}), staged.tampers) as Partial<
    Record<Name, Tamper>
  >;
  const world = new World({ base: ground, scenario, chance: root.fork('world'), told, tampers });
  world.story.say(() => `seed ${seed}: ${textOf(scenario)}`);
  await play(world, troubles);
  const verdict = await judged(world);
  return {
    seed,
    losses: verdict.losses,
    faults: [...verdict.faults, ...world.story.faults],
    outcome: outcomeOf(world),
    blocks: world.height - world.startHeight,
    troubles: world.story.counts,
    visited: new Set(
      world.parties().flatMap(({ name, visited }) => [...visited].map((state) => `${name} ${scenario.mode} ${state}`)),
    ),
    lines: world.story.lines,
  };
}

const textOf = (scenario: Scenario): string =>
  JSON.stringify(scenario, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));

async function play(world: World, drawn: readonly Trouble[]): Promise<void> {
  const { scenario } = world;
  const seller = world.party('seller');
  const buyer = world.party('buyer');
  world.party('buyer').node.setSending({ routeBlocks: scenario.routeBlocks, routeFeeMsat: scenario.routeFeeMsat });
  seller.offers = world.lots().map((lot) => world.offer(lot));
  buyer.purchases.push(world.purchase(scenario.lot));
  if (scenario.second !== undefined)
    world.party(scenario.second.who).purchases.push(world.purchase(scenario.second.lot));
  const troubles = new Troubles(world, drawn);
  for (const party of world.parties()) {
    party.startSats = await party.wallet.worthSats(new Set(world.lots().map(({ outpoint }) => outpoint)));
    if (party.runs) party.start();
  }
  await world.rest();
  const bound = world.startHeight + boundBlocks(scenario);
  do {
    while (world.height < bound && !isOver(world)) await block(world, troubles);
    // What is final must stay so, also while troubles go on.
    for (let left = AFTERMATH_BLOCKS; left > 0; left -= 1) await block(world, troubles);
    troubles.endAll();
    for (let left = QUIET_BLOCKS; left > 0; left -= 1) await block(world, troubles);
    // A request that was long on its way may have begun another trade meanwhile.
  } while (world.height < bound && !isOver(world));
}

async function block(world: World, troubles: Troubles): Promise<void> {
  const { scenario, chance: dice } = world;
  const rounds = dice.oneOf([1, 1, 1, 2] as const);
  for (let round = 0; round < rounds; round += 1) {
    const seconds = (scenario.blockSeconds / rounds) * (0.2 + 1.6 * dice.next());
    troubles.tick();
    await world.pass(seconds);
  }
  troubles.tick();
  const patience = troubles.isQuiet ? patienceOf(world) : 0;
  if (patience > 0) world.mineUnseen(Math.min(patience, dice.between(1, MOST_UNSEEN)));
  await world.mine();
  troubles.onBlock();
  for (const party of world.parties()) party.onBlock();
  await world.rest();
}

/** Blocks that may come at once while everybody only waits for a height. */
const MOST_UNSEEN = 12;

/** How many blocks can pass unseen without anybody missing something: 0 unless all who are left are patient. */
function patienceOf(world: World): number {
  const waits = world.parties().flatMap((party) => party.live().map((trade) => patience(trade, party, world)));
  return waits.length === 0 ? 0 : Math.max(0, Math.min(...waits));
}

function patience(trade: Trade, party: Party, { height }: World): number {
  if (party.hasLeft || !party.isHonest) return Number.POSITIVE_INFINITY;
  if (party.life === undefined) return 0;
  if (trade.role === 'seller' && (trade.state === 'waiting' || trade.state === 'locked'))
    return trade.terms.refundHeight - 2 - height;
  if (trade.role === 'buyer' && trade.state === 'withdrawn') return MOST_UNSEEN;
  return 0;
}

/** Whoever does not keep the rules gets time to break them. */
const STRANGERS_BLOCKS = 30;

/** Over when everybody who is still there has ended his trades and no msat is on its way. */
function isOver(world: World): boolean {
  if (world.lightning.totals().inFlightMsat !== 0n) return false;
  const strangers = world.parties().some((party) => !party.isHonest || party.hasLeft);
  if (strangers && world.height < world.startHeight + STRANGERS_BLOCKS) return false;
  const counted = world.parties().filter((party) => party.runs && party.isHonest && !party.hasLeft);
  return counted.every((party) => party.life !== undefined && party.isDone());
}

function outcomeOf(world: World): string {
  const of = (party: Party): string => {
    if (!party.runs) return 'liar';
    const trades = party.trades();
    const [last] = trades.filter((trade) => trade.state === 'ended' && trade.outcome === 'traded').concat(trades);
    if (last === undefined) return 'nothing';
    const said = last.state === 'ended' ? last.outcome : last.state;
    return party.hasLeft ? `left ${said}` : said;
  };
  return `${world.scenario.mode}: seller ${of(world.party('seller'))}, buyer ${of(world.party('buyer'))}`;
}

async function judged(world: World): Promise<Verdict> {
  const { scenario, chain, lightning } = world;
  const places = await Promise.all(world.lots().map((lot) => follow(chain, lot)));
  const kept = new Set(places.flatMap((place) => (place.at === 'output' ? [place.outpoint] : [])));
  const sides = await Promise.all(world.parties().map((party) => sideOf(party, kept)));
  const { nodesMsat, inFlightMsat, routersMsat } = lightning.totals();
  const startMsat = world.parties().reduce((sum, party) => sum + party.startMsat, 0n);
  return judge({
    sides,
    items: world.lots().map((lot, index) => itemOf(world, { lot, place: places[index] })),
    priceMsat: scenario.priceSats * 1000n,
    maxFeeMsat: world.maxFeeMsat,
    maxClaimFeeSats: scenario.maxClaimFeeSats,
    postageSats: scenario.postageSats,
    inFlightMsat,
    madeMsat: nodesMsat + inFlightMsat + routersMsat - startMsat,
  });
}

function itemOf(world: World, { lot, place }: { lot: Inscribed; place: Whereabouts | undefined }): Item {
  if (place === undefined) throw new Error(`${lot.inscriptionId} was not looked for`);
  const owner = place.at === 'output' ? world.parties().find(({ wallet }) => wallet.owns(place.script)) : undefined;
  return { lot, place, owner: owner?.name };
}

async function sideOf(party: Party, kept: ReadonlySet<string>): Promise<Side> {
  const { name, node } = party;
  const trades = party.trades();
  return {
    name,
    role: name === 'seller' ? 'seller' : 'buyer',
    isHonest: party.isHonest && !party.hasLeft,
    gainedMsat: node.balanceMsat() - party.startMsat,
    spentSats: party.startSats - (await party.wallet.worthSats(kept)),
    deals: await Promise.all(trades.map((trade) => dealOf(trade, node.lightning))),
  };
}

async function dealOf(trade: Trade, lightning: Lightning): Promise<Deal> {
  const hash = paymentHashOf(trade);
  const inscriptionId = 'want' in trade ? trade.want.inscriptionId : trade.terms.inscriptionId;
  const outcome = trade.state === 'ended' ? trade.outcome : undefined;
  const paid = hash === undefined ? undefined : await asked(() => lightning.payment(hash));
  const received = hash === undefined ? undefined : await asked(() => lightning.invoice(hash));
  return {
    inscriptionId,
    state: trade.state,
    outcome,
    payment: paid?.state ?? 'unknown',
    receivedMsat: received?.state === 'settled' ? received.amountMsat : 0n,
    ...(paid?.state === 'settled' ? { feeMsat: paid.feeMsat } : {}),
  };
}

/** An answer that was to be lost may be left over: the judge asks again. */
async function asked<Answer>(question: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 0; attempt < MOST_QUESTIONS; attempt += 1) {
    try {
      return await question();
    } catch (error) {
      if (!(error instanceof SparkleError && error.code === 'lightning_unavailable')) throw error;
    }
  }
  return question();
}

const MOST_QUESTIONS = 5;

export const hasFailed = ({ losses, faults }: Verdict): boolean => losses.length + faults.length > 0;

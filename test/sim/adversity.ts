import { confirmationsFor } from 'sparkle-protocol/protocol/deadlines';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import {
  chainAdversities,
  chainOutage,
  eviction,
  feeSpike,
  ignoredLock,
  ignoredSpend,
  oldVersion,
  reorg,
} from './adversity-chain.ts';
import { lightningAdversities, nodeOutage, stuckPayment } from './adversity-lightning.ts';
import { greedySeller, peopleAdversities, pulledPlug } from './adversity-people.ts';
import type { Chance } from './chance.ts';
import { lateClaim, neverPays } from './deeds.ts';
import type { Scenario } from './scenario.ts';
import type { Trouble, Who } from './trouble.ts';
import { drawFocus, type Draw, type Focus } from './when.ts';

/** A kind of trouble. `weight`: how often it is drawn against the others. */
export type Adversity = { name: string; weight: number; draw: (draw: Draw, scenario: Scenario) => Trouble };

/** All that can go wrong. */
export const adversities: readonly Adversity[] = [...chainAdversities, ...lightningAdversities, ...peopleAdversities];

/**
 * So many blocks may the troubles of one trade keep an honest side from acting. The rules leave 36 between the last
 * reveal and the refund, and between the refund and what a node does by itself; who is away for longer has no promise.
 */
const MOST_COST_BLOCKS = 30;

const counts = [0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5] as const;

/** One thing that goes wrong for sure, and the moment that everything else then falls upon, one thing of it hard. */
type Theme = { first: (draw: Draw, scenario: Scenario) => Trouble; focus: Readonly<Record<TradeMode, Focus>> };

const at = (who: Who, state: string): Focus => ({ who, state });

const themes: readonly [Theme, ...Theme[]] = [
  // The refund and the claim are both open: whoever is awake wins.
  {
    first: ({ chance, mode }) => (mode === 'hold-first' ? lateClaim(chance) : neverPays()),
    focus: { 'hold-first': at('seller', 'refunding'), 'lock-first': at('seller', 'refunding') },
  },
  // The preimage is out, nothing is buried, and the seller wants both.
  {
    first: greedySeller,
    focus: { 'hold-first': at('buyer', 'claiming'), 'lock-first': at('buyer', 'claiming') },
  },
  // Nobody knows whether lock or abort will be.
  {
    first: ignoredLock.draw,
    focus: { 'hold-first': at('seller', 'aborting'), 'lock-first': at('seller', 'aborting') },
  },
  {
    first: oldVersion.draw,
    focus: { 'hold-first': at('buyer', 'claiming'), 'lock-first': at('buyer', 'claiming') },
  },
  // The payment is under way, and its end is open.
  {
    first: stuckPayment.draw,
    focus: { 'hold-first': at('seller', 'invoiced'), 'lock-first': at('buyer', 'paying') },
  },
];

const THEMED = 0.4;

/** What can be hard to bear. */
const hindrances = [
  ignoredSpend,
  ignoredSpend,
  chainOutage,
  feeSpike,
  eviction,
  pulledPlug,
  nodeOutage,
  reorg,
] as const;

/** Draws what goes wrong: some kinds of trouble, each once, of which at most one is a liar. */
export function drawTroubles(chance: Chance, scenario: Scenario): Trouble[] {
  const { mode } = scenario;
  const theme = chance.happens(THEMED) ? chance.oneOf(themes) : undefined;
  const focus = theme?.focus[mode] ?? drawFocus(chance, mode);
  const drawn: Trouble[] = [];
  const draw = (name: string, drawing: Adversity['draw'], severity: Draw['severity']): void => {
    const trouble = drawing({ chance: chance.fork(name), mode, focus, severity }, scenario);
    if (isBearable([...drawn, trouble], scenario)) drawn.push(trouble);
  };
  if (theme !== undefined) {
    draw('theme', theme.first, 'usual');
    draw('hindrance', chance.oneOf(hindrances).draw, 'hard');
  }
  const kinds = [...adversities];
  for (let left = chance.oneOf(counts); left > 0; left -= 1) {
    const kind = drawWeighted(chance, kinds);
    kinds.splice(kinds.indexOf(kind), 1);
    draw(kind.name, kind.draw, 'usual');
  }
  return drawn;
}

function isBearable(troubles: readonly Trouble[], { confirmations, priceSats }: Scenario): boolean {
  const cost = troubles.reduce((sum, { costBlocks = 0 }) => sum + costBlocks, 0);
  const liars = troubles.filter(({ dishonest }) => dishonest !== undefined);
  const has = (kind: string): boolean => troubles.some(({ name }) => name === kind);
  // R7 asks for a mempool that is watched: who hears nothing of it has no promise against replacement cycling.
  const cycles = has('buyer cycles at once') || has('buyer cycles slowly');
  const cyclesUnheard = cycles && (has('deafness') || has('blindness'));
  // A reorg as deep as the lock that was waited for, and another version of its input in its place: that is the risk
  // which the number of confirmations puts a price on.
  const depth = Math.max(0, ...troubles.map((trouble) => trouble.depth ?? 0));
  const tooDeep = has('old version') && depth >= Math.max(confirmations, confirmationsFor(priceSats));
  return cost <= MOST_COST_BLOCKS && liars.length <= 1 && !cyclesUnheard && !tooDeep;
}

function drawWeighted(chance: Chance, kinds: readonly Adversity[]): Adversity {
  let position = chance.next() * kinds.reduce((sum, { weight }) => sum + weight, 0);
  const found = kinds.find(({ weight }) => (position -= weight) < 0) ?? kinds[0];
  if (found === undefined) throw new Error('there is nothing left to go wrong');
  return found;
}

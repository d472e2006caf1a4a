import type { Effect, Version } from 'sparkle-protocol/protocol/trade/effect';
import type { Change } from 'sparkle-protocol/protocol/trade/machine';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';

/** An effect that is not done; `tried` says that a guarded broadcast was begun once, as `attempts` does in the engine. */
export type Due = { key: string; effect: Effect; tried: boolean };

/**
 * What one trader has in his store: the trade, what is due in the order in which the engine drains it, at most one effect
 * that waits for a source that did not answer (`aside`), and the names of what was ever decided.
 */
export type Local = { trade: Trade; due: readonly Due[]; aside: readonly Due[]; known: ReadonlySet<string> };

/** What the store does in one transaction: the new state, and the effects whose name is new. */
export function written(local: Local, { trade, effects }: Change<Trade>): Local {
  const fresh = effects.filter(
    ({ key }, at) => !local.known.has(key) && effects.findIndex((other) => other.key === key) === at,
  );
  if (fresh.length === 0) return { ...local, trade };
  return {
    ...local,
    trade,
    due: [...local.due, ...fresh.map(({ key, effect }) => ({ key, effect, tried: false }))],
    known: new Set([...local.known, ...fresh.map(({ key }) => key)]),
  };
}

export const opened = ({ trade, effects }: Change<Trade>): Local =>
  written({ trade, due: [], aside: [], known: new Set() }, { trade, effects });

/** The first effect is done and marked as such. */
export const finished = (local: Local): Local => ({ ...local, due: local.due.slice(1) });

/** The first effect has been begun once. */
export const attempted = (local: Local): Local => ({
  ...local,
  due: local.due.map((each, at) => (at === 0 ? { ...each, tried: true } : each)),
});

/** Nobody answered: the first effect waits, and the others go on. */
export const postponed = (local: Local): Local => ({ ...local, due: local.due.slice(1), aside: local.due.slice(0, 1) });

/** What waited is due again. */
export const resumed = (local: Local): Local => ({ ...local, due: local.aside, aside: [] });

const STAMP = 'abababab';

/** A transaction that is built anew at every height: its txid carries the height, so that no two are taken for one. */
export const stamped = (like: Version, height: number): Version => ({
  ...like,
  txid: `${STAMP}${String(height).padStart(64 - STAMP.length, '0')}`,
  raw: '',
});

/** The height in the name of an effect, for instance of `.../claim/163`; 0 for a name that stands for all heights. */
export function heightIn(key: string): number {
  const parts = key.split('/').slice(2);
  const height = parts.find((part) => /^\d{1,9}$/.test(part));
  if (height !== undefined) return Number(height);
  const stamp = parts.find((part) => part.startsWith(STAMP));
  return stamp === undefined ? 0 : Number(stamp.slice(STAMP.length));
}

/**
 * The same store as seen at a later height: what can make no difference any more is made equal. Names that carry an
 * earlier height are forgotten, because heights only rise; heights that are only compared with the present one count up to
 * where the comparison turns; what only fees depend on is made equal, because the model's builders ignore fees.
 */
export function aged({ trade, due, aside, known }: Local, height: number): Local {
  const names = [...known].filter((key) => mayComeAgain(key, trade, height));
  return {
    trade: agedTrade(trade, height),
    due: due.map((each) => ({ ...each, effect: plain(each.effect) })),
    aside: aside.map((each) => ({ ...each, effect: plain(each.effect) })),
    known: new Set(names.sort()),
  };
}

/** States in which the lock is somebody's already, and what is named only before that. */
const AFTER_LOCK: ReadonlySet<string> = new Set([
  'refunding',
  'settling',
  'canceling',
  'withdrawing',
  'waiting',
  'claiming',
]);
const BEFORE_LOCK = new Set([
  'invoice',
  'quote',
  'lock',
  'announce',
  'abort',
  'abort-broadcast',
  'bump',
  'bump-broadcast',
]);

/** A name that is forgotten too early is a deed that is done twice: more than the engine does, never less. */
function mayComeAgain(key: string, { state }: Trade, height: number): boolean {
  const at = heightIn(key);
  if (state === 'ended' || (at !== 0 && at < height)) return false;
  return !(AFTER_LOCK.has(state) && BEFORE_LOCK.has(key.split('/')[2] ?? ''));
}

const NO_PLAN = { targetBlocks: 1, multiplierPercent: 100, floorSatVb: 1, maxFeeSats: 0n };

/** The model's builders do not look at fees, nor at what is replaced. */
function plain(effect: Effect): Effect {
  if (!('plan' in effect) || effect.plan === NO_PLAN) return effect;
  return 'replaces' in effect ? { ...effect, plan: NO_PLAN, replaces: [] } : { ...effect, plan: NO_PLAN };
}

/** `pushLock` waits three blocks between two bumps; everything else asks only whether a height is over. */
const BUMP_BLOCKS = 3;

function agedTrade(trade: Trade, height: number): Trade {
  const older: Record<string, unknown> = { ...trade };
  const atLeast = height - (trade.state === 'locking' ? BUMP_BLOCKS : 1);
  for (const field of ['plannedAt', 'announcedAt'])
    if (typeof older[field] === 'number') older[field] = Math.max(older[field], atLeast);
  if ('startedHeight' in trade) older['startedHeight'] = trade.terms.quoteHeight;
  if ('expiryHeight' in trade) older['expiryHeight'] = trade.terms.refundHeight;
  // When the payment came counts until the lock is in a block or given up.
  if ('acceptedHeight' in trade && trade.state !== 'building' && trade.state !== 'locking')
    older['acceptedHeight'] = trade.terms.quoteHeight;
  if ('bumps' in trade) older['bumps'] = [];
  if ('aborts' in trade) older['aborts'] = trade.aborts.slice(-1).map((abort) => stamped(abort, 0));
  return older as Trade;
}

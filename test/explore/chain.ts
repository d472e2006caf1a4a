import type { Broadcast } from 'sparkle-protocol/protocol/trade/effect';
import { ASSUMED } from './heights.ts';
import type { Scene } from './scene.ts';
import { ABSENT, BURIED, isClaim, isRefund, MEMPOOL, type Spender, type World } from './world.ts';

/** What a node can answer to a broadcast: the world with the transaction in it, or as it was and a refusal. */
export type Answer = { world: World; taken: boolean };

const taken = (world: World): Answer => ({ world, taken: true });
const refused = (world: World): Answer => ({ world, taken: false });

/** The mempool needs a confirmed lock for a claim with a relative lock time of one block (v1), any lock otherwise. */
const claimable = ({ terms }: Scene, { lock }: World): boolean => lock >= (terms.script === 'v1' ? 1 : MEMPOOL);
const refundable = ({ terms }: Scene, { lock }: World, height: number): boolean =>
  lock >= MEMPOOL && height >= terms.refundHeight;

/**
 * When the next height is near the one by which it must confirm, an honest transaction wins every contest and is in every
 * mempool: that is what its last fee steps pay for.
 */
const isLate = (by: number, next: number): boolean => by !== 0 && by - next <= ASSUMED.awake;

const withoutLock = (world: World): World => ({ ...world, lock: ABSENT, spender: 'none', spent: 0, spendBy: 0 });
const withSpender = (world: World, spender: Spender): World => ({
  ...world,
  spender,
  spent: MEMPOOL,
  shown: world.shown || isClaim(spender),
});

/** `next`: the height that comes after `height` in the game. */
type Sending = { scene: Scene; world: World; height: number; next: number };

/** An honest party's spend of the lock. Against a rival in the mempool either may win. */
function sendSpend({ scene, world, height, next }: Sending, spender: Spender): Answer[] {
  const possible = isClaim(spender) ? claimable(scene, world) : refundable(scene, world, height);
  if (!possible) return [refused(world)];
  if (world.spender === spender) return [taken(world)];
  if (world.spender !== 'none' && world.spent > MEMPOOL) return [refused(world)];
  const blocks = isClaim(spender) ? ASSUMED.claim[scene.mode] : ASSUMED.refund;
  const bound = { ...world, spendBy: world.spendBy === 0 ? height + blocks : world.spendBy };
  if (world.spender === 'none') return [taken(withSpender(bound, spender))];
  const sameKind = isClaim(world.spender) === isClaim(spender);
  if (sameKind) {
    const isDearer = spender === 'dearer claim' || spender === 'dearer refund';
    return [isDearer ? taken(withSpender(bound, spender)) : refused(bound)];
  }
  const won = taken(withSpender(bound, spender));
  return isLate(bound.spendBy, next) ? [won] : [won, refused(bound)];
}

function sendLock({ world, height }: Sending): Answer[] {
  if (world.lock >= MEMPOOL) return [taken(world)];
  if (world.abort > MEMPOOL) return [refused(world)];
  const sourceBy = world.deep && world.sourceBy === 0 ? height + ASSUMED.again : world.sourceBy;
  const won = taken({ ...world, lock: MEMPOOL, abort: ABSENT, sourceBy });
  return world.abort === MEMPOOL ? [won, refused(world)] : [won];
}

function sendAbort({ world, height, next }: Sending): Answer[] {
  if (world.abort >= MEMPOOL) return [taken(world)];
  if (world.lock > MEMPOOL) return [refused(world)];
  const bound = { ...world, sourceBy: world.sourceBy === 0 ? height + ASSUMED.abort : world.sourceBy };
  const won = taken({ ...withoutLock(bound), abort: MEMPOOL });
  return world.lock === MEMPOOL && !isLate(bound.sourceBy, next) ? [won, refused(bound)] : [won];
}

/** What can come of a broadcast by an honest party. */
export function broadcast(sending: Sending & { what: Broadcast; txid: string }): Answer[] {
  const { scene, what, txid } = sending;
  const isFirst = [scene.claims[0].txid, scene.refunds[0].txid].includes(txid);
  switch (what) {
    case 'lock':
      return sendLock(sending);
    case 'abort':
      return sendAbort(sending);
    case 'claim':
      return sendSpend(sending, isFirst ? 'claim' : 'dearer claim');
    case 'refund':
      return sendSpend(sending, isFirst ? 'refund' : 'dearer refund');
    case 'bump':
      return [taken(sending.world)];
  }
}

/** From then on the buyer can lose by it: in hold-first when he has shown his preimage, in lock-first when he may pay. */
const isReliedOn = ({ mode }: Scene, { shown }: World): boolean => mode === 'lock-first' || shown;

/** How a cheat uses the chain: no fee is too high for him, and he takes back what is not confirmed. */
export const cheat = {
  claim: ({ scene, world }: Sending): World | undefined =>
    claimable(scene, world) && world.spent === MEMPOOL && !isClaim(world.spender)
      ? withSpender(world, 'claim')
      : undefined,
  refund: ({ scene, world, height }: Sending): World | undefined =>
    refundable(scene, world, height) && world.spent === MEMPOOL && !isRefund(world.spender)
      ? withSpender(world, 'refund')
      : undefined,
  takeBackSpend: ({ world, next }: Sending, mine: (spender: Spender) => boolean): World | undefined =>
    world.spent === MEMPOOL && mine(world.spender) && !isLate(world.spendBy, next)
      ? { ...world, spender: 'none' }
      : undefined,
  lock: ({ world }: Sending): World | undefined =>
    world.lock === ABSENT && world.abort <= MEMPOOL ? { ...world, lock: MEMPOOL, abort: ABSENT } : undefined,
  /** What was as deep as agreed is not spent double once the buyer relies on it: that is what the confirmations are for. */
  abort: ({ scene, world }: Sending): World | undefined =>
    world.abort === ABSENT && world.lock <= MEMPOOL && !(world.deep && isReliedOn(scene, world))
      ? { ...withoutLock(world), abort: MEMPOOL }
      : undefined,
};

/** A mempool forgets a transaction. */
export function evictions({ world, next }: Sending): World[] {
  if (world.evictions === 0) return [];
  const after = { ...world, evictions: world.evictions - 1 };
  const worlds: World[] = [];
  if (world.spender !== 'none' && world.spent === MEMPOOL && !isLate(world.spendBy, next))
    worlds.push({ ...after, spender: 'none' });
  if (isLate(world.sourceBy, next)) return worlds;
  if (world.lock === MEMPOOL) worlds.push(withoutLock({ ...after, sourceBy: 0 }));
  if (world.abort === MEMPOOL) worlds.push({ ...after, abort: ABSENT, sourceBy: 0 });
  return worlds;
}

/**
 * The last one or two blocks are replaced by as many that have none of our transactions: those are in the mempool again,
 * except what cannot be there.
 */
export function reorgs({ scene, world, height }: Omit<Sending, 'next'>): World[] {
  if (world.reorgs === 0) return [];
  const worlds = [1, 2].map((depth) => unwound({ scene, world, height }, depth));
  return worlds.filter((each) => each !== world).map((each) => ({ ...each, reorgs: world.reorgs - 1 }));
}

function unwound({ scene, world, height }: Omit<Sending, 'next'>, depth: number): World {
  const isHit = (confirmations: number): boolean => confirmations > MEMPOOL && confirmations <= depth;
  const { lock, abort, spent, spendBy } = world;
  let after = world;
  if (isHit(spent))
    after = {
      ...after,
      spent: MEMPOOL,
      spendBy: spendBy === 0 ? 0 : Math.max(spendBy, height + ASSUMED.again),
    };
  if (isHit(abort)) after = { ...after, abort: MEMPOOL, sourceBy: height + ASSUMED.again };
  if (isHit(lock)) {
    after = { ...after, lock: MEMPOOL, sourceBy: world.deep && isReliedOn(scene, world) ? height + ASSUMED.again : 0 };
    if (isClaim(after.spender) && !claimable(scene, after)) after = { ...after, spender: 'none', spent: 0 };
  }
  return after;
}

type Jump = { scene: Scene; world: World; from: number; to: number };
/** Where in a jump a mempool transaction is mined: not at all, in its last block, or in its first. */
type Mined = 'not' | 'last' | 'first';

const depthAfter = ({ from, to }: Jump, depth: number, mined: Mined): number => {
  if (depth === ABSENT) return ABSENT;
  if (depth > MEMPOOL) return Math.min(BURIED, depth + to - from);
  return mined === 'not' ? MEMPOOL : mined === 'last' ? 1 : Math.min(BURIED, to - from);
};

/** Whether a transaction that had to be in a block by `by` is, `mined` in this jump. */
function inTime({ from, to }: Jump, by: number, mined: Mined): boolean {
  if (by === 0 || to < by) return true;
  return mined === 'first' ? from < by : mined === 'last' && to === by;
}

const ways = ({ from, to }: Jump, inMempool: boolean): Mined[] =>
  inMempool ? (to - from > 1 ? ['not', 'last', 'first'] : ['not', 'last']) : ['not'];

/** Every world after the blocks from `from` to `to`, each transaction in the mempool mined early, late or not. */
export function mined(jump: Jump): World[] {
  const { world } = jump;
  const inMempool = world.lock === MEMPOOL || world.abort === MEMPOOL;
  return ways(jump, inMempool)
    .filter((way) => !inMempool || inTime(jump, world.sourceBy, way))
    .flatMap((way) => spendsMined(jump, way));
}

function spendsMined(jump: Jump, source: Mined): World[] {
  const { scene, world } = jump;
  const lock = depthAfter(jump, world.lock, source);
  const abort = depthAfter(jump, world.abort, source);
  const inMempool = world.spender !== 'none' && world.spent === MEMPOOL;
  const isConfirmed = world.spender !== 'none' && world.spent > MEMPOOL;
  return ways(jump, inMempool)
    .filter((way) => way === 'not' || world.lock > MEMPOOL || source === 'first' || source === way)
    .filter((way) => !inMempool || inTime(jump, world.spendBy, way))
    .map((way) => {
      const spent = inMempool || isConfirmed ? depthAfter(jump, world.spent, way) : 0;
      return {
        ...world,
        lock,
        abort,
        spent,
        deep: world.deep || lock >= scene.terms.confirmations,
        sourceBy: lock === MEMPOOL || abort === MEMPOOL ? world.sourceBy : 0,
        spendBy: spent === BURIED || (!inMempool && !isConfirmed && world.spendBy <= jump.to) ? 0 : world.spendBy,
      };
    });
}

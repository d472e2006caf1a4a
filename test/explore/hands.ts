import type { Effect } from 'sparkle-protocol/protocol/trade/effect';
import type { Moment, TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import { broadcast } from './chain.ts';
import { expiryOf } from './heights.ts';
import { cancel, pay, settle } from './lightning.ts';
import { stamped } from './outbox.ts';
import type { Letter, Scene } from './scene.ts';
import { ABSENT, posted, type World } from './world.ts';

/** What an effect did to the world, and what the machine hears of it: nothing, an event, or the code of a refusal. */
export type Deed = { world: World; result: 'done' | (string & {}) };

type Doing = { scene: Scene; world: World; height: number; next: number; nowSeconds: number };

const done = (world: World): Deed => ({ world, result: 'done' });

/** Everything that can come of running an effect once, as `trader/effects.ts` would over real parts. */
export function deeds(effect: Effect, doing: Doing): Deed[] {
  const { scene, world } = doing;
  switch (effect.do) {
    case 'send':
      return [done(posted(world, letterOf(effect)))];
    case 'create_hold_invoice':
    case 'create_invoice':
      // An invoice that exists already is handed out once more, also after it was canceled.
      return world.invoice === 'unknown'
        ? [done({ ...world, invoice: 'open' }), { world, result: 'bad_config' }]
        : [done(world)];
    case 'pay':
      return paid(effect, doing);
    case 'forward_payment':
      throw new Error('nobody in the explorer is a forwarder');
    case 'settle':
      return [orRefused(world, settle(world), 'invoice_not_held')];
    case 'cancel_invoice':
      return [orRefused(world, cancel(world), 'invoice_not_held')];
    case 'build_lock':
    case 'fill_listing':
      return world.lock === ABSENT && world.abort === ABSENT
        ? [done(world), { world, result: 'insufficient_funds' }]
        : [{ world, result: 'insufficient_funds' }];
    case 'presign_claim':
      return [done(world), { world, result: 'insufficient_funds' }];
    case 'build_refund':
      return [isPayable(scene, world) ? { world, result: 'refused' } : done(world)];
    case 'build_claim':
      // A claim that shows the preimage is not built when its fee is above the buyer's cap.
      return effect.isReveal === true ? [done(world), { world, result: 'fee_too_high' }] : [done(world)];
    case 'build_abort':
    case 'abort_fill':
    case 'bump_lock':
    case 'alert':
      return [done(world)];
    case 'broadcast':
      return sent(effect, doing);
  }
}

const orRefused = (before: World, after: World | undefined, code: string): Deed =>
  after === undefined ? { world: before, result: code } : done(after);

/** The runner's last look before a transaction leaves; a first reveal that comes too late is the actor's to stop. */
function sent({ what, txid, only }: Extract<Effect, { do: 'broadcast' }>, doing: Doing): Deed[] {
  const { world, height } = doing;
  if (only !== undefined && height > only.untilHeight) return [{ world, result: 'too_late' }];
  if (only?.heldHash !== undefined && world.payment !== 'at the payee') return [{ world, result: 'invoice_not_held' }];
  return broadcast({ ...doing, what, txid }).map(({ world: after, taken }) => ({
    world: after,
    result: taken ? 'done' : 'broadcast_refused',
  }));
}

/** Lock-first: the runner does not sign a refund beside an invoice that may be paid. */
const isPayable = ({ mode }: Scene, { invoice }: World): boolean => mode === 'lock-first' && invoice === 'open';

function paid(effect: Extract<Effect, { do: 'pay' }>, { scene, world, height, nowSeconds }: Doing): Deed[] {
  if (world.payment !== 'none' && world.payment !== 'failed') return [done(world)];
  if (height > effect.notAfterHeight || nowSeconds > effect.notAfterSeconds) return [{ world, result: 'too_late' }];
  // In lock-first the payee may be the last router too: his HTLC may last as long as the whole route.
  const expiry = scene.mode === 'hold-first' ? expiryOf(scene, height) : height + effect.maxCltvBlocks;
  return [done(pay(world, expiry)), { world, result: 'no_route' }];
}

function letterOf({ message }: Extract<Effect, { do: 'send' }>): Letter {
  switch (message.op) {
    case 'trade_quote':
      return 'quote';
    case 'trade_accept':
      return 'accept';
    case 'trade_abort':
      return 'abort to seller';
    case 'trade_complete':
      return 'complete to seller';
    case 'trade_request':
      throw new Error('the request is delivered before the explorer begins');
  }
}

const refused = (of: { effect: Effect; code: string; attempts: number; at: Moment }): TradeEvent => ({
  ...{ type: 'effect_failed', effect: of.effect.do, code: of.code, attempts: of.attempts, at: of.at },
  sentence: 'the explorer refused it',
});

/** What the machine is told of an effect that was run with this result. */
export function resultEvent(
  scene: Scene,
  { effect, result, attempts, at }: { effect: Effect; result: string; attempts: number; at: Moment },
): TradeEvent | undefined {
  if (result !== 'done') return refused({ effect, code: result, attempts, at });
  const [first, dearer] = scene.claims;
  switch (effect.do) {
    case 'create_hold_invoice':
    case 'create_invoice':
      return { type: 'invoice_ready', at, bolt11: scene.invoice };
    case 'build_lock':
    case 'fill_listing':
      return { type: 'lock_built', at, lock: scene.lock };
    case 'build_abort':
    case 'abort_fill':
      return { type: 'abort_built', at, abort: stamped(scene.lock, at.height) };
    case 'bump_lock':
      return { type: 'bump_built', at, bump: stamped(scene.lock, at.height) };
    case 'presign_claim':
      return { type: 'claim_presigned', at, presigned: scene.presigned };
    case 'build_claim':
      return { type: 'claim_built', at, claim: effect.previous === undefined ? first : dearer };
    case 'build_refund':
      return { type: 'refund_built', at, refund: scene.refunds[effect.previous === undefined ? 0 : 1] };
    case 'broadcast':
      return { type: 'broadcast_done', at, what: effect.what, txid: effect.txid };
    case 'send':
    case 'pay':
    case 'forward_payment':
    case 'settle':
    case 'cancel_invoice':
    case 'alert':
      return undefined;
  }
}

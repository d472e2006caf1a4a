import { checkHeld, type Failure, isHeldInFull } from '../checks.ts';
import {
  FINAL_CONFIRMATIONS,
  guardianHeight,
  lastAcceptHeight,
  lastLockHeight,
  lockGiveUpHeight,
  refundIsOpen,
} from '../deadlines.ts';
import { readKnownInvoice } from '../bolt11.ts';
import { isPreimageOf } from '../preimage.ts';
import { findPreimage } from '../spend.ts';
import type { KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { broadcastLock, listingIsGone, lockIsImpossible, planAbort, planLock, pushAbort, pushLock } from './locking.ts';
import { type Change, go, keyed, type Machine, run, stay } from './machine.ts';
import { acceptOf, quoteOf } from './quoting.ts';
import { broadcastRefund, planRefund, refundNews } from './refunding.ts';
import type { HoldSeller, Outcome } from './state.ts';
import type { View } from './view.ts';

type Lockable = In<'locking' | 'aborting' | 'locked' | 'refunding'>;
type In<S extends HoldSeller['state']> = Extract<HoldSeller, { state: S }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<HoldSeller>;
type Spender = Extract<View['lock'], { state: 'spent' }>['spender'];

const machine: Machine<HoldSeller> = {
  quoting: {
    invoice_ready: (trade, { bolt11 }) => {
      const { terms, offer } = trade;
      const message = quoteOf(terms, offer, bolt11);
      return go(
        { ...base(trade), state: 'invoiced', invoice: bolt11 },
        keyed(trade, 'quote', { do: 'send', to: terms.buyerId, message }),
      );
    },
    looked: (trade, { at }) =>
      at.height > lastAcceptHeight(trade.terms) ? cancel(trade, 'expired', ['quote_too_late']) : stay(trade),
    effect_failed: (trade, { effect, code }) =>
      effect === 'create_hold_invoice' ? ended(trade, { outcome: 'refused', codes: [code] }) : stay(trade),
    abort_requested: (trade) => cancel(trade, 'canceled', ['abort_requested']),
  },
  invoiced: {
    looked: accepted,
    message: (trade, { message }) =>
      message.op === 'trade_abort' ? cancel(trade, 'canceled', [message.code]) : stay(trade),
    abort_requested: (trade) => cancel(trade, 'canceled', ['abort_requested']),
  },
  building: {
    lock_built: lockBuilt,
    looked: buildLooked,
    message: (trade, { message }) =>
      message.op === 'trade_abort' ? cancel(trade, 'canceled', [message.code]) : stay(trade),
    effect_failed: (trade, { effect, code }) =>
      effect === 'build_lock' || effect === 'fill_listing' ? cancel(trade, 'canceled', [code]) : stay(trade),
    abort_requested: (trade) => cancel(trade, 'canceled', ['abort_requested']),
  },
  locking: {
    looked: lockLooked,
    preimage_seen: seen,
    bump_built: (trade, { bump }) =>
      go(
        { ...trade, bumps: [...trade.bumps, bump] },
        keyed(trade, `bump-broadcast/${bump.txid}`, { do: 'broadcast', what: 'bump', ...sent(bump) }),
      ),
    // A fill is out, and taking it back costs its filler more than letting it confirm: no buyer can order that.
    message: (trade, { message, at }) =>
      message.op === 'trade_abort' && trade.offer.fill === undefined ? abort(trade, at.height) : stay(trade),
    effect_failed: notSent,
    abort_requested: (trade, { at }) => abort(trade, at.height),
  },
  // A preimage that was shown before the spend back was buried is not taken here: who has the inscription does not settle too.
  aborting: {
    looked: abortLooked,
    abort_built: (trade, { abort: built }) =>
      go(
        { ...trade, aborts: [...trade.aborts.filter(({ txid }) => txid !== built.txid), built] },
        keyed(trade, `abort-broadcast/${built.txid}`, { do: 'broadcast', what: 'abort', ...sent(built) }),
      ),
  },
  locked: { looked: lockedLooked, preimage_seen: seen },
  refunding: {
    looked: refundLooked,
    preimage_seen: seen,
    refund_built: (trade, { refund }) =>
      go(
        { ...trade, refunds: [...trade.refunds.filter(({ txid }) => txid !== refund.txid), refund] },
        broadcastRefund(trade, refund),
      ),
  },
  settling: { looked: settled },
  canceling: { looked: canceled, lock_found: lockFound },
  ended: {},
};

export const stepHoldSeller = (trade: HoldSeller, event: TradeEvent): After => run(machine, trade, event);

function accepted(trade: In<'invoiced'>, { view, at }: Event<'looked'>): After {
  const held = view.invoice;
  if (held?.state === 'canceled') return ended(trade, { outcome: 'expired', codes: ['invoice_canceled'] });
  if (held?.state !== 'held') {
    const late = at.height > lastAcceptHeight(trade.terms) || at.nowSeconds > expiresAt(trade.invoice);
    return late ? cancel(trade, 'expired', ['not_paid']) : stay(trade);
  }
  const failures: Failure[] = checkHeld({ terms: trade.terms, held, height: at.height });
  if (failures.length > 0)
    return cancel(
      trade,
      'refused',
      failures.map(({ code }) => code),
    );
  const next: In<'building'> = {
    ...base(trade),
    state: 'building',
    invoice: trade.invoice,
    acceptedHeight: at.height,
    expiryHeight: held.expiryHeight,
  };
  return go(next, planLock(trade, at.height));
}

/** While the lock is being built: the hold must stand, and the time to lock must not run out. */
function buildLooked(trade: In<'building'>, { view, at }: Event<'looked'>): After {
  if (!holdStands(trade, view)) return cancel(trade, 'canceled', ['hold_gone']);
  return lockIsLate(trade, at.height) ? cancel(trade, 'canceled', ['lock_too_late']) : stay(trade);
}

const lockIsLate = (trade: In<'building'>, height: number): boolean =>
  height > lastLockHeight(trade.terms) || height >= lockGiveUpHeight(trade);

/** The lock is built and written down, not yet sent: the last moment to leave without a trace. */
function lockBuilt(trade: In<'building'>, { lock, at }: Event<'lock_built'>): After {
  if (lockIsLate(trade, at.height)) return cancel(trade, 'canceled', ['lock_too_late']);
  const next: In<'locking'> = {
    ...trade,
    state: 'locking',
    lock,
    bumps: [],
    startedHeight: at.height,
    plannedAt: at.height,
  };
  return go(next, broadcastLock(trade, lock, 'broadcast'), announce(next, at.height));
}

const announce = (trade: In<'locking' | 'locked'>, height: number): KeyedEffect =>
  keyed(trade, `announce/${height}`, { do: 'send', to: trade.terms.buyerId, message: acceptOf(trade) });

function lockLooked(trade: In<'locking'>, { view, at }: Event<'looked'>): After {
  const { lock } = view;
  if (lock?.state === 'spent') return spent(trade, lock.spender);
  if (lock?.state === 'unspent' && lock.confirmations >= trade.terms.confirmations) return toLocked(trade, at.height);
  const impossible = lockIsImpossible(trade, view);
  if (impossible !== undefined) return cancel(trade, 'canceled', ['lock_replaced'], impossible);
  const confirmed = lock?.state === 'unspent' && lock.confirmations > 0;
  if (confirmed) return stay(trade);
  const isOver = at.height >= lockGiveUpHeight(trade) || listingIsGone(trade, view);
  if (isOver || !holdStands(trade, view)) return abort(trade, at.height);
  const effects = pushLock(trade, lock, at.height);
  return effects.length === 0 ? stay(trade) : go({ ...trade, plannedAt: at.height }, ...effects);
}

/** The lock came too late to be sent, or its payment is gone: whether or not it was sent before, it is taken back. */
function notSent(trade: In<'locking'>, { effect, code, at }: Event<'effect_failed'>): After {
  const unwanted = code === 'too_late' || code === 'invoice_not_held';
  return effect === 'broadcast' && unwanted ? abort(trade, at.height) : stay(trade);
}

function toLocked(trade: In<'locking' | 'aborting'>, height: number): After {
  const { invoice, acceptedHeight, expiryHeight, lock } = trade;
  const held = { invoice, acceptedHeight, expiryHeight, lock };
  const next: In<'locked'> = { ...base(trade), ...held, state: 'locked', announcedAt: height };
  return go(next, announce(next, height));
}

function abort(trade: In<'locking'>, height: number): After {
  const next: In<'aborting'> = { ...trade, state: 'aborting', aborts: [], plannedAt: height };
  return go(next, planAbort(next, height, undefined));
}

/** Chain evidence alone decides who won: the lock, or the spend back to the seller. */
function abortLooked(trade: In<'aborting'>, { view, at }: Event<'looked'>): After {
  if (view.lock?.state === 'spent') return spent(trade, view.lock.spender);
  if (view.lock?.state === 'unspent' && view.lock.confirmations > 0) return toLocked(trade, at.height);
  const replaced = lockIsImpossible(trade, view);
  if (replaced !== undefined) return cancel(trade, 'canceled', ['lock_aborted'], replaced);
  const buried = [view.source, view.coin].some((input) => input?.state === 'spent' && input.spender.confirmations > 0);
  if (buried || at.height <= trade.plannedAt) return stay(trade);
  return go({ ...trade, plannedAt: at.height }, ...pushAbort(trade, at.height));
}

function lockedLooked(trade: In<'locked'>, { view, at }: Event<'looked'>): After {
  const { lock } = view;
  const isOpen = refundIsOpen({ height: at.height, refundHeight: trade.terms.refundHeight });
  const isShown = lock?.state === 'spent' && findPreimage(lock.spender.raw, trade.terms.paymentHash) !== undefined;
  if (lock?.state === 'spent' && (isShown || !isOpen)) return spent(trade, lock.spender);
  if (lock?.state === 'absent' && at.height > trade.announcedAt) {
    // A reorg took the lock away. When its time is over it must not come back.
    if (at.height > lastLockHeight(trade.terms)) return takeBack(trade, at.height);
    return go({ ...trade, announcedAt: at.height }, broadcastLock(trade, trade.lock, `relock/${at.height}`));
  }
  if (isOpen) return refund(trade, at.height);
  if (at.height <= trade.announcedAt) return stay(trade);
  return go({ ...trade, announcedAt: at.height }, announce(trade, at.height));
}

function refund(trade: In<'locked'>, height: number): After {
  const { announcedAt: _announced, ...held } = trade;
  const next: In<'refunding'> = { ...held, state: 'refunding', refunds: [], plannedAt: height };
  return go(next, planRefund(next, height));
}

function takeBack(trade: In<'locked' | 'refunding'>, height: number): After {
  const { invoice, acceptedHeight, expiryHeight, lock } = trade;
  const held = { invoice, acceptedHeight, expiryHeight, lock };
  return abort(
    { ...base(trade), ...held, state: 'locking', bumps: [], startedHeight: height, plannedAt: height },
    height,
  );
}

function refundLooked(trade: In<'refunding'>, { view, at }: Event<'looked'>): After {
  if (view.lock?.state === 'absent') return at.height > trade.plannedAt ? takeBack(trade, at.height) : stay(trade);
  const news = refundNews(trade, view.lock, at.height);
  switch (news.news) {
    case 'preimage':
      return view.invoice?.state === 'canceled'
        ? contest(trade, view, at.height)
        : settle(trade, news.preimage, news.txid);
    case 'refunded': {
      const isOurs = trade.refunds.some(({ txid }) => txid === news.txid);
      // The hold is given up only for a refund of ours: a claim without its witness looks like any other spend.
      return isOurs || view.invoice?.state === 'canceled'
        ? cancel(trade, 'refunded', [], news.txid)
        : go(trade, unexplained(trade, news.txid));
    }
    case 'push':
      return go({ ...trade, plannedAt: at.height }, ...news.effects, ...guardian(trade, at.height));
    case 'none':
      return stay(trade);
  }
}

function guardian(trade: In<'refunding'>, height: number): KeyedEffect[] {
  if (height < guardianHeight(trade)) return [];
  const sentence = `the refund is not buried although the held payment expires at height ${trade.expiryHeight}`;
  return [keyed(trade, 'guardian', { do: 'alert', level: 'page', code: 'refund_late', sentence })];
}

/** Somebody spent the lock before our refund: it must be the buyer, with the preimage. */
function spent(trade: In<'locking' | 'aborting' | 'locked'>, spender: Spender): After {
  const { txid, raw, confirmations } = spender;
  const preimage = findPreimage(raw, trade.terms.paymentHash);
  if (preimage !== undefined) return settle(trade, preimage, txid);
  return confirmations > 0 ? go(trade, unexplained(trade, txid)) : stay(trade);
}

/** A txid leaves out the witness: a source that shows a claim without it hides the preimage, and only that. */
const unexplained = (trade: Lockable, txid: string): KeyedEffect =>
  keyed(trade, `unexplained/${txid}`, {
    do: 'alert',
    level: 'page',
    code: 'preimage_hidden',
    sentence: `${txid} spends the lock, is no refund of ours and shows no preimage: look at it in another source, and settle`,
  });

/**
 * R7: after R a buyer can throw our refund out of the mempool by a claim, and the claim by something else, before anybody
 * looks, block after block until the held payment expires. The preimage was shown all the same.
 */
function seen(trade: Lockable, { preimage, txid }: Event<'preimage_seen'>): After {
  return isPreimageOf(preimage, trade.terms.paymentHash) ? settle(trade, preimage, txid) : stay(trade);
}

/** The preimage goes into the store first and to the node second. */
function settle(trade: Lockable, preimage: string, claimTxid: string): After {
  const { invoice, acceptedHeight, expiryHeight, lock } = trade;
  const held = { invoice, acceptedHeight, expiryHeight, lock };
  return go(
    { ...base(trade), ...held, state: 'settling', preimage, claimTxid, plannedAt: 0 },
    keyed(trade, 'settle', { do: 'settle', paymentHash: trade.terms.paymentHash, preimage }),
  );
}

function settled(trade: In<'settling'>, { view, at }: Event<'looked'>): After {
  const { terms, claimTxid: txid } = trade;
  switch (view.invoice?.state) {
    case 'settled':
      return ended(trade, { outcome: 'traded', codes: [], txid });
    case 'held': {
      if (at.height <= trade.plannedAt) return stay(trade);
      const again = { do: 'settle', paymentHash: terms.paymentHash, preimage: trade.preimage } as const;
      return go({ ...trade, plannedAt: at.height }, keyed(trade, `settle/${at.height}`, again));
    }
    case 'canceled':
      return unpaid(trade, view, at.height);
    case 'open':
    case 'unknown':
    case undefined:
      return stay(trade);
  }
}

/** The hold was gone before the preimage came. While no claim is buried, the refund may still win. */
function unpaid(trade: In<'settling'>, view: View, height: number): After {
  if (claimIsFinal(view)) return unpaidClaim(trade, trade.claimTxid);
  if (!refundIsOpen({ height, refundHeight: trade.terms.refundHeight })) return stay(trade);
  const { preimage: _preimage, claimTxid: _claimTxid, ...held } = trade;
  const next: In<'refunding'> = { ...held, state: 'refunding', refunds: [], plannedAt: height };
  return go(next, planRefund(next, height));
}

/** A claim is under way for which no payment is held any more: outbid it until one of the two is buried. */
function contest(trade: In<'refunding'>, view: View, height: number): After {
  if (view.lock?.state === 'spent' && claimIsFinal(view)) return unpaidClaim(trade, view.lock.spender.txid);
  if (height <= trade.plannedAt) return stay(trade);
  return go({ ...trade, plannedAt: height }, planRefund(trade, height));
}

const claimIsFinal = ({ lock }: View): boolean =>
  lock?.state === 'spent' && lock.spender.confirmations >= FINAL_CONFIRMATIONS;

const unpaidClaim = (trade: HoldSeller, txid: string): After =>
  ended(trade, { outcome: 'lost', codes: ['claimed_unpaid'], txid });

function cancel(trade: HoldSeller, outcome: Outcome, codes: string[], txid?: string): After {
  const why = { outcome, codes, ...(txid === undefined ? {} : { txid }) };
  const asked = 'invoice' in trade && trade.invoice !== undefined ? { invoice: trade.invoice } : {};
  return go(
    { ...base(trade), state: 'canceling', ...why, ...asked },
    keyed(trade, 'cancel', { do: 'cancel_invoice', paymentHash: trade.terms.paymentHash }),
  );
}

function canceled(trade: In<'canceling'>, { view, at }: Event<'looked'>): After {
  const { outcome, codes, txid } = trade;
  switch (view.invoice?.state) {
    case 'canceled':
    case 'unknown':
      return ended(trade, { outcome, codes, ...(txid === undefined ? {} : { txid }) });
    case 'settled':
      return ended(trade, { outcome: 'traded', codes: ['settled_while_canceling'] });
    case 'open':
    case 'held': {
      const again = { do: 'cancel_invoice', paymentHash: trade.terms.paymentHash } as const;
      return go(trade, keyed(trade, `cancel/${at.height}`, again));
    }
    case undefined:
      return stay(trade);
  }
}

/**
 * The store went back to a copy from before the lock was built. What is on the chain can be claimed: the payment stays held,
 * and the trade goes on as one whose lock is on its way, for it need not be as deep as agreed.
 */
function lockFound(trade: In<'canceling'>, { lock, expiryHeight, at }: Event<'lock_found'>): After {
  const { invoice, txid } = trade;
  // A transaction that has ended the trade was seen by who knew of its lock.
  if (invoice === undefined || txid !== undefined) return stay(trade);
  const { height } = at;
  const held = { invoice, acceptedHeight: height, expiryHeight };
  return stay({ ...base(trade), ...held, state: 'locking', lock, bumps: [], startedHeight: height, plannedAt: height });
}

/** A node that lost what it held may go on calling the invoice held, with less in it or with nothing. */
const holdStands = ({ terms }: In<'building' | 'locking'>, { invoice }: View): boolean =>
  invoice === undefined || (invoice.state === 'held' && isHeldInFull({ terms, held: invoice }));
const expiresAt = (invoice: string): number => readKnownInvoice(invoice).expiresAt;
const sent = ({ txid, raw }: { txid: string; raw: string }) => ({ txid, raw });
const base = ({ role, mode, tradeId, keyIndex, terms, offer }: HoldSeller) => ({
  role,
  mode,
  tradeId,
  keyIndex,
  terms,
  offer,
});

function ended(trade: HoldSeller, how: { outcome: Outcome; codes: string[]; txid?: string }): After {
  return stay({ ...base(trade), state: 'ended', ...how });
}

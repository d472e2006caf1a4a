import { invoiceCancelHeight, lastPayHeight, lockInvoiceExpirySeconds, refundIsOpen } from '../deadlines.ts';
import { readKnownInvoice } from '../bolt11.ts';
import type { KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { broadcastLock, lockIsImpossible, planAbort, pushAbort, pushLock } from './locking.ts';
import { type Change, go, keyed, type Machine, run, stay } from './machine.ts';
import { acceptOf } from './quoting.ts';
import { broadcastRefund, planRefund, refundNews } from './refunding.ts';
import type { LockSeller, Outcome } from './state.ts';

type In<S extends LockSeller['state']> = Extract<LockSeller, { state: S }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<LockSeller>;

const machine: Machine<LockSeller> = {
  building: {
    lock_built: lockBuilt,
    looked: (trade, { at }) => (inTime(trade, at.height) ? stay(trade) : ended(trade, 'expired', ['lock_too_late'])),
    effect_failed: (trade, { effect, code }) =>
      effect === 'build_lock' ? ended(trade, 'canceled', [code]) : stay(trade),
    message: (trade, { message }) =>
      message.op === 'trade_abort' ? ended(trade, 'canceled', [message.code]) : stay(trade),
    abort_requested: (trade) => ended(trade, 'canceled', ['abort_requested']),
  },
  locking: {
    looked: lockLooked,
    bump_built: (trade, { bump }) =>
      go(
        { ...trade, bumps: [...trade.bumps, bump] },
        keyed(trade, `bump-broadcast/${bump.txid}`, { do: 'broadcast', what: 'bump', ...sent(bump) }),
      ),
    message: (trade, { message, at }) => (message.op === 'trade_abort' ? abort(trade, at.height) : stay(trade)),
    abort_requested: (trade, { at }) => abort(trade, at.height),
  },
  aborting: {
    looked: abortLooked,
    abort_built: (trade, { abort: built }) =>
      go(
        { ...trade, aborts: [...trade.aborts.filter(({ txid }) => txid !== built.txid), built] },
        keyed(trade, `abort-broadcast/${built.txid}`, { do: 'broadcast', what: 'abort', ...sent(built) }),
      ),
  },
  invoicing: {
    invoice_ready: invoiced,
    looked: (trade, { at }) => (inTime(trade, at.height) ? stay(trade) : withdraw(trade, at.height)),
    effect_failed: (trade, { effect, at }) => (effect === 'create_invoice' ? withdraw(trade, at.height) : stay(trade)),
    abort_requested: (trade, { at }) => withdraw(trade, at.height),
  },
  invoiced: {
    looked: paidOrLate,
    message: (trade, { message, at }) => (message.op === 'trade_abort' ? withdraw(trade, at.height) : stay(trade)),
    abort_requested: (trade, { at }) => withdraw(trade, at.height),
  },
  withdrawing: { looked: withdrawn },
  waiting: { looked: waited },
  refunding: {
    looked: refundLooked,
    refund_built: (trade, { refund: built }) =>
      go(
        { ...trade, refunds: [...trade.refunds.filter(({ txid }) => txid !== built.txid), built] },
        broadcastRefund(trade, built),
      ),
  },
  ended: {},
};

export const stepLockSeller = (trade: LockSeller, event: TradeEvent): After => run(machine, trade, event);

function lockBuilt(trade: In<'building'>, { lock, at }: Event<'lock_built'>): After {
  const { height } = at;
  const next: In<'locking'> = {
    ...base(trade),
    state: 'locking',
    lock,
    bumps: [],
    startedHeight: height,
    plannedAt: height,
  };
  return go(next, broadcastLock(trade, lock, 'broadcast'));
}

/** After this height a buyer who keeps his own rules can no longer pay. */
const inTime = ({ terms, offer }: LockSeller, height: number): boolean =>
  height <= lastPayHeight({ refundHeight: terms.refundHeight, routeCapBlocks: offer.routeCapBlocks });

function lockLooked(trade: In<'locking'>, { view, at }: Event<'looked'>): After {
  const { lock } = view;
  const confirmations = lock?.state === 'unspent' ? lock.confirmations : 0;
  if (confirmations >= trade.terms.confirmations) return toInvoicing(trade, at.height);
  const impossible = lockIsImpossible(trade, view);
  if (impossible !== undefined) return ended(trade, 'canceled', ['lock_replaced'], impossible);
  if (confirmations > 0) return stay(trade);
  if (!inTime(trade, at.height)) return abort(trade, at.height);
  const effects = pushLock(trade, lock, at.height);
  return effects.length === 0 ? stay(trade) : go({ ...trade, plannedAt: at.height }, ...effects);
}

function toInvoicing(trade: In<'locking'>, height: number): After {
  const next: In<'invoicing'> = { ...base(trade), state: 'invoicing', lock: trade.lock };
  if (!inTime(trade, height)) return withdraw(next, height);
  const expirySeconds = lockInvoiceExpirySeconds;
  const { terms, keyIndex } = trade;
  return go(next, keyed(trade, 'invoice', { do: 'create_invoice', terms, keyIndex, expirySeconds }));
}

function abort(trade: In<'locking'>, height: number): After {
  const next: In<'aborting'> = { ...trade, state: 'aborting', aborts: [], plannedAt: height };
  return go(next, planAbort(next, height, undefined));
}

function abortLooked(trade: In<'aborting'>, { view, at }: Event<'looked'>): After {
  // The lock won: no invoice was ever made for it, so it only has to wait for its refund height.
  if (view.lock?.state === 'unspent' && view.lock.confirmations > 0) return toWaiting(trade);
  const replaced = lockIsImpossible(trade, view);
  if (replaced !== undefined) return ended(trade, 'canceled', ['lock_aborted'], replaced);
  const buried = view.source?.state === 'spent' && view.source.spender.confirmations > 0;
  if (buried || at.height <= trade.plannedAt) return stay(trade);
  return go({ ...trade, plannedAt: at.height }, ...pushAbort(trade, at.height));
}

const toWaiting = (trade: In<'aborting' | 'withdrawing'>): After =>
  stay({ ...base(trade), state: 'waiting', lock: trade.lock });

function invoiced(trade: In<'invoicing'>, { bolt11, at }: Event<'invoice_ready'>): After {
  const { terms, offer, lock } = trade;
  const accept = acceptOf({ terms, offer, invoice: bolt11, lock });
  const announcedAt = at.height;
  const next: In<'invoiced'> = { ...base(trade), state: 'invoiced', lock, invoice: bolt11, accept, announcedAt };
  return go(next, announce(next, at.height));
}

const announce = (trade: In<'invoiced'>, height: number): KeyedEffect =>
  keyed(trade, `announce/${height}`, { do: 'send', to: trade.terms.buyerId, message: trade.accept });

function paidOrLate(trade: In<'invoiced'>, { view, at }: Event<'looked'>): After {
  if (view.invoice?.state === 'settled') return ended(trade, 'traded', []);
  if (view.invoice?.state === 'canceled') return withdraw(trade, at.height);
  const { terms, offer } = trade;
  const late =
    at.height >= invoiceCancelHeight({ refundHeight: terms.refundHeight, routeCapBlocks: offer.routeCapBlocks }) ||
    at.nowSeconds > readKnownInvoice(trade.invoice).expiresAt;
  if (late) return withdraw(trade, at.height);
  if (at.height <= trade.announcedAt) return stay(trade);
  const again = view.lock?.state === 'absent' ? [broadcastLock(trade, trade.lock, `relock/${at.height}`)] : [];
  return go({ ...trade, announcedAt: at.height }, ...again, announce(trade, at.height));
}

function withdraw(trade: In<'invoicing' | 'invoiced'>, height: number): After {
  const { paymentHash } = trade.terms;
  return go(
    { ...base(trade), state: 'withdrawing', lock: trade.lock, plannedAt: height },
    keyed(trade, 'cancel', { do: 'cancel_invoice', paymentHash }),
  );
}

/** Refunding while the invoice may still be paid would be theft: the node must say that it is canceled first. */
function withdrawn(trade: In<'withdrawing'>, { view, at }: Event<'looked'>): After {
  switch (view.invoice?.state) {
    case 'settled':
      return ended(trade, 'traded', []);
    case 'canceled':
    // The node never made it, or has forgotten it: nobody can pay it either way.
    case 'unknown':
      return toWaiting(trade);
    case 'open':
    case 'held':
      if (at.height <= trade.plannedAt) return stay(trade);
      return go({ ...trade, plannedAt: at.height }, cancelAgain(trade, at.height));
    case undefined:
      return stay(trade);
  }
}

const cancelAgain = (trade: In<'withdrawing' | 'refunding'>, height: number): KeyedEffect =>
  keyed(trade, `cancel/${height}`, { do: 'cancel_invoice', paymentHash: trade.terms.paymentHash });

function waited(trade: In<'waiting'>, { view, at }: Event<'looked'>): After {
  const instead = lockIsImpossible(trade, view);
  if (instead !== undefined) return replaced(trade, instead);
  const { refundHeight } = trade.terms;
  return refundIsOpen({ height: at.height, refundHeight }) ? refund(trade, at.height) : stay(trade);
}

/** A reorg took away a lock that was on its way back, and the spend back to us was mined instead: nothing is left to refund. */
const replaced = (trade: In<'waiting' | 'refunding'>, txid: string): After =>
  ended(trade, 'canceled', ['lock_aborted'], txid);

function refund(trade: In<'waiting'>, height: number): After {
  const next: In<'refunding'> = { ...trade, state: 'refunding', refunds: [], plannedAt: height };
  return go(next, planRefund(next, height));
}

function refundLooked(trade: In<'refunding'>, { view, at }: Event<'looked'>): After {
  const instead = lockIsImpossible(trade, view);
  if (instead !== undefined) return replaced(trade, instead);
  // Nobody races this refund, and whether the invoice is surely canceled is for the node to say.
  if (view.invoice === undefined) return stay(trade);
  const news = refundNews(trade, view.lock, at.height);
  switch (news.news) {
    case 'preimage':
      // Only a settled invoice gives the preimage away, and this one is canceled: the node has failed us.
      return view.lock?.state === 'spent' && view.lock.spender.confirmations > 0
        ? ended(trade, view.invoice.state === 'settled' ? 'traded' : 'lost', ['claimed_unpaid'], news.txid)
        : pushRefund(trade, at.height);
    case 'refunded':
      return ended(trade, 'refunded', [], news.txid);
    case 'push': {
      // An invoice that was still being made when the trade was given up: no refund is signed beside it.
      const payable = view.invoice.state === 'open' || view.invoice.state === 'held';
      const effects = payable ? [cancelAgain(trade, at.height), ...news.effects] : news.effects;
      return go({ ...trade, plannedAt: at.height }, ...effects);
    }
    case 'none':
      return stay(trade);
  }
}

function pushRefund(trade: In<'refunding'>, height: number): After {
  if (height <= trade.plannedAt) return stay(trade);
  return go({ ...trade, plannedAt: height }, planRefund(trade, height));
}

const sent = ({ txid, raw }: { txid: string; raw: string }) => ({ txid, raw });
const base = ({ role, mode, tradeId, keyIndex, terms, offer }: LockSeller) => ({
  role,
  mode,
  tradeId,
  keyIndex,
  terms,
  offer,
});

function ended(trade: LockSeller, outcome: Outcome, codes: string[], txid?: string): After {
  return stay({ ...base(trade), state: 'ended', outcome, codes, ...(txid === undefined ? {} : { txid }) });
}

import {
  guardianHeight,
  invoiceCancelHeight,
  lastAcceptHeight,
  lastLockHeight,
  lastPayHeight,
  lockGiveUpHeight,
} from 'sparkle-protocol/protocol/deadlines';
import {
  abortFor,
  after,
  at,
  claimFor,
  heard,
  held,
  HEIGHT,
  holdSeller,
  holdTerms,
  inscriptionId,
  invoiceFor,
  lockFor,
  lockSeller,
  lockTerms,
  looked,
  NOW,
  offer,
  ready,
  refundFor,
  spentBy,
} from 'sparkle-protocol/protocol/trade/fixtures.suite';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import type { Effect } from 'sparkle-protocol/protocol/trade/effect';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import type { Trade } from 'sparkle-protocol/protocol/trade/state';
import type { Terms } from 'sparkle-protocol/protocol/trade/terms';
import type { InvoiceView } from 'sparkle-protocol/protocol/trade/view';
import type { Samples } from './diagram.ts';

const failed = (effect: Effect['do'], code: string): TradeEvent => ({
  type: 'effect_failed',
  attempts: 0,
  at: at(HEIGHT),
  effect,
  code,
  sentence: '',
});

const open: InvoiceView = { state: 'open' };
const canceled: InvoiceView = { state: 'canceled' };
const settled: InvoiceView = { state: 'settled', amountMsat: 90_000_000n };
const unspent = (confirmations: number) => ({ state: 'unspent', confirmations }) as const;
const absent = { state: 'absent' } as const;
const abortRequested: TradeEvent = { type: 'abort_requested', at: at(HEIGHT), reason: 'asked for' };
const buyerAborts: TradeEvent = heard({
  op: 'trade_abort',
  inscriptionId,
  code: 'abort_requested',
  signed: { tradeId: holdTerms.tradeId, from: holdTerms.buyerId, expiresAt: NOW + 60 },
});

/** What a seller sees of his lock on its way, in both trades; `invoice` is as it stands while all is well. */
function lockingEvents(terms: Terms, invoice: InvoiceView): Record<string, Record<string, TradeEvent>> {
  const [lock, abort] = [lockFor(terms), abortFor(terms)];
  return {
    building: {
      'lock built': { type: 'lock_built', at: at(HEIGHT), lock },
      'lock cannot be built': failed('build_lock', 'insufficient_funds'),
    },
    locking: {
      'lock confirmed': looked(HEIGHT + 1, { invoice, lock: unspent(1) }),
      'block, lock dropped': looked(HEIGHT + 2, { invoice, lock: absent }),
      'blocks, lock unconfirmed': looked(HEIGHT + 3, { invoice, lock: unspent(0) }),
      'child for the fee built': { type: 'bump_built', at: at(HEIGHT + 3), bump: abort },
      'input spent elsewhere, buried': looked(HEIGHT + 9, { invoice, lock: absent, source: spentBy(abort, 6) }),
    },
    aborting: {
      'lock confirmed after all': looked(HEIGHT + 14, { invoice, lock: unspent(1), source: spentBy(lock, 1) }),
      'block, nothing confirmed': looked(HEIGHT + 14, { invoice, lock: unspent(0), source: spentBy(lock, 0) }),
      'spend back built': { type: 'abort_built', at: at(HEIGHT + 13), abort },
      'spend back buried': looked(HEIGHT + 21, { invoice, lock: absent, source: spentBy(abort, 6) }),
    },
  };
}

/** What a seller sees who wants his inscription back. */
function refundEvents(terms: Terms, invoice: InvoiceView): Record<string, TradeEvent> {
  const [claim, refund, R] = [claimFor(terms), refundFor(terms), terms.refundHeight];
  return {
    'refund built': { type: 'refund_built', at: at(R), refund },
    'block, refund unconfirmed': looked(R + 1, { invoice, lock: spentBy(refund, 0) }),
    'block, refund dropped': looked(R + 1, { invoice, lock: unspent(90) }),
    'block, lock gone': looked(R + 1, { invoice, lock: absent }),
    'refund buried': looked(R + 6, { invoice, lock: spentBy(refund, 6) }),
    'unpaid claim seen': looked(R + 1, { invoice: canceled, lock: spentBy(claim, 0) }),
    'unpaid claim buried': looked(R + 9, { invoice: canceled, lock: spentBy(claim, 6) }),
  };
}

const giveUp = lockGiveUpHeight({ acceptedHeight: HEIGHT });
const { refundHeight: R } = holdTerms;
const holdAborting = after(holdSeller.locking, looked(giveUp, { invoice: held, lock: unspent(0) }));
const holdRefunding = after(holdSeller.locked, looked(R, { invoice: held, lock: unspent(90) }));
const holdRefunded = after(holdRefunding, { type: 'refund_built', at: at(R), refund: refundFor(holdTerms) });

const claimSeen = looked(HEIGHT + 14, { invoice: held, lock: spentBy(claimFor(holdTerms), 0) });
const preimageSeen: TradeEvent = {
  type: 'preimage_seen',
  at: at(R),
  preimage: findPreimage(claimFor(holdTerms).raw, holdTerms.paymentHash) ?? '',
  txid: claimFor(holdTerms).txid,
};
const notPaid = looked(lastAcceptHeight(holdTerms) + 1, { invoice: open });
const holdLocking = lockingEvents(holdTerms, held);

/** The seller in hold-first in all his states; a cancel remembers how the trade will have ended. */
export const holdSellerSamples: Samples<Trade, TradeEvent> = {
  states: [
    holdSeller.quoting,
    holdSeller.invoiced,
    holdSeller.building,
    holdSeller.locking,
    holdAborting,
    holdSeller.locked,
    holdRefunded,
    after(holdSeller.locked, claimSeen),
    after(holdSeller.invoiced, abortRequested),
    after(holdSeller.invoiced, notPaid),
    after(holdSeller.invoiced, looked(HEIGHT, { invoice: { ...held, amountMsat: 1n } })),
    after(holdRefunded, looked(R + 6, { invoice: held, lock: spentBy(refundFor(holdTerms), 6) })),
    after(holdSeller.invoiced, looked(HEIGHT, { invoice: canceled })),
  ],
  events: {
    alive: { 'abort requested': abortRequested, 'buyer aborts': buyerAborts },
    quoting: {
      'invoice ready': ready(invoiceFor(holdTerms)),
      'invoice impossible': failed('create_hold_invoice', 'invoice_exists'),
      'too late to be paid': notPaid,
    },
    invoiced: {
      'payment held': looked(HEIGHT, { invoice: held }),
      'payment held, not as agreed': looked(HEIGHT, { invoice: { ...held, expiryHeight: R + 71 } }),
      'not paid in time': notPaid,
      'invoice canceled': looked(HEIGHT, { invoice: canceled }),
    },
    building: {
      ...holdLocking['building'],
      'hold gone': looked(HEIGHT, { invoice: canceled }),
      'lock built too late': { type: 'lock_built', at: at(lastLockHeight(holdTerms) + 1), lock: lockFor(holdTerms) },
    },
    locking: {
      ...holdLocking['locking'],
      'hold gone, lock unconfirmed': looked(HEIGHT, { invoice: canceled, lock: unspent(0) }),
      'time to give the lock up': looked(giveUp, { invoice: held, lock: unspent(0) }),
    },
    aborting: holdLocking['aborting'] ?? {},
    'locking aborting locked refunding': { 'claim seen': claimSeen, 'preimage seen for a moment': preimageSeen },
    locked: {
      block: looked(HEIGHT + 2, { invoice: held, lock: unspent(2) }),
      'block, lock gone': looked(HEIGHT + 2, { invoice: held, lock: absent }),
      'R reached': looked(R, { invoice: held, lock: unspent(90) }),
      'R reached, lock gone': looked(R, { invoice: held, lock: absent }),
    },
    refunding: {
      ...refundEvents(holdTerms, held),
      'hold about to expire': looked(guardianHeight(held), { invoice: held, lock: unspent(90) }),
    },
    settling: {
      'invoice settled': looked(HEIGHT + 14, { invoice: settled, lock: spentBy(claimFor(holdTerms), 0) }),
      'block, not settled': looked(HEIGHT + 15, { invoice: held, lock: spentBy(claimFor(holdTerms), 1) }),
      'unpaid claim buried': looked(HEIGHT + 99, { invoice: canceled, lock: spentBy(claimFor(holdTerms), 6) }),
      'unpaid claim unconfirmed at R': looked(R, { invoice: canceled, lock: spentBy(claimFor(holdTerms), 0) }),
    },
    canceling: {
      'invoice canceled': looked(HEIGHT + 30, { invoice: canceled }),
      'block, not canceled': looked(HEIGHT + 30, { invoice: held }),
      'lock of a lost record found': {
        ...{ type: 'lock_found', at: at(HEIGHT + 30), lock: lockFor(holdTerms) },
        expiryHeight: held.expiryHeight,
      },
      'invoice settled': looked(HEIGHT + 30, { invoice: settled }),
    },
  },
};

const within = { refundHeight: lockTerms.refundHeight, routeCapBlocks: offer.routeCapBlocks };
const cancelAt = invoiceCancelHeight(within);
const tooLateToLock = looked(lastPayHeight(within) + 1, { lock: unspent(0) });
const withdrawing = after(lockSeller.invoiced, looked(cancelAt, { invoice: open, lock: unspent(30) }));
const waiting = after(withdrawing, looked(cancelAt, { invoice: canceled, lock: unspent(30) }));
const atR = looked(lockTerms.refundHeight, { lock: unspent(300) });
const lockLocking = lockingEvents(lockTerms, open);

export const lockSellerSamples: Samples<Trade, TradeEvent> = {
  states: [
    lockSeller.building,
    lockSeller.locking,
    after(lockSeller.locking, abortRequested),
    lockSeller.invoicing,
    lockSeller.invoiced,
    withdrawing,
    waiting,
    after(waiting, atR, { type: 'refund_built', at: at(lockTerms.refundHeight), refund: refundFor(lockTerms) }),
    after(lockSeller.building, abortRequested),
  ],
  events: {
    alive: { 'abort requested': abortRequested, 'buyer aborts': buyerAborts },
    building: lockLocking['building'] ?? {},
    'building locking invoicing': { 'too late to be paid': tooLateToLock },
    locking: lockLocking['locking'] ?? {},
    aborting: lockLocking['aborting'] ?? {},
    invoicing: {
      'invoice ready': ready(invoiceFor(lockTerms), HEIGHT + 1),
      'invoice impossible': failed('create_invoice', 'invoice_exists'),
    },
    invoiced: {
      block: looked(HEIGHT + 2, { invoice: open, lock: unspent(2) }),
      'block, lock gone': looked(HEIGHT + 2, { invoice: open, lock: absent }),
      'invoice expired': looked(HEIGHT + 2, { invoice: open, lock: unspent(2) }, NOW + 3601),
      'too late to be paid': looked(cancelAt, { invoice: open, lock: unspent(30) }),
    },
    'invoiced withdrawing': {
      'invoice settled': looked(HEIGHT + 2, { invoice: settled, lock: unspent(2) }),
      'invoice canceled': looked(cancelAt, { invoice: canceled, lock: unspent(30) }),
    },
    withdrawing: { 'block, not canceled': looked(cancelAt + 1, { invoice: open, lock: unspent(31) }) },
    waiting: { 'R reached': atR },
    refunding: refundEvents(lockTerms, canceled),
  },
};

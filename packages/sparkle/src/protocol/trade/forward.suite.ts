import { findPreimage } from '../spend.ts';
import type { Effect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import {
  announcement,
  at,
  claimFor,
  heard,
  HEIGHT,
  holdTerms,
  inscriptionId,
  invoiceFor,
  looked,
  NOW,
  offer,
  quote,
  ready,
  wantOf,
} from './fixtures.suite.ts';
import { openForwarder } from './open.ts';
import type { TradeRequest } from '../messages.ts';
import type { Forwarder } from './state.ts';
import { step } from './step.ts';
import type { Forward, Terms } from './terms.ts';

/** The trade of the fixtures with a forwarder in it, who takes 1,000 sats: to the seller he is the buyer. */
export const forwarderId = holdTerms.buyerId;
export const buyerId = '0b'.repeat(32);
const want = wantOf('hold-first');
export const paymentHash = want.mode === 'hold-first' ? want.paymentHash : '';

export const forward: Forward = {
  inscriptionId,
  sellerId: offer.sellerId,
  sellerSats: 90_000n,
  totalSats: 91_000n,
  maxFeeMsat: 1_000_000n,
  expiresAt: NOW + 3600,
};

export const request: TradeRequest & { signed: object } = {
  op: 'trade_request',
  inscriptionId,
  claimKey: want.claimKey,
  offerSats: 91_000n,
  signed: {
    ...{ tradeId: want.tradeId, from: buyerId, expiresAt: NOW + 3600, mode: 'hold-first', network: 'regtest' },
    ...{ script: 'v1', internalKey: 'nums', paymentHash },
  },
};

export const openedForward = (changed: Partial<Forward> = {}) =>
  openForwarder({ request, forward: { ...forward, ...changed }, network: 'regtest', forwarderId, at: at(HEIGHT) });

function asking(): Forwarder {
  const opened = openedForward();
  if ('failures' in opened) throw new Error(`the fixture's request is refused: ${opened.failures[0]?.sentence}`);
  return opened.trade;
}

export const told = (trade: Forwarder, ...events: TradeEvent[]): Forwarder =>
  events.reduce((current, event) => step(current, event).trade as Forwarder, trade);

export const front: Terms = {
  ...holdTerms,
  ...{ priceSats: 91_000n, finalCltv: holdTerms.finalCltv + 224, buyerId, sellerId: forwarderId },
};
export const incoming = { state: 'held', amountMsat: 91_000_000n, expiryHeight: HEIGHT + 395, parts: 1 } as const;
export const preimage = findPreimage(claimFor(holdTerms).raw, paymentHash) ?? '';

const signedBy = (from: string) => ({ tradeId: want.tradeId, from, expiresAt: NOW + 60 });
export const abortBy = (from: string): TradeEvent =>
  heard({ op: 'trade_abort', inscriptionId, code: 'abort_requested', signed: signedBy(from) });
export const completeBy = (from: string, shown = preimage): TradeEvent =>
  heard({
    ...{ op: 'trade_complete', inscriptionId, claimTxid: claimFor(holdTerms).txid, preimage: shown },
    signed: signedBy(from),
  });

export const failed = (effect: Effect['do'], code: string, attempts = 0): TradeEvent => ({
  ...{ type: 'effect_failed', attempts, at: at(HEIGHT), effect, code, sentence: '' },
});

/** The forwarder's way until both payments have ended. */
export const forwarder = {
  asking: asking(),
  get quoting() {
    return told(this.asking, heard(quote));
  },
  get invoiced() {
    return told(this.quoting, ready(invoiceFor(front)));
  },
  get paying() {
    return told(this.invoiced, looked(HEIGHT, { invoice: incoming }));
  },
  get announced() {
    return told(this.paying, heard(announcement));
  },
  get unsent() {
    return told(this.paying, failed('forward_payment', 'no_route'));
  },
  get returning() {
    return told(this.paying, looked(HEIGHT, { invoice: incoming, payment: { state: 'failed', reason: 'no_route' } }));
  },
  get settling() {
    return told(
      this.announced,
      looked(HEIGHT, { invoice: incoming, payment: { state: 'settled', preimage, feeMsat: 0n } }),
    );
  },
};

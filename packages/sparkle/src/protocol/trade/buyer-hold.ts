import { checkAnnouncement, checkLock, checkQuote, checkReveal, type Failure, termsOfQuote } from '../checks.ts';
import type { TradeMessage, TradeQuote } from '../messages.ts';
import { claimBuilt, claimFailed, claimLooked, claimSent, planClaim } from './claiming.ts';
import type { KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';
import { type Change, go, keyed, type Machine, run, stay } from './machine.ts';
import { payment } from './paying.ts';
import type { HoldBuyer } from './state.ts';
import type { LockFacts } from './view.ts';

type In<S extends HoldBuyer['state']> = Extract<HoldBuyer, { state: S }>;
type Event<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;
type After = Change<HoldBuyer>;

const machine: Machine<HoldBuyer> = {
  requested: {
    message: (trade, event) => {
      const { message } = event;
      if (message.op === 'trade_quote') return quoted(trade, message, event);
      return message.op === 'trade_abort' ? ended(trade, { outcome: 'refused', codes: [message.code] }) : stay(trade);
    },
    looked: (trade, { at }) =>
      at.nowSeconds > trade.want.expiresAt ? ended(trade, { outcome: 'expired', codes: ['no_quote'] }) : stay(trade),
    abort_requested: (trade) => ended(trade, { outcome: 'abandoned', codes: ['abort_requested'] }),
  },
  paying: {
    message: announced,
    looked: (trade, { view }) => returned(trade, view.payment?.state, []),
    effect_failed: notPaid,
    abort_requested: (trade) => withdrawn(trade, ['abort_requested']),
  },
  verifying: {
    message: (trade) => stay(trade),
    looked: inspected,
    effect_failed: notPaid,
    abort_requested: (trade) => withdrawn(trade, ['abort_requested']),
  },
  claiming: {
    claim_built: (trade, event) => claimBuilt(trade, event) as After,
    broadcast_done: (trade, event) => claimSent(trade, event) as After,
    effect_failed: (trade, event) => claimFailed(trade, event) as After,
    looked: (trade, event) => claimLooked(trade, event) as After,
  },
  withdrawn: {
    looked: (trade, { view }) => returned(trade, view.payment?.state, trade.codes),
    effect_failed: notPaid,
  },
  ended: {},
};

export const stepHoldBuyer = (trade: HoldBuyer, event: TradeEvent): After => run(machine, trade, event);

function quoted(trade: In<'requested'>, quote: TradeQuote, { at }: Event<'message'>): After {
  const failures = checkQuote({ want: trade.want, quote, height: at.height, nowSeconds: at.nowSeconds });
  if (failures.length > 0) return ended(trade, { outcome: 'refused', codes: codesOf(failures) });
  const terms = termsOfQuote(trade.want, quote);
  const next: In<'paying'> = { ...base(trade), state: 'paying', terms, invoice: quote.invoice };
  return go(next, payment(next, at));
}

/** The seller says where the lock is. Nothing he says is believed: it only tells where to look. */
function announced(trade: In<'paying'>, { message }: { message: TradeMessage }): After {
  if (message.op !== 'trade_accept') return stay(trade);
  const failures = checkAnnouncement({ terms: trade.terms, accept: message });
  if (failures.length > 0) return withdrawn(trade, codesOf(failures));
  const { terms, invoice } = trade;
  const outpoint = `${message.fundingTxid}:${message.fundingVout}`;
  return stay({ ...base(trade), state: 'verifying', terms, invoice, outpoint });
}

function inspected(trade: In<'verifying'>, { view, at }: Event<'looked'>): After {
  if (view.payment?.state === 'failed') return returned(trade, 'failed', []);
  if (view.payment?.state === 'settled') return paidUnasked(trade, view.facts, at.height);
  // The hold must still stand when the preimage goes out, and the runner may not have dispatched it yet.
  if (view.facts === undefined || view.payment?.state !== 'pending') return stay(trade);
  const { terms } = trade;
  const reveal = checkReveal({
    terms,
    height: at.height,
    tip: { timeSeconds: view.tip.timeSeconds },
    nowSeconds: at.nowSeconds,
  });
  const failures = [...checkLock({ terms, facts: view.facts, height: at.height }), ...reveal];
  const refused = failures.filter(({ wait }) => !wait);
  if (refused.length > 0) return withdrawn(trade, codesOf(refused));
  if (failures.length > 0) return stay(trade);
  const next = claiming(trade, { facts: view.facts, revealed: false, height: at.height });
  return go(next, planClaim(next, at.height));
}

/** The preimage is out although nothing was shown: there is nothing to hide any more, and whatever was locked is his. */
function paidUnasked(trade: In<'verifying'>, facts: LockFacts | undefined, height: number): After {
  if (facts?.raw === undefined) return go(trade, leak(trade));
  const next = claiming(trade, { facts, revealed: true, height });
  return go(next, planClaim(next, height), leak(next));
}

type Begun = { facts: LockFacts; revealed: boolean; height: number };

function claiming(trade: In<'verifying'>, { facts, revealed, height }: Begun): In<'claiming'> {
  return {
    ...base(trade),
    state: 'claiming',
    terms: trade.terms,
    invoice: trade.invoice,
    outpoint: trade.outpoint,
    lockRaw: facts.raw ?? '',
    versions: [],
    revealed,
    plannedAt: height,
  };
}

/** The payment came back: nothing was revealed, so nothing can be taken. */
function returned(trade: In<'paying' | 'verifying' | 'withdrawn'>, state: string | undefined, codes: string[]): After {
  if (state === 'failed') return ended(trade, { outcome: codes.length > 0 ? 'refused' : 'abandoned', codes });
  return state === 'settled' ? go(trade, leak(trade)) : stay(trade);
}

/** Nobody but us knew the preimage: a settled payment means that it leaked, and the operator must look. */
const leak = (trade: HoldBuyer): KeyedEffect =>
  keyed(trade, 'leak', { do: 'alert', level: 'page', code: 'preimage_leaked', sentence: LEAKED });

const LEAKED = 'the hold payment was settled although this side has not revealed its preimage';

function notPaid(trade: In<'paying' | 'verifying' | 'withdrawn'>, { effect, code }: Event<'effect_failed'>): After {
  return effect === 'pay' ? ended(trade, { outcome: 'abandoned', codes: [code] }) : stay(trade);
}

function withdrawn(trade: In<'paying' | 'verifying'>, codes: string[]): After {
  const { terms, invoice } = trade;
  return go(
    { ...base(trade), state: 'withdrawn', terms, invoice, codes },
    keyed(trade, 'abort', {
      do: 'send',
      to: terms.sellerId,
      message: {
        op: 'trade_abort',
        inscriptionId: terms.inscriptionId,
        code: codes[0] ?? 'withdrawn',
        signed: { tradeId: trade.tradeId, from: terms.buyerId, expiresAt: trade.want.expiresAt },
      },
    }),
  );
}

const codesOf = (failures: Failure[]): string[] => failures.map(({ code }) => code);

const base = ({ role, mode, tradeId, keyIndex, want }: HoldBuyer) => ({ role, mode, tradeId, keyIndex, want });

function ended(trade: HoldBuyer, how: { outcome: In<'ended'>['outcome']; codes: string[] }): After {
  const terms = 'terms' in trade && trade.terms !== undefined ? { terms: trade.terms } : {};
  return stay({ ...base(trade), ...terms, state: 'ended', ...how });
}

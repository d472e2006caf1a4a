import { lastRevealHeight } from 'sparkle-protocol/protocol/deadlines';
import type { KeyedEffect } from 'sparkle-protocol/protocol/trade/effect';
import type { TradeEvent } from 'sparkle-protocol/protocol/trade/event';
import type { Change } from 'sparkle-protocol/protocol/trade/machine';
import { step, type Trade } from 'sparkle-protocol/protocol/trade/step';
import type { OutputView } from 'sparkle-protocol/protocol/trade/view';
import type { Step } from './actor.ts';
import type { Scenario } from './game.ts';
import { briefly } from './scenarios.ts';

/** A machine with one rule broken, and the game in which somebody must lose by it or be stuck. */
export type Broken = { rule: string; step: Step; scenario: Scenario; finds: 'a loss' | 'a deadlock' };

const game = (name: string, more: Partial<Scenario> = {}): Scenario => {
  const found = briefly.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`there is no scenario ${name}`);
  return { ...found, ...more };
};

/** The same event, but as if it had happened at `height` at the latest. */
function notAfter(event: TradeEvent, height: number): TradeEvent {
  const at = { ...event.at, height: Math.min(event.at.height, height) };
  return { ...event, at };
}

const withEffects = (
  { trade, effects }: Change<Trade>,
  change: (effect: KeyedEffect) => KeyedEffect,
): Change<Trade> => ({
  trade,
  effects: effects.map(change),
});

const revealsLate: Step = (trade, event) => {
  const isBuyer = trade.role === 'buyer' && (trade.state === 'verifying' || trade.state === 'claiming');
  const told = isBuyer ? notAfter(event, lastRevealHeight(trade.terms)) : event;
  return withEffects(step(trade, told), ({ key, effect }) => {
    if (effect.do !== 'broadcast') return { key, effect };
    const { firstRunUntilHeight: _guard, ...unguarded } = effect;
    return { key, effect: unguarded };
  });
};

/** LND and Core Lightning allow a route of 2016 blocks when nobody tells them otherwise. */
const forgetsTheRouteCap: Step = (trade, event) =>
  withEffects(step(trade, event), ({ key, effect }) => ({
    key,
    effect: effect.do === 'pay' ? { ...effect, maxCltvBlocks: 2016 } : effect,
  }));

const paysUnconfirmed: Step = (trade, event) => {
  if (trade.role !== 'buyer' || trade.state !== 'verifying' || event.type !== 'looked') return step(trade, event);
  const { facts } = event.view;
  if (facts?.raw === undefined) return step(trade, event);
  const { confirmations, offsetSats, inscriptionId } = trade.terms;
  const seen = { satpoint: `${facts.outpoint}:${offsetSats}`, inscriptions: [inscriptionId] };
  const deep = { ...facts, ...seen, confirmations: Math.max(facts.confirmations, confirmations) };
  return step(trade, { ...event, view: { ...event.view, facts: deep } });
};

/** Ends the hold when the lock is to be given up, instead of when it surely has been. */
const cancelsAtOnce: Step = (trade, event) => {
  const changed = step(trade, event);
  if (trade.mode !== 'hold-first' || trade.state !== 'locking' || changed.trade.state !== 'aborting') return changed;
  const { role, mode, tradeId, keyIndex, terms, offer } = trade;
  const { paymentHash } = terms;
  const canceling = { role, mode, tradeId, keyIndex, terms, offer, state: 'canceling' } as const;
  return {
    trade: { ...canceling, outcome: 'canceled', codes: ['lock_too_late'] },
    effects: [{ key: `${tradeId}/seller/cancel`, effect: { do: 'cancel_invoice', paymentHash } }],
  };
};

const buried = (output: OutputView): OutputView =>
  output.state === 'spent' && output.spender.confirmations > 0
    ? { ...output, spender: { ...output.spender, confirmations: 6 } }
    : output;

/** Takes one confirmation of a refund for six. */
const trustsOneBlock: Step = (trade, event) => {
  if (trade.role !== 'seller' || event.type !== 'looked' || event.view.lock === undefined) return step(trade, event);
  return step(trade, { ...event, view: { ...event.view, lock: buried(event.view.lock) } });
};

/** Never takes the payment, although it has seen the preimage. */
const forgetsToSettle: Step = (trade, event) => {
  const { trade: after, effects } = step(trade, event);
  return { trade: after, effects: effects.filter(({ effect }) => effect.do !== 'settle') };
};

/** Gives up as soon as the lock is in the mempool, and leaves it there. */
const leavesTheLock: Step = (trade, event) => {
  if (trade.role !== 'seller' || trade.state !== 'waiting') return step(trade, event);
  return { trade, effects: [] };
};

export const broken: readonly Broken[] = [
  {
    rule: 'the buyer shows his preimage after the last height to reveal',
    step: revealsLate,
    scenario: game('hold-first, the seller cheats'),
    finds: 'a loss',
  },
  {
    rule: 'the seller cancels the held payment while his lock is unconfirmed',
    step: cancelsAtOnce,
    scenario: game('hold-first, the buyer cheats'),
    finds: 'a loss',
  },
  {
    rule: 'the seller takes one confirmation of his refund for six',
    step: trustsOneBlock,
    scenario: game('hold-first, the buyer cheats', { reorgs: 1 }),
    finds: 'a loss',
  },
  {
    rule: 'the seller sees the preimage and does not settle',
    step: forgetsToSettle,
    scenario: game('hold-first, the buyer cheats'),
    finds: 'a loss',
  },
  {
    rule: 'the buyer pays for a lock that is not confirmed',
    step: paysUnconfirmed,
    scenario: game('lock-first, the seller cheats'),
    finds: 'a loss',
  },
  {
    rule: 'the buyer pays over a route that may last longer than the lock',
    step: forgetsTheRouteCap,
    scenario: game('lock-first, the seller cheats'),
    finds: 'a loss',
  },
  {
    rule: 'the seller never begins to refund',
    step: leavesTheLock,
    scenario: game('lock-first, the buyer cheats'),
    finds: 'a deadlock',
  },
];

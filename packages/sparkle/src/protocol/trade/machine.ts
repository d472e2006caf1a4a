import type { Effect, KeyedEffect } from './effect.ts';
import type { TradeEvent } from './event.ts';

/** What a step answers: the new state, and what shall be done because of it. */
export type Change<T> = { trade: T; effects: KeyedEffect[] };

type EventOf<E extends TradeEvent['type']> = Extract<TradeEvent, { type: E }>;

/** The edges that leave one state. An event without an edge changes nothing: the world says the same thing twice, late, or too early. */
type Edges<T, All> = { readonly [E in TradeEvent['type']]?: (trade: T, event: EventOf<E>) => Change<All> };

/** All states with their edges; a state that is missing here does not compile. */
export type Machine<All extends { state: string }> = {
  readonly [S in All['state']]: Edges<Extract<All, { state: S }>, All>;
};

/** Runs one event through a machine. */
export function run<All extends { state: string }>(machine: Machine<All>, trade: All, event: TradeEvent): Change<All> {
  const edges = machine[trade.state as All['state']] as Edges<All, All>;
  const edge = edges[event.type] as ((trade: All, event: TradeEvent) => Change<All>) | undefined;
  return edge === undefined ? stay(trade) : edge(trade, event);
}

export const stay = <T>(trade: T): Change<T> => ({ trade, effects: [] });

export const go = <T>(trade: T, ...effects: KeyedEffect[]): Change<T> => ({ trade, effects });

/** Names an effect. The same name is the same deed: it is stored and run once however often it is decided. */
export function keyed(trade: { tradeId: string; role: string }, name: string, effect: Effect): KeyedEffect {
  return { key: `${trade.tradeId}/${trade.role}/${name}`, effect };
}

import { encodeState } from 'sparkle-protocol/protocol/json';
import type { Effect } from 'sparkle-protocol/protocol/trade/effect';
import type { Change } from 'sparkle-protocol/protocol/trade/machine';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { heightIn, type Due, type Local } from './outbox.ts';

/** Gives equal things one number, by a text that is the same for equal ones only. */
class Numbering<Item> {
  readonly #items: Item[] = [];
  readonly #numbers = new Map<string, number>();

  get size(): number {
    return this.#items.length;
  }

  number(item: Item, text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#items.push(item) - 1;
    this.#numbers.set(text, number);
    return number;
  }

  at(number: number): Item {
    const item = this.#items[number];
    if (item === undefined) throw new Error(`there is no number ${number}`);
    return item;
  }
}

/**
 * All stores that one trader has ever had in the game, numbered, so that one that comes again is the same number; and what
 * came of each step, so that it is taken once for a trade, an event and a moment.
 */
export class Stores {
  readonly #locals = new Numbering<Local>();
  readonly #trades = new Numbering<Trade>();
  readonly #tradeOf: number[] = [];
  readonly #names = new Map<string, number>();
  readonly #texts = new WeakMap<Effect, string>();
  readonly #nameOf = new WeakMap<Due, string>();
  readonly #made = new Map<string, number>();
  readonly #changes = new Map<string, Change<Trade>>();

  get size(): number {
    return this.#locals.size;
  }

  at(local: number): Local {
    return this.#locals.at(local);
  }

  /** The number of what `make` makes of a store; `key` names what is done to it. */
  made(local: number, key: string, make: (local: Local) => Local): number {
    const name = `${local} ${key}`;
    const known = this.#made.get(name);
    if (known !== undefined) return known;
    const number = this.number(make(this.at(local)));
    this.#made.set(name, number);
    return number;
  }

  /** What a step answers; `key` names the event and the moment. */
  changed(local: number, key: string, step: (trade: Trade) => Change<Trade>): Change<Trade> {
    const name = `${this.#tradeOf[local]} ${key}`;
    const known = this.#changes.get(name);
    if (known !== undefined) return known;
    const change = step(this.at(local).trade);
    this.#changes.set(name, change);
    return change;
  }

  number(local: Local): number {
    const { trade, due, aside, known } = local;
    const ofTrade = this.#trades.number(trade, encodeState(trade));
    const rest = [due, aside].map((list) => list.map((each) => this.nameOf(each)).join(' '));
    const number = this.#locals.number(local, [ofTrade, ...rest, ...known].join('|'));
    this.#tradeOf[number] = ofTrade;
    return number;
  }

  /** The same for equal effects only: two that have one key may still differ in what they replace. */
  nameOf(due: Due): string {
    const known = this.#nameOf.get(due);
    if (known !== undefined) return known;
    const { key, effect, tried } = due;
    const text = this.#texts.get(effect) ?? encodeState(effect);
    this.#texts.set(effect, text);
    const name = `${heightIn(key) === 0 ? key : ''} ${tried} ${text}`;
    const number = this.#names.get(name) ?? this.#names.size;
    this.#names.set(name, number);
    this.#nameOf.set(due, String(number));
    return String(number);
  }
}

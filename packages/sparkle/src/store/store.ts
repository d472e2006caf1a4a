import type { KeyedEffect } from '../protocol/trade/effect.ts';
import type { Trade } from '../protocol/trade/step.ts';

/** An effect that was decided and is not done yet. `attempts` counts the runs that failed, `notBefore` is Unix ms. */
export type Due = KeyedEffect & { tradeId: string; attempts: number; notBefore: number };

export type Change = { trade: Trade; effects: KeyedEffect[] };

/**
 * What another instance on the same store did: gave up trades that `live` and `due` would now take, changed one, or asked for
 * one that it has something to tell. A hint: it may come twice or late, and where it is lost the next look finds the same.
 */
export type StoreNews = { type: 'freed' } | { type: 'changed' | 'wanted'; tradeId: string };

/** Throws when one more would be too much beside the trades for which outputs are kept already. */
export type AssertFits = (others: readonly Trade[]) => void;

/**
 * Where trades live. `update` is one transaction: the new state and what is due because of it, or neither.
 * An effect whose key is known already (due or done) is not stored again. The payment hash of every trade is unique,
 * and so is the lock outpoint of every live trade; `create` and `update` throw `duplicate_trade` otherwise.
 *
 * Where several instances share a store, each trade is in the hands of one, which alone acts for it: `create` takes it, `live`
 * and `due` take what nobody holds and answer with what is held, `update`, `done`, `postpone`, `reserve` and `due` of
 * a trade that another holds throw `elsewhere` and change nothing. `load` and `all` see every trade. Where one process alone has the store
 * it holds everything.
 *
 * A store that others may have to reach over a network throws `store_unavailable` while it is away: nothing is half done, and
 * whether a change was written whose answer was lost, `load` tells.
 */
export interface Store {
  create(change: Change): Promise<Due[]>;
  /** `change` may be called again, with the newer state, when another transaction came first. */
  update(tradeId: string, change: (trade: Trade) => Change): Promise<{ trade: Trade; due: Due[] }>;
  load(tradeId: string): Promise<Trade | undefined>;
  /** Trades that have not ended and are ours, oldest first. */
  live(): Promise<Trade[]>;
  all(): Promise<Trade[]>;
  /** Trades that have not ended, in whosever hands: for what instances share, such as one limit on what is at risk. */
  liveAnywhere(): Promise<Trade[]>;
  /** Of those all in which money is bound or soon may be: not the many sales whose invoice nobody has paid yet. */
  committed(): Promise<Trade[]>;
  /**
   * Keeps outputs of a shared wallet for a trade, as long as it lives: all of them, or throws `duplicate_trade` when another
   * trade has one. Keeping again what is kept already changes nothing. With `assertFits` one call at a time, of whichever
   * instance: it is told the other trades for which something is kept, and what it throws is thrown, with nothing kept.
   */
  reserve(tradeId: string, outpoints: readonly string[], assertFits?: AssertFits): Promise<void>;
  /** Every output that is kept, and the trade it is kept for, in whosever hands. */
  reserved(): Promise<Map<string, string>>;
  /** Effects of our trades not done yet, in the order they were decided. */
  due(tradeId?: string): Promise<Due[]>;
  done(key: string): Promise<void>;
  /** Notes a failed run: raises `attempts` and sets `notBefore`. */
  postpone(key: string, notBefore: number): Promise<void>;
  /** The next key index, never given twice, also after a crash. */
  nextKeyIndex(): Promise<number>;
  /** Asks whoever holds a trade to give it up. Absent, as the two below, where there can be no other instance. */
  want?(tradeId: string): void;
  /** Gives up a trade of ours, for whoever takes it first. */
  release?(tradeId: string): Promise<void>;
  /** Calls `listener` when another instance did something; returns how to stop it. */
  subscribe?(listener: (news: StoreNews) => void): () => void;
  /** Gives up every trade at once. */
  close(): Promise<void>;
}

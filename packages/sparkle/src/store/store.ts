import type { KeyedEffect } from '../protocol/trade/effect.ts';
import type { Trade } from '../protocol/trade/step.ts';

/** An effect that was decided and is not done yet. `attempts` counts the runs that failed, `notBefore` is Unix ms. */
export type Due = KeyedEffect & { tradeId: string; attempts: number; notBefore: number };

export type Change = { trade: Trade; effects: KeyedEffect[] };

/**
 * Where trades live. `update` is one transaction: the new state and what is due because of it, or neither.
 * An effect whose key is known already (due or done) is not stored again. The payment hash of every trade is unique,
 * and so is the lock outpoint of every live trade; `create` and `update` throw `duplicate_trade` otherwise.
 */
export interface Store {
  create(change: Change): Promise<Due[]>;
  update(tradeId: string, change: (trade: Trade) => Change): Promise<{ trade: Trade; due: Due[] }>;
  load(tradeId: string): Promise<Trade | undefined>;
  /** Trades that have not ended, oldest first. */
  live(): Promise<Trade[]>;
  all(): Promise<Trade[]>;
  /** Effects not done yet, in the order they were decided. */
  due(tradeId?: string): Promise<Due[]>;
  done(key: string): Promise<void>;
  /** Notes a failed run: raises `attempts` and sets `notBefore`. */
  postpone(key: string, notBefore: number): Promise<void>;
  /** The next key index, never given twice, also after a crash. */
  nextKeyIndex(): Promise<number>;
  close(): Promise<void>;
}

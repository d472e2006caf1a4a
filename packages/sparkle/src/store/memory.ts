import { decodeState, encodeState } from '../protocol/json.ts';
import type { Effect } from '../protocol/trade/effect.ts';
import { isUnchanged, type Trade } from '../protocol/trade/step.ts';
import {
  assertSameTrade,
  type Claims,
  claimsOf,
  duplicateTrade,
  endedTrade,
  unknownEffect,
  unknownTrade,
} from './rules.ts';
import type { Change, Due, Store } from './store.ts';

type Row = { body: string; claims: Claims };
type Entry = { tradeId: string; body: string; attempts: number; notBefore: number };

/** What survives a crash: a memory store may be thrown away at any time and opened again on the same disk. */
export type MemoryDisk = {
  /** `trades` and `pending` keep the order of insertion, which is the order of `live`, `all` and `due`. */
  trades: Map<string, Row>;
  pending: Map<string, Entry>;
  /** Every effect key ever stored, done or not. */
  keys: Set<string>;
  /** Payment hash -> the trade that had it first; never freed. */
  hashes: Map<string, string>;
  /** Lock outpoint -> the live trade that has it. */
  locks: Map<string, string>;
  /** Coin -> the live trade that it is kept for. */
  coins: Map<string, string>;
  nextKeyIndex: number;
};

export const memoryDisk = (): MemoryDisk => ({
  trades: new Map(),
  pending: new Map(),
  keys: new Set(),
  hashes: new Map(),
  locks: new Map(),
  coins: new Map(),
  nextKeyIndex: 0,
});

function assertFree(disk: MemoryDisk, tradeId: string, { paymentHash, lockOutpoint }: Claims): void {
  const claims = [
    { what: 'payment hash', value: paymentHash, holders: disk.hashes },
    { what: 'lock outpoint', value: lockOutpoint, holders: disk.locks },
  ] as const;
  for (const { what, value, holders } of claims) {
    const holder = value === undefined ? undefined : holders.get(value);
    if (value !== undefined && holder !== undefined && holder !== tradeId)
      throw duplicateTrade({ what, value, tradeId, holder });
  }
}

/** Checks and encodes everything first, so that nothing can throw once the first entry is written. */
function write(disk: MemoryDisk, { trade, effects }: Change): Due[] {
  const { tradeId } = trade;
  const claims = claimsOf(trade);
  assertFree(disk, tradeId, claims);
  const body = encodeState(trade);
  const fresh = effects.filter(
    ({ key }, at) => !disk.keys.has(key) && effects.findIndex((other) => other.key === key) === at,
  );
  const entries = fresh.map(({ key, effect }) => ({ key, effect, body: encodeState(effect) }));

  const before = disk.trades.get(tradeId)?.claims.lockOutpoint;
  if (before !== undefined) disk.locks.delete(before);
  if (claims.lockOutpoint !== undefined) disk.locks.set(claims.lockOutpoint, tradeId);
  if (claims.paymentHash !== undefined) disk.hashes.set(claims.paymentHash, tradeId);
  if (claims.ended) for (const [coin, holder] of disk.coins) if (holder === tradeId) disk.coins.delete(coin);
  disk.trades.set(tradeId, { body, claims });
  for (const entry of entries) {
    disk.keys.add(entry.key);
    disk.pending.set(entry.key, { tradeId, body: entry.body, attempts: 0, notBefore: 0 });
  }
  return fresh.map(({ key, effect }) => ({ key, effect, tradeId, attempts: 0, notBefore: 0 }));
}

const tradeOf = (row: Row): Trade => decodeState(row.body) as Trade;

const dueOf = ([key, { body, tradeId, attempts, notBefore }]: [string, Entry]): Due => ({
  key,
  effect: decodeState(body) as Effect,
  tradeId,
  attempts,
  notBefore,
});

function assertKnown(disk: MemoryDisk, key: string): void {
  if (!disk.keys.has(key)) throw unknownEffect(key);
}

const readers = (disk: MemoryDisk): Pick<Store, 'live' | 'liveAnywhere' | 'committed' | 'all'> => ({
  live: async () => liveTrades(disk),
  liveAnywhere: async () => liveTrades(disk),
  committed: async () => [...disk.trades.values()].filter(({ claims }) => claims.committed).map(tradeOf),
  all: async () => [...disk.trades.values()].map(tradeOf),
});

const liveTrades = (disk: MemoryDisk): Trade[] =>
  [...disk.trades.values()].filter(({ claims }) => !claims.ended).map(tradeOf);

function reserve(disk: MemoryDisk, ...[tradeId, outpoints, assertFits]: Parameters<Store['reserve']>): void {
  const row = disk.trades.get(tradeId);
  if (row === undefined) throw unknownTrade(tradeId);
  if (row.claims.ended) throw endedTrade(tradeId);
  const keeping = new Set(disk.coins.values());
  assertFits?.(liveTrades(disk).filter((trade) => trade.tradeId !== tradeId && keeping.has(trade.tradeId)));
  for (const value of outpoints) {
    const holder = disk.coins.get(value);
    if (holder !== undefined && holder !== tradeId) throw duplicateTrade({ what: 'coin', value, tradeId, holder });
  }
  for (const outpoint of outpoints) disk.coins.set(outpoint, tradeId);
}

/** A store in this process. Keeps text, as a database does, so that a state that does not survive writing shows here too. */
export function memoryStore(disk: MemoryDisk): Store {
  return {
    async create(change) {
      const { tradeId } = change.trade;
      if (disk.trades.has(tradeId))
        throw duplicateTrade({ what: 'trade id', value: tradeId, tradeId, holder: tradeId });
      return write(disk, change);
    },
    async update(tradeId, change) {
      const row = disk.trades.get(tradeId);
      if (row === undefined) throw unknownTrade(tradeId);
      const current = tradeOf(row);
      const next = change(current);
      assertSameTrade(tradeId, next.trade);
      if (isUnchanged(current, next)) return { trade: current, due: [] };
      return { trade: next.trade, due: write(disk, next) };
    },
    async load(tradeId) {
      const row = disk.trades.get(tradeId);
      return row === undefined ? undefined : tradeOf(row);
    },
    ...readers(disk),
    due: async (tradeId) =>
      [...disk.pending].filter(([, entry]) => tradeId === undefined || entry.tradeId === tradeId).map(dueOf),
    async done(key) {
      assertKnown(disk, key);
      disk.pending.delete(key);
    },
    async postpone(key, notBefore) {
      assertKnown(disk, key);
      const entry = disk.pending.get(key);
      if (entry !== undefined) disk.pending.set(key, { ...entry, attempts: entry.attempts + 1, notBefore });
    },
    reserve: async (...of) => reserve(disk, ...of),
    reserved: async () => new Map(disk.coins),
    nextKeyIndex: async () => disk.nextKeyIndex++,
    close: async () => undefined,
  };
}

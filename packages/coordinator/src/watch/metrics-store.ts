import type { Due, Store } from 'sparkle-protocol/store/store';
import type { Metrics } from './metrics.ts';
import { overlaid } from '../database/store-overlay.ts';

/** More are forgotten, oldest first: what is due for so long is told by the guardian, not by a histogram. */
const MOST_REMEMBERED = 100_000;

type Measured = {
  store: Store;
  metrics: Pick<Metrics, 'effectRan'>;
  /** Since whenever, but finer than a second: most effects take less. */
  nowMilliseconds: () => number;
};

function timesOf({ metrics, nowMilliseconds }: Omit<Measured, 'store'>) {
  const decided = new Map<string, { effect: string; at: number }>();
  const note = (due: readonly Due[]): void => {
    for (const { key, effect } of due)
      if (!decided.has(key)) decided.set(key, { effect: effect.do, at: nowMilliseconds() });
    for (const key of decided.keys()) {
      if (decided.size <= MOST_REMEMBERED) break;
      decided.delete(key);
    }
  };
  const tell = (key: string, outcome: 'done' | 'failed'): void => {
    const found = decided.get(key);
    if (found === undefined) return;
    metrics.effectRan({ effect: found.effect, outcome, seconds: (nowMilliseconds() - found.at) / 1000 });
    if (outcome === 'done') decided.delete(key);
  };
  return { note, tell };
}

/**
 * The same store, which tells how long each effect took from its decision to its end, and each run that failed. What was
 * due already at the start is measured from when it was found.
 */
export function measuredStore({ store, metrics, nowMilliseconds }: Measured): Store {
  const { note, tell } = timesOf({ metrics, nowMilliseconds });
  const watched: Pick<Store, 'create' | 'update' | 'due' | 'done' | 'postpone'> = {
    async create(change) {
      const due = await store.create(change);
      note(due);
      return due;
    },
    async update(tradeId, change) {
      const changed = await store.update(tradeId, change);
      note(changed.due);
      return changed;
    },
    async due(tradeId) {
      const due = await store.due(tradeId);
      note(due);
      return due;
    },
    async done(key) {
      await store.done(key);
      tell(key, 'done');
    },
    async postpone(key, notBefore) {
      await store.postpone(key, notBefore);
      // With 0 the trader only notes that a first run is about to begin.
      if (notBefore > 0) tell(key, 'failed');
    },
  };
  return overlaid(store, watched);
}

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { forwarder } from '../protocol/trade/forward.suite.ts';
import type { Forwarder } from '../protocol/trade/state.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { KeyedEffect } from '../protocol/trade/effect.ts';
import type { Trade } from '../protocol/trade/step.ts';
import {
  alert,
  countedUp,
  countOf,
  ended,
  first,
  hex,
  locked,
  offer,
  quoting,
  second,
  termsOf,
  third,
} from './samples.suite.ts';
import type { Store } from './store.ts';

/** A place where a store lives. `open` after a `close`, or after the last store was simply dropped, finds what was committed. */
export type Disk = { open(): Promise<Store>; remove(): Promise<void> };

const keysOf = (due: { key: string }[]): string[] => due.map(({ key }) => key);
const idsOf = (trades: Trade[]): string[] => trades.map(({ tradeId }) => tradeId);
const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;

/** Every store passes this file: what `store.ts` promises, crashes included. */
export function storeSuite(name: string, newDisk: () => Promise<Disk>, options: { skip?: string | false } = {}): void {
  const run = (sentence: string, body: (disk: Disk, store: Store) => Promise<void>): void => {
    test(`${name}: ${sentence}`, async (context: TestContext) => {
      const disk = await newDisk();
      context.after(() => disk.remove());
      await body(disk, await disk.open());
    });
  };
  describe(`store: ${name}`, { skip: options.skip ?? false }, () => {
    stateTests(run);
    outboxTests(run);
    uniqueTests(run);
    coinTests(run);
    crashTests(run);
  });
}

type Run = (sentence: string, body: (disk: Disk, store: Store) => Promise<void>) => void;

function stateTests(run: Run): void {
  run('a trade comes back as it was given, amounts as bigint', async (_disk, store) => {
    const trade = locked(first, hex('10'));
    await store.create({ trade, effects: [] });
    assert.deepEqual(await store.load('t1'), trade);
  });

  run('a trade that nobody created is absent, and cannot be changed', async (_disk, store) => {
    assert.equal(await store.load('t1'), undefined);
    await assert.rejects(
      store.update('t1', (trade) => ({ trade, effects: [] })),
      withCode('unknown_trade'),
    );
  });

  run('an update sees the last state and returns the new one', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    const seen: Trade[] = [];
    const { trade } = await store.update('t1', (before) => {
      seen.push(before);
      return { trade: locked(first, hex('10')), effects: [] };
    });
    assert.deepEqual(seen, [quoting(first)]);
    assert.deepEqual(trade, locked(first, hex('10')));
    assert.deepEqual(await store.load('t1'), trade);
  });

  run('what a reader does to a loaded trade does not reach the store', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    const loaded = await store.load('t1');
    assert.ok(loaded !== undefined);
    loaded.tradeId = 'changed';
    assert.deepEqual(await store.load('t1'), quoting(first));
  });

  run('live trades and all trades come oldest first; an ended trade is not live', async (_disk, store) => {
    for (const each of [second, first, third]) await store.create({ trade: quoting(each), effects: [] });
    await store.update('t1', () => ({ trade: ended(first), effects: [] }));
    await store.update('t2', () => ({ trade: locked(second, hex('10')), effects: [] }));
    assert.deepEqual(idsOf(await store.live()), ['t2', 't3']);
    assert.deepEqual(idsOf(await store.liveAnywhere()), ['t2', 't3']);
    assert.deepEqual(idsOf(await store.all()), ['t2', 't1', 't3']);
  });

  run(
    'of live trades those count as committed that are beyond their invoice, until they have ended',
    async (_disk, store) => {
      for (const each of [first, second, third]) await store.create({ trade: quoting(each), effects: [] });
      await store.update('t2', () => ({
        trade: { ...quoting(second), state: 'invoiced', invoice: 'lnbcrt1' },
        effects: [],
      }));
      assert.deepEqual(await store.committed(), []);
      await store.update('t1', () => ({ trade: locked(first, hex('10')), effects: [] }));
      await store.update('t2', () => ({ trade: locked(second, hex('11')), effects: [] }));
      assert.deepEqual(idsOf(await store.committed()), ['t1', 't2']);
      await store.update('t1', () => ({ trade: ended(first), effects: [] }));
      assert.deepEqual(idsOf(await store.committed()), ['t2']);
      const forwardOf = (trade: Forwarder): Forwarder => ({ ...trade, tradeId: 't4' });
      await store.create({ trade: forwardOf(forwarder.asking), effects: [] });
      await store.update('t4', () => ({ trade: forwardOf(forwarder.invoiced), effects: [] }));
      assert.deepEqual(idsOf(await store.committed()), ['t2']);
      await store.update('t4', () => ({ trade: forwardOf(forwarder.paying), effects: [] }));
      assert.deepEqual(idsOf(await store.committed()), ['t2', 't4']);
    },
  );

  run(
    'an update that changes nothing answers with the trade as it is, one that only has effects stores them',
    async (_disk, store) => {
      await store.create({ trade: quoting(first), effects: [] });
      assert.deepEqual(await store.update('t1', (trade) => ({ trade, effects: [] })), {
        trade: quoting(first),
        due: [],
      });
      await store.update('t1', (trade) => ({ trade, effects: [alert('a')] }));
      assert.deepEqual(keysOf(await store.due('t1')), ['a']);
    },
  );

  run('concurrent updates of one trade happen one after the other', async (_disk, store) => {
    await store.create({ trade: { ...quoting(first), keyIndex: 0 }, effects: [] });
    const add = (): Promise<unknown> => store.update('t1', (trade) => ({ trade: countedUp(trade), effects: [] }));
    await Promise.all(Array.from({ length: 20 }, add));
    assert.equal(countOf(await store.load('t1')), 20);
  });

  run('a change that answers with another trade is refused', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await assert.rejects(
      store.update('t1', () => ({ trade: quoting(second), effects: [alert('x')] })),
      withCode('bad_state'),
    );
    assert.deepEqual(await store.all(), [quoting(first)]);
    assert.deepEqual(await store.due(), []);
  });
}

function outboxTests(run: Run): void {
  run('effects are due in the order they were decided, of one trade or of all', async (_disk, store) => {
    assert.deepEqual(keysOf(await store.create({ trade: quoting(first), effects: [alert('b'), alert('a')] })), [
      'b',
      'a',
    ]);
    await store.create({ trade: quoting(second), effects: [alert('d')] });
    const { due } = await store.update('t1', (trade) => ({ trade, effects: [alert('c')] }));
    assert.deepEqual(due, [{ ...alert('c'), tradeId: 't1', attempts: 0, notBefore: 0 }]);
    assert.deepEqual(keysOf(await store.due()), ['b', 'a', 'd', 'c']);
    assert.deepEqual(keysOf(await store.due('t1')), ['b', 'a', 'c']);
    assert.deepEqual(await store.due('t2'), [{ ...alert('d'), tradeId: 't2', attempts: 0, notBefore: 0 }]);
    assert.deepEqual(await store.due('t3'), []);
  });

  run('an effect carries its amounts and hashes unchanged', async (_disk, store) => {
    const terms = termsOf('t1', first.paymentHash);
    const plan = { targetBlocks: 2, multiplierPercent: 125, floorSatVb: 1.5, maxFeeSats: 5_000n };
    const build: KeyedEffect = {
      key: 'l',
      effect: { do: 'build_lock', terms, sourceOutpoint: offer.sourceOutpoint, plan },
    };
    await store.create({ trade: quoting(first), effects: [build] });
    assert.deepEqual(await store.due(), [{ ...build, tradeId: 't1', attempts: 0, notBefore: 0 }]);
  });

  run('an effect stays due until it is done, and done twice is done once', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a'), alert('b')] });
    await store.done('a');
    await store.done('a');
    assert.deepEqual(keysOf(await store.due()), ['b']);
  });

  run('an effect key that is due or done is never stored again', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a'), alert('b')] });
    await store.done('a');
    const { due } = await store.update('t1', (trade) => ({
      trade,
      effects: [alert('a'), alert('b'), alert('c'), alert('c')],
    }));
    assert.deepEqual(keysOf(due), ['c']);
    assert.deepEqual(keysOf(await store.due()), ['b', 'c']);
  });

  run('a failed run raises the attempts, sets the time, and keeps the order', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a'), alert('b')] });
    await store.postpone('a', 1_000);
    await store.postpone('a', 2_000);
    assert.deepEqual(await store.due(), [
      { ...alert('a'), tradeId: 't1', attempts: 2, notBefore: 2_000 },
      { ...alert('b'), tradeId: 't1', attempts: 0, notBefore: 0 },
    ]);
  });

  run('postponing what is done does not bring it back', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a')] });
    await store.done('a');
    await store.postpone('a', 1_000);
    assert.deepEqual(await store.due(), []);
  });

  run('an effect that nobody decided can be neither done nor postponed', async (_disk, store) => {
    await assert.rejects(store.done('a'), withCode('bad_state'));
    await assert.rejects(store.postpone('a', 1_000), withCode('bad_state'));
  });
}

function uniqueTests(run: Run): void {
  const refused = async (store: Store, deed: () => Promise<unknown>): Promise<void> => {
    const before = [await store.all(), await store.due()];
    await assert.rejects(deed(), withCode('duplicate_trade'));
    assert.deepEqual([await store.all(), await store.due()], before);
  };

  run('a trade id is used once', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a')] });
    await refused(store, () => store.create({ trade: quoting({ ...second, tradeId: 't1' }), effects: [alert('b')] }));
  });

  run('a payment hash belongs to one trade for ever, also after that trade has ended', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.update('t1', () => ({ trade: ended(first), effects: [] }));
    const again = quoting({ tradeId: 't2', paymentHash: first.paymentHash });
    await refused(store, () => store.create({ trade: again, effects: [alert('b')] }));
  });

  run('an update cannot take the payment hash of another trade', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.create({ trade: quoting(second), effects: [] });
    const taken = quoting({ tradeId: 't2', paymentHash: first.paymentHash });
    await refused(store, () => store.update('t2', () => ({ trade: taken, effects: [alert('b')] })));
  });

  run('a lock outpoint belongs to one live trade', async (_disk, store) => {
    await store.create({ trade: locked(first, hex('10')), effects: [] });
    await store.create({ trade: quoting(second), effects: [] });
    await refused(store, () => store.create({ trade: locked(third, hex('10')), effects: [alert('b')] }));
    await refused(store, () => store.update('t2', () => ({ trade: locked(second, hex('10')), effects: [alert('b')] })));
  });

  run('a lock outpoint is free again once its trade has ended or has another', async (_disk, store) => {
    await store.create({ trade: locked(first, hex('10')), effects: [] });
    await store.update('t1', () => ({ trade: locked(first, hex('11')), effects: [] }));
    await store.create({ trade: locked(second, hex('10')), effects: [] });
    await store.update('t2', () => ({ trade: ended(second), effects: [] }));
    await store.create({ trade: locked(third, hex('10')), effects: [] });
    assert.deepEqual(idsOf(await store.live()), ['t1', 't3']);
  });
}

function coinTests(run: Run): void {
  const [x, y, z] = [`${hex('c0')}:0`, `${hex('c0')}:1`, `${hex('c1')}:0`];

  run('coins are kept for a trade while it lives, and free when it has ended', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.create({ trade: quoting(second), effects: [] });
    await store.reserve('t1', [x, y]);
    await store.reserve('t2', [z]);
    const all = [
      [x, 't1'],
      [y, 't1'],
      [z, 't2'],
    ] as const;
    assert.deepEqual(await store.reserved(), new Map(all));
    await store.update('t1', () => ({ trade: ended(first), effects: [] }));
    assert.deepEqual(await store.reserved(), new Map([[z, 't2']]));
    await store.reserve('t2', [x]);
  });

  run('of coins of which another trade has one none is kept', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.create({ trade: quoting(second), effects: [] });
    await store.reserve('t1', [y]);
    await assert.rejects(store.reserve('t2', [x, y, z]), withCode('duplicate_trade'));
    assert.deepEqual(await store.reserved(), new Map([[y, 't1']]));
  });

  run('a coin that is kept for a trade can be kept for it again, with others or with none', async (_disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.reserve('t1', [x]);
    await store.reserve('t1', [y, x, x]);
    await store.reserve('t1', []);
    assert.deepEqual([...(await store.reserved()).keys()].toSorted(), [x, y]);
  });

  run('coins are kept for no trade that is unknown or has ended', async (_disk, store) => {
    await store.create({ trade: ended(first), effects: [] });
    await assert.rejects(store.reserve('t1', [x]), withCode('bad_state'));
    await assert.rejects(store.reserve('t2', [x]), withCode('unknown_trade'));
    assert.deepEqual(await store.reserved(), new Map());
  });

  run(
    'what may be kept is judged by the other live trades that keep something, one after the other',
    async (_disk, store) => {
      const names = new Map([first, second, third].map((name) => [name.tradeId, name]));
      for (const name of names.values()) await store.create({ trade: quoting(name), effects: [] });
      const alone = (others: readonly Trade[]): void => {
        if (others.length > 0) throw new SparkleError('refused', `one may keep something; ${others.length} do`);
      };
      const asked = [...names.keys()].map((tradeId, index) => store.reserve(tradeId, [`${hex('c0')}:${index}`], alone));
      const results = await Promise.allSettled(asked);
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      const [tradeId = '', ...more] = (await store.reserved()).values();
      assert.deepEqual(more, []);
      await store.reserve(tradeId, [z], alone);
      await store.update(tradeId, () => ({ trade: ended(names.get(tradeId) ?? first), effects: [] }));
      await store.reserve(tradeId === 't3' ? 't2' : 't3', [z], alone);
    },
  );

  run('kept coins are kept after it was opened again', async (disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    await store.reserve('t1', [x]);
    const again = await reopened(disk, store);
    assert.deepEqual(await again.reserved(), new Map([[x, 't1']]));
  });
}

function crashTests(run: Run): void {
  run('a change that throws leaves nothing behind', async (disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a')] });
    const boom = new Error('the change went wrong');
    const change = (): never => {
      throw boom;
    };
    await assert.rejects(store.update('t1', change), boom);
    const unchanged = async (each: Store): Promise<void> => {
      assert.deepEqual(await each.all(), [quoting(first)]);
      assert.deepEqual(keysOf(await each.due()), ['a']);
    };
    await unchanged(store);
    await unchanged(await reopened(disk, store));
  });

  run('a change with an effect that cannot be written leaves no state either', async (disk, store) => {
    await store.create({ trade: quoting(first), effects: [] });
    const unreadable = {
      ...alert('x').effect,
      get sentence(): string {
        throw new Error('unreadable');
      },
    };
    const broken: KeyedEffect = { key: 'x', effect: unreadable };
    const change = () => ({ trade: locked(first, hex('10')), effects: [alert('a'), broken] });
    await assert.rejects(store.update('t1', change), /unreadable/);
    const unchanged = async (each: Store): Promise<void> => {
      assert.deepEqual(await each.all(), [quoting(first)]);
      assert.deepEqual(await each.due(), []);
    };
    await unchanged(store);
    await unchanged(await reopened(disk, store));
  });

  run('opened again it has exactly what was committed', async (disk, store) => {
    await store.create({ trade: quoting(first), effects: [alert('a'), alert('b')] });
    await store.create({ trade: quoting(second), effects: [alert('c')] });
    await store.update('t1', () => ({ trade: locked(first, hex('10')), effects: [alert('d')] }));
    await store.done('a');
    await store.postpone('b', 5_000);
    const again = await reopened(disk, store);
    assert.deepEqual(await again.all(), [locked(first, hex('10')), quoting(second)]);
    assert.deepEqual(await again.due(), [
      { ...alert('b'), tradeId: 't1', attempts: 1, notBefore: 5_000 },
      { ...alert('c'), tradeId: 't2', attempts: 0, notBefore: 0 },
      { ...alert('d'), tradeId: 't1', attempts: 0, notBefore: 0 },
    ]);
    const { due } = await again.update('t1', (trade) => ({ trade, effects: [alert('a'), alert('b'), alert('e')] }));
    assert.deepEqual(keysOf(due), ['e']);
    const stolen = quoting({ tradeId: 't3', paymentHash: first.paymentHash });
    await assert.rejects(again.create({ trade: stolen, effects: [] }), withCode('duplicate_trade'));
  });

  run('a key index is given once, also when asked for at once and after it was opened again', async (disk, store) => {
    const early = await Promise.all([store.nextKeyIndex(), store.nextKeyIndex(), store.nextKeyIndex()]);
    const again = await reopened(disk, store);
    assert.deepEqual([...early.toSorted((a, b) => a - b), await again.nextKeyIndex()], [0, 1, 2, 3]);
  });

  run('closing twice is closing once', async (_disk, store) => {
    await store.close();
    await store.close();
  });
}

async function reopened(disk: Disk, store: Store): Promise<Store> {
  await store.close();
  return disk.open();
}

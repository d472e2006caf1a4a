import assert from 'node:assert/strict';
import { after, before, describe, test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { Client } from 'pg';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { SparkleError } from '../protocol/errors.ts';
import { postgresStore } from './postgres.ts';
import type { Store } from './store.ts';
import { alert, countedUp, countOf, hex, locked, quoting } from './samples.suite.ts';

const NAMES = ['anna', 'bert'] as const;
type Name = (typeof NAMES)[number];

/** What an instance, or time, does next. `work` runs what is due as the trader does. */
type Deed = { who: Name; what: 'update' | 'take' | 'list' | 'work' | 'work late' | 'expire' | 'renew' };

const deed: fc.Arbitrary<Deed> = fc.record({
  who: fc.constantFrom(...NAMES),
  what: fc.constantFrom('update', 'update', 'take', 'list', 'work', 'work', 'work late', 'expire', 'renew'),
});

/** What is done at once, step by step. */
const steps = fc.array(fc.array(deed, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });

const still = { leaseMilliseconds: 3_600_000, renewMilliseconds: 3_600_000 };
const isElsewhere = (error: unknown): boolean => error instanceof SparkleError && error.code === 'elsewhere';
const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;

/** One instance as its trader sees it: what it was given to do, and what it was told was done. */
class Instance {
  readonly store: Store;
  readonly given = new Set<string>();
  readonly finished = new Set<string>();
  written = 0;

  constructor(store: Store) {
    this.store = store;
  }

  async act(what: Deed['what'], tradeId: string): Promise<void> {
    if (what === 'update') await this.#update(tradeId);
    if (what === 'take') await this.store.live();
    if (what === 'list') for (const { key } of await this.store.due()) this.given.add(key);
    if (what === 'work') await this.#work(1);
    if (what === 'work late') await this.#work(Number.POSITIVE_INFINITY);
  }

  async #update(tradeId: string): Promise<void> {
    const { due } = await this.store.update(tradeId, (trade) => ({
      trade: countedUp(trade),
      effects: [alert(`${tradeId} ${countOf(trade) + 1}`)],
    }));
    this.written += 1;
    for (const { key } of due) this.given.add(key);
  }

  async #work(most: number): Promise<void> {
    for (const key of [...this.given].slice(0, most)) {
      this.given.delete(key);
      await this.store.done(key);
      this.finished.add(key);
    }
  }
}

describe('two instances on one database', { skip: withoutPostgres }, () => {
  let server: Postgres;
  before(async () => void (server = await startPostgres({ writes: 'fast' })));
  after(() => server.stop());

  const opened = async (context: TestContext, url: string): Promise<Record<Name, Store>> => {
    const open = (instance: Name) => postgresStore({ url, network: 'regtest', instance, ...still });
    const [anna, bert] = await Promise.all([open('anna'), open('bert')]);
    context.after(() => Promise.all([anna.close(), bert.close()]));
    return { anna, bert };
  };

  test('postgres: whatever two instances do at once, no update is lost and no effect is done by both', async (context) => {
    const url = await server.newDatabase();
    const stores = await opened(context, url);
    const hand = new Client({ connectionString: url });
    await hand.connect();
    context.after(() => hand.end());
    let reached: Promise<unknown> = Promise.resolve();
    const setExpiry = (who: Name, to: string): Promise<unknown> =>
      (reached = reached.then(() =>
        hand.query('update sparkle.instance set expires_at = $2 where name = $1', [who, to]),
      ));
    let trades = 0;

    const play = async (played: Deed[][]): Promise<void> => {
      const tradeId = `t${(trades += 1)}`;
      const instances = { anna: new Instance(stores.anna), bert: new Instance(stores.bert) };
      await stores.anna.create({
        trade: quoting({ tradeId, paymentHash: trades.toString(16).padStart(64, '0') }),
        effects: [],
      });
      const act = async ({ who, what }: Deed): Promise<void> => {
        if (what === 'expire') return void (await setExpiry(who, '-infinity'));
        if (what === 'renew') return void (await setExpiry(who, 'infinity'));
        await instances[who].act(what, tradeId).catch((error: unknown) => {
          if (!isElsewhere(error)) throw error;
        });
      };
      for (const step of played) await Promise.all(step.map(act));

      const { anna, bert } = instances;
      const trade = await stores.anna.load(tradeId);
      assert.equal(countOf(trade), anna.written + bert.written);
      const both = [...anna.finished].filter((key) => bert.finished.has(key));
      assert.deepEqual(both, []);
      // One who has everything afterwards finds exactly what nobody finished.
      await Promise.all(NAMES.map((who) => setExpiry(who, '-infinity')));
      const left = [...(await stores.anna.due()), ...(await stores.bert.due())].map(({ key }) => key);
      const all = Array.from({ length: countOf(trade) }, (_, at) => `${tradeId} ${at + 1}`);
      const finished = (key: string): boolean => anna.finished.has(key) || bert.finished.has(key);
      assert.deepEqual(
        new Set(left.filter((key) => key.startsWith(`${tradeId} `))),
        new Set(all.filter((key) => !finished(key))),
      );
    };
    await fc.assert(fc.asyncProperty(steps, play), { numRuns: 60, seed: 12 });
  });

  test('postgres: of trades that two instances create at once with one hash, lock or id, one is there', async (context) => {
    const { anna, bert } = await opened(context, await server.newDatabase());
    const hashOf = (at: number): string => at.toString(16).padStart(64, '0');
    for (let at = 0; at < 12; at += 1) {
      const rivals = [
        [
          quoting({ tradeId: `h${at}`, paymentHash: hashOf(at) }),
          quoting({ tradeId: `i${at}`, paymentHash: hashOf(at) }),
        ],
        [
          locked({ tradeId: `l${at}`, paymentHash: hashOf(100 + at) }, hashOf(at)),
          locked({ tradeId: `m${at}`, paymentHash: hashOf(200 + at) }, hashOf(at)),
        ],
        [
          quoting({ tradeId: `n${at}`, paymentHash: hashOf(300 + at) }),
          quoting({ tradeId: `n${at}`, paymentHash: hashOf(400 + at) }),
        ],
      ] as const;
      for (const [one, other] of rivals) {
        const results = await Promise.allSettled([
          anna.create({ trade: one, effects: [alert(`${at} ${one.tradeId} one`)] }),
          bert.create({ trade: other, effects: [alert(`${at} ${other.tradeId} other`)] }),
        ]);
        const lost = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
        assert.equal(lost.length, 1);
        assert.ok(lost.every(withCode('duplicate_trade')), String(lost));
      }
    }
    assert.equal((await anna.all()).length, 36);
    assert.equal((await anna.due()).length + (await bert.due()).length, 36);
  });

  test('postgres: two trades that take each other’s lock at once end in one refusal, not in a deadlock', async (context) => {
    const { anna, bert } = await opened(context, await server.newDatabase());
    const [x, y] = ['10'.repeat(32), '11'.repeat(32)];
    const first = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
    const second = { tradeId: 't2', paymentHash: 'a2'.repeat(32) };
    await anna.create({ trade: locked(first, x), effects: [] });
    await bert.create({ trade: locked(second, y), effects: [] });
    const results = await Promise.allSettled([
      anna.update('t1', () => ({ trade: locked(first, y), effects: [] })),
      bert.update('t2', () => ({ trade: locked(second, x), effects: [] })),
    ]);
    const lost = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    assert.ok(lost.length > 0 && lost.every(withCode('duplicate_trade')), String(lost));
  });

  test('postgres: of many that keep coins at two instances at once no more do than fit', async (context) => {
    const { anna, bert } = await opened(context, await server.newDatabase());
    const few = (others: readonly unknown[]): void => {
      if (others.length >= 3) throw new SparkleError('refused', 'three may keep coins; as many do');
    };
    const asked: Promise<void>[] = [];
    for (let at = 0; at < 16; at += 1) {
      const store = at % 2 === 0 ? anna : bert;
      await store.create({ trade: quoting({ tradeId: `t${at}`, paymentHash: hex(`${at + 10}`) }), effects: [] });
    }
    for (let at = 0; at < 16; at += 1)
      asked.push((at % 2 === 0 ? anna : bert).reserve(`t${at}`, [`${hex('c0')}:${at}`], few));
    const results = await Promise.allSettled(asked);
    const lost = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    assert.ok(lost.every(withCode('refused')), String(lost));
    assert.deepEqual([lost.length, (await anna.reserved()).size], [13, 3]);
  });

  test('postgres: a key index is never given to two instances', async (context) => {
    const { anna, bert } = await opened(context, await server.newDatabase());
    const asked = Array.from({ length: 25 }, () => [anna.nextKeyIndex(), bert.nextKeyIndex()]).flat();
    const given = (await Promise.all(asked)).toSorted((a, b) => a - b);
    assert.deepEqual(
      given,
      Array.from({ length: 50 }, (_, at) => at),
    );
  });

  test('postgres: instances that start at once on an empty database all have their tables', async (context) => {
    const url = await server.newDatabase();
    const stores = await Promise.all(
      Array.from({ length: 5 }, () => postgresStore({ url, network: 'regtest', ...still })),
    );
    context.after(() => Promise.all(stores.map((store) => store.close())));
    for (const store of stores) assert.deepEqual(await store.all(), []);
  });
});

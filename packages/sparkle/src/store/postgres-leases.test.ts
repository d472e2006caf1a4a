import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, test, type TestContext } from 'node:test';
import { Client } from 'pg';
import { until } from '../../../../test/regtest/kept-process.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { SparkleError } from '../protocol/errors.ts';
import { postgresStore } from './postgres.ts';
import type { Store, StoreNews } from './store.ts';
import { alert, ended, locked, quoting } from './samples.suite.ts';

const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };
const lockTxid = '10'.repeat(32);

const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;
const keysOf = (due: { key: string }[]): string[] => due.map(({ key }) => key);
const idsOf = (trades: { tradeId: string }[]): string[] => trades.map(({ tradeId }) => tradeId);

/** Leases that end only when a test ends them. */
const STILL = { leaseMilliseconds: 3_600_000, renewMilliseconds: 3_600_000 };

type Options = Partial<Parameters<typeof postgresStore>[0]>;

/** A database, instances on it, and a hand that reaches into it. */
class World {
  readonly url: string;
  readonly #client: Client;
  readonly #opened: Store[] = [];

  private constructor(url: string) {
    this.url = url;
    this.#client = new Client({ connectionString: url });
  }

  static async open(context: TestContext, server: Postgres): Promise<World> {
    const world = new World(await server.newDatabase());
    await world.#client.connect();
    context.after(() => world.#close());
    return world;
  }

  async instance(instance: string, options: Options = STILL): Promise<Store> {
    const store = await postgresStore({ url: this.url, network: 'regtest', instance, ...options });
    this.#opened.push(store);
    return store;
  }

  async ask<Row>(statement: string, ...values: string[]): Promise<Row[]> {
    return (await this.#client.query(statement, values)).rows as Row[];
  }

  /** As if the instance had given no sign of life for long. */
  async expire(instance: string): Promise<void> {
    await this.ask(`update sparkle.instance set expires_at = '-infinity' where name = $1`, instance);
  }

  async token(): Promise<number> {
    const [row] = await this.ask<{ token: string }>('select token from sparkle.trade');
    return Number(row?.token);
  }

  async #close(): Promise<void> {
    await Promise.all(this.#opened.map((store) => store.close()));
    await this.#client.end();
  }
}

async function refusesAll(store: Store): Promise<void> {
  const change = () => ({ trade: locked(name, lockTxid), effects: [alert('b')] });
  for (const deed of [
    () => store.update('t1', change),
    () => store.done('a'),
    () => store.postpone('a', 5_000),
    () => store.due('t1'),
    () => store.reserve('t1', [`${lockTxid}:0`]),
  ])
    await assert.rejects(deed(), withCode('elsewhere'));
}

describe('leases', { skip: withoutPostgres }, () => {
  let server: Postgres;
  before(async () => void (server = await startPostgres({ writes: 'fast' })));
  after(() => server.stop());

  const run = (sentence: string, body: (world: World) => Promise<void>): void => {
    test(`postgres: ${sentence}`, async (context) => body(await World.open(context, server)));
  };

  run('a trade is in the hands of the instance that created it; another sees it and cannot act', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    assert.deepEqual(await bert.live(), []);
    assert.deepEqual(await bert.due(), []);
    assert.deepEqual(await bert.load('t1'), quoting(name));
    assert.deepEqual(idsOf(await bert.all()), ['t1']);
    assert.deepEqual(idsOf(await bert.liveAnywhere()), ['t1']);
    await refusesAll(bert);
    assert.deepEqual(await anna.live(), [quoting(name)]);
    assert.deepEqual(await anna.due(), [{ ...alert('a'), tradeId: 't1', attempts: 0, notBefore: 0 }]);
  });

  run('an instance that is closed wakes another, which has its trades at once', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    const heard: StoreNews[] = [];
    bert.subscribe?.((news) => heard.push(news));
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await anna.close();
    await until('the other to hear of it', () => heard.some(({ type }) => type === 'freed'));
    assert.deepEqual(idsOf(await bert.live()), ['t1']);
    assert.deepEqual(keysOf(await bert.due()), ['a']);
    await bert.done('a');
  });

  run('an instance hears what another changed, until it stops listening', async (world) => {
    const [anna, bert] = [await world.instance('anna', { renewMilliseconds: 20 }), await world.instance('bert')];
    const heard: StoreNews[] = [];
    const stop = bert.subscribe?.((news) => heard.push(news));
    await anna.create({ trade: quoting(name), effects: [] });
    // Anna speaks as soon as she knows that somebody is there.
    await until('the other to hear of it', async () => {
      await anna.update('t1', (trade) => ({ trade, effects: [] }));
      return heard.some((news) => news.type === 'changed' && news.tradeId === 't1');
    });
    stop?.();
    const before = heard.length;
    await anna.close();
    assert.deepEqual(idsOf(await bert.live()), ['t1']);
    assert.equal(heard.length, before);
  });

  run('whoever holds a trade hears that it is wanted, and gives up what is his and nothing else', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    const heard: StoreNews[] = [];
    anna.subscribe?.((news) => heard.push(news));
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await bert.release?.('t1');
    await assert.rejects(bert.due('t1'), withCode('elsewhere'));
    bert.want?.('t1');
    await until('the holder to hear of it', () =>
      heard.some((news) => news.type === 'wanted' && news.tradeId === 't1'),
    );
    await anna.release?.('t1');
    assert.deepEqual(keysOf(await bert.due('t1')), ['a']);
    await assert.rejects(anna.done('a'), withCode('elsewhere'));
  });

  run('of many changes at once each is heard, but those whose name fits in no notice', async (world) => {
    const [anna, bert] = [await world.instance('anna', { renewMilliseconds: 20 }), await world.instance('bert')];
    const heard = new Set<string>();
    bert.subscribe?.((news) => news.type === 'changed' && heard.add(news.tradeId));
    const put = (tradeId: string, at: number): Promise<unknown> =>
      anna.create({ trade: quoting({ tradeId, paymentHash: at.toString(16).padStart(64, '0') }), effects: [] });
    await until('anna to know of the other', async () => {
      await put(`first ${heard.size} ${performance.now()}`, Math.floor(performance.now() * 1_000));
      return heard.size > 0;
    });
    const long = 'long '.repeat(2_000);
    const ids = [long, ...Array.from({ length: 200 }, (_, at) => `${'x'.repeat(100)} ${at}`)];
    await Promise.all(ids.map(put));
    await until('all to be heard', () => ids.every((each) => each === long || heard.has(each)));
    assert.equal(heard.has(long), false);
  });

  run('an instance that is killed in mid-trade is followed by another within five seconds', async (world) => {
    const bert = await world.instance('bert', {});
    const lines = `
      await store.create({ trade: quoting(name), effects: [alert('a')] });
      await store.update('t1', () => ({ trade: locked(name, '${lockTxid}'), effects: [alert('b')] }));
      console.log('ready');
      setInterval(() => undefined, 1_000);`;
    const anna = await inChild(world.url, lines);
    assert.deepEqual(await bert.live(), []);
    let woken = 0;
    bert.subscribe?.(() => (woken += 1));
    anna.kill('SIGKILL');
    await until('the other to be woken', () => woken > 0, { patienceMilliseconds: 5_000 });
    assert.deepEqual(await bert.live(), [locked(name, lockTxid)]);
    assert.deepEqual(keysOf(await bert.due()), ['a', 'b']);
  });

  run(
    'an instance that stands still within a change is followed by another, and has changed nothing',
    async (world) => {
      const bert = await world.instance('bert', {});
      const lines = `
      await store.create({ trade: quoting(name), effects: [] });
      const change = () => {
        require('node:fs').writeSync(1, 'ready');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      };
      await store.update('t1', change);`;
      const anna = await inChild(world.url, lines);
      await until('the other to have the trade', async () => (await bert.live()).length === 1, {
        patienceMilliseconds: 30_000,
      });
      await bert.update('t1', () => ({ trade: locked(name, lockTxid), effects: [] }));
      anna.kill('SIGKILL');
      assert.deepEqual(await bert.load('t1'), locked(name, lockTxid));
    },
  );

  run('a lease that ran out is still good while nobody took the trade', async (world) => {
    const anna = await world.instance('anna');
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await world.expire('anna');
    await anna.update('t1', () => ({ trade: locked(name, lockTxid), effects: [] }));
    await anna.done('a');
    assert.deepEqual(await anna.live(), [locked(name, lockTxid)]);
  });

  run('an instance that lives renews its lease', async (world) => {
    const anna = await world.instance('anna', { leaseMilliseconds: 3_600_000, renewMilliseconds: 20 });
    const bert = await world.instance('bert');
    await anna.create({ trade: quoting(name), effects: [] });
    await world.expire('anna');
    const isAlive = async (): Promise<boolean> =>
      (await world.ask(`select 1 from sparkle.instance where name = 'anna' and expires_at > clock_timestamp()`))
        .length > 0;
    await until('the lease to be renewed', isAlive);
    assert.deepEqual(await bert.live(), []);
  });

  run('an instance whose lease ran out and whose trade was taken can write nothing', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await world.expire('anna');
    assert.deepEqual(await bert.live(), [quoting(name)]);
    await refusesAll(anna);
    assert.deepEqual(await anna.live(), []);
    assert.deepEqual(await anna.due(), []);
    assert.deepEqual(await bert.live(), [quoting(name)]);
    assert.deepEqual(await bert.due(), [{ ...alert('a'), tradeId: 't1', attempts: 0, notBefore: 0 }]);
  });

  run('a message for a trade of an instance that died is taken with the trade', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await world.expire('anna');
    await bert.update('t1', () => ({ trade: locked(name, lockTxid), effects: [] }));
    assert.deepEqual(idsOf(await bert.live()), ['t1']);
    await assert.rejects(anna.done('a'), withCode('elsewhere'));
  });

  run(
    'an effect that was handed out before the trade changed hands is not done by the one who lost it',
    async (world) => {
      const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
      await anna.create({ trade: quoting(name), effects: [alert('a')] });
      await world.expire('anna');
      await bert.live();
      await bert.close();
      // Anna has the trade again, but not by the token under which she was given the effect.
      assert.deepEqual(idsOf(await anna.live()), ['t1']);
      await assert.rejects(anna.done('a'), withCode('elsewhere'));
      assert.deepEqual(keysOf(await anna.due()), ['a']);
      await anna.done('a');
      assert.deepEqual(await anna.due(), []);
    },
  );

  run('a trade is not taken in the moment in which its effect is being marked done', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [alert('a')] });
    await world.ask(`
      create function sparkle.dawdle() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
      create trigger dawdle before update on sparkle.effect for each row execute function sparkle.dawdle();
      select pg_advisory_lock(1)`);
    const done = anna.done('a');
    const isWaiting = async (): Promise<boolean> =>
      (await world.ask(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length > 0;
    await until('the mark to be on its way', isWaiting);
    await world.expire('anna');
    assert.deepEqual(await bert.live(), []);
    await world.ask('select pg_advisory_unlock(1)');
    await done;
    assert.deepEqual(idsOf(await bert.live()), ['t1']);
    assert.deepEqual(await bert.due(), []);
  });

  run('the token of a trade grows at every change of hands and at no other time', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [] });
    const tokens = [await world.token()];
    await anna.update('t1', (trade) => ({ trade, effects: [] }));
    await anna.live();
    assert.equal(await world.token(), tokens[0]);
    for (const [from, to] of [
      ['anna', bert],
      ['bert', anna],
    ] as const) {
      await world.ask(`update sparkle.instance set expires_at = 'infinity'`);
      await world.expire(from);
      assert.deepEqual(idsOf(await to.live()), ['t1']);
      tokens.push(await world.token());
    }
    assert.deepEqual(
      tokens,
      [...new Set(tokens)].toSorted((a, b) => a - b),
    );
  });

  run('what an ended trade has still to do goes to the next instance', async (world) => {
    const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
    await anna.create({ trade: quoting(name), effects: [] });
    await anna.update('t1', () => ({ trade: ended(name), effects: [alert('a')] }));
    await anna.close();
    assert.deepEqual(await bert.live(), []);
    assert.deepEqual(keysOf(await bert.due()), ['a']);
    await bert.done('a');
    assert.deepEqual(await bert.due(), []);
  });

  run(
    'of two instances that reach for the same coins at once one gets them, and both see whose they are',
    async (world) => {
      const [anna, bert] = [await world.instance('anna'), await world.instance('bert')];
      await anna.create({ trade: quoting(name), effects: [] });
      await bert.create({ trade: quoting({ tradeId: 't2', paymentHash: 'a2'.repeat(32) }), effects: [] });
      const coins = Array.from({ length: 10 }, (_, at) => [`${lockTxid}:${at}`, `${lockTxid}:${at + 10}`]);
      for (const pair of coins) {
        const results = await Promise.allSettled([anna.reserve('t1', pair), bert.reserve('t2', pair.toReversed())]);
        const lost = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
        assert.ok(lost.length === 1 && lost.every(withCode('duplicate_trade')), String(lost));
      }
      const kept = await anna.reserved();
      assert.deepEqual(kept, await bert.reserved());
      for (const [one = '', other = ''] of coins) assert.equal(kept.get(one), kept.get(other));
    },
  );

  run('of two instances that take a freed trade at once one gets it', async (world) => {
    const [anna, bert, carl] = [
      await world.instance('anna'),
      await world.instance('bert'),
      await world.instance('carl'),
    ];
    const ids = Array.from({ length: 20 }, (_, at) => `t${at}`);
    for (const [at, tradeId] of ids.entries())
      await anna.create({ trade: quoting({ tradeId, paymentHash: at.toString(16).padStart(64, '0') }), effects: [] });
    await anna.close();
    await Promise.all([bert.live(), carl.live(), bert.live(), carl.live()]);
    const [his, hers] = [idsOf(await bert.live()), idsOf(await carl.live())];
    assert.deepEqual([...his, ...hers].toSorted(), ids.toSorted());
  });
});

/** Runs `lines` with an open `store` in a process of its own; returns once it said `ready`. */
async function inChild(url: string, lines: string) {
  const script = `
    import { createRequire } from 'node:module';
    import { postgresStore } from ${JSON.stringify(import.meta.resolve('./postgres.ts'))};
    import { alert, locked, quoting } from ${JSON.stringify(import.meta.resolve('./samples.suite.ts'))};
    const require = createRequire(${JSON.stringify(import.meta.url)});
    const name = ${JSON.stringify(name)};
    const store = await postgresStore({ url: ${JSON.stringify(url)}, network: 'regtest', instance: 'anna' });
    ${lines}`;
  const child = spawn(
    process.execPath,
    ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script],
    { env: { ...process.env, NODE_TEST_CONTEXT: undefined } },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until('the other process to be ready', () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
    return said.includes('ready');
  });
  return child;
}

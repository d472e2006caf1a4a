import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { alert, quoting } from 'sparkle-protocol/store/samples.suite';
import { type Checkout, Checkouts } from '../exchange/checkouts.ts';
import { type Database, isTaken, openDatabase } from './database.ts';

export const name = { tradeId: 't1', paymentHash: 'a1'.repeat(32) };

const offer = {
  offer_id: 'o1',
  seller_id: '5e'.repeat(32),
  inscription_id: `${'1d'.repeat(32)}i0`,
  price_sats: '100000',
  body: '{}',
  outpoint: `${'50'.repeat(32)}:0`,
  expires_at: 1_900_000_000,
  state: 'open',
} as const;

export const letter = { recipient: 'anna', sender: 'bert', text: 'hello', received_at: 1_800_000_000 };

export const withCode = (code: string, words: RegExp) => (error: unknown) =>
  error instanceof SparkleError && error.code === code && words.test(error.message);

/** Every database of a coordinator passes this file. */
export function databaseSuite(
  title: string,
  newUrl: (context: TestContext) => Promise<string>,
  options: { skip?: string | false } = {},
): void {
  const run = (sentence: string, body: (database: Database, url: string) => Promise<void>): void => {
    test(`${title}: ${sentence}`, async (context) => {
      const url = await newUrl(context);
      const database = await open(url);
      try {
        await body(database, url);
      } finally {
        await database.close();
      }
    });
  };
  describe(`database: ${title}`, { skip: options.skip ?? false }, () => {
    keptTests(run);
    uniqueTests(run);
    placeTests(run);
    wordTests(run);
  });
}

type Run = (sentence: string, body: (database: Database, url: string) => Promise<void>) => void;

export const open = (url: string): Promise<Database> => openDatabase({ url, network: 'regtest' });

function keptTests(run: Run): void {
  run('it keeps the trades and the tables of the coordinator', async (database, url) => {
    await database.store.create({ trade: quoting(name), effects: [alert('a')] });
    await database.tables.insertInto('offer').values(offer).execute();
    await database.close();
    const again = await open(url);
    assert.deepEqual(await again.store.live(), [quoting(name)]);
    assert.deepEqual(await again.tables.selectFrom('offer').selectAll().execute(), [{ created_seq: 1, ...offer }]);
    await again.close();
  });

  run('whole numbers come back as numbers, times in milliseconds too', async ({ tables }) => {
    const hook = { hook_id: 'h1', owner: 'anna', url: 'https://a.example', secret: 's', events: '[]', created_at: 1 };
    await tables.insertInto('webhook').values(hook).execute();
    const delivery = { hook_id: 'h1', body: '{}', attempts: 0, not_before: 1_900_000_000_123, state: 'due' } as const;
    await tables.insertInto('delivery').values(delivery).execute();
    assert.deepEqual(await tables.selectFrom('delivery').selectAll().execute(), [{ seq: 1, ...delivery }]);
  });

  run('a removed webhook takes its deliveries with it', async ({ tables }) => {
    const hook = { hook_id: 'h1', owner: 'anna', url: 'https://a.example', secret: 's', events: '[]', created_at: 1 };
    await tables.insertInto('webhook').values(hook).execute();
    const delivery = { hook_id: 'h1', body: '{}', attempts: 0, not_before: 0, state: 'due' } as const;
    await tables.insertInto('delivery').values(delivery).execute();
    await tables.deleteFrom('webhook').execute();
    assert.deepEqual(await tables.selectFrom('delivery').selectAll().execute(), []);
  });

  run('what is appended has growing numbers, also after the last row was removed', async ({ append, tables }) => {
    const put = () =>
      append((session) => session.insertInto('mailbox').values(letter).returning('seq').executeTakeFirst());
    assert.deepEqual(await put(), { seq: 1 });
    await tables.deleteFrom('mailbox').execute();
    assert.deepEqual(await put(), { seq: 2 });
  });

  run('what is appended at once is seen in the order of its numbers', async ({ append, tables }) => {
    const put = () => append((session) => session.insertInto('mailbox').values(letter).execute());
    const read: number[] = [];
    const look = async (): Promise<void> => {
      const rows = await tables
        .selectFrom('mailbox')
        .select('seq')
        .where('seq', '>', read.at(-1) ?? 0)
        .orderBy('seq')
        .execute();
      read.push(...rows.map(({ seq }) => seq));
    };
    for (let round = 0; round < 10; round += 1) await Promise.all([put(), put(), look(), put()]);
    await look();
    const all = await tables.selectFrom('mailbox').select('seq').orderBy('seq').execute();
    assert.deepEqual(
      read,
      all.map(({ seq }) => seq),
    );
    assert.equal(read.length, 30);
  });
}

function uniqueTests(run: Run): void {
  run('an outpoint is on sale once, and again after its offer has ended', async ({ tables }) => {
    await tables.insertInto('offer').values(offer).execute();
    const second = { ...offer, offer_id: 'o2' };
    await assert.rejects(tables.insertInto('offer').values(second).execute(), isTaken);
    await tables.updateTable('offer').set({ state: 'withdrawn' }).execute();
    await tables.insertInto('offer').values(second).execute();
  });

  run('the ledger takes an entry for one reason once', async ({ tables }) => {
    const entry = { trade_id: 't1', account: 'fees', msat: '-5', at: 1_800_000_000, why: 'settled' };
    await tables.insertInto('ledger_entry').values(entry).execute();
    await assert.rejects(tables.insertInto('ledger_entry').values(entry).execute(), isTaken);
  });

  run('another fault of a write is not taken for one of these', async ({ tables }) => {
    const delivery = { hook_id: 'none', body: '{}', attempts: 0, not_before: 0, state: 'due' } as const;
    await assert.rejects(tables.insertInto('delivery').values(delivery).execute(), (error) => !isTaken(error));
  });

  run('a transaction that throws leaves nothing behind', async ({ append, tables }) => {
    const boom = new Error('it went wrong');
    const putting = append(async (session) => {
      await session.insertInto('mailbox').values(letter).execute();
      throw boom;
    });
    await assert.rejects(putting, boom);
    assert.deepEqual(await tables.selectFrom('mailbox').selectAll().execute(), []);
  });
}

export const checkoutOf = (id: string): Checkout => ({
  ...{ checkoutId: id, tradeId: `t ${id}`, offerId: 'o1', inscriptionId: offer.inscription_id, ordAddress: '' },
  ...{ totalSats: 1n, createdAt: 1, expiresAt: 2, heldAt: undefined, pricing: {} as Checkout['pricing'] },
  ...{ rail: 'lightning', state: 'open', owed: [] },
});

function placeTests(run: Run): void {
  run('one buyer has so many places; what is closed or left gives its place back', async ({ tables }) => {
    const checkouts = new Checkouts(tables);
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await checkouts.add(checkoutOf(id));
    const take = (checkoutId: string, buyer = 'anna') => checkouts.takePlace({ checkoutId, buyer, most: 2 });
    assert.deepEqual([await take('a'), await take('b'), await take('c')], [true, true, false]);
    assert.equal(await take('a'), true);
    assert.equal(await take('c', 'bert'), true);
    await checkouts.close('a');
    assert.equal(await take('d'), true);
    await checkouts.leavePlace('b');
    await checkouts.remove('c');
    await checkouts.add(checkoutOf('e'));
    assert.deepEqual([await take('e'), await take('b')], [true, false]);
  });
}

function wordTests(run: Run): void {
  run('a word reaches who listens, until he stops', async ({ announce, listen }) => {
    const heard: string[] = [];
    const stop = listen((word) => heard.push(word));
    announce('mail anna');
    stop();
    announce('mail bert');
    assert.deepEqual(heard, ['mail anna']);
  });
}

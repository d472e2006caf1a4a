import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { holdSeller, holdTerms } from 'sparkle-protocol/protocol/trade/fixtures.suite';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { silentLog } from 'sparkle-protocol/trader/log';
import { type ChangeParts, tellChanges } from './changes.ts';
import { open } from '../database/database.suite.ts';
import { Feed } from './feed.ts';
import { handClock } from '../hub/hub.suite.ts';
import { Webhooks } from './webhooks.ts';

const { tradeId, buyerId } = holdTerms;

/** A sale whose stage a test says, with a webhook of its buyer's token and one of his key. */
async function sale(context: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-changes-'));
  const database = await open(`sqlite:${join(folder, 'db')}`);
  const clock = handClock(1_800_000_000);
  const feed = new Feed({ database, clock, keptSeconds: 3_600, log: silentLog });
  context.after(async () => {
    feed.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const { tables } = database;
  const guard = { privateOrigins: [], resolve: async () => ['8.8.8.8'], ca: undefined, timeoutMilliseconds: 1_000 };
  const webhooks = new Webhooks({ tables, clock, log: silentLog, guard });
  for (const owner of [`${tradeId} buyer`, buyerId])
    await webhooks.register({ owner, url: 'https://market.example/told', events: ['trade'] });
  const world = {
    status: 'pending_payment',
    isFull: false,
    sold: [] as string[],
    look: (_trade: Trade): void => assert.fail(),
  };
  const parts = {
    trader: {
      trade: async () => holdSeller.invoiced,
      onChange: (listener: (trade: Trade) => void) => {
        world.look = listener;
        return () => (world.look = () => undefined);
      },
    },
    checkouts: { byTrade: async () => ({ tradeId, offerId: 'item' }) },
    desk: { stageOf: async () => ({ status: world.status }) },
    webhooks: {
      notify: (...of: Parameters<Webhooks['notify']>) =>
        world.isFull ? Promise.reject(new Error('disk full')) : webhooks.notify(...of),
    },
    ...{ feed, log: silentLog, sellers: { changed: (offerId: string) => void world.sold.push(offerId) } },
  } as unknown as ChangeParts;
  const telling = tellChanges(parts);
  const look = async (status: string, times = 1): Promise<void> => {
    world.status = status;
    for (let time = 0; time < times; time += 1) {
      world.look(status === 'pending_payment' ? holdSeller.invoiced : holdSeller.building);
      await telling.idle();
    }
  };
  const told = async () => {
    const rows = await tables.selectFrom('delivery').select(['body']).orderBy('seq').execute();
    return rows.map(({ body }) => (JSON.parse(body) as { data: { status: string } }).data.status);
  };
  const updates = async () => {
    const found = await feed.after({ who: { party: buyerId }, since: 0, limit: 10 });
    return found.map(({ status }) => status);
  };
  return { world, telling, look, told, updates };
}

test('a change is told once to each webhook and in the feed, however often the trade is looked at', async (context) => {
  const { look, told, updates } = await sale(context);
  await look('pending_payment', 3);
  await look('paid', 3);
  assert.deepEqual(await told(), ['pending_payment', 'pending_payment', 'paid', 'paid']);
  assert.deepEqual(await updates(), ['pending_payment', 'paid']);
});

test('who has listed it hears of a sale when its payment is held, and nothing of who only asks for an invoice', async (context) => {
  const { world, look } = await sale(context);
  await look('pending_payment', 2);
  assert.deepEqual(world.sold, []);
  await look('paid');
  assert.deepEqual(world.sold, ['item']);
});

test('what could not be told to webhooks is in no feed either, and is told with the next look', async (context) => {
  const { world, look, told, updates } = await sale(context);
  world.isFull = true;
  await look('paid');
  assert.deepEqual([await told(), await updates()], [[], []]);
  world.isFull = false;
  await look('paid');
  assert.deepEqual([await told(), await updates()], [['paid', 'paid'], ['paid']]);
});

test('after its end nothing is told', async (context) => {
  const { telling, look, told } = await sale(context);
  telling.stop();
  await look('paid');
  assert.deepEqual(await told(), []);
});

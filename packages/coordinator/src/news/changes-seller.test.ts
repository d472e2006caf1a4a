import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { encodeState } from 'sparkle-protocol/protocol/json';
import { silentLog } from 'sparkle-protocol/trader/log';
import { tellSellers } from './changes-seller.ts';
import { open } from '../database/database.suite.ts';
import { uuidOf } from '../exchange/trade-id.ts';
import { Feed } from './feed.ts';
import { handClock } from '../hub/hub.suite.ts';
import { Listings, type ListingParts } from '../exchange/listings.ts';
import { Trades, type TradesParts } from '../exchange/trades.ts';
import { Webhooks } from './webhooks.ts';

const offerId = '0f'.repeat(16);
const seller = { tradeToken: { tradeId: offerId, role: 'seller' as const } };
const sellerId = 'aa'.repeat(32);

/** An item on the shelf with a webhook of the token that its seller was given; `isListed` is whether it has a seller. */
async function shelf(context: TestContext, isListed = true) {
  const folder = mkdtempSync(join(tmpdir(), 'sparkle-sellers-'));
  const database = await open(`sqlite:${join(folder, 'db')}`);
  const { tables } = database;
  const clock = handClock(1_800_000_000);
  const nowSeconds = () => clock.now;
  const world = { sale: undefined as string | undefined };
  const listings = new Listings({ tables, sellerId, nowSeconds } as unknown as ListingParts);
  const body = { valueSats: 546n, offsetSats: 0n, ...(isListed ? { listing: {} } : {}) };
  await tables
    .insertInto('offer')
    .values({
      ...{ offer_id: offerId, seller_id: sellerId, inscription_id: `${'1d'.repeat(32)}i0`, price_sats: '50000' },
      ...{ body: encodeState(body), outpoint: `${'ee'.repeat(32)}:0`, expires_at: 1_900_000_000, state: 'open' },
    })
    .execute();
  const trades = new Trades({
    ...{ listings, nowSeconds, listers: [] },
    checkouts: {
      byTrade: async () => undefined,
      open: async () => [],
      lastOf: async () => (world.sale === undefined ? undefined : {}),
    },
    desk: { stage: async () => ({ status: world.sale }) },
  } as unknown as TradesParts);
  const feed = new Feed({ database, clock, keptSeconds: 3_600, log: silentLog });
  const guard = { privateOrigins: [], resolve: async () => ['8.8.8.8'], ca: undefined, timeoutMilliseconds: 1_000 };
  const webhooks = new Webhooks({ tables, clock, log: silentLog, guard });
  for (const owner of [`${offerId} seller`, `${offerId} buyer`, 'another'])
    await webhooks.register({ owner, url: 'https://market.example/told', events: ['trade'] });
  const telling = tellSellers({ listings, trades, feed, webhooks, log: silentLog });
  context.after(async () => {
    telling.stop();
    await telling.idle();
    feed.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const told = async () => {
    await telling.idle();
    const rows = await tables.selectFrom('delivery').select('body').orderBy('seq').execute();
    return rows.map((row) => (JSON.parse(row.body) as { data: unknown }).data);
  };
  const updates = async () => {
    await telling.idle();
    return (await feed.after({ who: seller, since: 0, limit: 10 })).map(({ status }) => status);
  };
  return { listings, trades, telling, world, told, updates };
}

const trade_id = uuidOf(offerId);

test('a seller is told by webhook and socket that his item is being sold, is for sale again, and is sold', async (context) => {
  const { listings, telling, world, told, updates } = await shelf(context);
  world.sale = 'paid';
  await listings.move({ offerId, from: ['open'], to: 'taken' });
  assert.deepEqual(await told(), [{ trade_id, status: 'paid' }]);
  await listings.move({ offerId, from: ['taken'], to: 'open' });
  assert.deepEqual(await updates(), ['paid', 'pending']);
  await listings.move({ offerId, from: ['open'], to: 'taken' });
  assert.deepEqual(await updates(), ['paid', 'pending', 'paid']);
  // Nothing moves on the shelf when the fill is sent, or confirmed: the sale itself tells of it.
  for (const status of ['broadcast', 'broadcast', 'confirmed']) {
    world.sale = status;
    telling.changed(offerId);
    assert.equal((await updates()).at(-1), status);
  }
  assert.deepEqual((await told()).slice(3), [
    { trade_id, status: 'broadcast' },
    { trade_id, status: 'confirmed' },
  ]);
});

test('a seller is told once that his listing is withdrawn, with the reason', async (context) => {
  const { trades, told, updates } = await shelf(context);
  await trades.withdraw(offerId);
  await trades.withdraw(offerId);
  assert.deepEqual(await told(), [{ trade_id, status: 'failed', reason: 'withdrawn' }]);
  assert.deepEqual(await updates(), ['failed']);
});

test('of an item that was left with us nobody is told', async (context) => {
  const { listings, told, updates } = await shelf(context, false);
  await listings.move({ offerId, from: ['open'], to: 'gone' });
  assert.deepEqual([await told(), await updates()], [[], []]);
});

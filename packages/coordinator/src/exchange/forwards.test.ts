import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { forward, forwarder, request } from 'sparkle-protocol/protocol/trade/forward.suite';
import { canonicalJson } from 'sparkle-protocol/protocol/json';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Database } from '../database/database.ts';
import { open } from '../database/database.suite.ts';
import { Forwards, type ForwardsParts } from './forwards.ts';
import { Offers } from '../hub/hub-offers.ts';
import { handClock } from '../hub/hub.suite.ts';

const NOW = 1_800_000_000;
const forwarderId = 'f0'.repeat(32);
const inscriptionId = forward.inscriptionId;

const offer = (change: Partial<OfferWire> = {}): OfferWire => ({
  ...{ id: 'one', seller: '5e'.repeat(32), network: 'regtest', inscription_id: inscriptionId, price_sats: 90_000 },
  ...{ modes: ['hold-first'], expires_at: NOW + 1_000, forward: true, sig: '00'.repeat(64) },
  ...change,
});

const folder = mkdtempSync(join(tmpdir(), 'sparkle-forwards-'));
let database: Database;
before(async () => {
  database = await open(`sqlite:${join(folder, 'coordinator.db')}`);
});
after(async () => {
  await database.close();
  rmSync(folder, { recursive: true });
});

type Options = { limits?: object; live?: Trade[] };

/** As they stand in the store of offers, which has read their signatures when they came. */
async function forwards(offers: OfferWire[], { limits = {}, live = [] }: Options = {}): Promise<Forwards> {
  await database.tables.deleteFrom('advert').execute();
  for (const each of offers) {
    const { seller: seller_id, id: advert_id, inscription_id, price_sats, expires_at } = each;
    const shown = { inscription_id, price_sats, expires_at, body: canonicalJson(each) };
    await database.tables
      .insertInto('advert')
      .values({ seller_id, advert_id, ...shown })
      .execute();
  }
  const parts: ForwardsParts = {
    offers: new Offers({ database, clock: handClock(NOW), network: 'regtest', mostOffers: 1_000 }),
    store: { committed: async () => live },
    fees: { fixedSats: 1_000n, bps: 100 },
    limits: {
      ...{ minTradeSats: 10_000n, maxTradeSats: 1_000_000n, forwardSats: 200_000n, quoteTtlSeconds: 90 },
      ...limits,
    },
    ...{ forwarderId, nowSeconds: () => NOW },
  };
  return new Forwards(parts);
}

const stranger = (n: number): string => n.toString(16).padStart(64, '0');

const wanted = (offerSats: bigint) => ({ ...request, offerSats });

describe('sales of others that are passed on', () => {
  test('cost what the seller asks and the fee on top, and nothing for the chain', async () => {
    assert.deepEqual(await (await forwards([offer()])).quote(inscriptionId), {
      inscription_id: inscriptionId,
      pricing: { seller_sats: 90_000, creator_royalty_sats: 0, market_fee_sats: 1_900, estimated_l1_fee_sats: 0 },
      max_total_sats: 91_900,
      expires_at: NOW + 90,
      forward: true,
    });
  });

  test('are quoted from who asks least, for no longer than his offer lasts', async () => {
    const cheap = offer({ id: 'two', seller: '6e'.repeat(32), price_sats: 80_000, expires_at: NOW + 30 });
    const quote = await (await forwards([offer(), cheap])).quote(inscriptionId);
    assert.deepEqual([quote?.pricing.seller_sats, quote?.expires_at], [80_000, NOW + 30]);
  });

  test('go at the price that is quoted to the seller who asks it, and half of the fee may go into the way', async () => {
    const other = offer({ id: 'two', seller: '6e'.repeat(32), price_sats: 80_000 });
    assert.deepEqual(await (await forwards([other, offer()])).forwardFor(wanted(91_900n)), {
      ...{ inscriptionId, sellerId: '5e'.repeat(32), sellerSats: 90_000n, totalSats: 91_900n },
      ...{ maxFeeMsat: 950_000n, expiresAt: NOW + 1_000 },
    });
  });

  test('at another price are refused, with the one that is quoted', async () => {
    for (const price of [91_899n, 91_901n])
      await assert.rejects((await forwards([offer()])).forwardFor(wanted(price)), {
        code: 'bad_amount',
        message: `offer_sats must be what is quoted, 91900; got ${price}`,
      });
  });

  test('are those of sellers who said so, never our own, and none when the operator passes nothing on', async () => {
    const { forward: _said, ...silent } = offer();
    const others: [OfferWire[], Options?][] = [
      [[silent]],
      [[offer({ id: 'hold-first', modes: ['lock-first'] })]],
      [[offer({ expires_at: NOW })]],
      [[offer({ seller: forwarderId })]],
      [[offer()], { limits: { forwardSats: 0n } }],
      [[]],
    ];
    for (const each of others) {
      const to = await forwards(...each);
      assert.equal(await to.quote(inscriptionId), undefined);
      assert.equal(await to.forwardFor(wanted(91_900n)), undefined);
    }
  });

  test('outside the limits of a trade are nobody’s offers, asked for or quoted', async () => {
    for (const limits of [{ maxTradeSats: 91_899n }, { minTradeSats: 91_901n }]) {
      const to = await forwards([offer()], { limits });
      assert.equal(await to.quote(inscriptionId), undefined);
      assert.equal(await to.forwardFor(wanted(91_900n)), undefined);
    }
    const to = await forwards([offer()], { limits: { minTradeSats: 91_900n, maxTradeSats: 91_900n } });
    assert.equal((await to.quote(inscriptionId))?.max_total_sats, 91_900);
    assert.ok(await to.forwardFor(wanted(91_900n)));
  });

  test('are quoted and passed on beside an offer for one sat, and beside hundreds that came later', async () => {
    const tiny = offer({ id: 'tiny', seller: stranger(1), price_sats: 1 });
    const later = (n: number) => offer({ id: `${n}`, seller: stranger(n + 2), price_sats: 90_001 + n });
    const to = await forwards([offer(), tiny, ...Array.from({ length: 250 }, (_, n) => later(n))]);
    assert.equal((await to.quote(inscriptionId))?.max_total_sats, 91_900);
    assert.equal((await to.forwardFor(wanted(91_900n)))?.sellerId, '5e'.repeat(32));
    assert.equal((await to.forwardFor(wanted(91_902n)))?.sellerId, stranger(2));
  });

  test('count once for each seller, at the least he asks; of equals the oldest is asked', async () => {
    const first = stranger(1);
    const own = [offer({ id: 'a', seller: first }), offer({ id: 'b', seller: first, price_sats: 80_000 })];
    const tiny = offer({ id: 'tiny', price_sats: 1 });
    const to = await forwards([...own, tiny, offer({ id: 'c' }), offer({ id: 'd', seller: stranger(2) })]);
    assert.equal((await to.forwardFor(wanted(81_800n)))?.sellerId, first);
    assert.equal((await to.forwardFor(wanted(91_900n)))?.sellerId, '5e'.repeat(32));
  });

  test('wait while as much is in flight as may be; what is not paid yet, or has ended, is not in flight', async () => {
    const limits = { forwardSats: 91_900n + 91_000n };
    const seller = stranger(1);
    const room = async (...live: Trade[]) =>
      (await forwards([offer({ seller })], { limits, live })).forwardFor(wanted(91_900n));
    assert.ok(await room(forwarder.paying, forwarder.invoiced, forwarder.returning));
    await assert.rejects(room(forwarder.paying, forwarder.announced), { code: 'busy' });
    await assert.rejects(room(forwarder.unsent, forwarder.paying), { code: 'busy' });
  });

  test('take no more than a quarter of it for one seller, unless it is a single payment', async () => {
    const seller = forwarder.paying.want.sellerId;
    const mostSats = 4n * (91_900n + 91_000n);
    const room = async (forwardSats: bigint, ...live: Trade[]) =>
      (await forwards([offer({ seller })], { limits: { forwardSats }, live })).forwardFor(wanted(91_900n));
    assert.ok(await room(mostSats, forwarder.paying, forwarder.invoiced));
    await assert.rejects(room(mostSats - 4n, forwarder.paying), { code: 'busy', message: /to this seller as much/ });
    assert.ok(await room(91_900n, forwarder.returning));
  });
});

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { bearer, handClock, offerBy, person, Service } from './hub.suite.ts';

const NOW = 1_800_000_000;
const [alice, bob] = [person('alice'), person('bob')];
const clock = handClock(NOW);
let service: Service;

before(async () => {
  service = await Service.start({ clock, limits: { mostOffers: 30 } });
});
beforeEach(async () => {
  clock.now = NOW;
  await service.database.tables.deleteFrom('advert').execute();
});
after(() => service.remove());

type Page = { offers: OfferWire[]; next_cursor?: string };

async function page(query: Record<string, string>): Promise<Page> {
  const answer = await service.app.inject({ method: 'GET', url: '/v1/offers', query });
  assert.equal(answer.statusCode, 200, answer.body);
  return answer.json<Page>();
}

const idsOf = ({ offers }: Page): string[] => offers.map(({ id }) => id);

async function publish(offer: object, by = alice) {
  const headers = bearer(await service.session(by));
  const answer = await service.app.inject({ method: 'POST', url: '/v1/offers', headers, payload: offer });
  const { error, field } = answer.json<{ error?: string; field?: string }>();
  return { status: answer.statusCode, ...(error !== undefined && { error, field }) };
}

test('an offer is shown exactly as it was signed, its price a number (D30)', async () => {
  const offer = offerBy(alice, { price_sats: 2_100_000_000_000_000 });
  assert.deepEqual(await publish(offer), { status: 201 });
  assert.deepEqual(await page({}), { offers: [offer] });
});

for (const [said, offer, answer] of [
  [
    'whose price was changed',
    { ...offerBy(alice), price_sats: 1 },
    { status: 400, error: 'bad_signature', field: 'sig' },
  ],
  [
    'of another network',
    offerBy(alice, { network: 'mainnet' }),
    { status: 400, error: 'bad_message', field: 'network' },
  ],
  ['that is over', offerBy(alice, { expires_at: NOW }), { status: 400, error: 'bad_message', field: 'expires_at' }],
  [
    'with more sats than there are',
    offerBy(alice, { price_sats: 2_100_000_000_000_001 }),
    { status: 400, error: 'bad_message', field: 'price_sats' },
  ],
  [
    'with a price beyond safe numbers',
    { ...offerBy(alice), price_sats: 2 ** 53 },
    { status: 400, error: 'bad_message', field: 'price_sats' },
  ],
  [
    'with a price in words',
    { ...offerBy(alice), price_sats: '50000' },
    { status: 400, error: 'bad_message', field: 'price_sats' },
  ],
  ['for nothing', { ...offerBy(alice), price_sats: 0 }, { status: 400, error: 'bad_message', field: 'price_sats' }],
  ['with an unknown field', { ...offerBy(alice), note: 'cheap' }, { status: 400, error: 'bad_message', field: 'note' }],
  [
    'with a mode twice',
    { ...offerBy(alice), modes: ['hold-first', 'hold-first'] },
    { status: 400, error: 'bad_message', field: 'modes' },
  ],
] as const)
  test(`an offer ${said} is refused`, async () => {
    assert.deepEqual(await publish(offer), answer);
    assert.deepEqual(await page({}), { offers: [] });
  });

test('the filters choose, each alone and together', async () => {
  const inscription_id = `${'2e'.repeat(32)}i7`;
  await service.hub.offers.publish(offerBy(alice, { id: 'cheap', price_sats: 900 }));
  await service.hub.offers.publish(offerBy(alice, { id: 'dear', price_sats: 10_000, modes: ['lock-first'] }));
  await service.hub.offers.publish(offerBy(bob, { id: 'other', price_sats: 5_000, inscription_id }));
  const found = async (query: Record<string, string>) => idsOf(await page(query));
  assert.deepEqual(await found({}), ['other', 'dear', 'cheap']);
  assert.deepEqual(await found({ seller: alice.public }), ['dear', 'cheap']);
  assert.deepEqual(await found({ inscription_id }), ['other']);
  assert.deepEqual(await found({ min_price_sats: '5000' }), ['other', 'dear']);
  assert.deepEqual(await found({ max_price_sats: '5000' }), ['other', 'cheap']);
  assert.deepEqual(await found({ mode: 'lock-first' }), ['dear']);
  await service.hub.offers.publish(offerBy(alice, { id: 'hold-first', price_sats: 10_000, modes: ['lock-first'] }));
  await service.hub.offers.publish(
    offerBy(alice, { id: 'both', price_sats: 2_000, modes: ['lock-first', 'hold-first'] }),
  );
  assert.deepEqual(await found({ mode: 'hold-first', min_price_sats: '1001' }), ['both', 'other']);
  assert.deepEqual(await found({ mode: 'lock-first' }), ['both', 'hold-first', 'dear']);
  assert.deepEqual(await found({ mode: 'hold-first', max_price_sats: '1000' }), ['cheap']);
});

for (const query of [
  { cursor: 'x1' },
  { cursor: 'o0' },
  { limit: '0' },
  { limit: '201' },
  { limit: '1.0' },
  { seller: 'alice' },
  { mode: 'free' },
  { min_price_sats: '-1' },
  { sort: 'price' },
])
  test(`a list asked for with ${JSON.stringify(query)} is refused, the field named`, async () => {
    const answer = await service.app.inject({ method: 'GET', url: '/v1/offers', query });
    const { error, field } = answer.json<{ error: string; field: string }>();
    assert.deepEqual([answer.statusCode, error, field], [400, 'bad_message', Object.keys(query)[0]]);
  });

test('pages show each offer once, whatever is published, changed and withdrawn meanwhile', async () => {
  const acts = fc.array(
    fc.record({ act: fc.constantFrom('publish', 'withdraw'), id: fc.integer({ min: 0, max: 9 }) }),
    {
      maxLength: 6,
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { maxLength: 5 }), fc.integer({ min: 1, max: 4 }), async (between, limit) => {
      await service.database.tables.deleteFrom('advert').execute();
      const { offers } = service.hub;
      for (let count = 0; count < 10; count += 1) await offers.publish(offerBy(alice, { id: `x${count}` }));
      const touched = new Set<string>();
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const found = await page({ limit: String(limit), ...(cursor !== undefined && { cursor }) });
        seen.push(...idsOf(found));
        cursor = found.next_cursor;
        for (const { act, id } of between.shift() ?? []) {
          touched.add(`x${id}`);
          if (act === 'withdraw') await offers.withdraw({ seller: alice.public, id: `x${id}` });
          else await offers.publish(offerBy(alice, { id: `x${id}`, price_sats: 7 }));
        }
      } while (cursor !== undefined);
      assert.equal(new Set(seen).size, seen.length);
      const untouched = Array.from({ length: 10 }, (_, count) => `x${count}`).filter((id) => !touched.has(id));
      assert.ok(untouched.every((id) => seen.includes(id)));
    }),
    { numRuns: 15, seed: 1 },
  );
});

test('an offer that is over is no longer shown', async () => {
  await service.hub.offers.publish(offerBy(alice, { expires_at: NOW + 10 }));
  clock.now += 10;
  assert.deepEqual(await page({}), { offers: [] });
  await service.hub.offers.prune();
  assert.deepEqual(await service.database.tables.selectFrom('advert').selectAll().execute(), []);
});

test('a name that one seller took is free for every other', async () => {
  await service.hub.offers.publish(offerBy(alice));
  assert.deepEqual(await publish(offerBy(bob), bob), { status: 201 });
  assert.equal((await page({})).offers.length, 2);
});

test('a seller has a bounded number of open offers; one that he withdrew is none', async () => {
  const { offers } = service.hub;
  for (let count = 0; count < 30; count += 1) await offers.publish(offerBy(alice, { id: `x${count}` }));
  await assert.rejects(offers.publish(offerBy(alice, { id: 'more' })), { code: 'refused' });
  await offers.publish(offerBy(alice, { id: 'x0', price_sats: 1 }));
  await offers.withdraw({ seller: alice.public, id: 'x0' });
  await offers.publish(offerBy(alice, { id: 'more' }));
});

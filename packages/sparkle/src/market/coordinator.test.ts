import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { authDigest, isSignatureOf, offerDigest } from './coordinator-signing.ts';
import type { OfferWire } from './coordinator-wire.ts';
import { alice, bob, CHALLENGE, market, paper, type Said, sign, timing, TOKEN } from './coordinator.suite.ts';
import type { Listing } from './market.ts';

const unavailable = (reason: string) => (error: unknown) =>
  error instanceof SparkleError && error.code === 'market_unavailable' && error.detail['reason'] === reason;

const listing: Listing = {
  id: 'one',
  sellerId: alice,
  inscriptionId: `${'1d'.repeat(32)}i0`,
  priceSats: 50_000n,
  modes: ['hold-first'],
  expiresAt: 4_000_000_000,
};
const unsigned: Omit<OfferWire, 'sig'> = {
  ...{ id: 'one', seller: alice, network: 'regtest', inscription_id: listing.inscriptionId, price_sats: 50_000 },
  ...{ modes: ['hold-first'], expires_at: 4_000_000_000 },
};
const offer: OfferWire = { ...unsigned, sig: hex.encode(sign(offerDigest(unsigned))) };

for (const url of [
  'http://market.example',
  'http://127.0.0.1.example',
  'http://10.0.0.1',
  'ftp://market.example',
  'https://user:word@market.example',
  'https://market.example/?key=1',
  'https://market.example/#x',
  'market.example',
  '',
])
  test(`the URL ${url} is refused and not repeated`, () => {
    assert.throws(
      () => market(fetch, { url }),
      (error: unknown) => {
        assert.ok(error instanceof SparkleError && error.code === 'bad_config');
        return url === '' || !error.message.includes(url);
      },
    );
  });

for (const url of ['http://127.0.0.1:8080', 'http://localhost:1', 'http://[::1]:1', 'https://market.example/api'])
  test(`the URL ${url} is taken`, () => {
    market(fetch, { url });
  });

test('one login serves all requests, and signs for the host that was dialled', async () => {
  const { asked, fetch } = paper(({ path }) =>
    path === '/v1/messages' ? { status: 201, json: { seq: 1 } } : undefined,
  );
  const one = market(fetch, { url: 'https://market.example:8443/api/' });
  const send = () => one.send(bob, { from: alice, text: 'hello' });
  // The paper answers at the root alone, so the base path of the URL shows in what is refused.
  await assert.rejects(send(), { code: 'not_found' });
  assert.deepEqual(
    asked.map(({ path }) => path),
    ['/api/v1/auth/challenge'],
  );
  const plain = market(fetch);
  asked.length = 0;
  await Promise.all([plain.send(bob, { from: alice, text: 'a' }), plain.send(bob, { from: alice, text: 'b' })]);
  assert.deepEqual(
    asked.map(({ path }) => path),
    ['/v1/auth/challenge', '/v1/auth/session', '/v1/messages', '/v1/messages'],
  );
  const { signature } = (asked[1]?.body ?? {}) as { signature: string };
  const digest = authDigest({ challenge: CHALLENGE, host: 'market.example' });
  assert.ok(isSignatureOf({ publicKey: alice, signature, digest }));
  assert.equal(asked[2]?.authorization, `Bearer ${TOKEN}`);
});

test('a login that failed is tried again by the next who needs it', async () => {
  let isUp = false;
  const { fetch } = paper(({ path }) => {
    if (!isUp) return { status: 503, json: { error: 'busy', message: 'later' } };
    return path === '/v1/messages' ? { status: 201, json: { seq: 1 } } : undefined;
  });
  const one = market(fetch);
  await assert.rejects(one.send(bob, { from: alice, text: '' }), { code: 'busy' });
  isUp = true;
  await one.send(bob, { from: alice, text: '' });
});

test('a session that is refused twice is told, not tried for ever', async () => {
  const { asked, fetch } = paper(({ path }) =>
    path === '/v1/messages' ? { status: 401, json: { error: 'unauthorized', message: 'no' } } : undefined,
  );
  await assert.rejects(market(fetch).send(bob, { from: alice, text: '' }), { code: 'unauthorized' });
  assert.equal(asked.filter(({ path }) => path === '/v1/messages').length, 2);
});

for (const [said, answer, check] of [
  ['what is no JSON', { text: '<html>' }, unavailable('garbage')],
  ['nothing', { text: '' }, unavailable('garbage')],
  ['null', { json: null }, unavailable('garbage')],
  ['another shape', { json: { offers: 'none' } }, unavailable('garbage')],
  ['an unknown field', { json: { offers: [], more: true } }, unavailable('garbage')],
  [
    'an offer with a price that is no whole number',
    { json: { offers: [{ ...offer, price_sats: 0.5 }] } },
    unavailable('garbage'),
  ],
  ['an offer whose price it changed', { json: { offers: [{ ...offer, price_sats: 1 }] } }, unavailable('garbage')],
  ['an offer of a seller who did not sign', { json: { offers: [{ ...offer, seller: bob }] } }, unavailable('garbage')],
  ['an error without words', { status: 500, text: 'oops' }, unavailable('garbage')],
  [
    'an error of a chain',
    { status: 400, json: { error: 'chain_unavailable', message: 'x' } },
    (e: unknown) => e instanceof SparkleError && e.code === 'refused',
  ],
  [
    'an error of its own',
    { status: 500, json: { error: 'internal', message: 'x' } },
    (e: unknown) => e instanceof SparkleError && e.code === 'market_unavailable',
  ],
  [
    'that it is too much',
    { status: 429, json: { error: 'rate_limited', message: 'x' } },
    (e: unknown) => e instanceof SparkleError && e.code === 'rate_limited',
  ],
  ['more than anybody can read', { text: 'x'.repeat(8_000_001) }, unavailable('oversized')],
] as [string, Said, (error: unknown) => boolean][])
  test(`a coordinator that answers with ${said} is an error with a code`, async () => {
    await assert.rejects(market(paper(() => answer).fetch).browse(), check);
  });

test('an offer of another network is not shown', async () => {
  const { fetch } = paper(() => ({ json: { offers: [offer] } }));
  await assert.rejects(market(fetch, { network: 'mainnet' }).browse(), unavailable('garbage'));
  assert.deepEqual(await market(fetch).browse(), [listing]);
});

test('a list without end ends', async () => {
  const { asked, fetch } = paper(() => ({ json: { offers: [], next_cursor: 'o1' } }));
  await assert.rejects(market(fetch).browse(), unavailable('garbage'));
  assert.equal(asked.length, 500);
});

test('a coordinator that cannot be reached, or does not answer, is away', async () => {
  const refused = async (): Promise<Response> => {
    throw new TypeError('fetch failed');
  };
  await assert.rejects(market(refused).browse(), unavailable('unreachable'));
  const silent = (_url: unknown, init?: RequestInit): Promise<Response> =>
    new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
  const hurried = { ...timing, answerMilliseconds: 5 };
  await assert.rejects(market(silent, { timing: hurried }).browse(), unavailable('timeout'));
});

test('a closed market asks no more', async () => {
  const waits = (_url: unknown, init?: RequestInit): Promise<Response> =>
    new Promise((_resolve, reject) => {
      if (init?.signal?.aborted === true) reject(new Error('aborted'));
      init?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
  const one = market(waits);
  const browsing = assert.rejects(one.browse(), unavailable('unreachable'));
  await one.close();
  await browsing;
  await assert.rejects(one.browse(), unavailable('unreachable'));
});

test('a listing that the wire cannot hold is refused before it is sent', async () => {
  const { asked, fetch } = paper(() => undefined);
  for (const [change, field] of [
    [{ priceSats: 0n }, 'price_sats'],
    [{ priceSats: 2n ** 60n }, 'price_sats'],
    [{ id: '../x' }, 'id'],
    [{ modes: [] }, 'modes'],
    [{ inscriptionId: 'x' }, 'inscription_id'],
    [{ expiresAt: 1.5 }, 'expires_at'],
  ] as [Partial<Listing>, string][])
    await assert.rejects(
      market(fetch).publish({ ...listing, ...change }),
      (error: unknown) =>
        error instanceof SparkleError && error.code === 'bad_message' && error.detail['field'] === field,
    );
  assert.deepEqual(asked, []);
});

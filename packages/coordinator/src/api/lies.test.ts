import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { bearer, handClock, offerBy, person, Service } from '../hub/hub.suite.ts';

const NOW = 1_800_000_000;
const [alice, bob] = [person('alice'), person('bob')];
let service: Service;
let headers: { authorization: string };

before(async () => {
  service = await Service.start({ clock: handClock(NOW), limits: { lettersPerMinute: 1_000_000 } });
  headers = bearer(await service.session(alice));
});
after(() => service.remove());

type Known = { url: string; body: Record<string, unknown> };

/** A body of each route that would be taken. */
const bodies: Known[] = [
  { url: '/v1/messages', body: { to: bob.public, text: 'hello' } },
  { url: '/v1/messages/ack', body: { seq: 1 } },
  { url: '/v1/offers', body: offerBy(alice) },
  { url: '/v1/auth/challenge', body: { public_key: alice.public } },
  {
    url: '/v1/auth/session',
    body: { public_key: alice.public, challenge: 'ab'.repeat(32), signature: 'cd'.repeat(64) },
  },
];

type Answer = { status: number; error?: string; field?: string };

async function post(url: string, payload: string, type = 'application/json'): Promise<Answer> {
  const all = { ...headers, 'content-type': type };
  const answer = await service.app.inject({ method: 'POST', url, headers: all, payload });
  const { error, field } = answer.json<{ error?: string; field?: string }>();
  return { status: answer.statusCode, ...(error !== undefined && { error }), ...(field !== undefined && { field }) };
}

const isOurs = ({ status }: Answer): boolean => status >= 500;
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(null, '', -1, 1.5, 2 ** 53, -0, 'null', '\u0000', '\uD800', '__proto__', [], {}, true),
);

for (const { url, body } of bodies) {
  test(`${url}: no JSON makes it fail for a reason of its own`, async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (value) => assert.ok(!isOurs(await post(url, JSON.stringify(value))))),
      { numRuns: 60, seed: 1 },
    );
  });

  for (const name of Object.keys(body)) {
    test(`${url}: whatever stands in ${name}, a refusal names it`, async () => {
      await fc.assert(
        fc.asyncProperty(anything, async (value) => {
          const answer = await post(url, JSON.stringify({ ...body, [name]: value }));
          if (answer.status < 300) return;
          assert.ok(answer.status >= 400 && answer.status < 500, JSON.stringify(answer));
          // What is well formed can still be no signature, no challenge, or another's key.
          if (answer.error === 'bad_message') assert.equal(answer.field?.split('.')[0], name);
          else assert.ok(['bad_signature', 'unauthorized', 'forbidden'].includes(answer.error ?? ''), answer.error);
        }),
        { numRuns: 60, seed: 1 },
      );
    });

    test(`${url}: without ${name} it is refused by that name`, async () => {
      const { [name]: _, ...rest } = body;
      assert.deepEqual(await post(url, JSON.stringify(rest)), { status: 400, error: 'bad_message', field: name });
    });
  }

  test(`${url}: a field it does not know is refused by its name`, async () => {
    const answer = await post(url, JSON.stringify({ ...body, surplus: 1 }));
    assert.deepEqual(answer, { status: 400, error: 'bad_message', field: 'surplus' });
  });

  test(`${url}: __proto__ and constructor are refused`, async () => {
    const inner = JSON.stringify(body).slice(1);
    for (const evil of ['{"__proto__":{"to":"x"},', '{"constructor":{"prototype":{"to":"x"}},'])
      assert.deepEqual(await post(url, evil + inner), { status: 400, error: 'bad_message', field: 'body' });
    assert.equal(({} as { to?: string }).to, undefined);
  });

  test(`${url}: JSON nested 30,000 deep is refused`, async () => {
    const answer = await post(url, `${'['.repeat(30_000)}${']'.repeat(30_000)}`);
    assert.equal(answer.status, 400, JSON.stringify(answer));
  });

  test(`${url}: a body of 10 MB is refused with 413`, async () => {
    assert.deepEqual(await post(url, JSON.stringify({ ...body, pad: 'x'.repeat(10_000_000) })), {
      ...{ status: 413, error: 'too_large', field: 'body' },
    });
  });

  test(`${url}: another media type is refused with 415, and a body that ends too soon with 400`, async () => {
    assert.equal((await post(url, JSON.stringify(body), 'application/xml')).status, 415);
    assert.equal((await post(url, JSON.stringify(body).slice(0, -1))).status, 400);
    assert.equal((await post(url, '')).status, 400);
  });
}

test('no query makes a list fail for a reason of its own', async () => {
  const names = ['since', 'limit', 'cursor', 'seller', 'mode', 'min_price_sats', '__proto__', 'x'];
  const query = fc.dictionary(fc.constantFrom(...names), fc.oneof(fc.string(), fc.constantFrom('1', '0', '-1', '1e3')));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom('/v1/messages', '/v1/offers'), query, async (url, given) => {
      const search = new URLSearchParams(given).toString();
      const answer = await service.app.inject({ method: 'GET', url: `${url}?${search}`, headers });
      assert.ok(answer.statusCode < 500, answer.body);
    }),
    { numRuns: 100, seed: 1 },
  );
});

test('no path makes a withdrawal fail for a reason of its own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary' }), async (id) => {
      const url = `/v1/offers/${encodeURIComponent(id)}`;
      const answer = await service.app.inject({ method: 'DELETE', url, headers });
      assert.ok(answer.statusCode < 500, answer.body);
    }),
    { numRuns: 100, seed: 1 },
  );
});

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { InjectOptions } from 'fastify';
import { bearer, handClock, nip98, offerBy, person, Service } from '../hub/hub.suite.ts';

const NOW = 1_800_000_000;
const [alice, bob] = [person('alice'), person('bob')];
const clock = handClock(NOW);
let service: Service;

before(async () => {
  service = await Service.start({ clock });
});
after(() => service.remove());

type Route = { method: 'GET' | 'POST' | 'DELETE'; url: string; payload?: object; success: number };

/** Every route of this part that is not for everybody. */
const routes: Route[] = [
  { method: 'POST', url: '/v1/messages', payload: { to: bob.public, text: 'hello' }, success: 201 },
  { method: 'GET', url: '/v1/messages', success: 200 },
  { method: 'POST', url: '/v1/messages/ack', payload: { seq: 1 }, success: 200 },
  { method: 'POST', url: '/v1/offers', payload: offerBy(alice), success: 201 },
  { method: 'DELETE', url: '/v1/offers/one', success: 200 },
];

async function ask({ method, url, payload }: Route, headers: Record<string, string>) {
  const body = payload === undefined ? undefined : JSON.stringify(payload);
  const options: InjectOptions = {
    ...{ method, url },
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { payload: body }),
  };
  const answer = await service.app.inject(options);
  return { status: answer.statusCode, error: answer.json<{ error?: string }>().error };
}

const refused = { status: 401, error: 'unauthorized' };

for (const route of routes) {
  const name = `${route.method} ${route.url}`;

  test(`${name}: its own party comes in, by session and by NIP-98`, async () => {
    assert.equal((await ask(route, bearer(await service.session(alice)))).status, route.success);
    const { method, payload } = route;
    const event = { by: alice, url: `${service.url}${route.url}`, method, at: NOW };
    const signed = nip98({ ...event, ...(payload !== undefined && { body: JSON.stringify(payload) }) });
    assert.equal((await ask(route, signed)).status, route.success);
    assert.deepEqual(await ask(route, signed), refused, 'replayed');
  });

  test(`${name}: nobody comes in without saying who he is`, async () => {
    assert.deepEqual(await ask(route, {}), refused);
  });

  test(`${name}: an expired token is refused`, async () => {
    const token = await service.session(alice);
    clock.now += 24 * 3600;
    const answer = await ask(route, bearer(token));
    clock.now = NOW;
    assert.deepEqual(answer, refused);
  });

  test(`${name}: a token nobody gave out is refused`, async () => {
    assert.deepEqual(await ask(route, bearer('ab'.repeat(32))), refused);
  });

  test(`${name}: the token of a trade is not a key`, async () => {
    const token = await service.auth.issueToken({ tradeId: 't1', role: 'buyer', expiresAt: NOW + 60 });
    assert.deepEqual(await ask(route, bearer(token)), { status: 403, error: 'forbidden' });
  });
}

test('another party sees none of the messages, handles none, and sends in his own name', async () => {
  const token = await service.session(bob);
  const send = routes[0] as Route;
  await service.hub.mail.post({ from: bob.public, to: alice.public, text: 'for alice' });
  const read = await service.app.inject({ method: 'GET', url: '/v1/messages', headers: bearer(token) });
  assert.ok(!read.body.includes('for alice'));
  assert.equal((await ask({ ...send, payload: { to: alice.public, text: 'by bob' } }, bearer(token))).status, 201);
  const letters = await service.hub.mail.after({ recipient: alice.public, since: 0, limit: 100 });
  assert.deepEqual(letters.find(({ text }) => text === 'by bob')?.from, bob.public);
  await ask(
    { method: 'POST', url: '/v1/messages/ack', payload: { seq: 9_000_000_000_000_000 }, success: 200 },
    bearer(token),
  );
  const marks = await service.database.tables.selectFrom('mailbox_mark').select('recipient').execute();
  assert.ok(marks.every(({ recipient }) => recipient !== alice.public));
});

test('a sender that is named in the body is refused, whoever it is (D33)', async () => {
  const payload = { to: bob.public, text: 'hello', from: alice.public };
  const answer = await service.app.inject({
    ...{ method: 'POST', url: '/v1/messages', payload },
    headers: bearer(await service.session(alice)),
  });
  assert.deepEqual([answer.statusCode, answer.json<{ field: string }>().field], [400, 'from']);
});

test("another party's offer can be neither shown nor taken away", async () => {
  await service.hub.offers.publish(offerBy(alice));
  const token = await service.session(bob);
  const publish = routes[3] as Route;
  assert.deepEqual(await ask(publish, bearer(token)), { status: 403, error: 'forbidden' });
  const withdraw = await ask(routes[4] as Route, bearer(token));
  const absent = await ask({ method: 'DELETE', url: '/v1/offers/none', success: 200 }, bearer(token));
  assert.deepEqual(
    [withdraw, absent],
    [
      { status: 200, error: undefined },
      { status: 200, error: undefined },
    ],
  );
  assert.equal((await service.hub.offers.page({})).offers.length, 1);
});

test('anybody may look at offers', async () => {
  assert.equal((await service.app.inject({ method: 'GET', url: '/v1/offers' })).statusCode, 200);
});

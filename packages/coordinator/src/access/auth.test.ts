import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { authDigest } from 'sparkle-protocol/market/coordinator-signing';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { roleIn } from './auth.ts';
import { handClock, nip98, type Person, person, Service } from '../hub/hub.suite.ts';

const NOW = 1_800_000_000;
const [alice, bob] = [person('alice'), person('bob')];

const because = (reason: string) => (error: unknown) =>
  error instanceof SparkleError && error.code === 'unauthorized' && error.detail['reason'] === reason;

async function service(context: TestContext) {
  const clock = handClock(NOW);
  const started = await Service.start({ clock });
  context.after(() => started.remove());
  return { service: started, clock, auth: started.auth };
}

const signed = (by: Person, challenge: string, host: string): string =>
  hex.encode(schnorr.sign(authDigest({ challenge, host }), by.secret, new Uint8Array(32)));

test('whoever signs his challenge gets a session that names his key', async (context) => {
  const { service: at, auth } = await service(context);
  const post = (path: string, payload: object) => at.app.inject({ method: 'POST', url: path, payload });
  const { challenge, expires_at } = (await post('/v1/auth/challenge', { public_key: alice.public })).json<{
    challenge: string;
    expires_at: number;
  }>();
  assert.equal(expires_at, NOW + 60);
  const signature = signed(alice, challenge, at.host);
  const session = await post('/v1/auth/session', { public_key: alice.public, challenge, signature });
  assert.equal(session.statusCode, 200);
  const { token } = session.json<{ token: string }>();
  assert.deepEqual((await auth.verify(token)).identity, { party: alice.public });
});

for (const [said, reason, answer] of [
  ['signed by another key', 'bad_signature', (c: string, host: string) => ({ signature: signed(bob, c, host) })],
  ['signed for another host', 'bad_signature', (c: string) => ({ signature: signed(alice, c, 'other.example') })],
  [
    'given to another key',
    'unknown_challenge',
    (c: string, h: string) => ({ publicKey: bob.public, signature: signed(bob, c, h) }),
  ],
  [
    "of the caller's own making",
    'unknown_challenge',
    (_: string, h: string) => ({ challenge: 'ff'.repeat(32), signature: signed(alice, 'ff'.repeat(32), h) }),
  ],
  [
    'whose end was moved',
    'unknown_challenge',
    (c: string, h: string) => {
      const later = `0fffffffffff${c.slice(12)}`;
      return { challenge: later, signature: signed(alice, later, h) };
    },
  ],
] as [string, string, (challenge: string, host: string) => object][])
  test(`a challenge ${said} opens no session`, async (context) => {
    const { service: at, auth } = await service(context);
    const { challenge } = await auth.challenge(alice.public);
    const claim = { publicKey: alice.public, challenge, signature: '', ...answer(challenge, at.host) };
    await assert.rejects(auth.session(claim), because(reason));
  });

test('a challenge is answered once, and in time', async (context) => {
  const { service: at, auth, clock } = await service(context);
  const { challenge } = await auth.challenge(alice.public);
  const answer = { publicKey: alice.public, challenge, signature: signed(alice, challenge, at.host) };
  await auth.session(answer);
  await assert.rejects(auth.session(answer), because('replayed'));
  const late = (await auth.challenge(alice.public)).challenge;
  clock.now += 60;
  await assert.rejects(
    auth.session({ publicKey: alice.public, challenge: late, signature: signed(alice, late, at.host) }),
    because('expired'),
  );
});

test('a challenge outlives a restart, as another instance may be asked next', async (context) => {
  const { service: at, auth } = await service(context);
  const { challenge } = await auth.challenge(alice.public);
  await at.end();
  await at.begin();
  await at.auth.session({ publicKey: alice.public, challenge, signature: signed(alice, challenge, at.host) });
});

test('a session ends with its time, and the oldest of too many ends before', async (context) => {
  const { service: at, auth, clock } = await service(context);
  const tokens: string[] = [];
  for (let count = 0; count < 17; count += 1) {
    clock.now += 1;
    tokens.push(await at.session(alice));
  }
  const other = await at.session(bob);
  const [first = '', second = ''] = tokens;
  await assert.rejects(auth.verify(first), because('unknown_token'));
  await auth.verify(second);
  await auth.verify(other);
  clock.now += 24 * 3600;
  await assert.rejects(auth.verify(second), because('expired'));
  await auth.prune();
  await assert.rejects(auth.verify(second), because('unknown_token'));
});

test('the token of a trade speaks for one role in one trade, until its time', async (context) => {
  const { auth, clock } = await service(context);
  const token = await auth.issueToken({ tradeId: 't1', role: 'buyer', expiresAt: NOW + 10 });
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.deepEqual((await auth.verify(token)).identity, { tradeToken: { tradeId: 't1', role: 'buyer' } });
  clock.now += 10;
  await assert.rejects(auth.verify(token), because('expired'));
});

test('no token is in the database, only what it hashes to', async (context) => {
  const { service: at, auth } = await service(context);
  const tokens = [
    await at.session(alice),
    await auth.issueToken({ tradeId: 't1', role: 'seller', expiresAt: NOW + 10 }),
  ];
  const rows = JSON.stringify(await at.database.tables.selectFrom('access_token').selectAll().execute());
  for (const token of tokens) assert.ok(!rows.includes(token));
});

const url = (at: Service, path: string) => `${at.url}${path}`;

test('a request under a NIP-98 event is by its key, with its body', async (context) => {
  const { service: at } = await service(context);
  const body = JSON.stringify({ to: bob.public, text: 'hello' });
  const path = '/v1/messages';
  const headers = {
    ...nip98({ by: alice, url: url(at, path), method: 'POST', at: NOW, body }),
    'content-type': 'application/json',
  };
  assert.equal((await at.app.inject({ method: 'POST', url: path, headers, payload: body })).statusCode, 201);
  const [letter] = await at.hub.mail.after({ recipient: bob.public, since: 0, limit: 1 });
  assert.equal(letter?.from, alice.public);
});

const path = '/v1/messages?since=0';
const get = (at: Service, headers: { authorization: string }) => at.app.inject({ method: 'GET', url: path, headers });

for (const [said, change] of [
  ['of another method', { method: 'POST' }],
  ['of another path', { url: '/v1/messages' }],
  ['of another query', { url: '/v1/messages?since=1' }],
  ['of another kind', { kind: 22_242 }],
  ['of a minute ago', { at: NOW - 61 }],
  ['of a minute from now', { at: NOW + 61 }],
  ['without its tags', { tags: [] }],
  [
    'with two URLs',
    {
      tags: [
        ['u', 'both'],
        ['u', 'both'],
        ['method', 'GET'],
      ],
    },
  ],
] as [string, { url?: string; method?: string; at?: number; kind?: number; tags?: string[][] }][])
  test(`a NIP-98 event ${said} is refused with 401`, async (context) => {
    const { service: at } = await service(context);
    const event = { by: alice, method: 'GET', at: NOW, ...change, url: url(at, change.url ?? path) };
    const tags = change.tags?.map((tag) => tag.map((each) => (each === 'both' ? url(at, path) : each)));
    const answer = await get(at, nip98({ ...event, ...(tags !== undefined && { tags }) }));
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [401, 'unauthorized']);
    assert.equal(answer.headers['www-authenticate'], 'Bearer, Nostr');
  });

test('a NIP-98 event is good once, also for another instance on the same database', async (context) => {
  const { service: at } = await service(context);
  const headers = nip98({ by: alice, url: url(at, path), method: 'GET', at: NOW + 60 });
  assert.equal((await get(at, headers)).statusCode, 200);
  assert.equal((await get(at, headers)).statusCode, 401);
  await at.end();
  await at.begin();
  assert.equal((await get(at, headers)).statusCode, 401);
});

test('a used NIP-98 event is remembered for as long as its age would not refuse it', async (context) => {
  const { service: at, clock } = await service(context);
  const headers = nip98({ by: alice, url: url(at, path), method: 'GET', at: NOW + 60 });
  assert.equal((await get(at, headers)).statusCode, 200);
  clock.now += 120;
  await at.auth.prune();
  assert.equal((await get(at, headers)).statusCode, 401);
});

test('what is too old to be used again is forgotten by itself', async (context) => {
  const { service: at, clock } = await service(context);
  await at.session(alice);
  clock.now += 25 * 3600;
  await at.session(bob);
  const count = async (table: 'used_once' | 'access_token') =>
    (await at.database.tables.selectFrom(table).selectAll().execute()).length;
  assert.deepEqual([await count('used_once'), await count('access_token')], [1, 1]);
});

test('a body that is not under the NIP-98 event is refused', async (context) => {
  const { service: at } = await service(context);
  const payload = JSON.stringify({ to: bob.public, text: 'other' });
  for (const body of [undefined, JSON.stringify({ to: bob.public, text: 'hello' })]) {
    const event = { by: alice, url: url(at, '/v1/messages'), method: 'POST', at: NOW };
    const headers = {
      ...nip98({ ...event, ...(body !== undefined && { body }) }),
      'content-type': 'application/json',
    };
    assert.equal((await at.app.inject({ method: 'POST', url: '/v1/messages', headers, payload })).statusCode, 401);
  }
});

test("an event whose signature is another's, and what is no event, is refused", async (context) => {
  const { service: at } = await service(context);
  const good = nip98({ by: alice, url: url(at, path), method: 'GET', at: NOW }).authorization.slice(6);
  const event = JSON.parse(Buffer.from(good, 'base64').toString()) as object;
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
  const forged = encoded({ ...event, pubkey: bob.public });
  const words = ['', '%%%', 'bnVsbA==', encoded([]), encoded({ ...event, tags: [[1]] }), forged, `${good}A`];
  for (const word of [...words.map((each) => `Nostr ${each}`), 'Basic YTpi', 'Bearer', 'Bearer x', 'garbage'])
    assert.equal((await get(at, { authorization: word })).statusCode, 401, word);
});

test("somebody else's trade, and one that is not there, are refused in the same words", () => {
  const sides = { buyer: alice.public, seller: bob.public };
  const refusal = (given: Parameters<typeof roleIn>[1]): unknown => {
    try {
      return roleIn('t1', given);
    } catch (error) {
      assert.ok(error instanceof SparkleError);
      return { code: error.code, message: error.message, detail: error.detail };
    }
  };
  const stranger = { party: person('carol').public };
  const otherToken = { tradeToken: { tradeId: 't2', role: 'buyer' as const } };
  const absent = refusal({ sides: undefined, who: { party: alice.public } });
  assert.equal((absent as { code: string }).code, 'unknown_trade');
  assert.deepEqual(refusal({ sides, who: stranger }), absent);
  assert.deepEqual(refusal({ sides, who: otherToken }), absent);
  assert.deepEqual(refusal({ sides: undefined, who: otherToken }), absent);
});

test('each side of a trade is known by its key or by its token', () => {
  const sides = { buyer: alice.public, seller: bob.public };
  assert.equal(roleIn('t1', { sides, who: { party: alice.public } }), 'buyer');
  assert.equal(roleIn('t1', { sides, who: { party: bob.public } }), 'seller');
  assert.equal(roleIn('t1', { sides: {}, who: { tradeToken: { tradeId: 't1', role: 'buyer' } } }), 'buyer');
});

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { systemClock } from '../trader/clock.ts';
import { backoff } from './coordinator-clock.ts';
import { authDigest, isSignatureOf, offerDigest } from './coordinator-signing.ts';
import type { SocketLike } from './coordinator-socket.ts';
import type { OfferWire } from './coordinator-wire.ts';
import { coordinatorMarket, type CoordinatorMarketOptions, coordinatorTiming } from './coordinator.ts';
import type { Listing } from './market.ts';

const secret = sha256(utf8.decode('alice'));
const alice = hex.encode(schnorr.getPublicKey(secret));
const bob = hex.encode(schnorr.getPublicKey(sha256(utf8.decode('bob'))));
const sign = (digest: Uint8Array): Uint8Array => schnorr.sign(digest, secret, new Uint8Array(32));
const TOKEN = 'ab'.repeat(32);
const CHALLENGE = 'cd'.repeat(32);
const timing = {
  ...coordinatorTiming,
  ...{ answerMilliseconds: 2_000, readyMilliseconds: 500, pingMilliseconds: 40, ackMilliseconds: 1 },
  ...{ firstRetryMilliseconds: 1, lastRetryMilliseconds: 5, pollSeconds: 0 },
};

type Asked = { method: string; path: string; body: unknown; authorization: string | null };
type Said = { status?: number; json?: unknown; text?: string };

/** A coordinator that says what a test wants; a login it answers by itself unless the test does. */
function paper(answer: (asked: Asked) => Said | undefined) {
  const asked: Asked[] = [];
  const fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname, search } = new URL(String(url as string));
    const body: unknown = init.body === undefined ? undefined : JSON.parse(String(init.body as string));
    const authorization = new Headers(init.headers).get('authorization');
    const one = { method: init.method ?? 'GET', path: `${pathname}${search}`, body, authorization };
    asked.push(one);
    const said = answer(one) ?? login(one) ?? { status: 404, json: { error: 'not_found', message: 'no such path' } };
    return new Response(said.text ?? JSON.stringify(said.json), { status: said.status ?? 200 });
  };
  return { asked, fetch };
}

function login({ path }: Asked): Said | undefined {
  if (path === '/v1/auth/challenge') return { json: { challenge: CHALLENGE, expires_at: 1 } };
  if (path === '/v1/auth/session') return { json: { token: TOKEN, expires_at: 1 } };
  return undefined;
}

function market(fetch: typeof globalThis.fetch, change: Partial<CoordinatorMarketOptions> = {}) {
  const options = { url: 'https://market.example', network: 'regtest', signer: { publicKey: alice, sign } } as const;
  return coordinatorMarket({ ...options, clock: systemClock(), timing, fetch, ...change });
}

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

/** The other end of each connection, in the hands of a test. */
function sockets(context: TestContext, greet: (socket: Wire, count: number) => void) {
  const open: Wire[] = [];
  class Wire implements SocketLike {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    onerror: (() => void) | null = null;
    readonly said: unknown[] = [];
    readonly url: string;
    isClosed = false;
    constructor(url: string) {
      this.url = url;
      open.push(this);
      setImmediate(() => greet(this, open.length));
    }
    send(data: string): void {
      const frame = JSON.parse(data) as { type: string };
      this.said.push(frame);
      if (frame.type === 'token') this.tell({ type: 'ready' });
      if (frame.type === 'ping') this.tell({ type: 'pong' });
    }
    tell(frame: unknown): void {
      this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) });
    }
    close(): void {
      if (this.isClosed) return;
      this.isClosed = true;
      setImmediate(() => this.onclose?.({ code: 1005 }));
    }
  }
  const { asked, fetch } = paper(() => undefined);
  const one = market(fetch, { WebSocket: Wire });
  context.after(() => one.close());
  return { one, open, asked };
}
type Wire = SocketLike & { said: unknown[]; url: string; isClosed: boolean; tell(frame: unknown): void };

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000; tries += 1) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.fail(`${what} did not happen`);
}

const mail = (seq: number, text: string) => ({ type: 'message', seq, from: bob, text, received_at: 1 });
const challenge = { type: 'challenge', challenge: CHALLENGE };

for (const garbage of [
  'null',
  '[]',
  '{',
  '{"type":"message"}',
  '{"type":"gold"}',
  '',
  { type: 'ready', x: 1 },
  { ...mail(1, ''), seq: -1 },
  `"${'x'.repeat(500_001)}"`,
])
  test(`a socket that says ${JSON.stringify(garbage).slice(0, 40)} is left for another`, async (context) => {
    const { one, open } = sockets(context, (socket, count) => socket.tell(count === 1 ? garbage : challenge));
    const texts: string[] = [];
    one.inbox(alice, async ({ text }) => void texts.push(text));
    await until('a second connection', () => open[1]?.said.length === 2);
    assert.ok(open[0]?.isClosed);
    open[1]?.tell(mail(1, 'hello'));
    await until('the message', () => texts.includes('hello'));
  });

test('a connection goes on after the last message that is handled without a gap', async (context) => {
  const { one, open } = sockets(context, (socket) => socket.tell(challenge));
  const release = new Map<string, () => void>();
  const calls: string[] = [];
  one.inbox(alice, ({ text }) => {
    calls.push(text);
    return new Promise((resolve) => release.set(text, resolve));
  });
  await until('a subscription', () => open[0]?.said.length === 2);
  for (const seq of [3, 5, 8]) open[0]?.tell(mail(seq, `m${seq}`));
  release.get('m3')?.();
  release.get('m8')?.();
  const has = (frame: object) => open[0]?.said.some((said) => JSON.stringify(said) === JSON.stringify(frame)) === true;
  await until('an ack', () => has({ type: 'ack', seq: 3 }));
  open[0]?.close();
  await until('another subscription', () => open[1]?.said.length === 2);
  assert.deepEqual(open[1]?.said, [
    { type: 'token', token: TOKEN },
    { type: 'subscribe', channel: 'messages', since: 3 },
  ]);
  for (const seq of [5, 8, 9]) open[1]?.tell(mail(seq, `m${seq}`));
  assert.deepEqual(calls, ['m3', 'm5', 'm8', 'm9'], 'what is known is not handed over twice');
});

test('a token that the socket refuses is got anew', async (context) => {
  const { one, open, asked } = sockets(context, (socket) => socket.tell(challenge));
  one.inbox(alice, async () => undefined);
  await until('a connection', () => open[0]?.said.length === 2);
  open[0]?.tell({ type: 'error', code: 'unauthorized', message: 'expired' });
  await until('another', () => open[1]?.said.length === 2);
  assert.equal(asked.filter(({ path }) => path === '/v1/auth/session').length, 2);
});

test('a connection on which no sign of life comes back is given up', async (context) => {
  const { one, open } = sockets(context, (socket) => socket.tell(challenge));
  one.inbox(alice, async () => undefined);
  await until('a connection', () => open[0]?.said.length === 2);
  const [first] = open;
  // From now on it swallows what it is told.
  if (first !== undefined) first.send = () => undefined;
  await until('another', () => open.length === 2);
  assert.ok(first?.isClosed);
});

test('a connection that never gets ready is given up, and after three messages are asked for', async (context) => {
  const asked: string[] = [];
  class Silent implements SocketLike {
    onmessage = null;
    onclose = null;
    onerror = null;
    send(): void {}
    close(): void {}
  }
  const { fetch } = paper(({ path }) => {
    if (!path.startsWith('/v1/messages')) return undefined;
    asked.push(path);
    const messages = asked.length === 1 ? [{ seq: 4, from: bob, text: 'hello', received_at: 1 }] : [];
    return path.endsWith('ack') ? { json: { seq: 4 } } : { json: { messages, next_since: 4 } };
  });
  const one = market(fetch, { WebSocket: Silent, timing: { ...timing, readyMilliseconds: 2 } });
  context.after(() => one.close());
  const texts: string[] = [];
  one.inbox(alice, async ({ text }) => void texts.push(text));
  await until('messages and their ack', () => texts.length > 0 && asked.includes('/v1/messages/ack'));
  assert.equal(asked[0], '/v1/messages?since=0&limit=100&wait_seconds=0');
});

test('a socket class that throws is as good as none', async (context) => {
  class Forbidden implements SocketLike {
    onmessage = null;
    onclose = null;
    onerror = null;
    constructor() {
      throw new Error('the page forbids it');
    }
    send(): void {}
    close(): void {}
  }
  const { fetch } = paper(({ path }) =>
    path.startsWith('/v1/messages?')
      ? { json: { messages: [{ seq: 1, from: bob, text: 'hello', received_at: 1 }], next_since: 1 } }
      : undefined,
  );
  const one = market(fetch, { WebSocket: Forbidden });
  context.after(() => one.close());
  const texts: string[] = [];
  one.inbox(alice, async ({ text }) => void texts.push(text));
  await until('the message', () => texts.includes('hello'));
});

test('connections that end as soon as they are ready are dialled ever more slowly', async (context) => {
  const waits: number[] = [];
  const real = systemClock();
  const clock = {
    randomBytes: () => Uint8Array.of(0),
    every: (milliseconds: number, run: () => void) => {
      waits.push(milliseconds);
      return real.every(1, run);
    },
  };
  class Cut implements SocketLike {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onclose: ((event: { code: number }) => void) | null = null;
    onerror = null;
    constructor() {
      setImmediate(() => this.onmessage?.({ data: '{"type":"ready"}' }));
    }
    send(): void {
      setImmediate(() => this.onclose?.({ code: 1006 }));
    }
    close(): void {}
  }
  const { fetch } = paper(() => undefined);
  const retries = { firstRetryMilliseconds: 1_000, lastRetryMilliseconds: 60_000 };
  const one = market(fetch, { WebSocket: Cut, clock, timing: { ...timing, ...retries, readyMilliseconds: 100 } });
  context.after(() => one.close());
  one.inbox(alice, async () => undefined);
  await until('four tries', () => waits.includes(4_000));
  assert.deepEqual(waits.filter((milliseconds) => milliseconds >= 500).slice(0, 4), [500, 1_000, 2_000, 4_000]);
});

test('a wait is doubled up to its limit, and half of it left to chance', () => {
  const at = (byte: number, tries: number) =>
    backoff(
      { randomBytes: () => Uint8Array.of(byte), every: () => () => undefined },
      { tries, firstMilliseconds: 100, lastMilliseconds: 1_000 },
    );
  assert.deepEqual([at(0, 0), at(255, 0), at(0, 1), at(0, 3), at(0, 4), at(255, 400)], [50, 100, 100, 400, 500, 999]);
});

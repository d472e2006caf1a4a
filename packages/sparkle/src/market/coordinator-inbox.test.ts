import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { until } from '../../../../test/regtest/kept-process.ts';
import { systemClock } from '../trader/clock.ts';
import { backoff } from './coordinator-clock.ts';
import type { SocketLike } from './coordinator-socket.ts';
import { alice, bob, CHALLENGE, market, paper, timing, TOKEN } from './coordinator.suite.ts';

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

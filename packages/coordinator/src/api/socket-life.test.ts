import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { TradeUpdateWire } from 'sparkle-protocol/market/coordinator-wire';
import { WebSocket } from 'ws';
import { bearer, person, type Service } from '../hub/hub.suite.ts';
import { Client, enter, limited, NOW, start } from './socket.suite.ts';
import type { TradeFeed } from '../news/feed.ts';

const alice = person('alice');

/** A connection that was upgraded and then neither reads nor answers. */
async function deaf(service: Service): Promise<void> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  const key = Buffer.alloc(16).toString('base64');
  const asks = ['upgrade: websocket', 'connection: upgrade', 'sec-websocket-version: 13', `sec-websocket-key: ${key}`];
  socket.write(`GET /v1/socket HTTP/1.1\r\nhost: x\r\n${asks.join('\r\n')}\r\n\r\n`);
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
}

test('a service that ends is not held up by those who do not say goodbye', { timeout: 8_000 }, async (context) => {
  const { service } = await start(context);
  await deaf(service);
  await enter(service, alice);
  await service.end();
  await service.begin();
});

test('a service that ends is not held up by those who come while it does', limited, async (context) => {
  const { service } = await start(context);
  for (let time = 0; time < 3; time += 1) {
    const token = await service.session(alice);
    const ending = service.end();
    for (let count = 0; count < 20; count += 1) {
      new Client(service, bearer(token));
      await new Promise(setImmediate);
    }
    await ending;
    await service.begin();
  }
});

/** Trades of which a test says what happens to them. */
function trades() {
  const updates: TradeUpdateWire[] = [];
  const wakes = new Set<() => void>();
  const feed: TradeFeed = {
    after: async ({ who, since, limit }) => {
      const seen = 'tradeToken' in who ? updates.filter(({ trade_id }) => trade_id === who.tradeToken.tradeId) : [];
      return seen.filter(({ seq }) => seq > since).slice(0, limit);
    },
    onUpdate: (_who, wake) => {
      wakes.add(wake);
      return () => wakes.delete(wake);
    },
  };
  const tell = (update: TradeUpdateWire): void => {
    updates.push(update);
    for (const wake of wakes) wake();
  };
  return { feed, tell };
}

test('the token of a trade hears of that trade, from a number on, and of no messages', limited, async (context) => {
  const { feed, tell } = trades();
  const { service } = await start(context, { feed });
  tell({ seq: 1, trade_id: 't1', status: 'pending_payment' });
  tell({ seq: 2, trade_id: 't2', status: 'paid' });
  tell({ seq: 3, trade_id: 't1', status: 'paid' });
  const token = await service.auth.issueToken({ tradeId: 't1', role: 'buyer', expiresAt: NOW + 60 });
  const client = new Client(service, bearer(token));
  await client.next('ready');
  client.say({ type: 'subscribe', channel: 'trades', since: 1 });
  assert.deepEqual(await client.next('trade_update'), { type: 'trade_update', seq: 3, trade_id: 't1', status: 'paid' });
  tell({ seq: 4, trade_id: 't1', status: 'broadcast' });
  assert.equal((await client.next('trade_update')).status, 'broadcast');
  client.say({ type: 'subscribe', channel: 'messages', since: 0 });
  assert.deepEqual(await client.error(), ['forbidden', undefined]);
  client.say({ type: 'subscribe', channel: 'trades', since: 0 });
  assert.deepEqual(await client.error(), ['bad_message', 'channel']);
});

test('a coordinator without trades says so', limited, async (context) => {
  const { service } = await start(context);
  const client = await enter(service, alice);
  client.say({ type: 'subscribe', channel: 'trades', since: 0 });
  assert.deepEqual(await client.error(), ['not_supported', undefined]);
});

test('a failure of our own is told in no words of its own, and the channel goes on', limited, async (context) => {
  let isBroken = true;
  const { feed, tell } = trades();
  const broken: TradeFeed = {
    ...feed,
    after: async (of) => {
      if (isBroken) throw new Error('/secret/path/of/the/database');
      return feed.after(of);
    },
  };
  const { service } = await start(context, { feed: broken });
  const token = await service.auth.issueToken({ tradeId: 't1', role: 'buyer', expiresAt: NOW + 60 });
  const client = new Client(service, bearer(token));
  await client.next('ready');
  client.say({ type: 'subscribe', channel: 'trades', since: 0 });
  assert.deepEqual(await client.next('error'), { type: 'error', code: 'internal', message: 'internal error' });
  isBroken = false;
  tell({ seq: 1, trade_id: 't1', status: 'paid' });
  assert.equal((await client.next('trade_update')).status, 'paid');
});

test('a socket is where the coordinator says it listens, and nowhere else (D36)', limited, async (context) => {
  const { service } = await start(context);
  const socket = new WebSocket(`${service.url.replace('http', 'ws')}/v1/offers`);
  const code = await new Promise((resolve) => {
    socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode));
    socket.on('error', () => resolve('error'));
    socket.on('close', resolve);
  });
  assert.equal(code, 1005);
  await new Client(service).next('challenge');
});

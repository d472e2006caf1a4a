import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8 } from '@scure/base';
import { finalizeEvent, type EventTemplate, type VerifiedEvent } from 'nostr-tools/pure';
import { WebSocketServer, type WebSocket } from 'ws';
import { eventually } from '../bench.suite.ts';
import { RelayLink } from './relay-link.ts';
import { timing } from './scripted.suite.ts';

const secretKey = sha256(utf8.decode('a user of relays'));
const sign = (template: EventTemplate): VerifiedEvent => finalizeEvent(template, secretKey);
const event = sign({ kind: 1, created_at: 1_700_000_000, tags: [], content: 'hello' });

/** A relay that says exactly what a test lets it say. */
let server: WebSocketServer;
let link: RelayLink | undefined;
let heard: VerifiedEvent[];
let warnings: string[];
let readyTimes: number;

beforeEach(async () => {
  server = new WebSocketServer({ host: '127.0.0.1', port: 0, autoPong: false });
  await new Promise((resolve) => server.once('listening', resolve));
  [heard, warnings, readyTimes] = [[], [], 0];
});
afterEach(async () => {
  link?.close();
  for (const socket of server.clients) socket.terminate();
  await new Promise((resolve) => server.close(resolve));
});

function dial(change: Partial<typeof timing> = {}): RelayLink {
  link = new RelayLink({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    filters: () => [{ kinds: [1] }],
    onEvent: (each) => heard.push(each),
    isKnown: () => false,
    onReady: () => (readyTimes += 1),
    sign,
    warn: (words) => warnings.push(words),
    timing: { ...timing, ...change },
  });
  return link;
}

type Said = [string, ...unknown[]];

/** Answers each message; the n-th connection is `count` n. */
function behave(answer: (said: Said, of: { socket: WebSocket; count: number }) => unknown[][]): void {
  let count = 0;
  server.on('connection', (socket) => {
    count += 1;
    const of = { socket, count };
    socket.on('message', (data) => {
      for (const each of answer(JSON.parse(String(data as Buffer)) as Said, of)) socket.send(JSON.stringify(each));
    });
  });
}

const isReady = (times = 1) => eventually('the relay', async () => (readyTimes >= times ? true : undefined));

test('only whole, signed events that were asked for are heard', async () => {
  const forged = { ...event, content: 'other' };
  const other = sign({ kind: 2, created_at: 1, tags: [], content: '' });
  const odd = [null, 'x', {}, { ...event, tags: [[1]] }, { ...event, kind: 'x' }];
  behave(([type]) =>
    type === 'REQ'
      ? [
          ...[forged, other, ...odd, event].map((each) => ['EVENT', 'nwc', each]),
          ['EVENT', 'x', event],
          ['EOSE', 'nwc'],
        ]
      : [],
  );
  dial();
  await isReady();
  assert.deepEqual(
    heard.map(({ id }) => id),
    [event.id],
  );
});

test('what is no message of a relay is passed over', async () => {
  server.on('connection', (socket) => {
    for (const text of ['', '{', 'null', '{}', '[]', '["OK"]', '["EVENT"]', '["NOTICE","hello"]']) socket.send(text);
    socket.send(Buffer.from('["EOSE","nwc"]'), { binary: true });
    socket.send('["EOSE","nwc"]');
  });
  dial();
  await isReady();
  assert.deepEqual([heard, warnings], [[], []]);
});

test('an event is taken when the relay says so, or has it already', async () => {
  const words: unknown[][] = [
    ['OK', event.id, true, ''],
    ['OK', event.id, false, 'duplicate: known'],
    ['OK', event.id, false, 'blocked: no'],
  ];
  behave(([type]) => (type === 'REQ' ? [['EOSE', 'nwc']] : [words.shift() ?? []]));
  const relay = dial({ relayMilliseconds: 500 });
  assert.equal(await relay.publish(event), 'refused');
  await isReady();
  const handings = [];
  for (let time = 0; time < 4; time += 1) handings.push(await relay.publish(event));
  // The fourth time it says nothing, as some relays do of events that they do not store.
  assert.deepEqual(handings, ['taken', 'taken', 'refused', 'unknown']);
});

test('a relay that no longer answers is given up and dialled again', async () => {
  behave(([type]) => (type === 'REQ' ? [['EOSE', 'nwc']] : []));
  dial({ pingMilliseconds: 20 });
  await isReady(2);
  assert.ok(warnings.length >= 2);
});

test('a relay that ends the subscription is dialled again', async () => {
  behave(([type], { count }) =>
    type !== 'REQ' ? [] : count === 1 ? [['CLOSED', 'nwc', 'error: full']] : [['EOSE', 'nwc']],
  );
  dial();
  await isReady();
  assert.deepEqual(warnings.length, 2);
});

test('a relay that asks who we are is told, and then asked again (NIP-42)', async () => {
  let shown: VerifiedEvent | undefined;
  behave(([type, first]) => {
    if (type === 'REQ' && shown === undefined)
      return [
        ['AUTH', 'challenge'],
        ['CLOSED', 'nwc', 'auth-required: who?'],
      ];
    if (type === 'REQ') return [['EOSE', 'nwc']];
    shown = first as VerifiedEvent;
    return [['OK', shown.id, true, '']];
  });
  dial();
  await isReady();
  assert.equal(shown?.kind, 22242);
  assert.ok(shown.tags.some(([name, value]) => name === 'challenge' && value === 'challenge'));
});

test('an outage of many tries is told once', async () => {
  let isUp = false;
  let tries = 0;
  server.on('connection', (socket) => {
    tries += 1;
    if (isUp) socket.send('["EOSE","nwc"]');
    else socket.terminate();
  });
  dial();
  await eventually('many tries', async () => (tries > 5 ? true : undefined));
  isUp = true;
  await isReady();
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.deepEqual(warnings, [`the relay at ${host} is away; trying again`, `the relay at ${host} is back`]);
});

test('a message longer than any wallet sends ends the connection', async () => {
  behave(([type], { socket, count }) => {
    if (type === 'REQ' && count === 1) socket.send('x'.repeat(600_000));
    return type === 'REQ' && count > 1 ? [['EOSE', 'nwc']] : [];
  });
  dial();
  await isReady();
  assert.equal(warnings.length, 2);
});

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { authDigest } from 'sparkle-protocol/market/coordinator-signing';
import { WebSocket } from 'ws';
import { bearer, type Person, person, type Service } from '../hub/hub.suite.ts';
import { Client, enter, limited, NOW, start } from './socket.suite.ts';

const [alice, bob] = [person('alice'), person('bob')];

const proof = (by: Person, challenge: string, host: string) => ({
  type: 'auth',
  public_key: by.public,
  signature: hex.encode(schnorr.sign(authDigest({ challenge, host }), by.secret, new Uint8Array(32))),
});

const subscribed = async (service: Service, by: Person, since = 0): Promise<Client> => {
  const client = await enter(service, by);
  client.say({ type: 'subscribe', channel: 'messages', since });
  return client;
};

/** The status with which a connection is refused before it is one. */
const refusal = ({ socket }: Client): Promise<number | undefined> =>
  new Promise((resolve) => socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode)));

test('a key comes in by signing the challenge of its connection', limited, async (context) => {
  const { service } = await start(context);
  const client = new Client(service);
  const { challenge } = await client.next('challenge');
  client.say(proof(alice, challenge, service.host));
  await client.next('ready');
  client.say({ type: 'subscribe', channel: 'messages', since: 0 });
  const seq = await service.hub.mail.post({ from: bob.public, to: alice.public, text: 'hello' });
  const expected = { type: 'message', seq, from: bob.public, text: 'hello', received_at: NOW };
  assert.deepEqual(await client.next('message'), expected);
});

test('a session comes in by the first frame, as browsers send no header', limited, async (context) => {
  const { service } = await start(context);
  const client = new Client(service);
  await client.next('challenge');
  client.say({ type: 'token', token: await service.session(alice) });
  await client.next('ready');
});

test('a proof by another key, for another host, or of another connection closes (D33)', limited, async (context) => {
  const { service } = await start(context);
  const other = await new Client(service).next('challenge');
  for (const bend of [
    (challenge: string) => ({ ...proof(bob, challenge, service.host), public_key: alice.public }),
    (challenge: string) => proof(alice, challenge, 'other.example'),
    () => proof(alice, other.challenge, service.host),
    () => ({ type: 'token', token: 'ab'.repeat(32) }),
  ]) {
    const client = new Client(service);
    client.say(bend((await client.next('challenge')).challenge));
    assert.deepEqual(await client.error(), ['unauthorized', 'authorization']);
    assert.equal(await client.closed, 1008);
  }
});

test('a wrong token in the header is refused before there is a socket', limited, async (context) => {
  const { service } = await start(context);
  const client = new Client(service, bearer('ab'.repeat(32)));
  const refused = new Promise<number | undefined>((resolve) =>
    client.socket.on('unexpected-response', (_request, answer) => resolve(answer.statusCode)),
  );
  assert.equal(await refused, 401);
});

test('before saying who he is nobody hears and changes anything (D34)', limited, async (context) => {
  const { service } = await start(context);
  const seq = await service.hub.mail.post({ from: bob.public, to: alice.public, text: 'hello' });
  for (const frame of [
    { type: 'subscribe', channel: 'messages', since: 0 },
    { type: 'ack', seq },
  ]) {
    const client = new Client(service);
    await client.next('challenge');
    client.say(frame);
    assert.deepEqual(await client.error(), ['unauthorized', 'authorization']);
  }
  assert.deepEqual(await service.database.tables.selectFrom('mailbox_mark').selectAll().execute(), []);
});

test('whoever does not say who he is is let go', limited, async (context) => {
  const { service } = await start(context, { sockets: { authMilliseconds: 30 } });
  const client = new Client(service);
  assert.deepEqual(await client.error(), ['unauthorized', 'authorization']);
  assert.equal(await client.closed, 1008);
});

test('a reader goes on after the number he names, and hears only what is for him', limited, async (context) => {
  const { service } = await start(context);
  const post = (text: string, to = alice) => service.hub.mail.post({ from: bob.public, to: to.public, text });
  const first = await post('first');
  await post('second');
  await post('not for alice', bob);
  const client = await subscribed(service, alice, first);
  assert.equal((await client.next('message')).text, 'second');
  await post('third');
  assert.equal((await client.next('message')).text, 'third');
});

test('what is handled is noted, for the one who says so alone', limited, async (context) => {
  const { service } = await start(context);
  const seq = await service.hub.mail.post({ from: bob.public, to: alice.public, text: 'hello' });
  const [his, hers] = [await enter(service, bob), await enter(service, alice)];
  for (const client of [his, hers]) {
    client.say({ type: 'ack', seq });
    client.say({ type: 'ping' });
    await client.next('pong');
  }
  const marks = await service.database.tables.selectFrom('mailbox_mark').selectAll().execute();
  assert.deepEqual(marks, [{ recipient: alice.public, acked: seq }]);
});

for (const [said, frame, field] of [
  ['null (D32)', 'null', 'frame'],
  ['no JSON', '{"type":', 'frame'],
  ['nothing', '', 'frame'],
  ['a number', '7', 'frame'],
  ['a list', '[{"type":"ping"}]', 'frame'],
  ['nested 30,000 deep', '['.repeat(30_000) + ']'.repeat(30_000), 'frame'],
  ['an unknown type', '{"type":"steal"}', 'type'],
  ['no type', '{}', 'type'],
  ['an unknown field', '{"type":"ping","id":1}', '"id"'],
  ['__proto__', '{"type":"ping","__proto__":{"x":1}}', '"__proto__"'],
  ['a number below zero', '{"type":"ack","seq":-1}', 'seq'],
  ['a number in words', '{"type":"ack","seq":"1"}', 'seq'],
  ['a number that is none', '{"type":"ack","seq":1e999}', 'seq'],
  ['another channel', '{"type":"subscribe","channel":"all","since":0}', 'channel'],
] as const)
  test(
    `a frame with ${said} is answered with an error that names the field, and the connection lives`,
    limited,
    async (context) => {
      const { service } = await start(context);
      const client = await enter(service, alice);
      client.say(frame);
      assert.deepEqual(await client.error(), ['bad_message', field]);
      client.say({ type: 'ping' });
      await client.next('pong');
    },
  );

test('bytes that are no text are answered with an error', limited, async (context) => {
  const { service } = await start(context);
  const client = await enter(service, alice);
  client.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
  assert.deepEqual(await client.error(), ['bad_message', 'frame']);
});

test('names of the earlier dialect are told where to go, and change nothing (D34)', limited, async (context) => {
  const { service } = await start(context);
  const client = await enter(service, alice);
  client.say({ type: 'pay_swap', id: 1, payload: { swapId: 'one', preimage: 'x' } });
  const { code, message, field } = await client.next('error');
  assert.deepEqual([code, field], ['not_supported', 'type']);
  assert.match(message, /pay_swap is not said on this socket; use a payment/);
});

test('a frame of more than 64 kB ends the connection, and nobody else', limited, async (context) => {
  const { service } = await start(context);
  const [big, other] = [await enter(service, alice), await enter(service, bob)];
  big.say(JSON.stringify({ type: 'ping', pad: 'x'.repeat(65_536) }));
  assert.equal(await big.closed, 1009);
  other.say({ type: 'ping' });
  await other.next('pong');
});

test('a connection says at most so many frames a minute (D36)', limited, async (context) => {
  const { service, clock } = await start(context, { sockets: { framesPerMinute: 3 } });
  const client = await enter(service, alice);
  for (let count = 0; count < 3; count += 1) client.say({ type: 'ping' });
  for (let count = 0; count < 3; count += 1) await client.next('pong');
  clock.now += 20;
  client.say({ type: 'ping' });
  await client.next('pong');
  client.say({ type: 'ping' });
  assert.deepEqual(await client.error(), ['rate_limited', undefined]);
  assert.equal(await client.closed, 1008);
});

test(
  'a key and an address have a bounded number of connections; one that is closed makes room',
  limited,
  async (context) => {
    const { service } = await start(context, { sockets: { mostOfOneKey: 1, mostOfOneAddress: 2 } });
    const first = await enter(service, alice);
    const second = new Client(service, bearer(await service.session(alice)));
    assert.deepEqual(await second.error(), ['rate_limited', undefined]);
    assert.equal(await second.closed, 1013);
    const other = await enter(service, bob);
    assert.equal(await refusal(new Client(service)), 429);
    first.socket.close();
    other.socket.close();
    await Promise.all([first.closed, other.closed]);
    await enter(service, alice);
  },
);

test(
  'all addresses of one IPv6 network are one address: they do not have more connections',
  limited,
  async (context) => {
    const { service } = await start(context, { sockets: { mostOfOneAddress: 1 }, trustedProxies: ['127.0.0.1'] });
    const from = (address: string) => new Client(service, { 'x-forwarded-for': address });
    await from('2001:db8:1:2::a').next('challenge');
    assert.equal(await refusal(from('2001:db8:1:2:ffff::b')), 429);
    await from('2001:db8:1:3::a').next('challenge');
  },
);

test('a connection on which nothing comes back is given up', limited, async (context) => {
  const { service } = await start(context, { sockets: { heartbeatMilliseconds: 30 } });
  const living = await enter(service, alice);
  const dead = new WebSocket(`${service.url.replace('http', 'ws')}/v1/socket`, { autoPong: false });
  const code = await new Promise((resolve) => dead.on('close', resolve));
  assert.equal(code, 1006);
  living.say({ type: 'ping' });
  await living.next('pong');
});

test('a session that ends, ends its connection', limited, async (context) => {
  const { service, clock } = await start(context, { sockets: { heartbeatMilliseconds: 30 } });
  const client = await enter(service, alice);
  clock.now += 24 * 3600;
  assert.deepEqual(await client.error(), ['unauthorized', 'authorization']);
  assert.equal(await client.closed, 4001);
});

test('who does not read what he asked for is let go', limited, async (context) => {
  const { service } = await start(context, { sockets: { drainMilliseconds: 200 } });
  const text = 'x'.repeat(65_535);
  for (let count = 0; count < 150; count += 1)
    await service.hub.mail.post({ from: bob.public, to: alice.public, text });
  const client = await enter(service, alice);
  const [server] = service.app.websocketServer.clients;
  client.socket.pause();
  client.say({ type: 'subscribe', channel: 'messages', since: 0 });
  const code = await new Promise((resolve) => server?.on('close', resolve));
  assert.ok(code === 1006 || code === 4008, String(code));
  client.socket.terminate();
});

test('a connection that breaks off in the middle of a frame hurts nobody', limited, async (context) => {
  const { service } = await start(context);
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
  const key = Buffer.alloc(16).toString('base64');
  socket.write(
    `GET /v1/socket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
  );
  await new Promise((resolve) => socket.once('data', resolve));
  socket.write(Buffer.from([0x81, 0xff, 0xff, 0xff]));
  socket.destroy();
  await enter(service, alice);
});

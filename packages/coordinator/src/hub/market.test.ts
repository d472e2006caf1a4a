import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { SocketClass } from 'sparkle-protocol/market/coordinator-socket';
import type { Market } from 'sparkle-protocol/market/market';
import { marketSuite } from 'sparkle-protocol/market/market.suite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { WebSocket } from 'ws';
import { network, type Person, person, Service, signerOf } from './hub.suite.ts';

const [alice, bob] = [person('alice'), person('bob')];
const timing = {
  ...coordinatorTiming,
  ...{ firstRetryMilliseconds: 20, lastRetryMilliseconds: 200, ackMilliseconds: 20, pollSeconds: 1 },
};

/** A socket that never comes to stand: as behind a proxy that knows HTTP alone. */
class NoSocket {
  onmessage = null;
  onerror = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor() {
    setImmediate(() => this.onclose?.({ code: 1006 }));
  }
  send(): void {}
  close(): void {}
}

const remote = (service: Service, of: Person, Socket: SocketClass = WebSocket): Market =>
  coordinatorMarket({
    url: service.url,
    network,
    signer: signerOf(of),
    clock: systemClock(),
    timing,
    WebSocket: Socket,
  });

/** The service ends with the last market that is closed. */
function withService(service: Service, markets: Record<'one' | 'other' | 'third', Market>) {
  let open = 3;
  const ending = (market: Market): Market => ({
    ...market,
    close: async () => {
      await market.close();
      open -= 1;
      if (open === 0) await service.remove();
    },
  });
  return { one: ending(markets.one), other: ending(markets.other), third: ending(markets.third) };
}

for (const [name, Socket] of [
  ['coordinator over WebSocket', WebSocket],
  ['coordinator over HTTP alone', NoSocket],
] as [string, SocketClass][])
  marketSuite(name, async ({ one, other, third }) => {
    const service = await Service.start();
    const of = (each: Person): Market => remote(service, each, Socket);
    return withService(service, { one: of(one), other: of(other), third: of(third) });
  });

marketSuite('coordinator in its own process', async ({ one, other, third }) => {
  const service = await Service.start();
  const of = (each: Person): Market => service.hub.marketFor(signerOf(each));
  return withService(service, { one: of(one), other: of(other), third: of(third) });
});

marketSuite('a trader outside and one in the process of the coordinator', async ({ one, other, third }) => {
  const service = await Service.start();
  const inside = (each: Person): Market => service.hub.marketFor(signerOf(each));
  return withService(service, { one: remote(service, one), other: inside(other), third: remote(service, third) });
});

/** Texts as they come; `until` resolves once a text has come. */
function hearing(market: Market, me: string) {
  const texts: string[] = [];
  const looks = new Set<() => void>();
  const stop = market.inbox(me, async ({ text }) => {
    texts.push(text);
    for (const look of looks) look();
  });
  const until = (text: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => void (texts.includes(text) && resolve());
      looks.add(look);
      look();
    });
  return { texts, until, stop };
}

async function pair(context: { after: (end: () => Promise<void>) => void }, Socket?: SocketClass) {
  const service = await Service.start();
  const [one, other] = [remote(service, alice, Socket), remote(service, bob, Socket)];
  context.after(async () => {
    await Promise.all([one.close(), other.close()]);
    await service.remove();
  });
  return { service, one, other };
}

const deadline = { timeout: 30_000 };

for (const [name, Socket] of [
  ['WebSocket', WebSocket],
  ['HTTP alone', NoSocket],
] as [string, SocketClass][])
  test(
    `a coordinator that was stopped and started again goes on where it was, over ${name}`,
    deadline,
    async (context) => {
      const { service, one, other } = await pair(context, Socket);
      const toBob = hearing(other, bob.public);
      await one.send(bob.public, { from: alice.public, text: 'before' });
      await toBob.until('before');
      await service.end();
      await assert.rejects(one.send(bob.public, { from: alice.public, text: 'lost' }), { code: 'market_unavailable' });
      await service.begin();
      await one.send(bob.public, { from: alice.public, text: 'after' });
      await toBob.until('after');
      assert.deepEqual(toBob.texts, ['before', 'after']);
    },
  );

test('a connection that is cut is made again, and nothing that came meanwhile is missed', deadline, async (context) => {
  const { service, one, other } = await pair(context);
  const toBob = hearing(other, bob.public);
  for (const text of ['first', 'second', 'third']) {
    await one.send(bob.public, { from: alice.public, text });
    for (const socket of service.app.websocketServer.clients) socket.terminate();
    await toBob.until(text);
  }
  assert.deepEqual([...new Set(toBob.texts)], ['first', 'second', 'third']);
});

test('a session that the coordinator forgot is opened again', deadline, async (context) => {
  const { service, one, other } = await pair(context);
  await one.send(bob.public, { from: alice.public, text: 'first' });
  await service.database.tables.deleteFrom('access_token').execute();
  await one.send(bob.public, { from: alice.public, text: 'second' });
  await hearing(other, bob.public).until('second');
});

test('a market speaks for its own key alone', deadline, async (context) => {
  const { service, one } = await pair(context);
  for (const market of [one, service.hub.marketFor(signerOf(alice))]) {
    await assert.rejects(market.send(alice.public, { from: bob.public, text: '' }), { code: 'bad_key' });
    assert.throws(() => market.inbox(bob.public, async () => undefined), { code: 'bad_key' });
    const listing = { id: 'x', inscriptionId: `${'1d'.repeat(32)}i0`, priceSats: 1n, modes: [], expiresAt: 4e9 };
    await assert.rejects(market.publish({ ...listing, sellerId: bob.public }), { code: 'bad_key' });
    await assert.rejects(market.publish({ ...listing, sellerId: alice.public }), { code: 'bad_message' });
  }
});

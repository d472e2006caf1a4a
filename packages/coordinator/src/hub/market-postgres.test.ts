import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { coordinatorMarket, coordinatorTiming } from 'sparkle-protocol/market/coordinator';
import type { Market } from 'sparkle-protocol/market/market';
import { marketSuite } from 'sparkle-protocol/market/market.suite';
import { systemClock } from 'sparkle-protocol/trader/clock';
import { WebSocket } from 'ws';
import { withoutPostgres } from '../../../../test/regtest/parts.ts';
import { type Postgres, startPostgres } from '../../../../test/regtest/postgres.ts';
import { bearer, network, nip98, offerBy, type Person, person, Service, signerOf } from './hub.suite.ts';

const [alice, bob] = [person('alice'), person('bob')];
const timing = { ...coordinatorTiming, firstRetryMilliseconds: 20, lastRetryMilliseconds: 200, ackMilliseconds: 20 };

const remote = (service: Service, of: Person): Market =>
  coordinatorMarket({ url: service.url, network, signer: signerOf(of), clock: systemClock(), timing, WebSocket });

let server: Postgres;
before(async () => {
  if (withoutPostgres === false) server = await startPostgres({ writes: 'fast' });
});
after(() => server?.stop());

async function instances(): Promise<[Service, Service]> {
  const databaseUrl = await server.newDatabase();
  return [await Service.start({ databaseUrl }), await Service.start({ databaseUrl })];
}

describe('two coordinators on one PostgreSQL', { skip: withoutPostgres }, () => {
  marketSuite('traders at two instances', async ({ one, other, third }) => {
    const [first, second] = await instances();
    const markets = {
      one: remote(first, one),
      other: remote(second, other),
      third: second.hub.marketFor(signerOf(third)),
    };
    let open = 3;
    const ending = (market: Market): Market => ({
      ...market,
      close: async () => {
        await market.close();
        open -= 1;
        if (open === 0) await Promise.all([first.remove(), second.remove()]);
      },
    });
    return { one: ending(markets.one), other: ending(markets.other), third: ending(markets.third) };
  });

  test('what proves a key at one instance is used up at the other, and a session is known to both', async (context) => {
    const [first, second] = await instances();
    context.after(() => Promise.all([first.remove(), second.remove()]));
    const ask = (at: Service, headers: Record<string, string>) =>
      at.app.inject({ method: 'GET', url: '/v1/messages', headers }).then(({ statusCode }) => statusCode);
    const token = bearer(await first.session(alice));
    assert.deepEqual([await ask(first, token), await ask(second, token)], [200, 200]);
    // Both stand behind one address in the world; here each has its own, so the event is checked by hand.
    const at = Math.floor(Date.now() / 1000);
    const event = nip98({ by: alice, url: `${first.url}/v1/messages`, method: 'GET', at });
    const credentials = { ...event, method: 'GET', path: '/v1/messages', bodyHash: undefined };
    await first.auth.authenticate(credentials);
    await assert.rejects(first.auth.authenticate(credentials), { code: 'unauthorized' });
    const used = await second.database.tables.selectFrom('used_once').select('id').execute();
    assert.equal(used.length, 2);
  });

  test('letters written at two instances at once are read in order, each once', async (context) => {
    const [first, second] = await instances();
    context.after(() => Promise.all([first.remove(), second.remove()]));
    const write = async ({ hub }: Service, from: Person): Promise<void> => {
      for (let count = 0; count < 100; count += 1)
        await hub.mail.post({ from: from.public, to: bob.public, text: `${from.public}${count}` });
    };
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      while (seen.length < 200) {
        const letters = await second.hub.mail.after({ recipient: bob.public, since: seen.at(-1) ?? 0, limit: 7 });
        seen.push(...letters.map(({ seq }) => seq));
      }
    };
    await Promise.all([write(first, alice), write(second, bob), read()]);
    assert.deepEqual(
      seen,
      [...new Set(seen)].toSorted((one, other) => one - other),
    );
  });

  test('offers are paged and filtered as on SQLite', async (context) => {
    const [first, second] = await instances();
    context.after(() => Promise.all([first.remove(), second.remove()]));
    for (const [id, price_sats] of [
      ['a', 900],
      ['b', 10_000],
      ['c', 2_100_000_000_000_000],
    ] as const)
      await first.hub.offers.publish(offerBy(alice, { id, price_sats }));
    await second.hub.offers.publish(offerBy(alice, { id: 'a', price_sats: 901 }));
    const { offers, next_cursor = '' } = await second.hub.offers.page({ limit: '2', min_price_sats: '901' });
    const rest = await second.hub.offers.page({ cursor: next_cursor, mode: 'hold-first' });
    assert.deepEqual(
      [...offers, ...rest.offers].map(({ id, price_sats }) => [id, price_sats]),
      [
        ['c', 2_100_000_000_000_000],
        ['b', 10_000],
        ['a', 901],
      ],
    );
  });
});

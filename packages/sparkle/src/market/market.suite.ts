import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { maxTextBytes } from './envelope.ts';
import type { Envelope, Listing, Market } from './market.ts';

/** `secret` signs for `public`, where a market wants a login. */
export type Person = { secret: Uint8Array; public: string };

function person(name: string): Person {
  const secret = sha256(utf8.decode(name));
  return { secret, public: hex.encode(schnorr.getPublicKey(secret)) };
}

const people = { one: person('alice'), other: person('bob'), third: person('carol') };
const [alice, bob, carol] = [people.one.public, people.other.public, people.third.public];

const listing: Listing = {
  id: 'one',
  sellerId: alice,
  inscriptionId: `${'1d'.repeat(32)}i0`,
  priceSats: 2_100_000_000_000_000n,
  modes: ['hold-first', 'lock-first'],
  expiresAt: 4_000_000_000,
};

const fromAlice = (text: string): Envelope => ({ from: alice, text });
const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;

type Markets = { one: Market; other: Market; third: Market };

/** The markets of three traders who can reach each other. Keys may be ignored by a market that needs no login. */
export type Meet = (people: { one: Person; other: Person; third: Person }) => Promise<Markets>;

type Run = (sentence: string, body: (markets: Markets) => Promise<void>) => void;

/** Every market passes this file: what `market.ts` promises. */
export function marketSuite(name: string, meet: Meet): void {
  const run: Run = (sentence, body) => {
    test(`${name}: ${sentence}`, { timeout: 30_000 }, async (context: TestContext) => {
      const markets = await meet(people);
      context.after(() => Promise.all(Object.values(markets).map((market) => market.close())));
      await body(markets);
    });
  };
  listingTests(run);
  messageTests(run);
  refusalTests(run);
}

/** Collects messages to `me`; `has` resolves once each of the texts has come at least once. */
function collect(market: Market, me: string) {
  const seen: Envelope[] = [];
  const waiting = new Set<() => void>();
  const stop = market.inbox(me, async (envelope) => {
    seen.push(envelope);
    for (const look of waiting) look();
  });
  const has = (...texts: string[]): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!texts.every((text) => seen.some((envelope) => envelope.text === text))) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { seen, has, stop };
}

function listingTests(run: Run): void {
  run('a published listing is seen by others exactly as it was published', async ({ one, other }) => {
    await one.publish(listing);
    assert.deepEqual(await other.browse(), [listing]);
  });

  run('a listing that a coordinator may pass on says so to others', async ({ one, other }) => {
    await one.publish({ ...listing, forward: true });
    assert.deepEqual(await other.browse(), [{ ...listing, forward: true }]);
  });

  run('publishing again replaces the listing', async ({ one, other }) => {
    await one.publish(listing);
    await one.publish({ ...listing, priceSats: 50_000n });
    assert.deepEqual(await other.browse(), [{ ...listing, priceSats: 50_000n }]);
  });

  run('a withdrawn listing is gone, and withdrawing it again changes nothing', async ({ one, other }) => {
    await one.publish(listing);
    await one.publish({ ...listing, id: 'two' });
    await one.withdraw('one');
    await one.withdraw('one');
    assert.deepEqual(await other.browse(), [{ ...listing, id: 'two' }]);
  });

  run('what a reader does to a listing does not reach the market', async ({ one, other }) => {
    await one.publish(listing);
    for (const each of await other.browse()) each.modes.length = 0;
    assert.deepEqual(await other.browse(), [listing]);
  });
}

function messageTests(run: Run): void {
  run('messages reach their addressee unchanged, and nobody else', async ({ one, other, third }) => {
    const toBob = collect(other, bob);
    const toCarol = collect(third, carol);
    const texts = ['{"op":"trade_request"}', 'zwei\nZeilen \u{1F680}', ''];
    for (const text of texts) await one.send(bob, fromAlice(text));
    await one.send(carol, fromAlice('for carol'));
    await Promise.all([toBob.has(...texts), toCarol.has('for carol')]);
    assert.deepEqual([...new Set(toCarol.seen.map(({ text }) => text))], ['for carol']);
    assert.ok(toBob.seen.every(({ from }) => from === alice));
  });

  run('a message that came before the inbox was opened is delivered', async ({ one, other }) => {
    await one.send(bob, fromAlice('early'));
    await collect(other, bob).has('early');
  });

  run('a message is delivered again to an inbox that is opened again', async ({ one, other }) => {
    await one.send(bob, fromAlice('first'));
    const before = collect(other, bob);
    await before.has('first');
    before.stop();
    await collect(other, bob).has('first');
  });

  run('a message whose receiver failed comes again', async ({ one, other }) => {
    let calls = 0;
    await new Promise<void>((resolve) => {
      other.inbox(bob, async () => {
        calls += 1;
        if (calls < 3) throw new Error('busy');
        resolve();
      });
      void one.send(bob, fromAlice('again'));
    });
    assert.equal(calls, 3);
  });

  run('a closed inbox is given nothing more, an open one still is', async ({ one, other }) => {
    const closed = collect(other, bob);
    await one.send(bob, fromAlice('before'));
    await closed.has('before');
    closed.stop();
    const count = closed.seen.length;
    const open = collect(other, bob);
    await one.send(bob, fromAlice('after'));
    await open.has('before', 'after');
    assert.equal(closed.seen.length, count);
  });
}

function refusalTests(run: Run): void {
  run('the longest text goes through, one byte more is refused', async ({ one, other }) => {
    const longest = 'é'.repeat(Math.floor(maxTextBytes / 2)) + 'e'.repeat(maxTextBytes % 2);
    await one.send(bob, fromAlice(longest));
    await collect(other, bob).has(longest);
    await assert.rejects(one.send(bob, fromAlice(`${longest}e`)), withCode('bad_message'));
  });

  run('a message to or from anything but an x-only key is refused', async ({ one }) => {
    for (const key of ['', 'bob', `02${bob}`, bob.toUpperCase()]) {
      await assert.rejects(one.send(key, fromAlice('hello')), withCode('bad_hex'));
      await assert.rejects(one.send(bob, { from: key, text: 'hello' }), withCode('bad_hex'));
    }
  });
}

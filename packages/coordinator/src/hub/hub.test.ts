import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { silentLog } from 'sparkle-protocol/trader/log';
import type { HubOptions } from './hub.ts';
import { bearer, handClock, person, Service, signerOf } from './hub.suite.ts';

const NOW = 1_800_000_000;
const DAY = 86_400;
const [alice, bob, carol] = [person('alice'), person('bob'), person('carol')];

async function start(context: TestContext, limits: Partial<HubOptions['limits']> = {}) {
  const clock = handClock(NOW);
  const service = await Service.start({ clock, limits });
  context.after(() => service.remove());
  const { mail } = service.hub;
  const post = (text: string, from = alice.public) => mail.post({ from, to: bob.public, text });
  const texts = async () => (await mail.after({ recipient: bob.public, since: 0, limit: 100 })).map(({ text }) => text);
  return { service, clock, mail, post, texts };
}

const refused = (words: RegExp) => (error: unknown) =>
  error instanceof SparkleError && error.code === 'refused' && words.test(error.message);

test('a text that not every database keeps as it came is refused', async (context) => {
  const { post, texts } = await start(context);
  for (const text of ['a\0b', 'lone \uD83D', '\uDE80 lone']) await assert.rejects(post(text), { code: 'bad_message' });
  await post('whole \u{1F680}');
  assert.deepEqual(await texts(), ['whole \u{1F680}']);
});

test('letters come in the order of their numbers, and a page goes on where the last one ended', async (context) => {
  const { mail, post } = await start(context);
  for (const text of ['a', 'b', 'c']) await post(text);
  const first = await mail.after({ recipient: bob.public, since: 0, limit: 2 });
  const rest = await mail.after({ recipient: bob.public, since: first.at(-1)?.seq ?? 0, limit: 2 });
  assert.deepEqual(
    [...first, ...rest].map(({ text, from, receivedAt }) => [text, from, receivedAt]),
    [
      ['a', alice.public, NOW],
      ['b', alice.public, NOW],
      ['c', alice.public, NOW],
    ],
  );
});

test('a page of long letters is cut short, but has always one', async (context) => {
  const { mail, post } = await start(context);
  for (let count = 0; count < 17; count += 1) await post('x'.repeat(65_535));
  const page = await mail.after({ recipient: bob.public, since: 0, limit: 100 });
  assert.equal(page.length, 15);
});

test('one sender fills his share of a mailbox and no more; another can still write', async (context) => {
  const { post, texts } = await start(context, { mostOfOneSender: 2, mostLetters: 3 });
  await post('a');
  await post('b');
  await assert.rejects(post('c'), refused(/fewer than 2 letters of one sender/));
  await post('from carol', carol.public);
  assert.deepEqual(await texts(), ['a', 'b', 'from carol']);
});

test('a full mailbox refuses the sender: no letter that was taken is pushed out by a stranger', async (context) => {
  const { post, texts } = await start(context, { mostLetters: 2 });
  await post('a');
  await post('b');
  await assert.rejects(post('c', carol.public), refused(/fewer than 2 letters; it is full/));
  assert.deepEqual(await texts(), ['a', 'b']);
});

test('handled letters make room', async (context) => {
  const { mail, post, texts } = await start(context, { mostLetters: 2, mostOfOneSender: 2 });
  const seq = await post('a');
  await post('b');
  await mail.ack({ recipient: bob.public, seq });
  await post('c');
  assert.deepEqual(await texts(), ['b', 'c']);
});

test('letters that have not come yet cannot be handled', async (context) => {
  const { mail, post, texts } = await start(context, { mostLetters: 1 });
  await mail.ack({ recipient: bob.public, seq: 9_000_000_000_000_000 });
  await post('a');
  await assert.rejects(post('b'), { code: 'refused' });
  assert.deepEqual(await texts(), ['a']);
});

test('a mark never goes back', async (context) => {
  const { service, mail, post } = await start(context);
  const [first, second] = [await post('a'), await post('b')];
  await mail.ack({ recipient: bob.public, seq: second });
  await mail.ack({ recipient: bob.public, seq: first });
  const marks = await service.database.tables.selectFrom('mailbox_mark').selectAll().execute();
  assert.deepEqual(marks, [{ recipient: bob.public, acked: second }]);
});

test('letters are kept for a month, handled ones for a day', async (context) => {
  const { mail, clock, post, texts } = await start(context);
  const handled = await post('handled');
  await post('open');
  await mail.ack({ recipient: bob.public, seq: handled });
  await mail.prune();
  assert.deepEqual(await texts(), ['handled', 'open']);
  clock.now += DAY + 1;
  await mail.prune();
  assert.deepEqual(await texts(), ['open']);
  clock.now += 29 * DAY;
  await mail.prune();
  assert.deepEqual(await texts(), []);
});

test('a sender from outside has a rate, and its end is told with 429 (D36)', async (context) => {
  const { service, clock } = await start(context, { lettersPerMinute: 2 });
  const headers = bearer(await service.session(alice));
  const send = async () => {
    const payload = { to: bob.public, text: 'hello' };
    return (await service.app.inject({ method: 'POST', url: '/v1/messages', headers, payload })).statusCode;
  };
  assert.deepEqual([await send(), await send(), await send()], [201, 201, 429]);
  clock.now += 30;
  assert.deepEqual([await send(), await send()], [201, 429]);
});

test('a long letter costs a sender as much as several', async (context) => {
  const { mail } = await start(context, { lettersPerMinute: 16 });
  const accept = (text: string) => mail.accept({ from: alice.public, to: bob.public, text });
  await accept('x'.repeat(65_535));
  await assert.rejects(accept(''), { code: 'rate_limited' });
});

test('all mailboxes together are bounded, and what is thrown away makes room', async (context) => {
  const { mail, clock } = await start(context, { mostInAll: 2 });
  const accept = (to: string) => mail.accept({ from: alice.public, to, text: '' });
  await accept(bob.public);
  await accept(carol.public);
  await assert.rejects(accept(alice.public), { code: 'busy' });
  clock.now += 31 * DAY;
  await mail.prune();
  await accept(alice.public);
});

test('a rate of nothing is nothing, not a default (D36)', async (context) => {
  const { mail } = await start(context, { lettersPerMinute: 0 });
  await assert.rejects(mail.accept({ from: alice.public, to: bob.public, text: '' }), { code: 'rate_limited' });
});

test('a text is nothing but a text here: no word of it changes a trade, a payment or an offer (D34, D35)', async (context) => {
  const { service, post, texts } = await start(context);
  const text = JSON.stringify({ type: 'pay_swap', payload: { swapId: 'one', preimage: '00'.repeat(32) } });
  await post(text);
  assert.deepEqual(await texts(), [text]);
  assert.deepEqual(await service.database.store.all(), []);
  assert.deepEqual(await service.database.tables.selectFrom('checkout').selectAll().execute(), []);
});

test('a database that is away ends no timer and no process (D31)', async (context) => {
  const { service, mail } = await start(context);
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  context.after(() => void process.off('unhandledRejection', note));
  const stop = service.hub.marketFor(signerOf(bob)).inbox(bob.public, async () => undefined);
  await service.database.close();
  await mail.look();
  await assert.rejects(mail.prune());
  await new Promise(setImmediate);
  stop();
  await service.app.close();
  service.hub.close();
  await service.begin();
  assert.deepEqual(unhandled, []);
});

test('what a database that is away keeps from being done is in the log, and the same look not twice', async (context) => {
  const lines: string[] = [];
  const warn = (fields: object, sentence: string) => void lines.push(`${sentence} ${Object.values(fields)[0]}`);
  let prune = (): void => assert.fail();
  const clock = handClock(NOW);
  clock.every = (milliseconds, run) => {
    if (milliseconds === 60_000) prune = run;
    return () => undefined;
  };
  const service = await Service.start({ clock, log: { ...silentLog, warn } });
  context.after(() => service.remove());
  const { mail } = service.hub;
  const leave = mail.onMail(alice.public, () => undefined);
  await mail.look();
  await service.database.close();
  await mail.look();
  await mail.look();
  const stop = service.hub.marketFor(signerOf(bob)).inbox(bob.public, async () => undefined);
  prune();
  for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate);
  stop();
  leave();
  const said = (words: string) => lines.filter((line) => line.startsWith(words)).length;
  assert.equal(said('what is new could not be looked for'), 1);
  assert.ok(said('letters could not be read') > 0, lines.join());
  assert.equal(said('what is over could not be thrown away letters'), 1);
  assert.equal(said('what is over could not be thrown away offers'), 1);
  await service.app.close();
  service.hub.close();
  await service.begin();
});

test('letters that another instance took are found by looking', async (context) => {
  const { service, mail } = await start(context);
  let rings = 0;
  const stop = mail.onMail(bob.public, () => (rings += 1));
  await mail.look();
  const row = { recipient: bob.public, sender: alice.public, text: 'elsewhere', received_at: NOW };
  await service.database.tables.insertInto('mailbox').values(row).execute();
  await mail.look();
  await mail.look();
  stop();
  assert.equal(rings, 1);
});

test('an answer is held back until there is a letter, the time is over, or the service ends', async (context) => {
  const { service, post } = await start(context);
  const headers = bearer(await service.session(bob));
  const ask = (wait: number) =>
    service.app.inject({ method: 'GET', url: `/v1/messages?since=0&wait_seconds=${wait}`, headers });
  assert.deepEqual((await ask(1)).json(), { messages: [], next_since: 0 });
  const held = ask(25);
  await post('a');
  const { messages } = (await held).json<{ messages: { text: string }[] }>();
  assert.deepEqual(
    messages.map(({ text }) => text),
    ['a'],
  );
});

test('one key waits for a bounded number of answers', async (context) => {
  const { service } = await start(context);
  const headers = bearer(await service.session(bob));
  const ask = () => service.app.inject({ method: 'GET', url: '/v1/messages?wait_seconds=1', headers });
  const statuses = (await Promise.all([ask(), ask(), ask(), ask(), ask()])).map(({ statusCode }) => statusCode);
  assert.deepEqual(
    statuses.toSorted((one, other) => one - other),
    [200, 200, 200, 200, 429],
  );
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { silentLog } from 'sparkle-protocol/trader/log';
import { openDatabase } from '../database/database.ts';
import { type GuardOptions, postOnce, webhookAddresses } from './webhook-guard.ts';
import { alarmPoster } from '../watch/webhooks-alarm.ts';
import { isSigned, signatureOf } from './webhooks-signature.ts';
import { openReceiver, type Received } from './webhooks.suite.ts';
import { Webhooks } from './webhooks.ts';

const ANNA = 'aa'.repeat(32);
const HOUR = 3600;

const withCode = (code: string) => (error: unknown) => error instanceof SparkleError && error.code === code;
const bodyOf = ({ body }: Received) => JSON.parse(body) as { subject: string; data: { n: number } };
const told = (received: Received[]) => received.map((each) => `${bodyOf(each).subject}${bodyOf(each).data.n}`);

async function world(context: TestContext, change: Partial<GuardOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'webhooks-'));
  const database = await openDatabase({ url: `sqlite:${join(folder, 'db')}`, network: 'regtest' });
  const receiver = await openReceiver();
  const time = { now: 1_800_000_000, tick: () => {}, hour: () => {} };
  let random = 0;
  const clock = {
    nowSeconds: () => time.now,
    randomBytes: (length: number) => new Uint8Array(length).fill((random += 1)),
    every: (milliseconds: number, run: () => void) => {
      const name = milliseconds === HOUR * 1_000 ? 'hour' : 'tick';
      time[name] = run;
      return () => (time[name] = () => {});
    },
  };
  const parts = { tables: database.tables, clock, log: silentLog, guard: { ...receiver.guard, ...change } };
  const hooks = new Webhooks(parts);
  context.after(async () => {
    await receiver.close();
    await database.close();
    rmSync(folder, { recursive: true });
  });
  const register = (path = '/told', events = ['trade']) =>
    hooks.register({ owner: ANNA, url: `${receiver.origin}${path}`, events });
  const notify = (subject: string, n: number, event = 'trade', owners = [ANNA]) =>
    hooks.notify({ event, subject, owners, data: { n } });
  return { ...receiver, time, hooks, parts, register, notify, tables: database.tables };
}

test('an owner is told once, signed with the secret that he was given', async (context) => {
  const { hooks, register, notify, received, time } = await world(context);
  const { secret } = await register();
  assert.match(secret, /^[0-9a-f]{64}$/);
  await notify('t', 1);
  await hooks.deliverDue();
  await hooks.deliverDue();
  assert.equal(received.length, 1);
  const [{ path, headers, body }] = received as [Received];
  assert.equal(path, '/told');
  assert.deepEqual(JSON.parse(body), { event: 'trade', subject: 't', created_at: time.now, data: { n: 1 } });
  assert.equal(headers['content-type'], 'application/json');
  assert.equal(headers['sparkle-delivery'], '1');
  const header = String(headers['sparkle-signature']);
  assert.ok(isSigned({ header, body, secret, nowSeconds: time.now + 300, toleranceSeconds: 300 }));
});

test('who stops waits for the post that is under way, and nothing is begun after it', async (context) => {
  const { hooks, register, notify, received, world: receiver, time, tables } = await world(context);
  await register();
  await notify('s', 1);
  await notify('t', 1);
  const stop = hooks.start();
  receiver.answer = () => (stop(), 204);
  time.tick();
  await hooks.idle();
  assert.deepEqual(told(received), ['s1']);
  const rows = await tables.selectFrom('delivery').select(['state', 'attempts']).orderBy('seq').execute();
  assert.deepEqual(rows, [
    { state: 'sent', attempts: 1 },
    { state: 'due', attempts: 0 },
  ]);
});

test('what waits to be tried again, however much, hides no other subject', async (context) => {
  const { hooks, register, notify, received, world: receiver } = await world(context);
  await register();
  receiver.answer = () => 500;
  await notify('s', 1);
  await hooks.deliverDue();
  for (let n = 2; n <= 201; n += 1) await notify('s', n);
  await notify('t', 1);
  receiver.answer = () => 204;
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['s1', 't1']);
});

test('a webhook that cannot be served keeps no other from being told', async (context) => {
  const { hooks, register, notify, received, tables } = await world(context);
  const { webhook_id: hook_id } = await register('/broken', ['trade']);
  await register('/told');
  await notify('s', 1);
  await tables.updateTable('delivery').set({ body: 'no JSON' }).where('hook_id', '=', hook_id).execute();
  await hooks.deliverDue();
  assert.deepEqual(
    received.map(({ path }) => path),
    ['/told'],
  );
});

test('an endpoint that takes its time for everything it is told keeps no other webhook waiting', async (context) => {
  const { hooks, register, notify, received, close, world: receiver } = await world(context);
  const comes = async (count: number) => {
    for (let turn = 0; received.length < count && turn < 10_000; turn += 1) await new Promise(setImmediate);
    return received.map(({ path }) => path).slice(0, count);
  };
  await register('/slow');
  receiver.answer = () => 'never';
  await notify('s', 1);
  const slow = hooks.deliverDue();
  assert.deepEqual(await comes(1), ['/slow']);
  receiver.answer = () => 204;
  await register('/told');
  await notify('t', 1);
  void hooks.deliverDue();
  assert.deepEqual(await comes(2), ['/slow', '/told']);
  await close();
  await slow;
});

test('who has been served for five seconds has had his turn, and is told the rest in the next', async (context) => {
  const { hooks, register, notify, received, world: receiver, time } = await world(context);
  await register();
  for (const n of [1, 2, 3]) await notify('s', n);
  receiver.answer = () => ((time.now += 5), 204);
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['s1']);
  receiver.answer = () => 204;
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['s1', 's2', 's3']);
});

test('all that was given up is counted, also what no page shows', async (context) => {
  const { hooks, register, tables } = await world(context);
  const { webhook_id: hook_id } = await register();
  const dead = { hook_id, body: '{}', attempts: 13, not_before: 0, state: 'dead' as const };
  for (let sets = 0; sets < 3; sets += 1)
    await tables
      .insertInto('delivery')
      .values(Array.from({ length: 200 }, () => dead))
      .execute();
  assert.deepEqual([await hooks.deadCount(), (await hooks.deadLetters()).length], [600, 500]);
});

test('a signature is of one body, one secret and one time', () => {
  const of = { secret: 's', seconds: 1000, body: '{}' };
  const header = signatureOf(of);
  // printf '1000.{}' | openssl dgst -sha256 -hmac s
  assert.equal(header, 't=1000,v1=1266ced5789d16ad976ad7b98cd2aa00ac3ba17106a40ee2a50f1df5cf9b85fc');
  const good = { header, body: '{}', secret: 's', nowSeconds: 1000, toleranceSeconds: 300 };
  assert.equal(isSigned(good), true);
  for (const change of [
    { body: '{ }' },
    { secret: 't' },
    { nowSeconds: 1301 },
    { nowSeconds: 699 },
    { header: header.replace('t=1000', 't=1001') },
    { header: `${header.slice(0, -1)}${header.endsWith('0') ? '1' : '0'}` },
    { header: `${header}0` },
    { header: '' },
    { header: 't=1000' },
  ])
    assert.equal(isSigned({ ...good, ...change }), false, JSON.stringify(change));
});

test('only those owners are told who asked for the event', async (context) => {
  const { hooks, register, notify, received } = await world(context);
  await register('/trades', ['trade']);
  await register('/offers', ['offer', 'trade']);
  await notify('o', 1, 'offer');
  await notify('t', 2, 'trade');
  await notify('x', 3, 'trade', ['bb'.repeat(32)]);
  await notify('x', 4, 'trade', []);
  await notify('x', 5, 'unheard');
  await hooks.deliverDue();
  const heard = received.map((each) => `${each.path} ${bodyOf(each).data.n}`).toSorted();
  assert.deepEqual(heard, ['/offers 1', '/offers 2', '/trades 2']);
});

test('what fails is tried again after 5, 10, 20 seconds, and what is about the same subject waits for it', async (context) => {
  const { hooks, register, notify, received, time, world: answers } = await world(context);
  await register();
  answers.answer = (each) => (bodyOf(each).subject === 'a' ? 500 : 204);
  await notify('a', 1);
  await notify('a', 2);
  await notify('b', 1);
  await hooks.deliverDue();
  await hooks.deliverDue();
  assert.deepEqual(told(received.splice(0)), ['a1', 'b1']);
  for (const wait of [5, 10, 20]) {
    time.now += wait - 1;
    await hooks.deliverDue();
    assert.deepEqual(told(received.splice(0)), []);
    time.now += 1;
    await hooks.deliverDue();
    assert.deepEqual(told(received.splice(0)), ['a1']);
  }
  answers.answer = () => 204;
  time.now += 40;
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['a1', 'a2']);
});

test('after thirteen attempts it is a dead letter, which is listed, replayed and then told before what is new', async (context) => {
  const { hooks, register, notify, received, time, world: answers } = await world(context);
  const { webhook_id } = await register();
  answers.answer = () => 500;
  await notify('a', 1);
  for (let i = 0; i < 20; i += 1) {
    await hooks.deliverDue();
    time.now += HOUR;
  }
  assert.equal(received.splice(0).length, 13);
  const [letter, ...others] = await hooks.deadLetters();
  assert.deepEqual([letter?.seq, letter?.hook_id, letter?.attempts, others.length], [1, webhook_id, 13, 0]);
  answers.answer = () => 204;
  await notify('a', 2);
  await hooks.replay(1);
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['a1', 'a2']);
  assert.deepEqual(await hooks.deadLetters(), []);
  await assert.rejects(hooks.replay(1), withCode('not_found'));
});

test('an address that says it is gone is asked once', async (context) => {
  const { hooks, register, notify, world: answers } = await world(context);
  await register();
  answers.answer = () => 410;
  await notify('a', 1);
  await hooks.deliverDue();
  assert.equal((await hooks.deadLetters())[0]?.attempts, 1);
});

test('a redirect is not followed, and of a long answer nothing is read', async (context) => {
  const { hooks, register, notify, received, origin, world: answers } = await world(context);
  await register();
  answers.answer = () => ({ status: 302, headers: { location: `${origin}/inner` }, body: '' });
  await notify('a', 1);
  await hooks.deliverDue();
  assert.deepEqual(
    received.splice(0).map(({ path }) => path),
    ['/told'],
  );
  answers.answer = () => ({ status: 200, headers: {}, body: 'x'.repeat(20_000_000) });
  await notify('b', 1);
  await hooks.deliverDue();
  assert.deepEqual(told(received), ['b1']);
});

test('who never answers is left after the time that he has', async (context) => {
  const { guard, origin, world: answers } = await world(context);
  answers.answer = () => 'never';
  const posted = postOnce({ to: origin, body: '{}', headers: {} }, { ...guard, timeoutMilliseconds: 50 });
  await assert.rejects(posted, /must answer in time|aborted/);
});

test('of two instances on one database one tells', async (context) => {
  const { parts, register, notify, received, hooks } = await world(context);
  await register();
  for (let n = 1; n <= 20; n += 1) await notify(`s${n}-`, n);
  await Promise.all([hooks.deliverDue(), new Webhooks(parts).deliverDue()]);
  assert.equal(received.length, 20);
});

test('an instance that died while it told is stood in for after its lease', async (context) => {
  const { hooks, register, notify, received, time, tables } = await world(context);
  await register();
  await notify('a', 1);
  await tables
    .updateTable('delivery')
    .set({ attempts: 1, not_before: (time.now + 20) * 1000 })
    .execute();
  await hooks.deliverDue();
  assert.equal(received.length, 0);
  time.now += 20;
  await hooks.deliverDue();
  assert.equal(received.length, 1);
});

for (const url of [
  'http://pay.example.com/x',
  'https://127.0.0.1/x',
  'https://[::1]/x',
  'https://2130706433/',
  'https://localhost/x',
  'https://metadata.internal/x',
  'https://user:word@pay.example.com/x',
  'ftp://pay.example.com/x',
  'no address',
  `https://pay.example.com/${'x'.repeat(500)}`,
])
  test(`refused as a webhook: ${url.slice(0, 40)}`, async (context) => {
    const { hooks } = await world(context, { privateOrigins: [], resolve: async () => ['8.8.8.8'] });
    await assert.rejects(hooks.register({ owner: ANNA, url, events: ['trade'] }), (error) => {
      assert.ok(error instanceof SparkleError && error.code === 'bad_message' && error.detail['field'] === 'url');
      return true;
    });
  });

for (const addresses of [['10.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['169.254.169.254'], ['::ffff:127.0.0.1'], []])
  test(`a name that leads to ${addresses.join(' and ') || 'nowhere'} is refused`, async () => {
    const resolve = async () => addresses;
    await assert.rejects(
      webhookAddresses('https://rebind.example/x', { privateOrigins: [], resolve }),
      withCode('bad_message'),
    );
  });

test('a name that led outside when it was registered is not followed inside later', async (context) => {
  const { parts, origin, received, time } = await world(context);
  let addresses = ['8.8.8.8'];
  const guard = { ...parts.guard, privateOrigins: [], resolve: async () => addresses };
  const hooks = new Webhooks({ ...parts, guard });
  await hooks.register({ owner: ANNA, url: origin, events: ['trade'] });
  await hooks.notify({ event: 'trade', subject: 'a', owners: [ANNA], data: {} });
  addresses = ['127.0.0.1'];
  await hooks.deliverDue();
  time.now += HOUR;
  await hooks.deliverDue();
  assert.deepEqual(received, []);
});

test('an owner sees and removes his own webhooks, without their secrets, and not those of others', async (context) => {
  const { hooks, register, notify, tables } = await world(context);
  const { secret, ...shown } = await register();
  assert.deepEqual(await hooks.of(ANNA), [shown]);
  assert.equal(JSON.stringify(await hooks.of(ANNA)).includes(secret), false);
  await notify('a', 1);
  const { webhook_id: webhookId } = shown;
  await assert.rejects(hooks.remove({ owner: 'bb'.repeat(32), webhookId }), withCode('not_found'));
  await hooks.remove({ owner: ANNA, webhookId });
  assert.deepEqual(await hooks.of(ANNA), []);
  assert.deepEqual(await tables.selectFrom('delivery').selectAll().execute(), []);
});

test('one key has at most ten webhooks', async (context) => {
  const { register } = await world(context);
  for (let i = 0; i < 10; i += 1) await register(`/${i}`);
  await assert.rejects(register('/10'), withCode('refused'));
});

test('what was told is kept a week, and then removed within the hour', async (context) => {
  const { hooks, register, notify, time, tables } = await world(context);
  const kept = async (): Promise<number> => (await tables.selectFrom('delivery').selectAll().execute()).length;
  await register();
  await notify('a', 1);
  await hooks.deliverDue();
  const stop = hooks.start();
  time.now += 7 * 24 * HOUR;
  time.hour();
  await notify('b', 1);
  assert.equal(await kept(), 2);
  time.now += 1;
  time.hour();
  for (let turn = 0; (await kept()) > 1 && turn < 10_000; turn += 1) await new Promise((next) => setImmediate(next));
  // What is still to be told stays, however old it is.
  assert.equal(await kept(), 1);
  stop();
});

test('it delivers with the clock until it is stopped', async (context) => {
  const { hooks, register, notify, time, received } = await world(context);
  await register();
  const stop = hooks.start();
  await notify('a', 1);
  time.tick();
  await hooks.deliverDue();
  stop();
  await notify('a', 2);
  time.tick();
  assert.deepEqual(told(received), ['a1']);
});

test("an alarm goes to the operator's own address past the database, and says when nobody took it", async (context) => {
  const { guard, origin, received, time, world: answers } = await world(context);
  const clock = { nowSeconds: () => time.now };
  const { privateOrigins: _, ...rest } = guard;
  const raise = alarmPoster({ url: `${origin}/alarm`, secret: 'word', guard: rest, clock });
  await raise({ level: 'page', code: 'store_unavailable', sentence: 'look' });
  const [{ headers, body }] = received as [Received];
  const header = String(headers['sparkle-signature']);
  assert.ok(isSigned({ header, body, secret: 'word', nowSeconds: time.now, toleranceSeconds: 1 }));
  answers.answer = () => 500;
  await assert.rejects(raise({ level: 'alert', code: 'chain_unavailable', sentence: 'look' }), /answered 500/);
});

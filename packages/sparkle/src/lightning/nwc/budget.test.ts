import assert from 'node:assert/strict';
import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { eventually } from '../bench.suite.ts';
import { newGrant } from './grant.ts';
import { Served, type RawClient } from './served.suite.ts';
import { fileNwcStore, memoryNwcStore, type NwcEntry } from './serve-store.ts';

let served: Served;
beforeEach(async () => {
  served = await Served.open();
});
afterEach(() => served.close());

/** Each payment may cost 1000 msat of fees, which stay reserved until it is known what it did cost. */
const budget = { msat: 10_001_000n, periodSeconds: 300 };

async function pay(client: RawClient, amountMsat: bigint): Promise<string> {
  const { bolt11 } = await served.invoice(amountMsat);
  return (await client.ask('pay_invoice', { invoice: bolt11 })).error?.code ?? 'paid';
}

test('a budget ends spending, and comes back with its period', async () => {
  const client = await served.only({ budget });
  assert.equal(await pay(client, 6_000_000n), 'paid');
  assert.equal(await pay(client, 4_000_001n), 'QUOTA_EXCEEDED');
  assert.equal(await pay(client, 4_000_000n), 'paid');
  assert.equal(await pay(client, 1n), 'QUOTA_EXCEEDED');
  served.aheadSeconds = 301;
  assert.equal(await pay(client, 10_000_000n), 'paid');
});

test('a budget is not forgotten by a restart', async () => {
  const client = await served.only({ budget });
  assert.equal(await pay(client, 10_000_000n), 'paid');
  await served.stop();
  await served.start();
  assert.equal(await pay(client, 2_000n), 'QUOTA_EXCEEDED');
});

test('two payments at once do not both find the room that is left for one', async () => {
  const client = await served.only({ budget });
  const outcomes = await Promise.all([pay(client, 6_000_000n), pay(client, 6_000_000n)]);
  assert.deepEqual(outcomes.toSorted(), ['QUOTA_EXCEEDED', 'paid']);
});

test('a payment that failed costs nothing, one that is held costs all it may', async () => {
  const client = await served.only({ budget });
  served.node.setSending({ fate: 'refused' });
  assert.equal(await pay(client, 10_000_000n), 'PAYMENT_FAILED');
  served.node.setSending({ fate: 'arrives' });
  const { bolt11, paymentHash } = await served.holdInvoice(6_000_000n);
  const event = client.request('pay_invoice', { invoice: bolt11 });
  await client.send(event);
  await eventually('the hold', async () =>
    (await served.other.lightning.invoice(paymentHash)).state === 'held' ? true : undefined,
  );
  // However long it is held.
  served.aheadSeconds = 301;
  assert.equal(await pay(client, 5_000_000n), 'QUOTA_EXCEEDED');
  await served.other.lightning.cancel(paymentHash);
  assert.equal((await client.answer(event)).error?.code, 'PAYMENT_FAILED');
  assert.equal(await pay(client, 10_000_000n), 'paid');
});

test('more than the node has is said so, and what names no amount is not paid', async () => {
  const client = await served.only();
  assert.equal(await pay(client, 2_000_000_000n), 'INSUFFICIENT_BALANCE');
  const { bolt11 } = await served.invoice(5_000n);
  const { error } = await client.ask('pay_invoice', { invoice: bolt11, amount: 6_000 });
  assert.equal(error?.code, 'OTHER');
});

test('a grant is of known methods and a budget that means something', () => {
  const wishes = { name: 'x', methods: ['get_info'], budget: 'unlimited', relays: ['wss://relay.example'] } as const;
  assert.equal(newGrant(wishes).grant.clientPubkey.length, 64);
  const broken = [
    { methods: [] },
    { methods: ['sign_message'] },
    { relays: [] },
    { relays: ['relay.example'] },
    { budget: { msat: 1n, periodSeconds: 0 } },
  ];
  for (const change of broken) assert.throws(() => newGrant({ ...wishes, ...change } as never), { code: 'bad_config' });
  assert.throws(() => newGrant({ ...wishes, budget: { msat: -1n, periodSeconds: 1 } }), { code: 'bad_amount' });
});

const entry: NwcEntry = {
  ...{ wallet: 'aa', type: 'outgoing', paymentHash: 'bb', bolt11: 'lnbcrt', description: 'x', amountMsat: 5n },
  ...{ createdAtSeconds: 1, expiresAtSeconds: 2, state: 'open', spentMsat: 6n, feeMsat: 0n, settledAtSeconds: 0 },
};

test('the file keeps claims and entries, is for its owner alone, and forgets requests that cannot come again', async () => {
  const store = await fileNwcStore({ path: served.path, nowSeconds: 100 });
  assert.deepEqual(
    await Promise.all(['a', 'a', 'b'].map((id) => store.claim({ id, untilSeconds: id === 'a' ? 150 : 200 }))),
    [true, false, true],
  );
  await store.put(entry);
  await store.put({ ...entry, state: 'settled' });
  await store.close();
  await assert.rejects(store.put(entry), { code: 'bad_state' });
  assert.equal((await stat(served.path)).mode & 0o777, 0o600);
  const later = await fileNwcStore({ path: served.path, nowSeconds: 160 });
  assert.deepEqual(await later.list(), [{ ...entry, state: 'settled' }]);
  assert.equal(await later.claim({ id: 'a', untilSeconds: 300 }), true);
  assert.equal(await later.claim({ id: 'b', untilSeconds: 300 }), false);
  await later.close();
});

test('a write that a crash cut short is passed over, and a line that nobody wrote is refused', async () => {
  const store = await fileNwcStore({ path: served.path, nowSeconds: 100 });
  await store.put(entry);
  await store.close();
  await appendFile(served.path, '{"claim":{"id":"a","unt');
  const again = await fileNwcStore({ path: served.path, nowSeconds: 100 });
  assert.deepEqual(await again.list(), [entry]);
  await again.close();
  assert.equal((await readFile(served.path, 'utf8')).split('\n').length, 2);
  await writeFile(served.path, '{"other":1}\n');
  await assert.rejects(fileNwcStore({ path: served.path, nowSeconds: 100 }), { code: 'bad_state' });
});

test('a store in memory claims once too', async () => {
  const store = memoryNwcStore();
  assert.equal(await store.claim({ id: 'a', untilSeconds: 1 }), true);
  assert.equal(await store.claim({ id: 'a', untilSeconds: 1 }), false);
  await store.put(entry);
  assert.deepEqual(await store.find(entry), entry);
  await store.close();
});

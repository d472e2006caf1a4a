import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, test } from 'node:test';
import { hex } from '@scure/base';
import { eventually } from '../bench.suite.ts';
import { Served, type RawClient } from './served.suite.ts';
import { kinds } from './wire.ts';

let served: Served;
beforeEach(async () => {
  served = await Served.open();
});
afterEach(() => served.close());

const SOON = [['encryption', 'nip44_v2']];
const paidMsat = (): bigint => 1_000_000_000n - served.node.balanceMsat();
const codeOf = async (client: RawClient, method: string, params: unknown = {}): Promise<string | undefined> =>
  (await client.ask(method, params)).error?.code;

/** An answer to a later request shows that an earlier one was passed over. */
async function assertIgnored(client: RawClient, event: ReturnType<RawClient['request']>): Promise<void> {
  await client.send(event);
  assert.equal((await client.ask('get_balance')).error, null);
  assert.ok(!client.answers.has(event.id));
}

test('the wallet announces what the connection may ask and the node can do', async () => {
  const client = await served.only({ methods: ['pay_invoice', 'get_info'] });
  const event = await eventually('the info event', async () => client.infos[0]);
  assert.equal(event.content, 'pay_invoice get_info notifications');
  assert.deepEqual(event.tags, [
    ['encryption', 'nip44_v2 nip04'],
    ['notifications', 'payment_received payment_sent hold_invoice_accepted'],
  ]);
  const { result } = await client.ask('get_info');
  assert.deepEqual(result, {
    ...{ alias: 'sparkle', color: '', pubkey: await served.node.lightning.nodeId(), network: 'regtest' },
    ...{ block_height: 800_000, block_hash: 'aa'.repeat(32), methods: ['pay_invoice', 'get_info'] },
    notifications: ['payment_received', 'payment_sent', 'hold_invoice_accepted'],
    hold_expiry_margin: 18,
  });
});

test('an invoice is paid and told of, with its preimage in the answer and in the look-up only', async () => {
  const client = await served.only();
  const { bolt11, preimage, paymentHash } = await served.invoice(5_000_000n);
  const { result, result_type } = await client.ask('pay_invoice', { invoice: bolt11 });
  assert.deepEqual([result_type, result], ['pay_invoice', { preimage, fees_paid: 0 }]);
  const looked = (await client.ask('lookup_invoice', { payment_hash: paymentHash })).result;
  assert.equal(looked['preimage'], preimage);
  assert.deepEqual([looked['type'], looked['state'], looked['amount']], ['outgoing', 'settled', 5_000_000]);
  await eventually('both notifications', async () => (client.told.length === 2 ? true : undefined));
  assert.deepEqual(
    client.told.map((each) => [each.kind, each.notification_type, each.notification['payment_hash']]),
    [
      [kinds.notification, 'payment_sent', paymentHash],
      [kinds.notificationNip04, 'payment_sent', paymentHash],
    ],
  );
  assert.ok(!(await readFile(served.path, 'utf8')).includes(preimage));
});

test('a held payment is answered when it ends and told as pending until then', async () => {
  const client = await served.only();
  const { bolt11, preimage, paymentHash } = await served.holdInvoice(5_000_000n);
  const event = client.request('pay_invoice', { invoice: bolt11 });
  await client.send(event);
  const pending = async () => {
    const { result, error } = await client.ask('lookup_invoice', { payment_hash: paymentHash });
    return error === null ? result['state'] : undefined;
  };
  assert.equal(await eventually('the payment', pending), 'pending');
  assert.ok(!client.answers.has(event.id));
  await served.other.lightning.settle(preimage);
  assert.deepEqual((await client.answer(event)).result, { preimage, fees_paid: 0 });
});

test('a hold is told with the block before which it can be settled, then settled and told again', async () => {
  const client = await served.only();
  const { preimage, paymentHash } = served.secret();
  const params = { amount: 7_000, payment_hash: paymentHash, min_cltv_expiry_delta: 100, description: 'one' };
  const { result } = await client.ask('make_hold_invoice', params);
  assert.deepEqual([result['state'], result['amount'], result['description']], ['pending', 7_000, 'one']);
  const order = { maxFeeMsat: 0n, maxCltvBlocks: 200, timeoutSeconds: 30 };
  await served.other.lightning.pay({ bolt11: String(result['invoice']), ...order });
  const told = await eventually('the hold', async () => client.told[0]);
  assert.equal(told.notification_type, 'hold_invoice_accepted');
  const held = await served.node.lightning.invoice(paymentHash);
  assert.ok(held.state === 'held');
  assert.equal(told.notification['settle_deadline'], held.expiryHeight - 18);
  assert.equal(told.notification['state'], 'accepted');
  assert.deepEqual((await client.ask('settle_hold_invoice', { preimage })).result, {});
  await eventually('the settlement', async () =>
    client.told.some(({ notification_type: type }) => type === 'payment_received') ? true : undefined,
  );
  const types = new Set(client.told.map((each) => each.notification_type));
  assert.deepEqual([...types], ['hold_invoice_accepted', 'payment_received']);
});

test('a hold is given back, and an open invoice too', async () => {
  const client = await served.only();
  const { paymentHash } = served.secret();
  await client.ask('make_hold_invoice', { amount: 7_000, payment_hash: paymentHash });
  assert.equal((await client.ask('cancel_hold_invoice', { payment_hash: paymentHash })).error, null);
  const { result } = await client.ask('lookup_invoice', { payment_hash: paymentHash });
  assert.equal(result['state'], 'failed');
});

test('nobody gets hold of an invoice that the node made for somebody else by asking for the same one', async () => {
  const client = await served.only();
  const { paymentHash } = served.secret();
  const terms = { finalCltv: 40, expirySeconds: 3_600, description: 'one' };
  await served.node.lightning.createHoldInvoice({ paymentHash, amountMsat: 7_000n, ...terms });
  const asked = { amount: 7_000, payment_hash: paymentHash, description: 'one', expiry: 3_600 };
  assert.equal(await codeOf(client, 'make_hold_invoice', asked), 'OTHER');
  assert.equal(await codeOf(client, 'cancel_hold_invoice', { payment_hash: paymentHash }), 'NOT_FOUND');
  assert.equal((await served.node.lightning.invoice(paymentHash)).state, 'open');
});

test('a plain invoice is made, paid and listed; nobody sees what another connection has', async () => {
  const [mine, theirs] = [served.grant(), served.grant()];
  await served.start();
  const client = await served.client(mine);
  const stranger = await served.client(theirs);
  const { result } = await client.ask('make_invoice', { amount: 7_000, description: 'plain' });
  const order = { maxFeeMsat: 0n, maxCltvBlocks: 200, timeoutSeconds: 30 };
  assert.deepEqual((await client.ask('list_transactions')).result, { transactions: [] });
  await served.other.lightning.pay({ bolt11: String(result['invoice']), ...order });
  const [listed] = (await client.ask('list_transactions', { unpaid: true })).result['transactions'] as [typeof result];
  assert.deepEqual([listed['state'], listed['payment_hash']], ['settled', result['payment_hash']]);
  assert.equal(await codeOf(stranger, 'lookup_invoice', { invoice: result['invoice'] }), 'NOT_FOUND');
  assert.equal(await codeOf(stranger, 'cancel_hold_invoice', { payment_hash: result['payment_hash'] }), 'NOT_FOUND');
  assert.deepEqual((await stranger.ask('list_transactions', { unpaid: true })).result, { transactions: [] });
});

test('a request delivered again is not acted on again, nor after a restart', async () => {
  const client = await served.only();
  const { bolt11 } = await served.invoice(5_000_000n);
  const event = client.request('pay_invoice', { invoice: bolt11 });
  const hold = client.request('make_hold_invoice', { amount: 1_000, payment_hash: served.secret().paymentHash });
  served.relay.setCopies(3);
  await client.send(event);
  await client.answer(event);
  await client.send(hold);
  await client.answer(hold);
  served.relay.setCopies(1);
  await served.stop();
  await served.start();
  const before = served.relay.events.length;
  client.answers.clear();
  served.relay.inject(event as never);
  served.relay.inject(hold as never);
  await client.ask('get_balance');
  const replies = served.relay.events.slice(before).filter(({ kind }) => kind === kinds.response);
  assert.equal(replies.length, 1);
  assert.equal(paidMsat(), 5_000_000n);
});

test('two requests for one invoice are one payment', async () => {
  const client = await served.only();
  const { bolt11, preimage } = await served.invoice(5_000_000n);
  const both = await Promise.all([1, 2].map(() => client.ask('pay_invoice', { invoice: bolt11 })));
  assert.deepEqual(
    both.map(({ result }) => result['preimage']),
    [preimage, preimage],
  );
  assert.equal(paidMsat(), 5_000_000n);
});

test('what was seen to settle is not handed to the node again: one whose history was deleted would pay it again', async () => {
  const client = await served.only();
  const { bolt11, preimage } = await served.invoice(5_000_000n);
  await client.ask('pay_invoice', { invoice: bolt11 });
  let asked = 0;
  served.node.lightning.pay = async () => {
    asked += 1;
  };
  const { result } = await client.ask('pay_invoice', { invoice: bolt11 });
  assert.equal(result['preimage'], preimage);
  assert.equal(asked, 0);
});

test('a request that comes too late is passed over: by its expiration, or by its age', async () => {
  const client = await served.only();
  const { bolt11 } = await served.invoice(5_000_000n);
  const now = Math.floor(Date.now() / 1000);
  const pay = (change: { tags?: string[][]; created_at?: number }) =>
    client.request('pay_invoice', { invoice: bolt11 }, change);
  await assertIgnored(client, pay({ created_at: now - 700 }));
  await assertIgnored(client, pay({ created_at: now + 700 }));
  await assertIgnored(client, pay({ tags: [...SOON, ['expiration', 'soon']] }));
  const kept = pay({ tags: [...SOON, ['expiration', String(now + 60)]] });
  served.relay.treat(({ id }) => (id === kept.id ? 'keep' : 'pass'));
  await client.send(kept);
  served.aheadSeconds = 61;
  await served.relay.release();
  assert.equal((await client.ask('get_balance')).error, null);
  assert.ok(!client.answers.has(kept.id));
  assert.equal(paidMsat(), 0n);
});

test('a connection asks what it may, and knows why not', async () => {
  const client = await served.only({
    methods: ['get_balance', 'make_hold_invoice', 'lookup_invoice', 'settle_hold_invoice'],
  });
  assert.equal(await codeOf(client, 'pay_invoice', { invoice: 'lnbcrt1' }), 'RESTRICTED');
  assert.equal(await codeOf(client, 'pay_keysend', {}), 'NOT_IMPLEMENTED');
  assert.equal(await codeOf(client, 'settle_hold_invoice', { preimage: served.secret().preimage }), 'NOT_FOUND');
  const { error } = await client.ask('make_hold_invoice', { amount: 'much', payment_hash: 'AB' });
  assert.deepEqual([error?.code, error?.message.includes('amount, payment_hash')], ['OTHER', true]);
  assert.equal(await codeOf(client, 'lookup_invoice', {}), 'OTHER');
  assert.equal((await client.ask('lookup_invoice', null)).error?.code, 'OTHER');
});

test('an unknown encryption is answered in NIP-44, an old client in its own', async () => {
  const client = await served.only();
  const odd = client.request('get_balance', {}, { tags: [['encryption', 'nip99']] });
  await client.send(odd);
  assert.equal((await client.answer(odd)).error?.code, 'UNSUPPORTED_ENCRYPTION');
  assert.equal(client.answers.get(odd.id)?.scheme, 'nip44_v2');
  const old = client.request('get_balance', {}, { scheme: 'nip04', tags: [] });
  await client.send(old);
  assert.deepEqual((await client.answer(old)).result, { balance: 1_000_000_000, spendable: 1_000_000_000 });
  assert.equal(client.answers.get(old.id)?.scheme, 'nip04');
});

test('too many requests at once are told so', async () => {
  const client = await served.only();
  served.tipStalls = true;
  await Promise.all(Array.from({ length: 64 }, () => client.send(client.request('get_info', {}))));
  assert.equal(await codeOf(client, 'get_balance'), 'RATE_LIMITED');
});

test('what cannot be read, and what is for another wallet, is passed over', async () => {
  const connection = served.grant();
  served.grant();
  await served.start();
  const client = await served.client(connection);
  const template = { kind: kinds.request, created_at: Math.floor(Date.now() / 1000) };
  const tags = [['p', client.conversation.peer], ...SOON];
  await assertIgnored(client, client.conversation.sign({ ...template, tags, content: 'x' }));
  const { content } = client.request('get_balance', {});
  const elsewhere = [['p', served.walletPubkeys[1] ?? ''], ...SOON];
  await assertIgnored(client, client.conversation.sign({ ...template, tags: elsewhere, content }));
});

test('an outcome that the node does not know is no failure: there is an answer once it is known', async () => {
  const client = await served.only();
  const { bolt11, preimage, paymentHash } = await served.holdInvoice(5_000_000n);
  served.node.breakNext({ call: 'pay', when: 'after' });
  const event = client.request('pay_invoice', { invoice: bolt11 });
  await client.send(event);
  await eventually('the hold', async () =>
    (await served.other.lightning.invoice(paymentHash)).state === 'held' ? true : undefined,
  );
  assert.equal((await client.ask('lookup_invoice', { payment_hash: paymentHash })).result['state'], 'pending');
  assert.ok(!client.answers.has(event.id));
  await served.other.lightning.settle(preimage);
  assert.equal((await client.answer(event)).result['preimage'], preimage);
});

test('a payment that never began is given up after a while, and only then', async () => {
  const client = await served.only();
  const { bolt11, paymentHash } = await served.holdInvoice(5_000_000n);
  served.node.breakNext({ call: 'pay', when: 'before' });
  const event = client.request('pay_invoice', { invoice: bolt11 });
  await client.send(event);
  const state = async () => {
    const { error, result } = await client.ask('lookup_invoice', { payment_hash: paymentHash });
    return error === null ? result['state'] : undefined;
  };
  assert.equal(await eventually('the payment', state), 'pending');
  served.aheadSeconds = 91;
  await eventually('the end', async () => ((await state()) === 'failed' ? true : undefined));
});

test('no secret of the service is in its file, its warnings or what the relay sees', async () => {
  const client = await served.only();
  const { bolt11, preimage } = await served.invoice(5_000_000n);
  await client.ask('pay_invoice', { invoice: bolt11 });
  await served.relay.down();
  await eventually('the outage to be seen', async () => (served.warnings.length > 0 ? true : undefined));
  const seen = [await readFile(served.path, 'utf8'), JSON.stringify(served.relay.events), ...served.warnings].join();
  const [grant] = served.grants;
  assert.ok(grant !== undefined);
  for (const secret of [preimage, hex.encode(grant.walletSecretKey)]) assert.ok(!seen.includes(secret));
});

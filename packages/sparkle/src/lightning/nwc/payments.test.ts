import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import type { ErrorCode } from '../../protocol/errors.ts';
import { eventually, refusal } from '../bench.suite.ts';
import {
  invoiceWith,
  notFound,
  order,
  shortOrder,
  otherPreimage,
  outgoing,
  paymentHash,
  preimage,
  ScriptedWallet,
  incoming,
  type Answer,
} from './scripted.suite.ts';

let wallet: ScriptedWallet;
beforeEach(async () => {
  wallet = await ScriptedWallet.open({ scheme: 'nip44_v2' });
});
afterEach(() => wallet.close());

const reasonOf = async (work: Promise<unknown>): Promise<unknown> =>
  (await refusal(work, 'lightning_unavailable')).detail['reason'];

test('a payment is told with its preimage and fee, and asked for with an expiration', async () => {
  let paid = false;
  wallet.script = {
    pay_invoice() {
      paid = true;
      return { result: { preimage, fees_paid: 1_000 } };
    },
    lookup_invoice: () => (paid ? outgoing({ state: 'settled', preimage }) : notFound),
  };
  const lightning = await wallet.connect();
  const bolt11 = invoiceWith();
  const before = Date.now() / 1000;
  await lightning.pay({ ...order, bolt11 });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'settled', preimage, feeMsat: 1_000n });
  const [request] = wallet.asked('pay_invoice');
  assert.deepEqual(request?.params, { invoice: bolt11 });
  const expiration = Number(request?.event.tags.find(([name]) => name === 'expiration')?.[1]);
  assert.ok(expiration >= before && expiration <= Date.now() / 1000 + order.timeoutSeconds + 1);
});

test('time that runs out while a payment is held makes it unknown and never failed, and it is not paid again', async () => {
  let state = 'pending';
  let isThere = false;
  wallet.script = {
    pay_invoice: () => 'silence',
    lookup_invoice: () => (isThere ? outgoing({ state, ...(state === 'settled' ? { preimage } : {}) }) : notFound),
  };
  const lightning = await wallet.connect();
  const bolt11 = invoiceWith();
  assert.equal(await reasonOf(lightning.pay({ ...shortOrder, bolt11 })), 'timeout_unknown');
  // The request may still be read by the wallet: nobody knows that there is no payment.
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
  isThere = true;
  await lightning.pay({ ...shortOrder, bolt11 });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
  state = 'settled';
  await lightning.pay({ ...shortOrder, bolt11 });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'settled', preimage, feeMsat: 1_000n });
  assert.equal(wallet.asked('pay_invoice').length, 1);
});

test('once nothing can be on its way any more, what the wallet never heard of is unknown', async () => {
  wallet.script = { pay_invoice: () => 'silence' };
  let ahead = 0;
  const lightning = await wallet.connect({ nowMilliseconds: () => Date.now() + ahead });
  await reasonOf(lightning.pay({ ...shortOrder, bolt11: invoiceWith() }));
  ahead = 10_000;
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'unknown' });
});

test('paying returns as soon as a look shows the payment under way, and hints when the answer comes', async () => {
  const held: { answer?: () => void } = {};
  let state = 'none';
  wallet.script = {
    pay_invoice(request) {
      state = 'pending';
      held.answer = () => wallet.relay.inject(wallet.reply(request, { result: { preimage, fees_paid: 0 } }) as never);
      return 'silence';
    },
    // A settled payment without its preimage, as some wallets tell it: the one of the answer stands in.
    lookup_invoice: () => (state === 'none' ? notFound : outgoing({ state, preimage: '' })),
  };
  const lightning = await wallet.connect();
  const told: string[] = [];
  lightning.subscribe(({ type }) => told.push(type));
  await lightning.pay({ ...order, timeoutSeconds: 30, bolt11: invoiceWith() });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
  state = 'settled';
  held.answer?.();
  await eventually('a hint', async () => (told.includes('payment') ? true : undefined));
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'settled', preimage, feeMsat: 1_000n });
});

test('a payment that the wallet calls expired, because its invoice is, may be in flight: it is not paid again', async () => {
  wallet.script = { lookup_invoice: () => outgoing({ state: 'expired' }) };
  const lightning = await wallet.connect();
  await lightning.pay({ ...order, bolt11: invoiceWith() });
  assert.equal(wallet.asked('pay_invoice').length, 0);
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
});

test('an error answer about a payment that the wallet then calls expired is no failure of it', async () => {
  let isBegun = false;
  wallet.script = {
    pay_invoice() {
      isBegun = true;
      return { error: { code: 'PAYMENT_FAILED', message: 'it took too long' } };
    },
    lookup_invoice: () => (isBegun ? outgoing({ state: 'expired' }) : notFound),
  };
  const lightning = await wallet.connect();
  await lightning.pay({ ...order, bolt11: invoiceWith() });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
});

test('two calls at once for one hash are one request', async () => {
  let paid = false;
  wallet.script = {
    pay_invoice() {
      paid = true;
      return { result: { preimage } };
    },
    lookup_invoice: () => (paid ? outgoing({ state: 'settled', preimage }) : notFound),
  };
  const lightning = await wallet.connect();
  const bolt11 = invoiceWith();
  await Promise.all([lightning.pay({ ...order, bolt11 }), lightning.pay({ ...order, bolt11 })]);
  await lightning.pay({ ...order, bolt11 });
  assert.equal(wallet.asked('pay_invoice').length, 1);
});

test('a wrong preimage is never taken for a settlement', async () => {
  wallet.script = { pay_invoice: () => ({ result: { preimage: otherPreimage } }) };
  const lightning = await wallet.connect();
  assert.equal(await reasonOf(lightning.pay({ ...order, bolt11: invoiceWith() })), 'wrong_preimage');
  for (const wrong of [otherPreimage, '', preimage.toUpperCase(), `${preimage}00`]) {
    wallet.script.lookup_invoice = () => outgoing({ state: 'settled', preimage: wrong });
    assert.equal(await reasonOf(lightning.payment(paymentHash)), 'wrong_preimage');
  }
});

type Told = { code: string; looked: Answer; means: ErrorCode; reason: string };
const final = notFound;
const failed = outgoing({ state: 'failed' });
const meanings: Told[] = [
  { code: 'PAYMENT_FAILED', looked: failed, means: 'payment_failed', reason: 'wallet' },
  { code: 'PAYMENT_FAILED', looked: final, means: 'payment_failed', reason: 'wallet' },
  { code: 'INSUFFICIENT_BALANCE', looked: final, means: 'no_route', reason: 'budget' },
  { code: 'QUOTA_EXCEEDED', looked: final, means: 'no_route', reason: 'budget' },
  { code: 'RESTRICTED', looked: final, means: 'lightning_unavailable', reason: 'unauthorized' },
  { code: 'UNAUTHORIZED', looked: final, means: 'lightning_unavailable', reason: 'unauthorized' },
  { code: 'EXPIRED', looked: final, means: 'lightning_unavailable', reason: 'unauthorized' },
  { code: 'RATE_LIMITED', looked: final, means: 'lightning_unavailable', reason: 'rate_limited' },
  { code: 'NOT_IMPLEMENTED', looked: final, means: 'not_supported', reason: 'not_implemented' },
  { code: 'UNSUPPORTED_ENCRYPTION', looked: final, means: 'not_supported', reason: 'encryption' },
  { code: 'INTERNAL', looked: final, means: 'lightning_unavailable', reason: 'wallet_error' },
  { code: 'INTERNAL', looked: failed, means: 'payment_failed', reason: 'wallet_error' },
  { code: 'OTHER', looked: final, means: 'lightning_unavailable', reason: 'wallet_error' },
  { code: 'SOMETHING_NEW', looked: final, means: 'lightning_unavailable', reason: 'wallet_error' },
  { code: 'NOT_FOUND', looked: final, means: 'lightning_unavailable', reason: 'wallet_error' },
];

for (const { code, looked, means, reason } of meanings)
  test(`${code} with ${looked === failed ? 'a failed payment' : 'no payment'} in sight is ${means}, ${reason}`, async () => {
    let asked = false;
    wallet.script = {
      pay_invoice() {
        asked = true;
        return { error: { code, message: 'no' } };
      },
      lookup_invoice: () => (asked ? looked : notFound),
    };
    const lightning = await wallet.connect();
    const error = await refusal(lightning.pay({ ...order, bolt11: invoiceWith() }), means);
    assert.equal(error.detail['reason'], reason);
  });

test('a failure that a look contradicts is none: the payment is under way', async () => {
  let asked = false;
  wallet.script = {
    pay_invoice() {
      asked = true;
      return { error: { code: 'PAYMENT_FAILED', message: 'timeout' } };
    },
    lookup_invoice: () => (asked ? outgoing({ state: 'pending' }) : notFound),
  };
  const lightning = await wallet.connect();
  await lightning.pay({ ...order, bolt11: invoiceWith() });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
});

test('what a wallet calls expired may be in flight, what it calls failed has failed and may be tried again', async () => {
  wallet.script = { lookup_invoice: () => outgoing({ state: 'expired' }) };
  const lightning = await wallet.connect();
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
  wallet.script.lookup_invoice = () => outgoing({ state: 'failed' });
  const payment = await lightning.payment(paymentHash);
  assert.equal(payment.state, 'failed');
  wallet.script.pay_invoice = () => 'silence';
  await reasonOf(lightning.pay({ ...shortOrder, bolt11: invoiceWith() }));
  assert.equal(wallet.asked('pay_invoice').length, 1);
  // The failure that the wallet tells of is of the first try.
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
});

test('a wallet without states tells a settlement by its time', async () => {
  wallet.script = { lookup_invoice: () => outgoing({ settled_at: 1_700_000_000, preimage }) };
  const lightning = await wallet.connect();
  assert.equal((await lightning.payment(paymentHash)).state, 'settled');
  wallet.script.lookup_invoice = () => outgoing({ settled_at: null, preimage: '' });
  assert.deepEqual(await lightning.payment(paymentHash), { state: 'pending' });
});

test('an invoice of the wallet itself is no payment, and another hash than asked for is no answer', async () => {
  wallet.script = { lookup_invoice: () => incoming({ state: 'pending' }) };
  const lightning = await wallet.connect();
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'ambiguous');
  wallet.script.lookup_invoice = () => outgoing({ state: 'settled', preimage, payment_hash: 'ab'.repeat(32) });
  assert.equal(await reasonOf(lightning.payment(paymentHash)), 'garbage');
});

test('an error repeats no preimage and no long code of what a wallet says', async () => {
  wallet.script = {
    pay_invoice: () => ({ error: { code: 'OTHER', message: `odd: ${preimage} ${wallet.connection}\n` } }),
  };
  const lightning = await wallet.connect();
  const error = await refusal(lightning.pay({ ...order, bolt11: invoiceWith() }), 'lightning_unavailable');
  const shown = inspect(error, { depth: 9, showHidden: true });
  assert.ok(shown.includes('odd:') && !shown.includes(preimage) && !shown.includes(wallet.connection.slice(-64)));
});

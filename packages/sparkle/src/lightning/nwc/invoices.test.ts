import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { inspect } from 'node:util';
import { eventually, refusal } from '../bench.suite.ts';
import type { Lightning } from '../lightning.ts';
import {
  incoming,
  info,
  invoiceWith,
  notFound,
  otherPreimage,
  outgoing,
  paymentHash,
  preimage,
  ScriptedWallet,
  type Answer,
} from './scripted.suite.ts';

const request = { paymentHash, amountMsat: 5_000_000n, finalCltv: 171, expirySeconds: 3_600, description: 'one item' };

let wallet: ScriptedWallet;
beforeEach(async () => {
  wallet = await ScriptedWallet.open({ scheme: 'nip44_v2' });
});
afterEach(() => wallet.close());

const made = (change: Parameters<typeof invoiceWith>[0] = {}): Answer => incoming({ invoice: invoiceWith(change) });

test('a hold invoice is asked for with its final CLTV and handed out when it is what was asked for', async () => {
  wallet.script = { make_hold_invoice: () => made() };
  const lightning = await wallet.connect();
  const { bolt11 } = await lightning.createHoldInvoice(request);
  assert.equal(bolt11, invoiceWith({ timestampSeconds: timestampOf(bolt11) }));
  assert.deepEqual(wallet.asked('make_hold_invoice')[0]?.params, {
    ...{ amount: 5_000_000, payment_hash: paymentHash, description: 'one item' },
    ...{ expiry: 3_600, min_cltv_expiry_delta: 171 },
  });
});

const lies = {
  'payment hash': { paymentHash: 'ab'.repeat(32) },
  amount: { amountMsat: 4_999_999n },
  network: { network: 'mainnet' },
} as const;

for (const [what, lie] of Object.entries(lies))
  test(`an invoice with another ${what} than asked for is handed to nobody`, async () => {
    wallet.script = { make_hold_invoice: () => made(lie) };
    const lightning = await wallet.connect();
    const error = await refusal(lightning.createHoldInvoice(request), 'bad_invoice');
    assert.deepEqual(error.detail['wrong'], [what]);
  });

test('no invoice at all, and one that is broken, are refused', async () => {
  wallet.script = { make_hold_invoice: () => incoming({ invoice: '' }) };
  const lightning = await wallet.connect();
  await refusal(lightning.createHoldInvoice(request), 'bad_invoice');
  wallet.script.make_hold_invoice = () => incoming({ invoice: `${invoiceWith()}x` });
  await refusal(lightning.createHoldInvoice(request), 'bad_invoice');
});

test('a wallet that writes a final CLTV of its own is found out, and says so from then on', async () => {
  wallet.script = { make_hold_invoice: () => made({ minFinalCltv: 18 }) };
  const lightning = await wallet.connect();
  assert.ok(lightning.capabilities.finalCltv);
  const error = await refusal(lightning.createHoldInvoice(request), 'not_supported');
  assert.deepEqual(error.detail, { finalCltv: 171, came: 18 });
  assert.ok(!lightning.capabilities.finalCltv && lightning.capabilities.hold);
});

test('what a wallet offers decides what is promised', async () => {
  wallet.script = { get_info: () => info({ methods: ['pay_invoice', 'lookup_invoice', 'make_invoice'] }) };
  const { capabilities } = await wallet.connect();
  assert.deepEqual(
    { ...capabilities },
    {
      ...{ pay: true, routeCap: false, feeCap: false, hold: false, cancel: false },
      ...{ holdDeadline: false, finalCltv: false, ownPreimage: false, holdExpiryMarginBlocks: 0 },
    },
  );
});

test('a wallet that can pay and cannot be asked what became of it promises nothing', async () => {
  wallet.script = { get_info: () => info({ methods: ['pay_invoice', 'make_hold_invoice', 'settle_hold_invoice'] }) };
  const { capabilities } = await wallet.connect();
  assert.ok(!capabilities.pay && !capabilities.hold);
});

test('a hold ends at its settle_deadline, whatever the wallet goes on saying', async () => {
  let height = 800_000;
  wallet.script = {
    get_info: () => info({ block_height: height }),
    lookup_invoice: () => incoming({ state: 'accepted', settle_deadline: 800_171 }),
  };
  const lightning = await wallet.connect();
  const held = { state: 'held', amountMsat: 5_000_000n, expiryHeight: 800_171, parts: 1 };
  assert.deepEqual(await lightning.invoice(paymentHash), held);
  height = 800_170;
  assert.deepEqual(await lightning.invoice(paymentHash), held);
  height = 800_171;
  assert.deepEqual(await lightning.invoice(paymentHash), { state: 'canceled' });
});

test('a margin that the wallet or its operator tells is added to the deadline', async () => {
  wallet.script = {
    get_info: () => info({ hold_expiry_margin: 18 }),
    lookup_invoice: () => incoming({ state: 'accepted', settle_deadline: 800_171 }),
  };
  const telling = await wallet.connect({ holdExpiryMarginBlocks: 21 });
  const invoice = await telling.invoice(paymentHash);
  assert.ok(invoice.state === 'held' && invoice.expiryHeight === 800_189);
  assert.equal(telling.capabilities.holdExpiryMarginBlocks, 18);
});

test('without a settle_deadline the height at which the invoice was made bounds the hold, and after a restart nothing does', async () => {
  let state: string | undefined;
  const invoice = invoiceWith();
  wallet.script = {
    make_hold_invoice: () => incoming({ invoice }),
    lookup_invoice: () => (state === undefined ? notFound : incoming({ state, invoice })),
  };
  const lightning = await wallet.connect();
  await lightning.createHoldInvoice(request);
  state = 'accepted';
  const held = { state: 'held', amountMsat: 5_000_000n, parts: 1 };
  assert.deepEqual(await lightning.invoice(paymentHash), { ...held, expiryHeight: 800_171 });
  // An old wallet hides behind `expired` what it still holds.
  state = 'expired';
  assert.equal((await refusal(lightning.invoice(paymentHash), 'lightning_unavailable')).detail['reason'], 'ambiguous');
  await lightning.close();
  state = 'accepted';
  const again = await wallet.connect();
  assert.deepEqual(await again.invoice(paymentHash), { ...held, expiryHeight: 0 });
});

test('an expired invoice that was held is neither canceled nor held until its deadline', async () => {
  let height = 800_000;
  wallet.script = {
    get_info: () => info({ block_height: height }),
    lookup_invoice: () => incoming({ state: 'expired', settle_deadline: 800_171 }),
  };
  const lightning = await wallet.connect();
  assert.equal((await refusal(lightning.invoice(paymentHash), 'lightning_unavailable')).detail['reason'], 'ambiguous');
  height = 800_171;
  assert.deepEqual(await lightning.invoice(paymentHash), { state: 'canceled' });
  wallet.script.lookup_invoice = () => incoming({ state: 'expired', settle_deadline: null });
  assert.deepEqual(await lightning.invoice(paymentHash), { state: 'canceled' });
});

test('a payment is no invoice', async () => {
  wallet.script = { lookup_invoice: () => outgoing({ state: 'pending' }) };
  const lightning = await wallet.connect();
  assert.equal((await refusal(lightning.invoice(paymentHash), 'lightning_unavailable')).detail['reason'], 'ambiguous');
});

test('the preimage leaves only for a payment that is held', async () => {
  const lightning = await wallet.connect();
  const states: Answer[] = [
    notFound,
    incoming({ state: 'pending' }),
    incoming({ state: 'failed' }),
    outgoing({ state: 'pending' }),
  ];
  for (const answer of states) {
    wallet.script.lookup_invoice = () => answer;
    await refusal(lightning.settle(preimage), 'invoice_not_held');
  }
  wallet.script.lookup_invoice = ({ params }) =>
    params['payment_hash'] === paymentHash ? incoming({ state: 'accepted' }) : notFound;
  await refusal(lightning.settle(otherPreimage), 'invoice_not_held');
  assert.equal(wallet.asked('settle_hold_invoice').length, 0);
});

async function settling(lightning: Lightning, after: Answer): Promise<Promise<void>> {
  let asked = false;
  wallet.script.lookup_invoice = () => (asked ? after : incoming({ state: 'accepted' }));
  wallet.script.settle_hold_invoice = () => {
    asked = true;
    return { error: { code: 'INTERNAL', message: `no ${preimage}` } };
  };
  return lightning.settle(preimage);
}

test('a settlement that the wallet refuses is judged by a look', async () => {
  const lightning = await wallet.connect();
  await settling(lightning, incoming({ state: 'settled' }));
  const error = await refusal(settling(lightning, incoming({ state: 'accepted' })), 'lightning_unavailable');
  assert.equal(error.detail['reason'], 'wallet_error');
  const gone = await refusal(settling(lightning, incoming({ state: 'failed' })), 'invoice_not_held');
  assert.ok(!inspect([error, gone], { depth: 9 }).includes(preimage));
});

test('settling a settled invoice and canceling a canceled one ask for nothing', async () => {
  const lightning = await wallet.connect();
  wallet.script.lookup_invoice = () => incoming({ state: 'settled' });
  await lightning.settle(preimage);
  await refusal(lightning.cancel(paymentHash), 'invoice_not_held');
  wallet.script.lookup_invoice = () => incoming({ state: 'failed' });
  await lightning.cancel(paymentHash);
  wallet.script.lookup_invoice = () => notFound;
  await refusal(lightning.cancel(paymentHash), 'unknown_invoice');
  assert.equal(wallet.asked('settle_hold_invoice').length + wallet.asked('cancel_hold_invoice').length, 0);
});

test('a wallet that gives back only what it holds leaves an open invoice to be canceled later', async () => {
  const lightning = await wallet.connect();
  wallet.script.lookup_invoice = () => incoming({ state: 'pending' });
  const error = await refusal(lightning.cancel(paymentHash), 'lightning_unavailable');
  assert.equal(error.detail['reason'], 'not_cancelable');
  wallet.script.lookup_invoice = () => incoming({ state: 'expired' });
  await lightning.cancel(paymentHash);
  wallet.script.cancel_hold_invoice = () => ({ result: {} });
  wallet.script.lookup_invoice = () => incoming({ state: 'accepted' });
  await lightning.cancel(paymentHash);
});

test('a plain invoice with a preimage of ours is not to be had', async () => {
  const lightning = await wallet.connect();
  await refusal(lightning.createInvoice({ ...request, preimage }), 'not_supported');
});

test('an amount that JSON cannot hold is refused', async () => {
  const lightning = await wallet.connect();
  await refusal(lightning.createHoldInvoice({ ...request, amountMsat: 2n ** 53n }), 'bad_amount');
});

test('a notification is a hint to look, for payments as for holds', async () => {
  const lightning = await wallet.connect();
  const told: string[] = [];
  lightning.subscribe(({ type, paymentHash: hash }) => told.push(`${type} ${hash}`));
  await wallet.notify('hold_invoice_accepted', paymentHash);
  await wallet.notify('payment_sent', paymentHash);
  await eventually('both hints', async () => (told.length === 2 ? true : undefined));
  assert.deepEqual(told, [`invoice ${paymentHash}`, `payment ${paymentHash}`]);
});

const timestampOf = (bolt11: string): number => {
  // BOLT 11: 35 bits after the last 1, in characters of 5.
  const data = bolt11.slice(bolt11.lastIndexOf('1') + 1, bolt11.lastIndexOf('1') + 8);
  return [...data].reduce((sum, letter) => sum * 32 + 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.indexOf(letter), 0);
};

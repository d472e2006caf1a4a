import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeInvoice, encodeInvoice } from '../../protocol/bolt11.ts';
import { AMOUNT_MSAT, Bench, eventually, refusal, sha256Of } from '../bench.suite.ts';
import type { LightningEvent } from '../lightning.ts';
import certificates from './certificates.vectors.json' with { type: 'json' };
import { cln, createRuneLine } from './cln.ts';
import { clnOptions, type FakeWorld, openFakeWorld } from './fake-world.suite.ts';

/** What the connector that was there before did wrong with Core Lightning, by its number in the review of it. */
describe('Core Lightning: the defects of the old connector', () => {
  let world: FakeWorld;
  let bench: Bench;
  before(async () => {
    world = await openFakeWorld();
    bench = new Bench({
      payer: world.payer.lightning,
      payee: world.payee.lightning,
      mine: async (blocks) => world.network.setHeight(world.network.core.height + blocks),
      height: async () => world.network.core.height,
      restart: () => assert.fail('not here'),
      close: () => world.close(),
    });
  });
  after(() => world.close());

  test('D23: the hash that was asked for is the hash of the invoice, and a plain one carries a label', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await bench.payee.createInvoice({ ...bench.terms(), preimage });
    assert.equal(decodeInvoice(bolt11).paymentHash, paymentHash);
    assert.equal(world.payee.server.called('invoice').at(-1)?.params['label'], `sparkle-${paymentHash}`);
  });

  test('D23: an invoice for another hash, of another amount or by another node is refused and never handed out', async () => {
    const { paymentHash } = bench.secret();
    const request = { ...bench.terms(), paymentHash };
    const changes = [
      { paymentHash: sha256Of(paymentHash) },
      { amountMsat: AMOUNT_MSAT + 1n },
      { minFinalCltv: 18 },
      { description: 'another item' },
    ];
    const signed = (change: object, key: Uint8Array) => (said: unknown) => {
      const invoice = decodeInvoice((said as { bolt11: string }).bolt11);
      return { bolt11: encodeInvoice({ ...invoice, ...change }, key) };
    };
    for (const change of changes) {
      const { secretKey } = world.payee.node.key;
      world.payee.server.next('signinvoice', { do: 'change', change: signed(change, secretKey) });
      const error = await refusal(bench.payee.createHoldInvoice(request), 'lightning_unavailable');
      assert.equal(error.detail['reason'], 'wrong_invoice');
    }
    const { secretKey } = world.rival.node.key;
    world.payee.server.next('signinvoice', { do: 'change', change: signed({}, secretKey) });
    await refusal(bench.payee.createHoldInvoice(request), 'lightning_unavailable');
    assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'unknown' });
  });

  test('D25: invoices that are paid in another order than they were made are all told of', async () => {
    const told: LightningEvent[] = [];
    const end = bench.payee.subscribe((event) => told.push(event));
    const secrets = [bench.secret(), bench.secret(), bench.secret()];
    const made = [];
    for (const { preimage } of secrets) made.push(await bench.payee.createInvoice({ ...bench.terms(), preimage }));
    await eventually('the first look at each', async () => (told.length >= secrets.length ? true : undefined));
    told.length = 0;
    for (const { bolt11 } of made.toReversed()) await bench.payer.pay(bench.order(bolt11));
    await eventually('a hint at each', async () =>
      secrets.every(({ paymentHash }) => told.some((event) => event.paymentHash === paymentHash)) ? true : undefined,
    );
    end();
    for (const { paymentHash } of secrets) assert.equal((await bench.payee.invoice(paymentHash)).state, 'settled');
  });

  test('D26: a payment is capped in blocks and fees, is one for its hash and is looked up by it', async () => {
    const held = await bench.hold();
    const { params } = world.payer.server.called('xpay').at(-1) ?? assert.fail('nothing was paid');
    assert.deepEqual({ ...params }, { invstring: held.bolt11, maxfee: '100000msat', maxdelay: 140, retry_for: 30 });
    const payment = await bench.payer.payment(held.paymentHash);
    const height = await bench.world.height();
    assert.deepEqual(payment, { state: 'pending', expiryHeight: height + 41 });
    await bench.settle(held);
  });

  test('D27: amounts are numbers or "...msat", and nothing is put together from text', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await bench.payee.createInvoice({ ...bench.terms(), preimage });
    const { timestampSeconds, expirySeconds } = decodeInvoice(bolt11);
    assert.deepEqual([timestampSeconds, expirySeconds], [1_700_000_000, 3600]);
    await bench.payer.pay(bench.order(bolt11));
    await bench.invoiceIs(paymentHash, 'settled');
    const said = (amount: unknown) => (answer: unknown) => {
      const [row] = (answer as { invoices: object[] }).invoices;
      return { invoices: [{ ...row, amount_received_msat: amount }] };
    };
    world.payee.server.next('listinvoices', { do: 'change', change: said('7000001msat') });
    assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'settled', amountMsat: AMOUNT_MSAT });
    for (const wrong of ['7000001', 7000001.5, -1, '07000001msat', 2 ** 53, null]) {
      world.payee.server.next('listinvoices', { do: 'change', change: said(wrong) });
      const error = await refusal(bench.payee.invoice(paymentHash), 'lightning_unavailable');
      assert.equal(error.detail['reason'], 'garbage', String(wrong));
    }
  });

  test('D28: the certificate must be by the authority that was given, and there is no way round it', async () => {
    const options = clnOptions(world.payee.server, { nowSeconds: () => 0, nowMilliseconds: () => 0 });
    world.payee.server.calls.length = 0;
    const error = await refusal(cln({ ...options, ca: { text: certificates.otherCa } }), 'lightning_unavailable');
    assert.equal(error.detail['reason'], 'wrong_certificate');
    assert.deepEqual(world.payee.server.calls, [], 'no rune was sent to whoever answered');
    await refusal(cln({ ...options, ca: { text: 'none' } }), 'bad_config');
    await refusal(cln({ ...options, url: options.url.replace('https', 'http') }), 'bad_config');
  });

  test('D29: the line that an operator is told to run is one that the node understands', async () => {
    const printed = /^lightning-cli createrune restrictions='(\[\[.*\]\])'$/.exec(createRuneLine('all'));
    const restrictions: unknown = JSON.parse(printed?.[1] ?? '');
    const rune = { text: world.payee.server.createRune(restrictions as string[][]) };
    const options = clnOptions(world.payee.server, { nowSeconds: () => 0, nowMilliseconds: () => 0 });
    const driver = await cln({ ...options, rune });
    assert.equal(await driver.nodeId(), world.payee.node.key.nodeId);
    await driver.close();
  });
});

import assert from 'node:assert/strict';
import { AMOUNT_MSAT, FINAL_CLTV, ROUTE_CAP, eventually, refusal, type Case } from './bench.suite.ts';

/** Hold invoices: held exactly, then settled, canceled or given back, once and for good. */
export const holdCases: readonly Case[] = [
  {
    sentence: 'a paid hold invoice is held with the exact amount and the real expiry',
    async run(bench) {
      const held = await bench.hold();
      const height = await bench.world.height();
      const invoice = await bench.payee.invoice(held.paymentHash);
      assert.ok(invoice.state === 'held');
      assert.equal(invoice.amountMsat, AMOUNT_MSAT);
      assert.ok(invoice.parts >= 1);
      assert.ok(invoice.expiryHeight >= height + FINAL_CLTV, `${invoice.expiryHeight} at ${height}`);
      assert.ok(invoice.expiryHeight <= height + ROUTE_CAP, `${invoice.expiryHeight} at ${height}`);
      assert.equal((await bench.payer.payment(held.paymentHash)).state, 'pending');
      await bench.settle(held);
    },
  },
  {
    sentence: 'settling gives the payer the preimage, and every msat is where it belongs',
    async run(bench) {
      const [payerMsat, payeeMsat] = [await bench.ownedAtRest(bench.payer), await bench.ownedAtRest(bench.payee)];
      const held = await bench.hold();
      await bench.settle(held);
      const payment = await bench.payer.payment(held.paymentHash);
      assert.ok(payment.state === 'settled');
      assert.deepEqual(await bench.invoiceIs(held.paymentHash, 'settled'), {
        state: 'settled',
        amountMsat: AMOUNT_MSAT,
      });
      await eventually('both balances', async () => {
        const paid = payerMsat - (await bench.owned(bench.payer));
        const got = (await bench.owned(bench.payee)) - payeeMsat;
        return paid === AMOUNT_MSAT + payment.feeMsat && got === AMOUNT_MSAT ? true : undefined;
      });
    },
  },
  {
    sentence: 'settling twice is settling once, and what is settled cannot be canceled',
    async run(bench) {
      const held = await bench.hold();
      await bench.payee.settle(held.preimage);
      await bench.settle(held);
      await bench.invoiceIs(held.paymentHash, 'settled');
      await bench.payee.settle(held.preimage);
      await refusal(bench.payee.cancel(held.paymentHash), 'invoice_not_held');
    },
  },
  {
    sentence: 'canceling gives the payer his money back, and a canceled invoice stays canceled',
    async run(bench) {
      const before = await bench.ownedAtRest(bench.payer);
      const { preimage, paymentHash } = await bench.hold();
      await bench.payee.cancel(paymentHash);
      await bench.paymentIs(bench.payer, paymentHash, 'failed');
      await bench.payee.cancel(paymentHash);
      await refusal(bench.payee.settle(preimage), 'invoice_not_held');
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'canceled' });
      await eventually('the money back', async () => ((await bench.owned(bench.payer)) === before ? true : undefined));
    },
  },
  {
    sentence: 'an open invoice that was canceled can never be paid',
    async run(bench) {
      const { preimage, paymentHash } = bench.secret();
      const { bolt11 } = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      await bench.payee.cancel(paymentHash);
      await bench.payInVain(bench.payer, { bolt11, paymentHash });
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'canceled' });
      await refusal(bench.payee.settle(preimage), 'invoice_not_held');
    },
  },
  {
    sentence: 'a preimage that fits no held invoice is refused and told to nobody',
    async run(bench) {
      const held = await bench.hold();
      const { preimage: wrong } = bench.secret();
      const error = await refusal(bench.payee.settle(wrong), 'invoice_not_held');
      assert.ok(!JSON.stringify([error.message, error.detail, String(error.cause), error.stack]).includes(wrong));
      assert.equal((await bench.payee.invoice(held.paymentHash)).state, 'held');
      await bench.settle(held);
    },
  },
  {
    sentence: 'a hold invoice nobody has paid cannot be settled',
    async run(bench) {
      const { preimage, paymentHash } = bench.secret();
      await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      await refusal(bench.payee.settle(preimage), 'invoice_not_held');
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'open' });
    },
  },
  {
    sentence: 'a held payment nobody acts on goes back exactly when the node says',
    async run(bench) {
      const { preimage, paymentHash } = await bench.hold();
      const expiryHeight = await bench.heldExpiry(paymentHash);
      const margin = bench.payee.capabilities.holdExpiryMarginBlocks;
      await bench.world.mine(expiryHeight - margin - 1 - (await bench.world.height()));
      assert.equal((await bench.payee.invoice(paymentHash)).state, 'held');
      await bench.world.mine(1);
      await bench.invoiceIs(paymentHash, 'canceled');
      await bench.paymentIs(bench.payer, paymentHash, 'failed');
      await refusal(bench.payee.settle(preimage), 'invoice_not_held');
    },
  },
];

import assert from 'node:assert/strict';
import { decodeInvoice } from '../protocol/bolt11.ts';
import { AMOUNT_MSAT, FINAL_CLTV, refusal, type Case } from './bench.suite.ts';

/** Creating invoices: exact, idempotent, and never two meanings for one hash. */
export const invoiceCases: readonly Case[] = [
  {
    sentence: 'a hold invoice carries exactly what was asked for and is signed by the node',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const { bolt11 } = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      const invoice = decodeInvoice(bolt11);
      assert.equal(invoice.paymentHash, paymentHash);
      assert.equal(invoice.amountMsat, AMOUNT_MSAT);
      assert.equal(invoice.minFinalCltv, FINAL_CLTV);
      assert.equal(invoice.description, 'one item');
      assert.equal(invoice.payee, await bench.payee.nodeId());
      assert.equal(invoice.network, await bench.payee.network());
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'open' });
    },
  },
  {
    sentence: 'the same request again returns the same invoice',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const hold = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      assert.deepEqual(await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash }), hold);
    },
  },
  {
    sentence: 'the same request for a plain invoice again returns the same invoice',
    needs: 'ownPreimage',
    async run(bench) {
      const { preimage } = bench.secret();
      const plain = await bench.payee.createInvoice({ ...bench.terms(), preimage });
      assert.deepEqual(await bench.payee.createInvoice({ ...bench.terms(), preimage }), plain);
    },
  },
  {
    sentence: 'another request for a known hash is refused with invoice_exists',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const request = { ...bench.terms(), paymentHash };
      await bench.payee.createHoldInvoice(request);
      const changes = [{ amountMsat: 1n }, { finalCltv: FINAL_CLTV + 1 }, { expirySeconds: 60 }, { description: '' }];
      for (const change of changes)
        await refusal(bench.payee.createHoldInvoice({ ...request, ...change }), 'invoice_exists');
    },
  },
  {
    sentence: 'a plain invoice for a known hash is refused with invoice_exists, and the preimage is told to nobody',
    needs: 'ownPreimage',
    async run(bench) {
      const { preimage, paymentHash } = bench.secret();
      await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      const error = await refusal(bench.payee.createInvoice({ ...bench.terms(), preimage }), 'invoice_exists');
      assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(preimage));
    },
  },
  {
    sentence: 'a request out of range is refused before anything exists',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const asked = { ...bench.terms(), paymentHash };
      await refusal(bench.payee.createHoldInvoice({ ...asked, amountMsat: 0n }), 'bad_amount');
      await refusal(bench.payee.createHoldInvoice({ ...asked, finalCltv: 0 }), 'bad_height');
      await refusal(bench.payee.createHoldInvoice({ ...asked, expirySeconds: 0 }), 'bad_invoice');
      await refusal(bench.payee.createHoldInvoice({ ...asked, paymentHash: paymentHash.toUpperCase() }), 'bad_hex');
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'unknown' });
    },
  },
  {
    sentence: 'what the node has never heard of is unknown',
    async run(bench) {
      const { paymentHash } = bench.secret();
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'unknown' });
      assert.deepEqual(await bench.payer.payment(paymentHash), { state: 'unknown' });
      await refusal(bench.payee.cancel(paymentHash), 'unknown_invoice');
    },
  },
];

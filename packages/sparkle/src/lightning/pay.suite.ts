import assert from 'node:assert/strict';
import { decodeInvoice, encodeInvoice } from '../protocol/bolt11.ts';
import type { LightningEvent } from './lightning.ts';
import { AMOUNT_MSAT, FINAL_CLTV, eventually, refusal, sha256Of, type Case } from './bench.suite.ts';

/** Paying: within the caps, once per hash, and never a failure while something may be in flight. */
export const payCases: readonly Case[] = [
  {
    sentence: 'a plain invoice with a chosen preimage settles by itself',
    needs: 'ownPreimage',
    async run(bench) {
      const { preimage, paymentHash } = bench.secret();
      const { bolt11 } = await bench.payee.createInvoice({ ...bench.terms(), preimage });
      assert.equal(decodeInvoice(bolt11).paymentHash, paymentHash);
      assert.equal(decodeInvoice(bolt11).minFinalCltv, FINAL_CLTV);
      await bench.payer.pay(bench.order(bolt11));
      const payment = await bench.paymentIs(bench.payer, paymentHash, 'settled');
      assert.ok(payment.state === 'settled' && payment.preimage === preimage);
      assert.deepEqual(await bench.invoiceIs(paymentHash, 'settled'), { state: 'settled', amountMsat: AMOUNT_MSAT });
    },
  },
  {
    sentence: 'paying one hash twice is one payment, pending or settled',
    async run(bench) {
      const before = await bench.ownedAtRest(bench.payee);
      const held = await bench.hold();
      await bench.payer.pay(bench.order(held.bolt11));
      const invoice = await bench.payee.invoice(held.paymentHash);
      assert.ok(invoice.state === 'held' && invoice.amountMsat === AMOUNT_MSAT);
      await bench.settle(held);
      await bench.payer.pay(bench.order(held.bolt11));
      assert.equal((await bench.payer.payment(held.paymentHash)).state, 'settled');
      await eventually('one payment', async () =>
        (await bench.owned(bench.payee)) === before + AMOUNT_MSAT ? true : undefined,
      );
    },
  },
  {
    sentence: 'a route cap that leaves no room is refused with no_route and nothing is in flight',
    async run(bench) {
      const { preimage, paymentHash } = bench.secret();
      const { bolt11 } = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      await refusal(bench.payer.pay(bench.order(bolt11, { maxCltvBlocks: FINAL_CLTV - 1 })), 'no_route');
      assert.notEqual((await bench.payer.payment(paymentHash)).state, 'pending');
      await bench.payer.pay(bench.order(bolt11));
      await bench.invoiceIs(paymentHash, 'held');
      await bench.settle({ preimage, paymentHash });
    },
  },
  {
    sentence: 'more than the node owns is refused with no_route',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const amountMsat = (await bench.owned(bench.payer)) + 1_000_000n;
      const { bolt11 } = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash, amountMsat });
      await refusal(bench.payer.pay(bench.order(bolt11)), 'no_route');
    },
  },
  {
    sentence: 'a fee above the cap is refused with no_route',
    needs: 'fees',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const { bolt11 } = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash });
      await refusal(bench.payer.pay(bench.order(bolt11, { maxFeeMsat: 0n })), 'no_route');
      assert.deepEqual(await bench.payee.invoice(paymentHash), { state: 'open' });
    },
  },
  {
    sentence: 'an expired, foreign, amountless or broken invoice is refused before anything is sent',
    async run(bench) {
      const { paymentHash } = bench.secret();
      const terms = {
        network: await bench.payer.network(),
        amountMsat: 1_000_000n,
        timestampSeconds: 1_500_000_000,
        payeeSource: 'recovered',
        paymentHash,
        paymentSecret: sha256Of(paymentHash),
        description: 'old',
        expirySeconds: 60,
        features: [8, 14],
        routeHints: [],
        fallbacks: [],
      } as const;
      const key = new Uint8Array(32).fill(7);
      const { amountMsat: _, ...amountless } = terms;
      await refusal(bench.payer.pay(bench.order(encodeInvoice(terms, key))), 'too_late');
      await refusal(
        bench.payer.pay(bench.order(encodeInvoice({ ...terms, network: 'mainnet' }, key))),
        'wrong_network',
      );
      await refusal(bench.payer.pay(bench.order(encodeInvoice(amountless, key))), 'bad_invoice');
      await refusal(bench.payer.pay(bench.order('lnbcrt1')), 'bad_invoice');
      assert.deepEqual(await bench.payer.payment(paymentHash), { state: 'unknown' });
    },
  },
  {
    sentence: 'a second payer cannot pay a hash that is held, and does not disturb the first',
    needs: 'rival',
    async run(bench) {
      const held = await bench.hold();
      await bench.payInVain(bench.rival, held);
      assert.equal((await bench.payee.invoice(held.paymentHash)).state, 'held');
      await bench.settle(held);
    },
  },
  {
    sentence: 'a settled hash is never payable again',
    needs: 'rival',
    async run(bench) {
      const held = await bench.hold();
      await bench.settle(held);
      await bench.payInVain(bench.rival, held);
      assert.deepEqual(await bench.payee.invoice(held.paymentHash), { state: 'settled', amountMsat: AMOUNT_MSAT });
    },
  },
  {
    sentence: 'both sides hint at a payment, and no longer once unsubscribed',
    async run(bench) {
      const told: LightningEvent[] = [];
      const ends = [bench.payer, bench.payee].map((node) => node.subscribe((event) => told.push(event)));
      const held = await bench.hold();
      const hint = (type: LightningEvent['type']) =>
        eventually(`a hint at the ${type}`, async () =>
          told.some((event) => event.type === type && event.paymentHash === held.paymentHash) ? true : undefined,
        );
      await hint('invoice');
      await bench.settle(held);
      await hint('payment');
      for (const end of ends) end();
      const next = await bench.hold();
      await bench.settle(next);
      assert.ok(told.every((event) => event.paymentHash !== next.paymentHash));
    },
  },
  {
    sentence: 'a payee that restarts while it holds a payment can still settle it',
    needs: 'restart',
    async run(bench) {
      const held = await bench.hold();
      const expiryHeight = await bench.heldExpiry(held.paymentHash);
      await bench.world.restart('payee');
      assert.equal(await bench.heldExpiry(held.paymentHash), expiryHeight);
      const again = await bench.payee.createHoldInvoice({ ...bench.terms(), paymentHash: held.paymentHash });
      assert.deepEqual(again, { bolt11: held.bolt11 });
      await bench.settle(held);
    },
  },
  {
    sentence: 'a payer that restarts learns the preimage and never pays again',
    needs: 'restart',
    async run(bench) {
      const held = await bench.hold();
      await bench.world.restart('payer');
      assert.equal((await bench.payer.payment(held.paymentHash)).state, 'pending');
      await bench.payer.pay(bench.order(held.bolt11));
      await bench.settle(held);
    },
  },
];

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { inspect } from 'node:util';
import { payViaPaymentDetails } from 'lightning';
import { startRegtest, type Regtest } from '../../../../../test/regtest/bitcoind.ts';
import { lndChannelUp, lndSynced, openLndChannel, startLnd, type Lnd } from '../../../../../test/regtest/lnd.ts';
import { withoutLnd } from '../../../../../test/regtest/parts.ts';
import { decodeInvoice } from '../../protocol/bolt11.ts';
import { eventually, refusal, sha256Of } from '../bench.suite.ts';
import type { LightningEvent } from '../lightning.ts';
import { permissionsFor, type LndUse } from './calls.ts';
import type { LndFile } from './credentials.ts';
import { lnd, type LndNode, type LndOptions } from './node.ts';

const AMOUNT_MSAT = 20_000_000n;
const FINAL_CLTV = 40;
const CHANNEL_SATS = 500_000n;
/** LND adds so many blocks to the final expiry, against blocks that come while the payment travels. */
const LND_PADDING_BLOCKS = 3;

/** A macaroon that allows exactly what the driver says it needs. */
async function bake(node: Lnd, uses: readonly LndUse[]): Promise<LndFile> {
  const permissions = permissionsFor(uses).map((text) => ({ entity: 'uri', action: text.replace(/^uri:/, '') }));
  return new Promise((resolve, reject) =>
    node.lnd.default.bakeMacaroon({ permissions }, (error: Error | null, answer: { macaroon: string }) =>
      error === null ? resolve({ hex: answer.macaroon }) : reject(error),
    ),
  );
}

describe('LND as the driver sees it', { skip: withoutLnd }, () => {
  let regtest: Regtest;
  let alice: Lnd;
  let bob: Lnd;
  let payer: LndNode;
  let payee: LndNode;
  const channels: string[] = [];
  const warnings: string[] = [];
  const opened: LndNode[] = [];
  let count = 0;

  const options = (node: Lnd, macaroon: LndFile): LndOptions => ({
    access: { socket: node.socket, cert: { path: node.certPath }, macaroon },
    uses: ['receive', 'pay'],
    adminMacaroon: 'refused',
    holdExpiryMarginBlocks: 18,
    privateChannels: 'named',
    nowMilliseconds: () => Date.now(),
    warn: (words) => void warnings.push(words),
  });
  const open = (wanted: LndOptions): LndNode => {
    const node = lnd(wanted);
    opened.push(node);
    return node;
  };

  before(async () => {
    regtest = await startRegtest();
    [alice, bob] = await Promise.all([startLnd({ regtest, name: 'alice' }), startLnd({ regtest, name: 'bob' })]);
    // Two channels, so that one payment can need both.
    for (let channel = 0; channel < 2; channel += 1) {
      const terms = { sats: CHANNEL_SATS, pushSats: 100_000n, kind: 'private' } as const;
      channels.push(await openLndChannel(regtest, { from: alice, to: bob, ...terms }));
    }
    payer = open({ ...options(alice, await bake(alice, ['pay'])), uses: ['pay'] });
    payee = open({ ...options(bob, await bake(bob, ['receive'])), uses: ['receive'] });
  });
  after(async () => {
    await Promise.all(opened.map((node) => node.close()));
    await Promise.all([alice, bob].map((node) => node.stop()));
    await regtest.stop();
  });

  const secret = (): { preimage: string; paymentHash: string } => {
    count += 1;
    const preimage = sha256Of(Buffer.from(`lnd ${count}`).toString('hex'));
    return { preimage, paymentHash: sha256Of(preimage) };
  };
  const terms = { amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: 3600, description: '' };
  const order = (bolt11: string) => ({
    bolt11,
    maxFeeMsat: 50_000n,
    maxCltvBlocks: FINAL_CLTV + 10,
    timeoutSeconds: 30,
  });
  const heldAt = (paymentHash: string) =>
    eventually('a held invoice', async () => {
      const invoice = await payee.invoice(paymentHash);
      return invoice.state === 'held' ? invoice : undefined;
    });
  const paymentIs = (paymentHash: string, state: 'settled' | 'failed') =>
    eventually(`a ${state} payment`, async () => {
      const payment = await payer.payment(paymentHash);
      return payment.state === state ? payment : undefined;
    });
  const hold = async (amountMsat = AMOUNT_MSAT) => {
    const { preimage, paymentHash } = secret();
    const { bolt11 } = await payee.createHoldInvoice({ ...terms, amountMsat, paymentHash });
    await payer.pay(order(bolt11));
    return { preimage, paymentHash, bolt11, held: await heldAt(paymentHash) };
  };
  const mine = async (blocks: number): Promise<void> => {
    await regtest.mine(blocks);
    await lndSynced(regtest, [alice, bob]);
  };
  const allUp = async (): Promise<void> => {
    for (const channel of channels) await lndChannelUp(channel, [alice, bob]);
  };
  const hears = (told: LightningEvent[], event: LightningEvent) =>
    eventually(`a hint at the ${event.type}`, async () =>
      told.some((each) => each.type === event.type && each.paymentHash === event.paymentHash) ? true : undefined,
    );

  describe('its macaroon', () => {
    test('the baked ones allow to receive and to pay, and nothing is warned of', async () => {
      const { preimage, paymentHash } = await hold();
      await payee.settle(preimage);
      await paymentIs(paymentHash, 'settled');
      const plain = secret();
      const { bolt11 } = await payee.createInvoice({ ...terms, preimage: plain.preimage });
      await payer.pay(order(bolt11));
      await paymentIs(plain.paymentHash, 'settled');
      const canceled = secret();
      await payee.createHoldInvoice({ ...terms, paymentHash: canceled.paymentHash });
      await payee.cancel(canceled.paymentHash);
      assert.ok((await payee.balance()).ownedMsat > 0n);
      assert.ok((await payer.balance()).spendableMsat > 0n);
      assert.equal((await payee.ready()).network, 'regtest');
      assert.deepEqual(warnings, []);
    });

    test('an admin’s is refused with bad_config, and used with a warning where it is allowed', async () => {
      const admin = { path: bob.macaroonPath };
      const refused = open(options(bob, admin));
      const error = await refusal(refused.ready(), 'bad_config');
      assert.match(error.message, /spending coins and making macaroons/);
      const { paymentHash } = secret();
      await refusal(refused.createHoldInvoice({ ...terms, paymentHash }), 'bad_config');
      const allowed = open({ ...options(bob, admin), adminMacaroon: 'allowed' });
      assert.equal(await allowed.nodeId(), bob.nodeId);
      assert.equal(warnings.length, 1);
      assert.match(warnings.splice(0)[0] ?? '', /spending coins/);
    });

    test('what a macaroon does not allow is unauthorized, and nothing is known of it', async () => {
      const node = open(options(alice, await bake(alice, ['receive'])));
      const { preimage } = secret();
      const { bolt11 } = await payee.createInvoice({ ...terms, preimage });
      const error = await refusal(node.pay(order(bolt11)), 'lightning_unavailable');
      assert.equal(error.detail['reason'], 'unauthorized');
    });

    test('one of another node is unauthorized', async () => {
      const node = open(options(alice, { path: bob.macaroonPath }));
      assert.equal((await refusal(node.ready(), 'lightning_unavailable')).detail['reason'], 'unauthorized');
    });

    test('is shown by no error and by nothing that a crash would print', async () => {
      const node = open({ ...options(alice, { path: alice.macaroonPath }), adminMacaroon: 'refused' });
      const { access, ...rest } = options(alice, { path: alice.macaroonPath });
      const away = open({ ...rest, access: { ...access, socket: 'localhost:1' } });
      const errors = [
        await refusal(node.ready(), 'bad_config'),
        await refusal(away.ready(), 'lightning_unavailable'),
        await refusal(open(options(alice, { path: bob.macaroonPath })).ready(), 'lightning_unavailable'),
      ];
      const shown = inspect([node, away, ...errors, warnings], { depth: 12, showHidden: true, maxStringLength: null });
      for (const file of [alice.macaroonPath, bob.macaroonPath])
        for (const encoding of ['hex', 'base64', 'latin1'] as const)
          assert.ok(!shown.includes(readFileSync(file, encoding).slice(8)), `${file} in ${encoding}`);
    });

    test('a node that was given only to pay or only to receive does not do the other', async () => {
      const { preimage, paymentHash } = secret();
      await refusal(payer.createHoldInvoice({ ...terms, paymentHash }), 'not_supported');
      await refusal(payer.settle(preimage), 'not_supported');
      await refusal(payee.payment(paymentHash), 'not_supported');
      assert.deepEqual([payer.capabilities.hold, payer.capabilities.pay], [false, true]);
      assert.deepEqual([payee.capabilities.hold, payee.capabilities.pay], [true, false]);
    });
  });

  describe('its certificate (D28)', () => {
    test('is what the connection is checked against: another one, or none, is refused', async () => {
      const macaroon = { path: alice.macaroonPath };
      const access = { socket: alice.socket, macaroon };
      const another = open({ ...options(alice, macaroon), access: { ...access, cert: { path: bob.certPath } } });
      const none = open({ ...options(alice, macaroon), access });
      for (const node of [another, none]) {
        const error = await refusal(node.ready(), 'lightning_unavailable');
        assert.equal(error.detail['reason'], 'bad_certificate', error.message);
      }
    });

    test('and the macaroon are taken as path, hex and base64', async () => {
      for (const encoding of ['hex', 'base64'] as const) {
        const text = (path: string): LndFile =>
          encoding === 'hex' ? { hex: readFileSync(path, 'hex') } : { base64: readFileSync(path, 'base64') };
        const access = { socket: bob.socket, cert: text(bob.certPath), macaroon: text(bob.macaroonPath) };
        const node = open({ ...options(bob, access.macaroon), access, adminMacaroon: 'allowed' });
        assert.equal(await node.nodeId(), bob.nodeId);
      }
      warnings.length = 0;
    });
  });

  describe('its invoices', () => {
    test('a hold invoice for a chosen hash is for that hash, and its preimage opens the lock (D22, D24)', async () => {
      const { preimage, paymentHash } = secret();
      const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
      const invoice = decodeInvoice(bolt11);
      assert.equal(invoice.paymentHash, paymentHash);
      assert.equal(invoice.payee, bob.nodeId);
      await payer.pay(order(bolt11));
      await heldAt(paymentHash);
      await payee.settle(preimage);
      const payment = await paymentIs(paymentHash, 'settled');
      assert.ok(payment.state === 'settled' && payment.preimage === preimage);
    });

    test('a final CLTV that LND would not hold, and an expiry it does not know, are refused before it is asked', async () => {
      const { paymentHash } = secret();
      await refusal(payee.createHoldInvoice({ ...terms, paymentHash, finalCltv: 23 }), 'bad_height');
      const tooLong = { ...terms, paymentHash, expirySeconds: 366 * 24 * 3600 };
      await refusal(payee.createHoldInvoice(tooLong), 'bad_invoice');
      assert.deepEqual(await payee.invoice(paymentHash), { state: 'unknown' });
      const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash, finalCltv: 24 });
      assert.equal(decodeInvoice(bolt11).minFinalCltv, 24);
    });

    test('a description of 639 bytes, in whatever script, comes back as it was', async () => {
      const description = `${'é'.repeat(319)}x`;
      const { paymentHash } = secret();
      const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash, description });
      assert.equal(decodeInvoice(bolt11).description, description);
      assert.deepEqual(await payee.createHoldInvoice({ ...terms, paymentHash, description }), { bolt11 });
    });

    test('the expiry that is told is the one of the HTLC, and both sides see the same', async () => {
      const { preimage, paymentHash, held } = await hold();
      const height = await regtest.height();
      assert.equal(held.expiryHeight, height + FINAL_CLTV + LND_PADDING_BLOCKS);
      assert.deepEqual(await payer.payment(paymentHash), { state: 'pending', expiryHeight: held.expiryHeight });
      await mine(5);
      assert.equal((await heldAt(paymentHash)).expiryHeight, held.expiryHeight);
      await payee.settle(preimage);
      await paymentIs(paymentHash, 'settled');
    });

    /** Pays not as the invoice says: what a careless or hostile payer does. */
    const payBy = (bolt11: string, change: { mtokens?: string; cltv_delta?: number }) => {
      const { paymentHash, paymentSecret, payee: destination, amountMsat, features } = decodeInvoice(bolt11);
      return payViaPaymentDetails({
        ...{ lnd: alice.lnd, id: paymentHash, destination, payment: paymentSecret ?? '' },
        ...{ mtokens: String(amountMsat), cltv_delta: FINAL_CLTV, max_fee: 50 },
        features: features.map((bit) => ({ bit })),
        ...change,
      });
    };

    test('a payer that overpays is held with what really came', async () => {
      const { preimage, paymentHash } = secret();
      const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
      const paid = payBy(bolt11, { mtokens: String(AMOUNT_MSAT + 5_000_000n) });
      const held = await heldAt(paymentHash);
      assert.equal(held.amountMsat, AMOUNT_MSAT + 5_000_000n);
      await payee.settle(preimage);
      await paid;
      assert.deepEqual(await payee.invoice(paymentHash), { state: 'settled', amountMsat: held.amountMsat });
    });

    test('a payer that pays less, or with a shorter expiry, is refused and the invoice stays open', async () => {
      const { paymentHash } = secret();
      const { bolt11 } = await payee.createHoldInvoice({ ...terms, paymentHash });
      for (const change of [{ mtokens: String(AMOUNT_MSAT - 1n) }, { cltv_delta: FINAL_CLTV - 10 }]) {
        await assert.rejects(payBy(bolt11, change));
        assert.deepEqual(await payee.invoice(paymentHash), { state: 'open' });
      }
    });

    test('a payer that pays twice pays once', async () => {
      const { preimage, paymentHash, bolt11, held } = await hold();
      await assert.rejects(payBy(bolt11, {}));
      await payer.pay(order(bolt11));
      assert.deepEqual(await payee.invoice(paymentHash), held);
      await payee.settle(preimage);
      await paymentIs(paymentHash, 'settled');
      await payer.pay(order(bolt11));
      assert.deepEqual(await payee.invoice(paymentHash), { state: 'settled', amountMsat: AMOUNT_MSAT });
    });

    test('a payment in parts over two channels is held as their sum with the smallest expiry', async () => {
      const amountMsat = 450_000_000n;
      const { preimage, paymentHash, held } = await hold(amountMsat);
      assert.equal(held.amountMsat, amountMsat);
      assert.ok(held.parts >= 2, `${held.parts} parts`);
      assert.equal(held.expiryHeight, (await regtest.height()) + FINAL_CLTV + LND_PADDING_BLOCKS);
      await payee.settle(preimage);
      const payment = await paymentIs(paymentHash, 'settled');
      assert.ok(payment.state === 'settled' && payment.feeMsat === 0n);
    });

    test('invoices settled out of order are each told of (D25)', async () => {
      const told: LightningEvent[] = [];
      const stop = payee.subscribe((event) => told.push(event));
      const [first, second] = [await hold(), await hold()];
      for (const { preimage, paymentHash } of [second, first]) {
        told.length = 0;
        await payee.settle(preimage);
        await hears(told, { type: 'invoice', paymentHash });
        assert.deepEqual(await payee.invoice(paymentHash), { state: 'settled', amountMsat: AMOUNT_MSAT });
      }
      stop();
    });

    test('a hold that LND itself cancels near its expiry is told of, and is canceled', async () => {
      const told: LightningEvent[] = [];
      const stops = [payer, payee].map((node) => node.subscribe((event) => told.push(event)));
      const { preimage, paymentHash, held } = await hold();
      told.length = 0;
      await mine(held.expiryHeight - payee.capabilities.holdExpiryMarginBlocks - (await regtest.height()));
      await hears(told, { type: 'invoice', paymentHash });
      await hears(told, { type: 'payment', paymentHash });
      assert.deepEqual(await payee.invoice(paymentHash), { state: 'canceled' });
      await paymentIs(paymentHash, 'failed');
      await refusal(payee.settle(preimage), 'invoice_not_held');
      for (const stop of stops) stop();
    });
  });

  describe('its crashes', () => {
    test('a kill -9 while holds are accepted: the same driver settles what is left after the restart', async () => {
      const told: LightningEvent[] = [];
      const stops = [payer, payee].map((node) => node.subscribe((event) => told.push(event)));
      const holds = [await hold(), await hold(), await hold(), await hold()];
      told.length = 0;
      await bob.kill();
      await eventually('a warning', async () => (warnings.length > 0 ? true : undefined));
      for (const { preimage } of holds) {
        const error = await refusal(payee.settle(preimage), 'lightning_unavailable');
        assert.ok(!JSON.stringify([error.message, error.detail, error.stack]).includes(preimage));
      }
      await bob.up();
      for (const { paymentHash } of holds) await hears(told, { type: 'invoice', paymentHash });
      assert.equal(warnings.splice(0).length, 1);
      await allUp();
      // What the channel remembers wrongly is over before it carries anything new.
      const next = await hold();
      await payee.settle(next.preimage);
      await paymentIs(next.paymentHash, 'settled');
      let settled = 0;
      for (const { preimage, paymentHash, held } of holds) {
        // LND gives back what it accepted within milliseconds of its death, and calls the invoice accepted all the same.
        const fate = await eventually('a decision', async () => {
          const [invoice, payment] = [await payee.invoice(paymentHash), await payer.payment(paymentHash)];
          if (payment.state === 'failed') return 'given back' as const;
          return invoice.state === 'held' && invoice.parts > 0 ? ('held' as const) : undefined;
        });
        const invoice = await payee.invoice(paymentHash);
        if (fate === 'held') {
          assert.deepEqual(invoice, held);
          await payee.settle(preimage);
          await paymentIs(paymentHash, 'settled');
          await hears(told, { type: 'payment', paymentHash });
          settled += 1;
        } else {
          assert.deepEqual(invoice, { state: 'held', amountMsat: 0n, expiryHeight: 0, parts: 0 });
          await payee.cancel(paymentHash);
        }
      }
      assert.ok(settled >= 3, `${settled} of ${holds.length} settled`);
      for (const stop of stops) stop();
    });

    test('a payer killed while its payment is held neither loses it nor pays again', async () => {
      const told: LightningEvent[] = [];
      const { preimage, paymentHash, bolt11, held } = await hold();
      const stop = payer.subscribe((event) => told.push(event));
      await alice.restart();
      await eventually('the payment again', async () =>
        payer.payment(paymentHash).then(
          ({ state }) => (state === 'pending' ? true : undefined),
          () => undefined,
        ),
      );
      await payer.pay(order(bolt11));
      assert.deepEqual(await payee.invoice(paymentHash), held);
      await allUp();
      await payee.settle(preimage);
      await hears(told, { type: 'payment', paymentHash });
      await paymentIs(paymentHash, 'settled');
      stop();
      warnings.length = 0;
    });
  });
});

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { decodeInvoice } from '../../protocol/bolt11.ts';
import { AMOUNT_MSAT, Bench, eventually, refusal } from '../bench.suite.ts';
import type { LightningEvent } from '../lightning.ts';
import { type FakeWorld, openFakeWorld } from './fake-world.suite.ts';

/** What was measured or read of Core Lightning and `hold` that would cost an escrow its money. */
describe('Core Lightning: hazards', () => {
  let world: FakeWorld;
  let bench: Bench;
  before(async () => {
    world = await openFakeWorld();
    const { payer, payee } = world;
    bench = new Bench({
      get payer() {
        return payer.lightning;
      },
      get payee() {
        return payee.lightning;
      },
      mine: async (blocks) => world.network.setHeight(world.network.core.height + blocks),
      height: async () => world.network.core.height,
      restart: () => assert.fail('not here'),
      close: () => world.close(),
    });
  });
  beforeEach(() => {
    for (const { server } of [world.payer, world.payee]) server.calls.length = 0;
  });
  after(() => world.close());

  const parts = (count: number, travelBlocks: number) => {
    const at = Array.from({ length: count }, (_, index) => ({
      paddingBlocks: index + 5,
      lateBlocks: 0,
      travelBlocks: index === 0 ? 0 : travelBlocks,
    }));
    world.payer.node.peer.sending = { ...world.payer.node.peer.sending, parts: at };
  };

  /** A command that the node has not answered keeps its driver waiting: the payment is begun and left alone. */
  const paying = async (bolt11: string): Promise<void> => world.payer.lightning.pay(bench.order(bolt11));

  test('a payment that a stopped plugin gave back is not held, though the plugin still says accepted', async () => {
    const held = await bench.hold();
    world.payee.node.killPlugin();
    assert.equal(world.payee.node.holdState(held.paymentHash), 'accepted');
    assert.deepEqual(await world.payee.lightning.invoice(held.paymentHash), { state: 'canceled' });
    await bench.paymentIs(world.payer.lightning, held.paymentHash, 'failed');
  });

  test('what a stopped plugin gave back is not settled, and its preimage is told to nobody', async () => {
    const held = await bench.hold();
    world.payee.node.killPlugin();
    await refusal(world.payee.lightning.settle(held.preimage), 'invoice_not_held');
    assert.deepEqual(world.payee.server.called('settleholdinvoice'), []);
    await world.payee.lightning.cancel(held.paymentHash);
    assert.equal(world.payee.node.holdState(held.paymentHash), 'cancelled');
  });

  test('a settlement between the two looks is a settlement, not a payment that went back', async () => {
    const held = await bench.hold();
    world.payee.server.next('listpeerchannels', {
      do: 'change',
      change: (said) => {
        world.network.core.settle(world.payee.node.peer, held.preimage);
        world.network.changed();
        return { channels: (said as { channels: object[] }).channels.map((each) => ({ ...each, htlcs: [] })) };
      },
    });
    const settled = { state: 'settled', amountMsat: AMOUNT_MSAT };
    assert.deepEqual(await world.payee.lightning.invoice(held.paymentHash), settled);
  });

  test('an HTLC that is being removed is no longer held', async () => {
    const held = await bench.hold();
    const removing = (said: unknown) =>
      JSON.parse(JSON.stringify(said).replaceAll('RCVD_ADD_ACK_REVOCATION', 'SENT_REMOVE_HTLC'));
    for (let look = 0; look < 2; look += 1)
      world.payee.server.next('listpeerchannels', { do: 'change', change: removing });
    assert.deepEqual(await world.payee.lightning.invoice(held.paymentHash), { state: 'canceled' });
    await bench.settle(held);
  });

  test('parts of a sum are not held, and the plugin is not given the preimage for them', async () => {
    parts(2, 3);
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    await paying(bolt11);
    assert.equal(world.payee.node.standing(paymentHash).length, 1);
    assert.deepEqual(await world.payee.lightning.invoice(paymentHash), { state: 'open' });
    await refusal(world.payee.lightning.settle(preimage), 'invoice_not_held');
    assert.deepEqual(world.payee.node.settledInParts, []);
    await bench.world.mine(3);
    const held = await bench.invoiceIs(paymentHash, 'held');
    assert.ok(held.state === 'held' && held.parts === 2 && held.amountMsat === AMOUNT_MSAT);
    const [one, two] = world.payee.node.standing(paymentHash).map((part) => part.payeeExpiry);
    assert.equal(held.expiryHeight, Math.min(one ?? 0, two ?? 0), 'the smallest expiry of the set counts');
    await bench.settle({ preimage, paymentHash });
    parts(1, 0);
  });

  test('a plugin that says accepted while a part is missing holds nothing', async () => {
    parts(2, 0);
    const held = await bench.hold();
    const without = (said: unknown) => {
      const [channel] = (said as { channels: { htlcs: object[] }[] }).channels;
      return { channels: [{ ...channel, htlcs: channel?.htlcs.slice(1) }] };
    };
    for (let look = 0; look < 4; look += 1)
      world.payee.server.next('listpeerchannels', { do: 'change', change: without });
    assert.deepEqual(await world.payee.lightning.invoice(held.paymentHash), { state: 'open' });
    await refusal(world.payee.lightning.settle(held.preimage), 'invoice_not_held');
    await bench.settle(held);
    parts(1, 0);
  });

  test('after a restart a held payment settles as soon as the plugin has seen it again', async () => {
    const held = await bench.hold();
    world.payee.node.replayed = false;
    const early = await refusal(world.payee.lightning.settle(held.preimage), 'lightning_unavailable');
    assert.ok(!JSON.stringify([early.message, early.detail, early.stack]).includes(held.preimage));
    world.payee.node.replayed = true;
    await bench.settle(held);
  });

  test('paying a hold invoice returns while the node still waits, and the command outlives its connection', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    const short = await world.drive(world.payer);
    await short.pay(bench.order(bolt11, { timeoutSeconds: 1 }));
    assert.equal((await short.payment(paymentHash)).state, 'pending');
    await short.close();
    const later = await world.drive(world.payer);
    assert.equal((await later.payment(paymentHash)).state, 'pending');
    await world.payee.lightning.settle(preimage);
    assert.equal((await later.payment(paymentHash)).state, 'settled');
  });

  test('between two attempts of one command the payment is pending, not failed', async () => {
    const { paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    world.payer.node.xpay = 'retrying';
    await paying(bolt11);
    await world.payee.lightning.cancel(paymentHash);
    assert.deepEqual(await world.payer.lightning.payment(paymentHash), { state: 'pending' });
    world.payer.node.xpay = 'ends';
    world.network.changed();
    await bench.paymentIs(world.payer.lightning, paymentHash, 'failed');
  });

  test('a driver that did not see the command end calls the payment failed only when the node no longer tries', async () => {
    const { paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    await paying(bolt11);
    await world.payee.lightning.cancel(paymentHash);
    const later = await world.drive(world.payer);
    assert.deepEqual(await later.payment(paymentHash), { state: 'pending' });
    await later.pay(bench.order(bolt11));
    assert.equal(world.payer.server.called('xpay').length, 1, 'nothing is paid while the first may be in flight');
    world.clock.milliseconds += 90_000;
    assert.equal((await later.payment(paymentHash)).state, 'failed');
  });

  test('a payment command whose answer is lost is neither failed nor paid again', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createInvoice({ ...bench.terms(), preimage });
    world.payer.server.next('xpay', { do: 'lose the request' });
    const error = await refusal(paying(bolt11), 'lightning_unavailable');
    assert.equal(error.detail['reason'], 'connection_lost');
    assert.deepEqual(await world.payer.lightning.payment(paymentHash), { state: 'pending' });
    await paying(bolt11);
    assert.equal(world.payer.server.called('xpay').length, 1);
    world.clock.milliseconds += 90_000;
    assert.deepEqual(await world.payer.lightning.payment(paymentHash), { state: 'unknown' });
    await paying(bolt11);
    await bench.paymentIs(world.payer.lightning, paymentHash, 'settled');
  });

  test('two programs that pay one invoice at once make one payment', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    const other = await world.drive(world.payer);
    await Promise.all([paying(bolt11), other.pay(bench.order(bolt11))]);
    assert.equal(world.payer.node.attempts.filter(({ outgoing }) => outgoing.paymentHash === paymentHash).length, 1);
    await bench.settle({ preimage, paymentHash });
  });

  test('a command refused with -3 or 219 is no failure: the payment of another program is what counts', async () => {
    for (const [code, message] of [
      [-3, 'still in progress'],
      [219, 'Already paid'],
    ] as const) {
      const { preimage } = bench.secret();
      const { bolt11 } = await world.payee.lightning.createInvoice({ ...bench.terms(), preimage });
      const answer = { status: 500, body: JSON.stringify({ code, data: null, message }) };
      world.payer.server.next('xpay', { do: 'answer', answer });
      await refusal(paying(bolt11), 'lightning_unavailable');
    }
  });

  test('each refusal of the payment command has the meaning that its code has', async () => {
    const cases = [
      [203, 'payment_failed'],
      [205, 'no_route'],
      [206, 'no_route'],
      [207, 'too_late'],
      [208, 'payment_failed'],
      [209, 'payment_failed'],
      [-1, 'payment_failed'],
    ] as const;
    for (const [code, meaning] of cases) {
      const { preimage } = bench.secret();
      const { bolt11 } = await world.payee.lightning.createInvoice({ ...bench.terms(), preimage });
      const answer = { status: 500, body: JSON.stringify({ code, data: null, message: 'no' }) };
      world.payer.server.next('xpay', { do: 'answer', answer });
      await refusal(paying(bolt11), meaning);
    }
  });

  test('an invoice that another program put in first is the same invoice or invoice_exists', async () => {
    const { paymentHash } = bench.secret();
    const request = { ...bench.terms(), paymentHash };
    const rival = await world.drive(world.payee);
    const both = await Promise.all([world.payee.lightning, rival].map((driver) => driver.createHoldInvoice(request)));
    assert.deepEqual(both[0], both[1]);
    const { paymentHash: second } = bench.secret();
    const asked = { ...request, paymentHash: second };
    world.payee.server.next('injectholdinvoice', { do: 'lose the answer' });
    await refusal(world.payee.lightning.createHoldInvoice(asked), 'lightning_unavailable');
    await refusal(world.payee.lightning.createHoldInvoice({ ...asked, amountMsat: 1n }), 'invoice_exists');
    const { bolt11 } = await world.payee.lightning.createHoldInvoice(asked);
    assert.equal(decodeInvoice(bolt11).paymentHash, second);
  });

  test('a plugin of the older name for injecting is served too', async () => {
    world.payee.node.injectName = 'injectinvoice';
    const { paymentHash } = bench.secret();
    await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    assert.deepEqual(await world.payee.lightning.invoice(paymentHash), { state: 'open' });
    world.payee.node.injectName = 'injectholdinvoice';
  });

  test('a node with private channels alone writes a way in into the invoice, one with public channels does not', async () => {
    const ask = async () => {
      const { paymentHash } = bench.secret();
      const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
      return decodeInvoice(bolt11).routeHints;
    };
    assert.deepEqual(await ask(), []);
    world.payee.node.channels = 'private';
    const [[hint] = []] = await ask();
    assert.equal(hint?.shortChannelId, '16000001x2x3');
    assert.equal(hint?.cltvDelta, 6);
    world.payee.node.channels = 'announced';
  });

  test('a plain invoice that is canceled cannot be paid', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createInvoice({ ...bench.terms(), preimage });
    await world.payee.lightning.cancel(paymentHash);
    await world.payee.lightning.cancel(paymentHash);
    assert.deepEqual(await world.payee.lightning.invoice(paymentHash), { state: 'canceled' });
    await bench.payInVain(world.payer.lightning, { bolt11, paymentHash });
  });

  test('a plain invoice that was paid cannot be canceled', async () => {
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createInvoice({ ...bench.terms(), preimage });
    await paying(bolt11);
    await bench.invoiceIs(paymentHash, 'settled');
    await refusal(world.payee.lightning.cancel(paymentHash), 'invoice_not_held');
  });

  test('hints stop while the node is away and come again when it is back', async () => {
    const told: LightningEvent[] = [];
    const end = world.payee.lightning.subscribe((event) => told.push(event));
    const { preimage, paymentHash } = bench.secret();
    const { bolt11 } = await world.payee.lightning.createHoldInvoice({ ...bench.terms(), paymentHash });
    for (let look = 0; look < 3; look += 1) world.payee.server.next('listholdinvoices', { do: 'lose the answer' });
    await paying(bolt11);
    await eventually('a hint', async () =>
      told.some((event) => event.paymentHash === paymentHash) ? true : undefined,
    );
    end();
    await bench.settle({ preimage, paymentHash });
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import fc from 'fast-check';
import { SparkleError, type ErrorCode } from '../protocol/errors.ts';
import type { LightningEvent } from './lightning.ts';
import { memoryNetwork, type MemoryNetwork, type MemoryNode } from './memory.ts';
import type { PartPlan } from './memory-route.ts';

const HEIGHT = 800_000;
const NOW = 1_700_000_000;
const AMOUNT_MSAT = 50_000_000n;
const FINAL_CLTV = 171;
const LND_PADDING = 3;
const punctual: PartPlan = { paddingBlocks: LND_PADDING, lateBlocks: 0, travelBlocks: 0 };

type World = { network: MemoryNetwork; buyer: MemoryNode; seller: MemoryNode };

function world(): World {
  const network = memoryNetwork({ network: 'regtest', seed: 'test', height: HEIGHT, nowSeconds: NOW });
  return {
    network,
    buyer: network.addNode({ name: 'buyer', balanceMsat: 1_000_000_000n }),
    seller: network.addNode({ name: 'seller', balanceMsat: 5_000_000n }),
  };
}

const secretOf = (number: number): { preimage: string; paymentHash: string } => {
  const preimage = hex.encode(sha256(Uint8Array.of(number)));
  return { preimage, paymentHash: hex.encode(sha256(hex.decode(preimage))) };
};
const { preimage, paymentHash } = secretOf(1);

const holdInvoice = async (seller: MemoryNode): Promise<string> => {
  const terms = { paymentHash, amountMsat: AMOUNT_MSAT, finalCltv: FINAL_CLTV, expirySeconds: 900, description: '' };
  return (await seller.lightning.createHoldInvoice(terms)).bolt11;
};
const pay = (buyer: MemoryNode, bolt11: string): Promise<void> =>
  buyer.lightning.pay({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: 1000, timeoutSeconds: 60 });
const refusal = (work: Promise<unknown>, code: ErrorCode): Promise<void> =>
  assert.rejects(work, (error) => error instanceof SparkleError && error.code === code);

test('parts with different expiries are reported with the smallest one and their sum', async () => {
  const { network, buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.setSending({ parts: [{ ...punctual, paddingBlocks: 40 }, punctual, { ...punctual, paddingBlocks: 90 }] });
  await pay(buyer, bolt11);
  const expiryHeight = HEIGHT + FINAL_CLTV + LND_PADDING;
  assert.deepEqual(await seller.lightning.invoice(paymentHash), {
    state: 'held',
    amountMsat: AMOUNT_MSAT,
    expiryHeight,
    parts: 3,
  });
  assert.deepEqual(await buyer.lightning.payment(paymentHash), {
    state: 'pending',
    expiryHeight: HEIGHT + FINAL_CLTV + 90,
  });
  assert.equal(network.totals().inFlightMsat, AMOUNT_MSAT);
});

test('an invoice is held only when the last part has arrived', async () => {
  const { network, buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.setSending({ parts: [punctual, { ...punctual, lateBlocks: 5 }] });
  await pay(buyer, bolt11);
  network.setHeight(HEIGHT + 4);
  assert.deepEqual(await seller.lightning.invoice(paymentHash), { state: 'open' });
  network.setHeight(HEIGHT + 5);
  assert.equal((await seller.lightning.invoice(paymentHash)).state, 'held');
});

test('a late payer is held later and longer', async () => {
  const { network, buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.setSending({ parts: [{ ...punctual, lateBlocks: 60 }] });
  await pay(buyer, bolt11);
  network.setHeight(HEIGHT + 60);
  const held = await seller.lightning.invoice(paymentHash);
  assert.ok(held.state === 'held');
  assert.equal(held.expiryHeight, HEIGHT + 60 + FINAL_CLTV + LND_PADDING);
});

test('an HTLC that travelled too long is refused by a node that checks, and held short by one that does not', async () => {
  for (const arrivals of ['checked', 'unchecked'] as const) {
    const { network, buyer, seller } = world();
    const bolt11 = await holdInvoice(seller);
    seller.setArrivals(arrivals);
    buyer.setSending({ parts: [{ ...punctual, travelBlocks: 30 }] });
    await pay(buyer, bolt11);
    network.setHeight(HEIGHT + 30);
    const expiryHeight = HEIGHT + FINAL_CLTV + LND_PADDING;
    const held = { state: 'held', amountMsat: AMOUNT_MSAT, expiryHeight, parts: 1 };
    assert.deepEqual(await seller.lightning.invoice(paymentHash), arrivals === 'checked' ? { state: 'open' } : held);
    assert.equal((await buyer.lightning.payment(paymentHash)).state, arrivals === 'checked' ? 'failed' : 'pending');
  }
});

test('an overpayment is held with what came, an underpayment is refused by a node that checks', async () => {
  const over = world();
  over.buyer.setSending({ extraMsat: 7n });
  await pay(over.buyer, await holdInvoice(over.seller));
  const held = await over.seller.lightning.invoice(paymentHash);
  assert.ok(held.state === 'held' && held.amountMsat === AMOUNT_MSAT + 7n);

  const under = world();
  under.buyer.setSending({ extraMsat: -1n });
  await pay(under.buyer, await holdInvoice(under.seller));
  assert.equal((await under.buyer.lightning.payment(paymentHash)).state, 'failed');
  assert.equal(under.buyer.balanceMsat(), 1_000_000_000n);

  const careless = world();
  careless.buyer.setSending({ extraMsat: -1n });
  careless.seller.setArrivals('unchecked');
  await pay(careless.buyer, await holdInvoice(careless.seller));
  const short = await careless.seller.lightning.invoice(paymentHash);
  assert.ok(short.state === 'held' && short.amountMsat === AMOUNT_MSAT - 1n);
});

test('with no margin a payment can be settled in the last block before its expiry, not in the next', async () => {
  for (const late of [0, 1]) {
    const { network, buyer, seller } = world();
    seller.setHoldExpiryMargin(0);
    await pay(buyer, await holdInvoice(seller));
    network.setHeight(HEIGHT + FINAL_CLTV + LND_PADDING - 1 + late);
    if (late === 0) {
      await seller.lightning.settle(preimage);
      assert.equal((await buyer.lightning.payment(paymentHash)).state, 'settled');
    } else {
      await refusal(seller.lightning.settle(preimage), 'invoice_not_held');
      assert.deepEqual(await seller.lightning.invoice(paymentHash), { state: 'canceled' });
      assert.equal((await buyer.lightning.payment(paymentHash)).state, 'failed');
    }
  }
});

test('a router may keep the preimage from the payer until the last block before his expiry', async () => {
  const { network, buyer, seller } = world();
  buyer.setSending({ routeBlocks: 80, learnsAfterBlocks: 1000 });
  await pay(buyer, await holdInvoice(seller));
  await seller.lightning.settle(preimage);
  assert.equal(seller.balanceMsat(), 55_000_000n);
  const payerExpiry = HEIGHT + FINAL_CLTV + LND_PADDING + 80;
  network.setHeight(payerExpiry - 2);
  assert.deepEqual(await buyer.lightning.payment(paymentHash), { state: 'pending', expiryHeight: payerExpiry });
  network.setHeight(payerExpiry - 1);
  assert.deepEqual(await buyer.lightning.payment(paymentHash), { state: 'settled', preimage, feeMsat: 0n });
});

test('a stuck payment stays pending until it expires or is released', async () => {
  const stuck = world();
  stuck.buyer.setSending({ fate: 'stuck' });
  await pay(stuck.buyer, await holdInvoice(stuck.seller));
  stuck.network.setHeight(HEIGHT + FINAL_CLTV + LND_PADDING - 1);
  assert.equal((await stuck.buyer.lightning.payment(paymentHash)).state, 'pending');
  stuck.network.setHeight(HEIGHT + FINAL_CLTV + LND_PADDING);
  assert.deepEqual(await stuck.buyer.lightning.payment(paymentHash), { state: 'failed', reason: 'expired' });
  assert.equal(stuck.buyer.balanceMsat(), 1_000_000_000n);

  const released = world();
  released.buyer.setSending({ fate: 'stuck' });
  await pay(released.buyer, await holdInvoice(released.seller));
  released.buyer.release({ paymentHash, to: 'payee' });
  assert.equal((await released.seller.lightning.invoice(paymentHash)).state, 'held');

  const returned = world();
  returned.buyer.setSending({ fate: 'stuck' });
  await pay(returned.buyer, await holdInvoice(returned.seller));
  returned.buyer.release({ paymentHash, to: 'payer' });
  assert.equal((await returned.buyer.lightning.payment(paymentHash)).state, 'failed');
});

test('a refused payment may be tried again, and a stuck one only once', async () => {
  const { buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.setSending({ fate: 'refused' });
  await pay(buyer, bolt11);
  assert.deepEqual(await buyer.lightning.payment(paymentHash), { state: 'failed', reason: 'refused by a router' });
  buyer.setSending({ fate: 'arrives' });
  await pay(buyer, bolt11);
  assert.equal((await seller.lightning.invoice(paymentHash)).state, 'held');
});

test('a node that is down answers nothing, and what arrived meanwhile is held when it is back', async () => {
  const { network, buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.setSending({ parts: [{ ...punctual, lateBlocks: 3 }] });
  await pay(buyer, bolt11);
  seller.crash();
  network.setHeight(HEIGHT + 10);
  await refusal(seller.lightning.invoice(paymentHash), 'lightning_unavailable');
  await refusal(seller.lightning.settle(preimage), 'lightning_unavailable');
  await refusal(seller.lightning.network(), 'lightning_unavailable');
  seller.setArrivals('unchecked');
  seller.restart();
  assert.equal((await seller.lightning.invoice(paymentHash)).state, 'held');
});

test('nothing is sent to a node that is down', async () => {
  const { buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  seller.crash();
  await refusal(pay(buyer, bolt11), 'no_route');
  assert.deepEqual(await buyer.lightning.payment(paymentHash), { state: 'unknown' });
});

test('a payee that is down until the expiry loses the payment', async () => {
  const { network, buyer, seller } = world();
  await pay(buyer, await holdInvoice(seller));
  seller.crash();
  network.setHeight(HEIGHT + FINAL_CLTV + LND_PADDING);
  assert.equal((await buyer.lightning.payment(paymentHash)).state, 'failed');
  seller.restart();
  assert.deepEqual(await seller.lightning.invoice(paymentHash), { state: 'canceled' });
});

test('a call can lose its answer before or after it has done its work', async () => {
  const { buyer, seller } = world();
  const bolt11 = await holdInvoice(seller);
  buyer.breakNext({ call: 'pay', when: 'before' });
  await refusal(pay(buyer, bolt11), 'lightning_unavailable');
  assert.deepEqual(await buyer.lightning.payment(paymentHash), { state: 'unknown' });
  buyer.breakNext({ call: 'pay', when: 'after' });
  await refusal(pay(buyer, bolt11), 'lightning_unavailable');
  assert.equal((await buyer.lightning.payment(paymentHash)).state, 'pending');
  await pay(buyer, bolt11);
  assert.equal(buyer.balanceMsat(), 1_000_000_000n - AMOUNT_MSAT);
});

test('events can come twice or not at all', async () => {
  const { buyer, seller } = world();
  const told: LightningEvent[] = [];
  seller.lightning.subscribe((event) => told.push(event));
  seller.setEventCopies(2);
  const bolt11 = await holdInvoice(seller);
  await pay(buyer, bolt11);
  assert.deepEqual(told, [
    { type: 'invoice', paymentHash },
    { type: 'invoice', paymentHash },
  ]);
  seller.setEventCopies(0);
  await seller.lightning.settle(preimage);
  assert.equal(told.length, 2);
});

test('an open invoice expires with the clock, a held one does not', async () => {
  const open = world();
  const bolt11 = await holdInvoice(open.seller);
  open.network.setTime(NOW + 899);
  assert.deepEqual(await open.seller.lightning.invoice(paymentHash), { state: 'open' });
  open.network.setTime(NOW + 900);
  assert.deepEqual(await open.seller.lightning.invoice(paymentHash), { state: 'canceled' });
  await refusal(pay(open.buyer, bolt11), 'too_late');

  const held = world();
  await pay(held.buyer, await holdInvoice(held.seller));
  held.network.setTime(NOW + 5000);
  assert.equal((await held.seller.lightning.invoice(paymentHash)).state, 'held');
});

test('one node can hold a hash and pay the same hash on, as a forwarding coordinator does', async () => {
  const { network, buyer, seller } = world();
  const middle = network.addNode({ name: 'middle', balanceMsat: 100_000_000n });
  const inner = await holdInvoice(seller);
  const terms = {
    paymentHash,
    amountMsat: AMOUNT_MSAT + 1_000n,
    finalCltv: FINAL_CLTV + 80,
    expirySeconds: 900,
    description: '',
  };
  const { bolt11: outer } = await middle.lightning.createHoldInvoice(terms);
  await pay(buyer, outer);
  await pay(middle, inner);
  await seller.lightning.settle(preimage);
  const learned = await middle.lightning.payment(paymentHash);
  assert.ok(learned.state === 'settled');
  await middle.lightning.settle(learned.preimage);
  assert.equal((await buyer.lightning.payment(paymentHash)).state, 'settled');
  assert.equal(middle.balanceMsat(), 100_001_000n);
});

test('the same seed gives the same invoices', async () => {
  assert.equal(await holdInvoice(world().seller), await holdInvoice(world().seller));
});

test('a reorg leaves HTLCs alone', async () => {
  const { network, buyer, seller } = world();
  await pay(buyer, await holdInvoice(seller));
  network.setHeight(HEIGHT - 6);
  assert.equal(network.height(), HEIGHT - 6);
  assert.equal((await seller.lightning.invoice(paymentHash)).state, 'held');
});

test('whatever happens, no msat is made or lost, and payer and payee agree in the end', async () => {
  const blocks = fc.integer({ min: 0, max: 60 });
  const part = fc.record({ paddingBlocks: blocks, lateBlocks: blocks, travelBlocks: blocks });
  const scenario = fc.record({
    parts: fc.array(part, { minLength: 1, maxLength: 4 }),
    extraMsat: fc.bigInt({ min: -5n, max: 5n }),
    routeFeeMsat: fc.bigInt({ min: 0n, max: 10_000n }),
    learnsAfterBlocks: blocks,
    fate: fc.constantFrom('arrives' as const, 'stuck' as const, 'refused' as const),
    arrivals: fc.constantFrom('checked' as const, 'unchecked' as const),
    margin: fc.integer({ min: 0, max: 30 }),
    deeds: fc.array(fc.tuple(fc.constantFrom('settle', 'cancel', 'crash', 'restart', 'release', 'pay'), blocks), {
      maxLength: 8,
    }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async ({ arrivals, margin, deeds, ...sending }) => {
      const { network, buyer, seller } = world();
      const sum = (): bigint => Object.values(network.totals()).reduce((total, part) => total + part, 0n);
      const atStart = sum();
      seller.setArrivals(arrivals);
      seller.setHoldExpiryMargin(margin);
      const bolt11 = await holdInvoice(seller);
      buyer.setSending(sending);
      await pay(buyer, bolt11);
      for (const [deed, after] of deeds) {
        network.setHeight(network.height() + after);
        await act({ deed, bolt11, buyer, seller });
        assert.equal(sum(), atStart);
      }
      seller.restart();
      network.setHeight(network.height() + 1000);
      assert.equal(sum(), atStart);
      assert.equal(network.totals().inFlightMsat, 0n);
      const paid = (await buyer.lightning.payment(paymentHash)).state === 'settled';
      assert.equal(paid, (await seller.lightning.invoice(paymentHash)).state === 'settled');
    }),
    { numRuns: 300, seed: 20_240_707 },
  );
});

/** Does one thing to a world, whether or not it is possible just then: a refusal is an answer too. */
async function act(of: { deed: string; bolt11: string; buyer: MemoryNode; seller: MemoryNode }): Promise<void> {
  const { deed, bolt11, buyer, seller } = of;
  try {
    if (deed === 'settle') await seller.lightning.settle(preimage);
    if (deed === 'cancel') await seller.lightning.cancel(paymentHash);
    if (deed === 'crash') seller.crash();
    if (deed === 'restart') seller.restart();
    if (deed === 'release') buyer.release({ paymentHash, to: 'payee' });
    if (deed === 'pay') await pay(buyer, bolt11);
  } catch (error) {
    assert.ok(error instanceof SparkleError, String(error));
  }
}

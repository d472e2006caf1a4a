import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Invoice, Lightning, Payment, PayRequest } from '../lightning/lightning.ts';
import { HEIGHT, looked, NOW } from '../protocol/trade/fixtures.suite.ts';
import { forwarder, incoming, paymentHash } from '../protocol/trade/forward.suite.ts';
import type { Forwarder } from '../protocol/trade/state.ts';
import { step } from '../protocol/trade/step.ts';
import { SparkleError } from '../protocol/errors.ts';
import { cancel } from './cancel.ts';
import { forwardPayment } from './forward.ts';
import { stage } from './parts.suite.ts';

const KEY = 'an-order';

/** The runner over a node that says what a test wants, and the orders that reach that node. */
async function runner(says: {
  payment?: Payment;
  invoice?: Invoice;
  trade?: Forwarder;
  height?: number;
  isElsewhere?: boolean;
  secondsACall?: number;
}) {
  const on = await stage();
  const orders: (PayRequest | string)[] = [];
  const noted: string[] = [];
  const lightning: Lightning = {
    ...on.parts.rival.lightning,
    payment: async () => says.payment ?? { state: 'unknown' },
    invoice: async () => says.invoice ?? incoming,
    pay: async (order) => void orders.push(order),
    cancel: async (hash) => void orders.push(hash),
  };
  const trade = says.trade ?? forwarder.paying;
  const tip = { ...(await on.parts.rival.chain.tip()), height: says.height ?? HEIGHT, timeSeconds: NOW };
  const postpone = async (key: string): Promise<void> => {
    if (says.isElsewhere === true) throw new SparkleError('elsewhere', 'another instance must work on this trade');
    noted.push(key);
  };
  const store = { ...on.parts.rival.store, load: async () => trade, postpone };
  const chain = { ...on.parts.rival.chain, tip: async () => tip };
  let asked = 0;
  const clock = { ...on.parts.rival.clock, nowSeconds: () => NOW + (says.secondsACall ?? 0) * asked++ };
  return { parts: { ...on.parts.rival, lightning, store, chain, clock }, orders, noted };
}

const [ordered] = step(forwarder.invoiced, looked(HEIGHT, { invoice: incoming })).effects.map(({ effect }) => effect);
if (ordered?.do !== 'forward_payment') throw new Error('the fixture passes nothing on');

describe('passing on a payment', () => {
  test('is ordered with a cap on the way that ends 80 blocks, and three for the node, before what is held', async () => {
    const { parts, orders } = await runner({ height: HEIGHT + 2 });
    await forwardPayment(parts, { key: KEY, effect: ordered });
    assert.deepEqual(orders, [
      { bolt11: ordered.bolt11, maxFeeMsat: 1_000_000n, maxCltvBlocks: 395 - 80 - 3 - 2, timeoutSeconds: 60 },
    ]);
  });

  test('is noted as begun before the node hears of it, and not ordered when another has the trade or it stood still', async () => {
    const { parts, noted } = await runner({});
    await forwardPayment(parts, { key: KEY, effect: ordered });
    assert.deepEqual(noted, [KEY]);
    const refused = { key: KEY, effect: ordered };
    const elsewhere = await runner({ isElsewhere: true });
    await assert.rejects(forwardPayment(elsewhere.parts, refused), { code: 'elsewhere' });
    const still = await runner({ secondsACall: 2 });
    await assert.rejects(forwardPayment(still.parts, refused), { code: 'lightning_unavailable' });
    assert.deepEqual([...elsewhere.orders, ...still.orders], []);
  });

  test('is not ordered a second time, whatever became of the first', async () => {
    const settled: Payment = { state: 'settled', preimage: '', feeMsat: 0n };
    for (const payment of [{ state: 'pending' }, { state: 'failed', reason: 'no_route' }, settled] as const) {
      const { parts, orders } = await runner({ payment });
      await forwardPayment(parts, { key: KEY, effect: ordered });
      assert.deepEqual(orders, []);
    }
  });

  test('is refused when the trade has left for elsewhere, or what is held is gone, less, or shorter than it was', async () => {
    for (const [says, code] of [
      [{ trade: forwarder.returning }, 'too_late'],
      [{ trade: forwarder.unsent }, 'too_late'],
      [{ trade: forwarder.settling }, 'too_late'],
      [{ invoice: { state: 'canceled' } }, 'invoice_not_held'],
      [{ invoice: { ...incoming, amountMsat: 90_999_999n } }, 'refused'],
      [{ invoice: { ...incoming, expiryHeight: HEIGHT + 296 } }, 'refused'],
      [{ height: HEIGHT + 13 }, 'refused'],
    ] as const) {
      const { parts, orders } = await runner(says);
      await assert.rejects(forwardPayment(parts, { key: KEY, effect: ordered }), { code });
      assert.deepEqual(orders, []);
    }
  });
});

test('no more than a quarter of what may be in flight is passed on to one seller, unless it is a single payment', async () => {
  const { totalSats } = forwarder.paying;
  const another = { ...forwarder.announced, tradeId: 'another' };
  const stranger = { ...another, want: { ...another.want, sellerId: 'dd'.repeat(32) } };
  for (const [live, mostForwardedSats, reason] of [
    [[forwarder.paying, another], 8n * totalSats, undefined],
    [[forwarder.paying, another], 8n * totalSats - 4n, 'forward_limit_seller'],
    [[forwarder.paying, stranger], 2n * totalSats, undefined],
    [[forwarder.paying, stranger], 2n * totalSats - 1n, 'forward_limit'],
    [[forwarder.paying], totalSats, undefined],
  ] as const) {
    const { parts, orders } = await runner({});
    const store = { ...parts.store, committed: async () => [...live] };
    const passing = forwardPayment({ ...parts, store, mostForwardedSats }, { key: KEY, effect: ordered });
    if (reason === undefined) await passing;
    else await assert.rejects(passing, (error) => error instanceof SparkleError && error.detail['reason'] === reason);
    assert.equal(orders.length, reason === undefined ? 1 : 0);
  }
});

describe('giving back what was held to pass it on', () => {
  const effect = { do: 'cancel_invoice', paymentHash } as const;

  test('is refused beside a payment that may be taken, and done beside one that cannot', async () => {
    for (const state of ['pending', 'settled'] as const) {
      const payment: Payment = state === 'pending' ? { state } : { state, preimage: '', feeMsat: 0n };
      const { parts, orders } = await runner({ payment, trade: forwarder.returning });
      await assert.rejects(cancel(parts, forwarder.returning.tradeId, effect), { code: 'refused' });
      assert.deepEqual(orders, []);
    }
    for (const payment of [{ state: 'failed', reason: 'no_route' }, { state: 'unknown' }] as const) {
      const { parts, orders } = await runner({ payment, trade: forwarder.returning });
      await cancel(parts, forwarder.returning.tradeId, effect);
      assert.deepEqual(orders, [paymentHash]);
    }
  });
});

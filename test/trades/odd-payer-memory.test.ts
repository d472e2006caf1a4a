import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import { outcomeOf, pair, play, type Stage, stage } from 'sparkle-protocol/trader/parts.suite';
import type { Trader } from 'sparkle-protocol/trader/trader';

const PRICE_MSAT = 90_000_000n;
const FUNDS_MSAT = 1_000_000_000n;

type Traders = { seller: Trader; buyer: Trader; mode?: TradeMode };

/** A trade between traders in memory, to the end of both. */
async function traded(on: Stage, { seller, buyer, mode = 'hold-first' }: Traders): Promise<string> {
  const tradeId = await buyer.buy(on.purchase(seller.id, mode));
  const isOver = async () => {
    const ends = await Promise.all([seller, buyer].map((trader) => outcomeOf(trader, tradeId)));
    return ends.every((end) => end !== undefined);
  };
  await play(on, [seller, buyer], isOver);
  return tradeId;
}

async function endOf(trader: Trader, tradeId: string): Promise<unknown[]> {
  const trade = await trader.trade(tradeId);
  assert.ok(trade?.state === 'ended');
  return [trade.outcome, ...trade.codes];
}

const balances = ({ nodes }: Stage): bigint[] => [nodes.seller.balanceMsat(), nodes.buyer.balanceMsat()];

describe('payers of a hold invoice of a seller’s node in memory', () => {
  test('a hundredth more than asked is taken, and settled with what came', async () => {
    const on = await stage();
    const extraMsat = PRICE_MSAT / 100n;
    on.nodes.buyer.setSending({ extraMsat });
    const both = await pair(on);
    const tradeId = await traded(on, both);
    assert.deepEqual(await endOf(both.seller, tradeId), ['traded']);
    assert.deepEqual(await endOf(both.buyer, tradeId), ['traded']);
    const paidMsat = PRICE_MSAT + extraMsat;
    assert.deepEqual(balances(on), [FUNDS_MSAT + paidMsat, FUNDS_MSAT - paidMsat]);
  });

  for (const extraMsat of [PRICE_MSAT / 100n + 1n, PRICE_MSAT])
    test(`${PRICE_MSAT + extraMsat} msat instead of ${PRICE_MSAT}: all of it comes back, nothing is locked`, async () => {
      const on = await stage();
      on.nodes.buyer.setSending({ extraMsat });
      const both = await pair(on);
      const tradeId = await traded(on, both);
      assert.deepEqual(await endOf(both.seller, tradeId), ['refused', 'overpaid']);
      assert.deepEqual(await endOf(both.buyer, tradeId), ['abandoned']);
      assert.deepEqual(balances(on), [FUNDS_MSAT, FUNDS_MSAT]);
      assert.notEqual(await on.chain.unspent(on.offer.sourceOutpoint), undefined);
    });

  test('a plain invoice, which a node settles by itself, is paid twice over: the trade is done, and the rest is a gift', async () => {
    const on = await stage();
    on.nodes.buyer.setSending({ extraMsat: PRICE_MSAT });
    const both = await pair(on);
    const tradeId = await traded(on, { ...both, mode: 'lock-first' });
    assert.deepEqual(await endOf(both.seller, tradeId), ['traded']);
    assert.deepEqual(await endOf(both.buyer, tradeId), ['traded']);
    assert.deepEqual(balances(on), [FUNDS_MSAT + 2n * PRICE_MSAT, FUNDS_MSAT - 2n * PRICE_MSAT]);
  });

  test('an HTLC that ends too early is refused by the trade where a careless node takes it', async () => {
    const on = await stage();
    on.nodes.seller.setArrivals('unchecked');
    on.nodes.buyer.setSending({ parts: [{ paddingBlocks: -1, lateBlocks: 0, travelBlocks: 0 }] });
    const both = await pair(on);
    const tradeId = await traded(on, both);
    assert.deepEqual(await endOf(both.seller, tradeId), ['refused', 'hold_gap']);
    assert.deepEqual(balances(on), [FUNDS_MSAT, FUNDS_MSAT]);
    assert.notEqual(await on.chain.unspent(on.offer.sourceOutpoint), undefined);
  });

  test('a stranger’s second payment of a held and of a settled invoice comes back to him', async () => {
    const on = await stage();
    const both = await pair(on);
    const { rival } = on.nodes;
    const limits = { maxFeeMsat: 0n, maxCltvBlocks: 2_000, timeoutSeconds: 60 };
    const paysTwice = async (bolt11: string) => {
      const { paymentHash } = decodeInvoice(bolt11);
      await rival.lightning.pay({ bolt11, ...limits });
      return (await rival.lightning.payment(paymentHash)).state;
    };
    let whileHeld: Promise<string> | undefined;
    let bolt11 = '';
    both.seller.onChange((trade) => {
      if (trade.role !== 'seller' || trade.state !== 'building' || !('invoice' in trade)) return;
      bolt11 = trade.invoice;
      whileHeld ??= paysTwice(bolt11);
    });
    const tradeId = await traded(on, both);
    assert.equal(await whileHeld, 'failed');
    assert.equal(await paysTwice(bolt11), 'failed');
    assert.deepEqual(await endOf(both.buyer, tradeId), ['traded']);
    assert.deepEqual(balances(on), [FUNDS_MSAT + PRICE_MSAT, FUNDS_MSAT - PRICE_MSAT]);
    assert.equal(rival.balanceMsat(), FUNDS_MSAT);
    assert.equal(on.network.totals().inFlightMsat, 0n);
  });
});

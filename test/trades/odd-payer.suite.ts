import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { type Oddity, OddWorld, payOddly } from './odd-payer.ts';
import { type Both, Staged } from './staged.ts';

const PRICE_SATS = 90_000n;
const PRICE_MSAT = PRICE_SATS * 1000n;
const SATOSHI = 1000n;
/** What a payee answers who does not know such a payment, or does not want it (BOLT 4). */
const REFUSED = 'INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS';
/** More than the window in which a payment is accepted. */
const LATE_BLOCKS = 13;

const asAsked: Oddity = { extraMsat: 0n, blocks: 0 };

/** `refusedByNode` and `refusedByTrade`: by how many blocks the expiry of an HTLC must be too short for each of them. */
export type OddPayee = {
  seller: 'LND' | 'embedded';
  refusedByNode: number;
  refusedByTrade: readonly number[];
};

const endOf = (trade: Trade | undefined): unknown[] =>
  trade?.state === 'ended' ? [trade.outcome, ...trade.codes] : [trade?.state];

const endsOf = ({ sold, bought }: Both): unknown[][] => [endOf(sold), endOf(bought)];

/** What payers do who pay otherwise than they were asked to, to a seller with this node. */
export function oddPayerSuite({ seller, refusedByNode, refusedByTrade }: OddPayee): void {
  describe(`payers of a hold invoice of the seller’s ${seller} node`, { skip: withoutBitcoind || withoutLnd }, () => {
    const odd = new OddWorld({ seller });
    let world: World;

    before(async () => {
      world = await createWorld({ log: () => {}, openNodes: odd.open, traderLog: odd.said.log });
    });
    beforeEach(() => (odd.oddity = asAsked));
    after(() => world?.stop());

    const begin = (oddity: Oddity): Promise<Staged> => {
      odd.oddity = oddity;
      return Staged.begin(world, { mode: 'hold-first', priceSats: PRICE_SATS });
    };

    const invoiceOf = async (trade: Staged) => world.seller.lightning.invoice(await trade.paymentHash());

    test('a hundredth more than asked, and not a block more: taken, and settled with what came', async () => {
      const extraMsat = PRICE_MSAT / 100n;
      const trade = await begin({ extraMsat, blocks: 0 });
      await trade.finish();
      await trade.assertTraded({ extraMsat });
      assert.deepEqual(await invoiceOf(trade), { state: 'settled', amountMsat: PRICE_MSAT + extraMsat });
      assert.equal(await odd.ended, 'SUCCEEDED');
    });

    for (const extraMsat of [PRICE_MSAT / 100n + SATOSHI, PRICE_MSAT])
      test(`${PRICE_MSAT + extraMsat} msat instead of ${PRICE_MSAT}: all of it comes back, nothing is locked`, async () => {
        const trade = await begin({ extraMsat, blocks: 0 });
        const now = await trade.finish();
        assert.deepEqual(endsOf(now), [['refused', 'overpaid'], ['abandoned']]);
        assert.deepEqual(await invoiceOf(trade), { state: 'canceled' });
        assert.equal(await odd.ended, REFUSED);
        await trade.assertNothingMoved();
      });

    test(`an HTLC that ends too early by ${refusedByNode}: the node refuses it, and the offer to pay runs out`, async () => {
      const trade = await begin({ extraMsat: 0n, blocks: -refusedByNode });
      const refused = await trade.waitFor('the buyer gives up', ({ bought }) => bought?.state === 'ended');
      assert.deepEqual(endsOf(refused), [['invoiced'], ['abandoned']]);
      assert.equal(await odd.ended, REFUSED);
      assert.deepEqual(await invoiceOf(trade), { state: 'open' });
      await world.mine(LATE_BLOCKS);
      assert.deepEqual(endsOf(await trade.finish()), [['expired', 'not_paid'], ['abandoned']]);
      await trade.assertNothingMoved();
    });

    for (const blocks of refusedByTrade)
      test(`an HTLC that ends too early by ${blocks}, and that the node took: the trade refuses it`, async () => {
        const trade = await begin({ extraMsat: 0n, blocks: -blocks });
        assert.deepEqual(endsOf(await trade.finish()), [['refused', 'hold_gap'], ['abandoned']]);
        assert.deepEqual(await invoiceOf(trade), { state: 'canceled' });
        assert.equal(await odd.ended, REFUSED);
        await trade.assertNothingMoved();
      });

    test('the same invoice paid again, by a stranger and by the payer: refused while held and once settled', async () => {
      const { ownedMsat: before } = await odd.stranger.balance();
      const trade = await begin(asAsked);
      await trade.held();
      const { sold } = await trade.both();
      const bolt11 = sold !== undefined && 'invoice' in sold ? sold.invoice : '';
      const held = { state: 'held', amountMsat: PRICE_MSAT, parts: 1 };
      for (const again of ['held', 'settled'] as const) {
        assert.equal(await odd.strangerPays(bolt11), REFUSED, again);
        await assert.rejects(payOddly(odd.node('buyer'), { bolt11, oddity: asAsked }), /payment|amount|paid/);
        const { expiryHeight: _height, ...invoice } = { expiryHeight: 0, ...(await invoiceOf(trade)) };
        assert.deepEqual(invoice, again === 'held' ? held : { state: 'settled', amountMsat: PRICE_MSAT });
        await trade.finish();
        await trade.assertTraded();
      }
      assert.equal((await odd.stranger.balance()).ownedMsat, before);
    });
  });
}

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { tradeKeys } from '../protocol/keys.ts';
import type { Forward } from '../protocol/trade/terms.ts';
import { outcomeOf, play, settle, stage, type Stage } from './parts.suite.ts';
import { type Purchase, Trader } from './trader.ts';

/** A forwarder who takes 1,000 sats for holding the buyer's payment in front of the seller's. */
async function three(change: (on: Stage) => void = () => {}) {
  const on = await stage();
  change(on);
  const [seller, buyer] = [new Trader(on.parts.seller), new Trader(on.parts.buyer)];
  const { inscriptionId, expiresAt } = on.offer;
  const sats = { sellerSats: 90_000n, totalSats: 91_000n, maxFeeMsat: 1_000_000n };
  const forward: Forward = { inscriptionId, expiresAt, sellerId: seller.id, ...sats };
  const passing = (): Trader => {
    const forwarder = new Trader(on.parts.rival);
    forwarder.answerWith(async (request) => (request.inscriptionId === inscriptionId ? forward : undefined));
    return forwarder;
  };
  const forwarder = passing();
  for (const trader of [seller, buyer, forwarder]) await trader.start();
  await seller.sell(on.offer);
  const purchase: Purchase = { ...on.purchase(forwarder.id, 'hold-first'), priceSats: 91_000n, forwarded: true };
  return { on, seller, buyer, forwarder, passing, forward, purchase };
}

const balances = (on: Stage) =>
  [on.nodes.seller, on.nodes.rival, on.nodes.buyer].map((node) => node.balanceMsat() - 1_000_000_000n);
const stateOf = async (trader: Trader, tradeId: string) => (await trader.trade(tradeId))?.state;

describe('a forwarder between two traders over memory', () => {
  test('the inscription goes to the buyer, the price to the seller, and the difference to the forwarder', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three();
    const tradeId = await buyer.buy(purchase);
    const all = [seller, buyer, forwarder];
    await play(on, all, async () =>
      (await Promise.all(all.map((trader) => outcomeOf(trader, tradeId)))).every(Boolean),
    );
    assert.deepEqual(await Promise.all(all.map((trader) => outcomeOf(trader, tradeId))), [
      'traded',
      'traded',
      'traded',
    ]);
    assert.deepEqual(balances(on), [90_000_000n, 1_000_000n, -91_000_000n]);
    const bought = await buyer.trade(tradeId);
    assert.ok(bought?.role === 'buyer' && 'terms' in bought && bought.terms !== undefined);
    assert.deepEqual([bought.terms.sellerId, bought.terms.finalCltv], [forwarder.id, 395]);
  });

  test('a buyer who did not ask a forwarder pays no invoice that holds his sats for one', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three();
    const { forwarded: _forwarded, ...direct } = purchase;
    const tradeId = await buyer.buy(direct);
    await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
    const bought = await buyer.trade(tradeId);
    assert.deepEqual(bought?.state === 'ended' && [bought.outcome, bought.codes], ['refused', ['wrong_heights']]);
    assert.deepEqual(balances(on), [0n, 0n, 0n]);
  });

  test('what cannot be passed on returns to the buyer', async () => {
    for (const sending of [{ routeFeeMsat: 1_000_001n }, { routeBlocks: 144 }, { fate: 'refused' } as const]) {
      const { on, seller, buyer, forwarder, purchase } = await three();
      on.nodes.rival.setSending(sending);
      const tradeId = await buyer.buy(purchase);
      await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(forwarder, tradeId)) !== undefined);
      assert.ok(['refused', 'canceled'].includes((await outcomeOf(forwarder, tradeId)) ?? ''));
      await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(buyer, tradeId)) === 'abandoned');
      assert.deepEqual(balances(on), [0n, 0n, 0n]);
    }
  });

  test('killed with the payment in flight, and started again, it neither pays twice nor gives anything back', async () => {
    const { on, seller, buyer, forwarder, passing, purchase } = await three();
    on.nodes.rival.setSending({ fate: 'stuck' });
    const tradeId = await buyer.buy(purchase);
    await play(on, [seller, buyer, forwarder], async () => on.network.totals().inFlightMsat === 181_000_000n);
    await forwarder.stop();
    const again = passing();
    await again.start();
    const all = [seller, buyer, again];
    await settle(all);
    assert.equal(await stateOf(again, tradeId), 'paying');
    assert.equal(on.network.totals().inFlightMsat, 181_000_000n);
    const { paymentHash } = await termsOf(seller, tradeId);
    on.nodes.rival.release({ paymentHash, to: 'payee' });
    await play(on, all, async () => (await outcomeOf(again, tradeId)) !== undefined);
    assert.equal(await outcomeOf(again, tradeId), 'traded');
    assert.deepEqual(balances(on), [90_000_000n, 1_000_000n, -91_000_000n]);
  });

  test('an answer that is lost, or a node that is away, changes nothing but the time', async () => {
    for (const when of ['before', 'after'] as const) {
      const { on, seller, buyer, forwarder, purchase } = await three();
      on.nodes.rival.breakNext({ call: 'pay', when });
      on.nodes.rival.breakNext({ call: 'settle', when });
      const tradeId = await buyer.buy(purchase);
      await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(forwarder, tradeId)) !== undefined);
      assert.equal(await outcomeOf(forwarder, tradeId), 'traded');
      assert.deepEqual(balances(on), [90_000_000n, 1_000_000n, -91_000_000n]);
    }
  });

  test('a node that learns the preimage late is not waited for: the claim has shown it, and the buyer tells it', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three();
    on.nodes.rival.setSending({ learnsAfterBlocks: 1_000, routeBlocks: 100 });
    const tradeId = await buyer.buy(purchase);
    await play(on, [seller, buyer], async () => (await outcomeOf(seller, tradeId)) !== undefined);
    await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(forwarder, tradeId)) !== undefined);
    assert.equal(await outcomeOf(forwarder, tradeId), 'traded');
    assert.deepEqual(balances(on), [90_000_000n, 1_000_000n, -91_000_000n]);
  });

  test('a buyer who goes silent gets his payment back after the seller has his inscription back', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three();
    const tradeId = await buyer.buy(purchase);
    await play(on, [seller, forwarder], async () => (await stateOf(seller, tradeId)) === 'locking');
    await buyer.stop();
    await play(on, [seller, forwarder], async () => (await outcomeOf(forwarder, tradeId)) !== undefined);
    assert.deepEqual([await outcomeOf(seller, tradeId), await outcomeOf(forwarder, tradeId)], ['refunded', 'canceled']);
    assert.deepEqual(balances(on), [0n, 0n, 0n]);
  });

  test('one who lets the inscription be locked for a key of his own gets nothing: the buyer shows his preimage to no such lock', async () => {
    const { on, seller, buyer, forwarder, forward, purchase } = await three();
    const { claim } = tradeKeys({ seed: on.parts.rival.seed, network: 'regtest', index: 0 });
    forwarder.answerWith(async (request) => {
      await forwarder.forward({ request: { ...request, claimKey: claim.public }, forward });
      // Not a refusal: the letter comes again, and finds the trade.
      throw new SparkleError('market_unavailable', 'later');
    });
    const tradeId = await buyer.buy(purchase);
    const all = [seller, buyer, forwarder];
    await play(on, all, async () => (await stateOf(buyer, tradeId)) === 'withdrawn');
    const refused = await buyer.trade(tradeId);
    assert.ok(refused?.state === 'withdrawn' && refused.codes.includes('wrong_script'));
    await play(on, all, async () =>
      (await Promise.all(all.map((trader) => outcomeOf(trader, tradeId)))).every(Boolean),
    );
    assert.deepEqual(await Promise.all(all.map((trader) => outcomeOf(trader, tradeId))), [
      'canceled',
      'refused',
      'canceled',
    ]);
    assert.deepEqual(balances(on), [0n, 0n, 0n]);
  });

  test('more than the operator allows in flight is given back', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three((changed) => {
      changed.parts.rival = { ...changed.parts.rival, mostForwardedSats: 90_999n };
    });
    const tradeId = await buyer.buy(purchase);
    await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(forwarder, tradeId)) !== undefined);
    assert.equal(await outcomeOf(forwarder, tradeId), 'refused');
    await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) === 'abandoned');
    assert.deepEqual(balances(on), [0n, 0n, 0n]);
  });

  test('a seller who asks another price, or does not sell it, is refused on to the buyer', async () => {
    const { on, seller, buyer, forwarder, purchase } = await three();
    await seller.sell({ ...on.offer, priceSats: 90_001n });
    const tradeId = await buyer.buy(purchase);
    await play(on, [seller, buyer, forwarder], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
    const bought = await buyer.trade(tradeId);
    assert.deepEqual(bought?.state === 'ended' && [bought.outcome, bought.codes], ['refused', ['wrong_price']]);
    assert.equal(await outcomeOf(forwarder, tradeId), 'refused');
  });

  test('a node that can cap neither the length nor the cost of a route passes nothing on', async () => {
    for (const lacks of ['routeCap', 'feeCap', 'pay', 'hold'] as const) {
      const { on, buyer, forwarder, seller, purchase } = await three((changed) => {
        const { lightning } = changed.parts.rival;
        const capabilities = { ...lightning.capabilities, [lacks]: false };
        changed.parts.rival.lightning = new Proxy(lightning, {
          get: (target, name) => {
            const found: unknown = name === 'capabilities' ? capabilities : Reflect.get(target, name);
            return typeof found === 'function' ? found.bind(target) : found;
          },
        });
      });
      const tradeId = await buyer.buy(purchase);
      await play(on, [seller, forwarder, buyer], async () => (await outcomeOf(buyer, tradeId)) === 'refused');
      assert.equal(await forwarder.trade(tradeId), undefined);
      assert.deepEqual(balances(on), [0n, 0n, 0n]);
    }
  });
});

async function termsOf(trader: Trader, tradeId: string): Promise<{ paymentHash: string }> {
  const trade = await trader.trade(tradeId);
  return trade?.role === 'seller' ? trade.terms : { paymentHash: '' };
}

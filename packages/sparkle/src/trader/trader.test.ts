import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { outcomeOf, pair, play, settle, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

const both = (seller: Trader, buyer: Trader, tradeId: string) => async () =>
  (await outcomeOf(seller, tradeId)) !== undefined && (await outcomeOf(buyer, tradeId)) !== undefined;

describe('two traders over memory', () => {
  for (const mode of ['hold-first', 'lock-first'] as const)
    test(`${mode}: the inscription and the sats change hands`, async () => {
      const on = await stage();
      const { seller, buyer } = await pair(on);
      const tradeId = await buyer.buy(on.purchase(seller.id, mode));
      await play(on, [seller, buyer], both(seller, buyer, tradeId));
      assert.deepEqual([await outcomeOf(seller, tradeId), await outcomeOf(buyer, tradeId)], ['traded', 'traded']);
      assert.equal(on.nodes.seller.balanceMsat(), 1_090_000_000n);
      assert.equal(on.nodes.buyer.balanceMsat(), 910_000_000n);
    });

  test('a start does not wait for the looks at what was under way, and nothing of them is left out', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller, buyer], async () => (await seller.trade(tradeId))?.state === 'locking');
    await seller.stop();
    const { lightning } = on.parts.seller;
    let answer = (): void => undefined;
    const silent = new Promise<void>((resolve) => (answer = resolve));
    const slow = { ...lightning, invoice: (hash: string) => silent.then(() => lightning.invoice(hash)) };
    const again = new Trader({ ...on.parts.seller, lightning: slow });
    await again.start();
    answer();
    await again.idle();
    await again.sell(on.offer);
    await play(on, [again, buyer], both(again, buyer, tradeId));
    assert.equal(await outcomeOf(again, tradeId), 'traded');
  });

  test('a buyer who goes silent costs the seller nothing but time', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller], async () => (await seller.trade(tradeId))?.state === 'locking');
    await buyer.stop();
    await play(on, [seller], async () => (await outcomeOf(seller, tradeId)) !== undefined);
    assert.equal(await outcomeOf(seller, tradeId), 'refunded');
    assert.equal(on.nodes.buyer.balanceMsat(), 1_000_000_000n);
  });

  test('a price that was not offered is refused with its code', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy({ ...on.purchase(seller.id, 'hold-first'), priceSats: 89_999n });
    await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
    const trade = await buyer.trade(tradeId);
    assert.deepEqual(trade?.state === 'ended' && [trade.outcome, trade.codes], ['refused', ['wrong_price']]);
    assert.equal(await seller.trade(tradeId), undefined);
  });

  test('what is not for sale is refused', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    await seller.withdraw(on.inscriptionId);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
    const trade = await buyer.trade(tradeId);
    assert.deepEqual(trade?.state === 'ended' && trade.codes, ['not_for_sale']);
  });

  test('of two buyers who both paid, one gets the inscription and the other his payment back', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const rival = new Trader(on.parts.rival);
    await rival.start();
    const traders = [seller, buyer, rival];
    const first = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    const second = await rival.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, traders, async () =>
      [
        await outcomeOf(buyer, first),
        await outcomeOf(rival, second),
        await outcomeOf(seller, first),
        await outcomeOf(seller, second),
      ].every((outcome) => outcome !== undefined),
    );
    const outcomes = [await outcomeOf(buyer, first), await outcomeOf(rival, second)];
    assert.deepEqual(outcomes.toSorted(), ['abandoned', 'traded']);
    assert.equal(on.nodes.buyer.balanceMsat() + on.nodes.rival.balanceMsat(), 1_910_000_000n);
  });

  test('a trader that is stopped looks at nothing, whoever asks him, until he starts again', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller, buyer], async () => (await buyer.trade(tradeId))?.state === 'verifying');
    await buyer.stop();
    await play(on, [seller, buyer], async () => (await seller.trade(tradeId))?.state === 'locked');
    on.mine(1);
    await settle([seller, buyer]);
    assert.equal((await buyer.trade(tradeId))?.state, 'verifying');
    await buyer.start();
    await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) === 'traded');
  });

  test('a trader does not start when a part is of another network', async () => {
    const on = await stage();
    const trader = new Trader({ ...on.parts.buyer, network: 'signet' });
    await assert.rejects(trader.start(), (error) => error instanceof SparkleError && error.code === 'wrong_network');
  });

  test('a node that cannot do what a trade needs is not used for it', async () => {
    const on = await stage();
    const { lightning } = on.parts.buyer;
    const without = (capability: string) =>
      new Trader({
        ...on.parts.buyer,
        lightning: { ...lightning, capabilities: { ...lightning.capabilities, [capability]: false } },
      });
    const refused = (error: unknown) => error instanceof SparkleError && error.code === 'refused';
    for (const capability of ['pay', 'routeCap'])
      await assert.rejects(without(capability).buy(on.purchase('00'.repeat(32), 'lock-first')), refused);
    await assert.rejects(without('pay').buy(on.purchase('00'.repeat(32), 'hold-first')), refused);
    for (const capability of ['hold', 'cancel', 'holdDeadline', 'finalCltv', 'ownPreimage'])
      await assert.rejects(without(capability).sell(on.offer), refused);
    await without('ownPreimage').sell({ ...on.offer, modes: ['hold-first'] });
  });

  test('letters that cannot be read or are signed by another change nothing and stop nothing', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const { market } = on.parts.rival;
    for (const text of ['', '{}', 'null', '[]', '{"p":"sparkle"}', 'x'.repeat(70_000)])
      await market.send(seller.id, { from: buyer.id, text }).catch(() => {});
    await settle([seller, buyer]);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller, buyer], both(seller, buyer, tradeId));
    assert.equal(await outcomeOf(seller, tradeId), 'traded');
  });

  test('a chain that cannot be asked for a while only delays', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    on.chain.control.goDown();
    await settle([seller, buyer]);
    on.chain.control.comeBack();
    await play(on, [seller, buyer], both(seller, buyer, tradeId));
    assert.equal(await outcomeOf(buyer, tradeId), 'traded');
  });
});

describe('a trader that was stopped in the middle', () => {
  test('goes on where it was when it is started again on the same store', async () => {
    const on = await stage();
    const { seller, buyer } = await pair(on);
    const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
    await play(on, [seller, buyer], async () => (await seller.trade(tradeId))?.state === 'locking');
    await seller.stop();
    await buyer.stop();
    const again = { seller: new Trader(on.parts.seller), buyer: new Trader(on.parts.buyer) };
    await again.seller.start();
    await again.buyer.start();
    await play(on, [again.seller, again.buyer], both(again.seller, again.buyer, tradeId));
    assert.deepEqual(
      [await outcomeOf(again.seller, tradeId), await outcomeOf(again.buyer, tradeId)],
      ['traded', 'traded'],
    );
  });

  test('does not send a lock that it wrote down before a long sleep', async () => {
    const on = await stage();
    const crash = new Error('planted');
    const sleepy = new Trader(on.parts.seller, (at, what) => {
      if (at === 'before_act' && what === 'broadcast') throw crash;
    });
    const buyer = new Trader(on.parts.buyer);
    await sleepy.start();
    await buyer.start();
    await sleepy.sell(on.offer);
    const tradeId = await buyer.buy(on.purchase(sleepy.id, 'hold-first'));
    await settle([sleepy, buyer]);
    assert.equal((await sleepy.trade(tradeId))?.state, 'locking');
    await sleepy.stop();
    on.mine(160);
    const awake = new Trader(on.parts.seller);
    await awake.start();
    await settle([awake, buyer]);
    const trade = await awake.trade(tradeId);
    assert.ok(trade !== undefined && 'lock' in trade);
    assert.equal(await on.chain.transaction(trade.lock.txid), undefined);
    await play(on, [awake, buyer], both(awake, buyer, tradeId));
    assert.deepEqual([await outcomeOf(awake, tradeId), await outcomeOf(buyer, tradeId)], ['canceled', 'abandoned']);
  });
});

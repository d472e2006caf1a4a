import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outcomeOf, play, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

test('a market that never answers keeps nobody from a refund or a payment', async () => {
  const on = await stage();
  const { clock, market } = on.parts.seller;
  let unanswered = 0;
  const seller = new Trader({
    ...on.parts.seller,
    // Time passes at once for whoever waits a little; the tick of a minute never comes.
    clock: {
      ...clock,
      every: (milliseconds, run) => {
        const timer = milliseconds < 60_000 ? setInterval(run, 1) : undefined;
        return () => clearInterval(timer);
      },
    },
    market: {
      ...market,
      send: (to, envelope) => {
        if (!envelope.text.includes('trade_accept')) return market.send(to, envelope);
        unanswered += 1;
        return new Promise(() => {});
      },
    },
  });
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller, buyer], async () => unanswered > 0);
  on.mine(100);
  await play(on, [seller, buyer], async () => (await outcomeOf(seller, tradeId)) !== undefined);
  assert.equal(await outcomeOf(seller, tradeId), 'refunded');
});

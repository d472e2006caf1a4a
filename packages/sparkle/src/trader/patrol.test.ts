import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { first, quoting, second } from '../store/samples.suite.ts';
import { pair, settle, stage } from './parts.suite.ts';
import { Patrol } from './patrol.ts';
import { Trader } from './trader.ts';

/** Looks of which the test says when they are answered, and with what. */
async function patrolOf(answer: (paymentHash: string) => Promise<'open' | 'canceled'>) {
  const on = await stage();
  const told: string[] = [];
  let tips = 0;
  const chain = { ...on.parts.seller.chain, tip: () => ((tips += 1), on.parts.seller.chain.tip()) };
  const lightning = {
    ...on.parts.seller.lightning,
    invoice: async (paymentHash: string) => ({ state: await answer(paymentHash) }),
  };
  const patrol = new Patrol({ ...on.parts.seller, chain, lightning } as never, {
    attend: async (tradeId) => void told.push(`attend ${tradeId}`),
    seen: (tradeId) => void told.push(`seen ${tradeId}`),
    unable: async (tradeId, error) => void told.push(`unable ${tradeId} ${(error as SparkleError).code}`),
  });
  return { patrol, told, tips: () => tips };
}

const sales = Array.from({ length: 100 }, (_, index) => quoting({ ...first, tradeId: `t${index}` }));

test('a hundred sales that wait for their payment are looked at with four questions for the best block', async () => {
  const { patrol, told, tips } = await patrolOf(async () => 'open');
  await patrol.round(sales);
  assert.deepEqual(
    told,
    sales.map(({ tradeId }) => `seen ${tradeId}`),
  );
  assert.equal(tips(), 4);
});

test('of a node that is away for one sale the others are seen all the same', async () => {
  const away = new SparkleError('lightning_unavailable', 'the node must answer; it does not');
  const { patrol, told } = await patrolOf(async (paymentHash) => {
    if (paymentHash === first.paymentHash) throw away;
    return 'open';
  });
  await patrol.round([quoting(first), quoting(second)]);
  assert.deepEqual(told, ['unable t1 lightning_unavailable', 'seen t2']);
});

test('a sale that cannot be read hides none of those behind it', async () => {
  const { patrol, told } = await patrolOf(async () => 'open');
  const unread = { ...quoting({ ...first, tradeId: 'bad' }), terms: undefined } as never;
  await patrol.round([unread, ...sales]);
  assert.equal(told.filter((each) => each.startsWith('seen ')).length, sales.length);
  assert.deepEqual(
    told.filter((each) => each.startsWith('unable ')),
    ['unable bad undefined'],
  );
});

test('who asks while a round is under way is answered by one more, with the trades that were named last', async () => {
  let answered = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (answered = resolve));
  const { patrol, told } = await patrolOf(async () => (await waiting, 'open'));
  const rounds = [patrol.round([quoting(first)])];
  await Promise.resolve();
  rounds.push(patrol.round([quoting(first)]), patrol.round([quoting(second)]));
  answered();
  await Promise.all(rounds);
  assert.deepEqual(told, ['seen t1', 'seen t2']);
});

test('a patrol that has ended begins with no further sales', async () => {
  const { patrol, told } = await patrolOf(async () => 'open');
  patrol.end();
  await patrol.round(sales);
  assert.deepEqual(told, []);
  patrol.begin();
  await patrol.round([quoting(first)]);
  assert.deepEqual(told, ['seen t1']);
});

test('a payment of which the node tells nothing is found by the look at a sale that waits for it', async () => {
  const on = await stage();
  on.nodes.seller.setEventCopies(0);
  const { seller, buyer } = await pair(on);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await settle([buyer]);
  assert.equal((await seller.trade(tradeId))?.state, 'invoiced');
  await seller.look();
  await seller.idle();
  assert.notEqual((await seller.trade(tradeId))?.state, 'invoiced');
});

test('letters that nobody reads are neither due nor sent', async () => {
  const on = await stage();
  const sent: string[] = [];
  const { market } = on.parts.seller;
  const seller = new Trader({
    ...on.parts.seller,
    hasReader: () => false,
    market: { ...market, send: async (to, envelope) => (sent.push(to), market.send(to, envelope)) },
  });
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await settle([buyer, seller]);
  assert.equal((await seller.trade(tradeId))?.state, 'invoiced');
  assert.deepEqual(sent, []);
  assert.deepEqual(await on.parts.seller.store.due(), []);
  assert.equal((await seller.said(tradeId)).length, 1);
});

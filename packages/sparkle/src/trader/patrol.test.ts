import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SparkleError } from '../protocol/errors.ts';
import { holdSeller, holdTerms } from '../protocol/trade/fixtures.suite.ts';
import { first, locked, quoting, second, third } from '../store/samples.suite.ts';
import { pair, settle, stage } from './parts.suite.ts';
import { Patrol } from './patrol.ts';
import { Trader } from './trader.ts';

/** For whom seconds are over at once. */
const hurried = (_milliseconds: number, run: () => void) => {
  const timer = setInterval(run, 1);
  return () => clearInterval(timer);
};

type Doing = { attend?: (tradeId: string) => Promise<void>; isHurried?: boolean };

/** Looks of which the test says when they are answered, and with what. */
async function patrolOf(
  answer: (paymentHash: string) => Promise<'open' | 'canceled'>,
  { attend = async () => undefined, isHurried = false }: Doing = {},
) {
  const on = await stage();
  const told: string[] = [];
  let tips = 0;
  const chain = { ...on.parts.seller.chain, tip: () => ((tips += 1), on.parts.seller.chain.tip()) };
  const lightning = {
    ...on.parts.seller.lightning,
    invoice: async (paymentHash: string) => ({ state: await answer(paymentHash) }),
  };
  const clock = { ...on.parts.seller.clock, ...(isHurried ? { every: hurried } : {}) };
  const patrol = new Patrol({ ...on.parts.seller, chain, lightning, clock } as never, {
    attend: async (tradeId) => (told.push(`attend ${tradeId}`), attend(tradeId)),
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

const never = () => new Promise<never>(() => {});

test('a sale of which the node says nothing, and one that is attended to without end, keep none waiting, and are not begun again', async () => {
  const answer = async (paymentHash: string) => {
    if (paymentHash === first.paymentHash) return never();
    return paymentHash === holdTerms.paymentHash ? 'canceled' : 'open';
  };
  const { patrol, told } = await patrolOf(answer, { attend: never, isHurried: true });
  const others = Array.from({ length: 100 }, (_, index) => quoting({ ...third, tradeId: `t${index}` }));
  const round = [quoting({ ...first, tradeId: 'silent' }), { ...holdSeller.invoiced, tradeId: 'endless' }, ...others];
  for (let rounds = 1; rounds <= 2; rounds += 1) {
    await patrol.round(round);
    assert.equal(told.filter((each) => each.startsWith('seen ')).length, rounds * others.length);
    assert.deepEqual(told.filter((each) => !each.startsWith('seen ')).toSorted(), ['attend endless', 'attend silent']);
  }
});

test('of a node that is slow for everything no more than a round is asked by itself', async () => {
  const { patrol, told } = await patrolOf(never, { attend: never, isHurried: true });
  await patrol.round(sales);
  const attended = told.filter((each) => each.startsWith('attend '));
  const unable = told.filter((each) => each.endsWith(' busy'));
  assert.deepEqual([attended.length, unable.length], [64, 36]);
});

test('a trade that is long in waking keeps no other from being looked at', async () => {
  const on = await stage();
  const asked: string[] = [];
  const { market, lightning, store } = on.parts.seller;
  const invoice = async (paymentHash: string) => (asked.push(paymentHash), lightning.invoice(paymentHash));
  const seller = new Trader({
    ...on.parts.seller,
    lightning: { ...lightning, invoice },
    market: { ...market, send: never },
  });
  const tradeId = '01'.repeat(16);
  const signed = { tradeId, from: seller.id, expiresAt: 1_900_000_000 };
  const message = { op: 'trade_abort', inscriptionId: on.inscriptionId, code: 'expired', signed } as const;
  const letter = { key: 'letter', effect: { do: 'send', to: seller.id, message } } as const;
  await store.create({ trade: locked({ ...first, tradeId }, 'c1'.repeat(32)), effects: [letter] });
  await store.create({ trade: locked(second, 'c2'.repeat(32)), effects: [] });
  await seller.start();
  for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(asked, [second.paymentHash]);
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

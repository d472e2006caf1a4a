import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Chain, ChainEvent } from '../chain/chain.ts';
import { quorumChain } from '../chain/quorum.ts';
import { until } from '../chain/suite-hands.ts';
import { silentLog } from './log.ts';
import { outcomeOf, play, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

const limits = { agree: 2, maxLagBlocks: 1, answerMilliseconds: 5_000, settleMilliseconds: 0 };

test('a trade waits while two sources of the chain contradict each other, says so once, and then goes on', async () => {
  const on = await stage();
  let lying = true;
  const liar: Chain = {
    ...on.chain.control.peer(),
    unspent: async (outpoint) => (lying ? undefined : on.chain.unspent(outpoint)),
    spender: async (outpoint, from) => (lying ? undefined : on.chain.spender(outpoint, from)),
  };
  const sources = [
    { name: 'node', chain: on.chain.control.peer() },
    { name: 'server', chain: liar },
  ];
  const warnings: Record<string, unknown>[] = [];
  const log = { ...silentLog, warn: (fields: Record<string, unknown>) => warnings.push(fields) };
  const seller = new Trader(on.parts.seller);
  const buyer = new Trader({ ...on.parts.buyer, chain: quorumChain({ ...limits, sources }), log });
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  const contradictions = () => warnings.flatMap(({ about }) => (typeof about === 'string' ? [about] : []));
  await play(on, [seller, buyer], async () => contradictions().some((about) => about.startsWith('output ')));
  assert.equal(await outcomeOf(buyer, tradeId), undefined);
  assert.equal(new Set(contradictions()).size, contradictions().length);
  lying = false;
  await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
  assert.equal(await outcomeOf(buyer, tradeId), 'traded');
});

test('a contradiction wakes nobody: there is nothing to look at', async () => {
  const on = await stage();
  const listeners: ((event: ChainEvent) => void)[] = [];
  let asked = 0;
  const chain: Chain = {
    ...on.chain,
    tip: () => ((asked += 1), on.chain.tip()),
    subscribe: (listener) => {
      listeners.push(listener);
      return () => undefined;
    },
  };
  const warned: unknown[] = [];
  const log = { ...silentLog, warn: (fields: Record<string, unknown>) => void warned.push(fields['about']) };
  const trader = new Trader({ ...on.parts.buyer, chain, log });
  await trader.start();
  await until(() => listeners.length > 0);
  const before = asked;
  listeners.forEach((listener) => listener({ type: 'disagreement', about: 'tip' }));
  await trader.idle();
  assert.deepEqual([asked, warned], [before, ['tip']]);
  await trader.stop();
});

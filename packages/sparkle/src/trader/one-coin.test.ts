import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MemoryChain } from '../chain/memory.ts';
import { outcomeOf, pair, play, settle, stage } from './parts.suite.ts';

test('a claim that took the only coin of the wallet is still made dearer, with that coin', async () => {
  const on = await stage();
  const chain = on.parts.buyer.chain as MemoryChain;
  const { seller, buyer } = await pair(on);
  // More than the reserve pays.
  chain.control.setFeerates({ 1: 80 });
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  const isClaiming = async () =>
    (await buyer.trade(tradeId))?.state === 'claiming' && on.chain.control.mempool().length === 1;
  await play(on, [seller, buyer], isClaiming);
  await settle([buyer]);
  const [first] = on.chain.control.mempool();
  chain.control.setFeerates({ 1: 150 });
  on.chain.control.mine(1, { feerateFloor: 100 });
  on.network.setHeight(on.network.height() + 1);
  await settle([buyer]);
  const [second, ...others] = on.chain.control.mempool();
  assert.notEqual(second, first);
  assert.deepEqual(others, []);
  on.chain.control.mine(1, { feerateFloor: 100 });
  assert.deepEqual(on.chain.control.mempool(), []);
  await play(on, [seller, buyer], async () => (await outcomeOf(buyer, tradeId)) !== undefined);
  assert.equal(await outcomeOf(buyer, tradeId), 'traded');
});

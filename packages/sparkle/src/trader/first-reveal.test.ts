import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Tip } from '../chain/chain.ts';
import type { MemoryChain } from '../chain/memory.ts';
import type { Checkpoint } from './engine.ts';
import type { Parts } from './parts.ts';
import { play, settle, type Stage, stage } from './parts.suite.ts';
import { Trader } from './trader.ts';

/** Past the last reveal at q + 63, before the refund at q + 99. */
const TOO_LATE_BLOCKS = 75;

/** A seller who has locked, and a buyer whose first claim is written down and whose node then fails in some way. */
async function written(
  on: Stage,
  given: { parts: Parts; fail: () => void },
): Promise<{ buyer: Trader; tradeId: string }> {
  let failed = false;
  const checkpoint: Checkpoint = (at, what) => {
    if (failed || at !== 'after_write' || what !== 'claim_built') return;
    failed = true;
    given.fail();
  };
  const seller = new Trader(on.parts.seller);
  const buyer = new Trader(given.parts, checkpoint);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller, buyer], async () => failed);
  await settle([buyer]);
  await seller.stop();
  return { buyer, tradeId };
}

describe('a first claim that could not be begun', () => {
  test('because the node was away for long has shown nothing, and is not sent late', async () => {
    const on = await stage();
    const chain = on.parts.buyer.chain as MemoryChain;
    const { buyer, tradeId } = await written(on, { parts: on.parts.buyer, fail: () => chain.control.goDown() });
    on.mine(TOO_LATE_BLOCKS);
    chain.control.comeBack();
    await settle([buyer]);
    assert.deepEqual(on.chain.control.mempool(), []);
    assert.equal((await buyer.trade(tradeId))?.state, 'withdrawn');
  });

  test('because the node was away for a moment is sent when it is back', async () => {
    const on = await stage();
    const chain = on.parts.buyer.chain as MemoryChain;
    const { buyer } = await written(on, { parts: on.parts.buyer, fail: () => chain.control.goDown() });
    on.mine(1);
    chain.control.comeBack();
    await settle([buyer]);
    assert.equal(on.chain.control.mempool().length, 1);
  });

  test('because the node is still catching up after a long sleep waits for its newest blocks (R3)', async () => {
    const on = await stage();
    const { chain } = on.parts.buyer;
    let isAsleep = false;
    let slept: Tip | undefined;
    const tip = async (): Promise<Tip> => {
      if (!isAsleep) return chain.tip();
      slept ??= await chain.tip();
      // Regtest's blocks are never too old, only too far ahead.
      return { ...slept, timeSeconds: slept.timeSeconds + 3 * 60 * 60 };
    };
    const behind: Parts['chain'] = { ...chain, tip };
    const { buyer, tradeId } = await written(on, {
      parts: { ...on.parts.buyer, chain: behind },
      fail: () => (isAsleep = true),
    });
    assert.deepEqual(on.chain.control.mempool(), []);
    on.mine(TOO_LATE_BLOCKS);
    isAsleep = false;
    await settle([buyer]);
    assert.deepEqual(on.chain.control.mempool(), []);
    assert.equal((await buyer.trade(tradeId))?.state, 'withdrawn');
  });
});

test('a first claim that the fee cap would make too cheap to confirm is not sent: the payment can still return', async () => {
  const on = await stage();
  const chain = on.parts.buyer.chain as MemoryChain;
  const seller = new Trader(on.parts.seller);
  const buyer = new Trader(on.parts.buyer);
  await seller.start();
  await buyer.start();
  await seller.sell(on.offer);
  // 155 vB at 1000 sat/vB are three times what the buyer allows.
  chain.control.setFeerates({ 1: 1000 });
  const tradeId = await buyer.buy(on.purchase(seller.id, 'hold-first'));
  await play(on, [seller, buyer], async () => (await buyer.trade(tradeId))?.state === 'claiming');
  await settle([buyer]);
  on.mine(1);
  await settle([buyer]);
  assert.deepEqual(on.chain.control.mempool(), []);
  chain.control.setFeerates({ 1: 3 });
  on.mine(1);
  await settle([buyer]);
  assert.equal(on.chain.control.mempool().length, 1);
});

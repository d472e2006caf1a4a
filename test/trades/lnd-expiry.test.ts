import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

describe('LND gives a held payment back before its HTLC expires', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
  });
  after(() => world?.stop());

  /** Blocks that no trader is told to look at, until LND itself has given the payment back. */
  const untilGivenBack = async (hash: string): Promise<void> => {
    for (let blocks = 0; blocks < 200; blocks += 10) {
      await world.regtest.mine(10);
      await pair.lnds.synced();
      if ((await world.seller.lightning.invoice(hash)).state === 'canceled') return;
    }
    assert.fail('LND holds the payment longer than it can');
  };

  test('before the seller has locked: he sees it and locks nothing', async () => {
    const leave = world.seller.trader.onChange(({ state }) => {
      if (state === 'invoiced') void world.seller.trader.stop();
    });
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    const hash = await trade.held();
    leave();
    assert.equal((await trade.both()).sold?.state, 'invoiced');
    await untilGivenBack(hash);
    await world.seller.trader.start();
    const { sold, bought } = await trade.finish();
    const end = sold?.state === 'ended' ? [sold.outcome, sold.codes] : [];
    assert.deepEqual(end, ['expired', ['invoice_canceled']]);
    assert.equal(bought?.state === 'ended' && bought.outcome, 'abandoned');
    await trade.assertNothingMoved();
  });

  test('after he has locked, and both were away until long after R: he takes the inscription back', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.buyerLeaves();
    await trade.playUntil('the lock is confirmed', ({ sold }) => sold?.state === 'locked');
    await world.seller.trader.stop();
    await untilGivenBack(await trade.paymentHash());
    await world.seller.trader.start();
    await trade.finish();
    await trade.assertRefunded();
  });
});

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

describe('trades whose LND is killed', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
  });
  afterEach(async () => {
    for (const name of ['seller', 'buyer'] as const) if (pair.lnds.isAway(name)) await pair.up(name);
  });
  after(() => world?.stop());

  test('the seller’s, while it holds the payment: the claim is seen on the chain, and the payment settled when it is back', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    const hash = await trade.held();
    await trade.waitFor('the lock is sent', async () => (await world.regtest.rpc<[]>('getrawmempool')).length > 0);
    await pair.lnds.kill('seller');
    await trade.playUntil('the seller knows the preimage', ({ sold }) => sold?.state === 'settling');
    assert.equal((await world.buyer.lightning.payment(hash)).state, 'pending');
    await pair.up('seller');
    await trade.finish();
    await trade.assertTraded();
  });

  test('the buyer’s, while his payment is in flight: he claims when it is back, and pays once', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.held();
    await pair.lnds.kill('buyer');
    await trade.playUntil('the lock is confirmed', ({ sold }) => sold?.state === 'locked');
    await pair.up('buyer');
    await trade.finish();
    await trade.assertTraded();
  });

  test('the buyer’s, after his claim has left: the claim confirms and both end', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.playUntil('the claim', ({ bought }) => bought?.state === 'claiming' && bought.revealed);
    await pair.lnds.kill('buyer');
    const { bought } = await trade.playUntil('both end', ({ bought: state }) => state?.state === 'ended');
    assert.equal(bought?.state === 'ended' && bought.outcome, 'traded');
    await pair.up('buyer');
    await trade.finish();
    await trade.assertTraded();
  });

  test('the seller’s, until long after the refund height: the inscription comes back without it, the payment goes back with it', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.buyerLeaves();
    await trade.playUntil('the lock is confirmed', ({ sold }) => sold?.state === 'locked');
    await pair.lnds.kill('seller');
    await trade.playUntil('the refund is buried', ({ sold }) => sold?.state === 'canceling');
    await pair.up('seller');
    await trade.finish();
    await trade.assertRefunded();
  });
});

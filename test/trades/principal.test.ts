import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ldkNodes } from '../../world/nodes.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { Owner } from '../../world/owner.ts';
import { Staged } from './staged.ts';

const ASKED_SATS = 60_000n;
const PRICE_SATS = 90_000n;

/** The world's seller is the principal here: he sells what an owner has listed, and pays him out of his own coins. */
describe('a trade in which the seller has neither Lightning nor a program of ours', { skip: withoutBitcoind }, () => {
  let world: World;
  let owner: Owner;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: ldkNodes });
    owner = await Owner.open(world, 'owner');
    // Fills need coins of their own.
    for (let coins = 0; coins < 4; coins++)
      await world.regtest.pay({ to: await world.seller.wallet.address(), sats: 200_000n });
    await world.mine(1);
  });
  after(() => world?.stop());

  test('the buyer pays over Lightning, the owner is paid on the chain, and neither has to trust the principal', async () => {
    const listed = await owner.listed({ text: 'a sale', priceSats: ASKED_SATS });
    const trade = await Staged.begin(world, { mode: 'hold-first', priceSats: PRICE_SATS, listed });
    await trade.finish();
    await trade.assertTraded();
    assert.equal(await owner.receivedSats(listed.payoutAddress), ASKED_SATS);
  });

  test('a buyer who walks away leaves the inscription to the principal, at what it cost', async () => {
    const listed = await owner.listed({ text: 'a walk', priceSats: ASKED_SATS });
    const trade = await Staged.begin(world, { mode: 'hold-first', priceSats: PRICE_SATS, listed });
    await trade.buyerLeaves();
    await trade.finish();
    await trade.assertRefunded();
    assert.equal(await owner.receivedSats(listed.payoutAddress), ASKED_SATS);
  });

  test('an owner who moves his inscription before it is paid for stops the sale, and the payment goes back', async () => {
    const listed = await owner.listed({ text: 'a move', priceSats: ASKED_SATS });
    const trade = await Staged.begin(world, { mode: 'hold-first', priceSats: PRICE_SATS, listed });
    await owner.moveAway(listed.inscribed);
    await trade.playUntil('both end', ({ sold, bought }) => sold?.state === 'ended' && bought?.state === 'ended');
    const { sold, bought } = await trade.both();
    assert.deepEqual(
      [sold, bought].map((each) => each?.state === 'ended' && each.outcome),
      ['canceled', 'abandoned'],
    );
    assert.equal(await owner.receivedSats(listed.payoutAddress), 0n);
  });
});

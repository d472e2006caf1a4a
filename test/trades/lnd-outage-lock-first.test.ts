import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { Away } from './away.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { type Both, Staged } from './staged.ts';

/** The shortest that leads to the neighbour, so that the refund height is near. */
const ROUTE_CAP_BLOCKS = 100;
const terms = { mode: 'lock-first', routeCapBlocks: ROUTE_CAP_BLOCKS } as const;

const sellerIn = (state: string) => (now: Both) => now.sold?.state === state;
const buyerIn = (state: string) => (now: Both) => now.bought?.state === state;

describe('an LND that is away for a while, in lock-first', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  const away = new Away({ pair, said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: away.open, traderLog: said.log });
  });
  after(() => world?.stop());

  test('the seller’s, when the lock confirms: he makes his invoice when it is back', async () => {
    const trade = await Staged.begin(world, terms);
    await trade.playUntil('the lock', sellerIn('locking'));
    await pair.lnds.down('seller');
    await away.pass(world, { whose: 'seller', blocks: 2 });
    assert.equal((await trade.both()).sold?.state, 'invoicing');
    await pair.up('seller');
    await trade.finish();
    await trade.assertTraded();
  });

  for (const whose of ['buyer', 'seller'] as const satisfies readonly Name[])
    test(`the ${whose}’s, killed as the payment is about to leave: it is paid once, and claimed`, async () => {
      let killed: Promise<void> | undefined;
      const leave = world.buyer.trader.onChange(({ state }) => {
        if (state === 'paying') killed ??= pair.lnds.kill(whose);
      });
      const trade = await Staged.begin(world, terms);
      await trade.playUntil('the buyer pays', () => killed !== undefined);
      leave();
      await killed;
      await away.pass(world, { whose, blocks: 2 });
      await pair.up(whose);
      await trade.finish();
      await trade.assertTraded();
    });

  test('the seller’s, while nobody pays: he waits for its word before he takes the inscription back, and then does not need it', async () => {
    const trade = await Staged.begin(world, terms);
    await trade.buyerLeaves();
    const { sold } = await trade.playUntil('the invoice', sellerIn('invoiced'));
    assert.ok(sold?.role === 'seller');
    const { refundHeight } = sold.terms;
    await pair.lnds.down('seller');
    await away.pass(world, { whose: 'seller', blocks: refundHeight - (await world.regtest.height()) });
    assert.equal((await trade.both()).sold?.state, 'withdrawing');
    await pair.up('seller');
    await trade.playUntil('the refund', sellerIn('refunding'));
    await pair.lnds.down('seller');
    await away.pass(world, { whose: 'seller', blocks: 2 });
    assert.equal((await trade.both()).sold?.state, 'refunding');
    await pair.up('seller');
    await trade.finish();
    await trade.assertTakenBack();
    assert.equal((await trade.both()).bought?.state, 'ended');
    assert.equal((await world.seller.lightning.invoice(sold.terms.paymentHash)).state, 'canceled');
  });

  test('the buyer’s, when he claims: he claims without it', async () => {
    const trade = await Staged.begin(world, terms);
    await trade.playUntil('the claim', buyerIn('claiming'));
    // LND that is stopped between the preimage and the last signature may leave the HTLC in the channel until its next update.
    await pair.atRest();
    await pair.lnds.down('buyer');
    await away.pass(world, { whose: 'buyer', blocks: 2 });
    await pair.up('buyer');
    await trade.finish();
    await trade.assertTraded();
  });
});

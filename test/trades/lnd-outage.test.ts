import { after, before, describe, test } from 'node:test';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { Away } from './away.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { type Both, Staged } from './staged.ts';

type Outage = { whose: Name; when: string; begun: (now: Both) => boolean; end: 'traded' | 'refunded' };

const sellerIn = (state: string) => (now: Both) => now.sold?.state === state;
const buyerIn = (state: string) => (now: Both) => now.bought?.state === state;

const outages: readonly Outage[] = [
  { whose: 'seller', when: 'he locks', begun: sellerIn('locking'), end: 'traded' },
  { whose: 'seller', when: 'his buyer claims', begun: buyerIn('claiming'), end: 'traded' },
  { whose: 'seller', when: 'the lock is confirmed and nobody claims', begun: sellerIn('locked'), end: 'refunded' },
  { whose: 'seller', when: 'he takes the inscription back', begun: sellerIn('refunding'), end: 'refunded' },
  { whose: 'buyer', when: 'the lock is on its way', begun: sellerIn('locking'), end: 'traded' },
  { whose: 'buyer', when: 'he claims', begun: buyerIn('claiming'), end: 'traded' },
];

describe('an LND that is away for a while', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  const away = new Away({ pair, said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: away.open, traderLog: said.log });
  });
  after(() => world?.stop());

  for (const { whose, when, begun, end } of outages)
    test(`the ${whose}’s, when ${when}: nothing is lost, and little is asked and said`, async () => {
      const trade = await Staged.begin(world, { mode: 'hold-first' });
      if (end === 'refunded') await trade.buyerLeaves();
      await trade.playUntil(when, begun);
      await pair.lnds.down(whose);
      await away.pass(world, { whose, blocks: 2 });
      await pair.up(whose);
      await trade.finish();
      await (end === 'traded' ? trade.assertTraded() : trade.assertRefunded());
    });

  test('the seller’s, when his invoice is out and the buyer wants to pay it: he pays when it is back', async () => {
    const leave = world.seller.trader.onChange(({ state }) => {
      if (state === 'invoiced') void world.buyer.trader.stop();
    });
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.waitFor('the invoice', sellerIn('invoiced'));
    leave();
    await pair.lnds.down('seller');
    await world.buyer.trader.start();
    await trade.waitFor('the buyer wants to pay', buyerIn('paying'));
    await away.pass(world, { whose: 'seller', blocks: 2 });
    await pair.up('seller');
    await trade.finish();
    await trade.assertTraded();
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { type Both, Staged } from './staged.ts';

/** How often everybody looks while a node is away, and what a trader may have to say about it. */
const LOOKS = 40;
const MOST_LINES = 20;

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
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
  });
  after(() => world?.stop());

  for (const { whose, when, begun, end } of outages)
    test(`the ${whose}’s, when ${when}: nothing is lost, and little is said`, async () => {
      const trade = await Staged.begin(world, { mode: 'hold-first' });
      if (end === 'refunded') await trade.buyerLeaves();
      await trade.playUntil(when, begun);
      await pair.lnds.down(whose);
      const [lines, warnings] = [said.lines.length, said.warnings.length];
      await world.mine(2);
      for (let look = 0; look < LOOKS; look++)
        await Promise.all([world.seller, world.buyer].map(({ trader }) => trader.look()));
      assert.ok(said.lines.length - lines <= MOST_LINES, JSON.stringify(said.lines.slice(lines), undefined, 1));
      assert.ok(said.warnings.length - warnings <= 3, said.warnings.slice(warnings).join('\n'));
      await pair.up(whose);
      await trade.finish();
      await (end === 'traded' ? trade.assertTraded() : trade.assertRefunded());
    });
});

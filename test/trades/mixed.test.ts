import { after, before, describe, test } from 'node:test';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { mixedNodes } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

const pairs: readonly { what: string; lndSide: Name }[] = [
  { what: 'LND pays an embedded node', lndSide: 'buyer' },
  { what: 'an embedded node pays LND', lndSide: 'seller' },
];

for (const { what, lndSide } of pairs)
  describe(`trades in which ${what}`, { skip: withoutBitcoind || withoutLnd }, () => {
    let world: World;

    before(async () => {
      const said = new Said();
      world = await createWorld({ log: () => {}, openNodes: mixedNodes(lndSide, said), traderLog: said.log });
    });
    after(() => world?.stop());

    for (const mode of ['hold-first', 'lock-first'] as const)
      test(`${mode}: the inscription and exactly the price change sides`, async () => {
        const trade = await Staged.begin(world, { mode });
        await trade.finish();
        await trade.assertTraded();
      });

    test('a refund: both have what they had', async () => {
      const trade = await Staged.begin(world, { mode: 'hold-first' });
      await trade.buyerLeaves();
      await trade.finish();
      await trade.assertRefunded();
    });
  });

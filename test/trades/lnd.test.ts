import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { getChannels } from 'lightning';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { LndPair } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

describe('trades between two LND nodes', { skip: withoutBitcoind || withoutLnd }, () => {
  const said = new Said();
  const pair = new LndPair({ said });
  let world: World;

  before(async () => {
    world = await createWorld({ log: () => {}, openNodes: pair.open, traderLog: said.log });
  });
  after(() => world?.stop());

  /** What LND itself says lies on each side, and that nothing hangs in the channel. */
  const channels = async () => {
    const ends = [];
    for (const name of ['seller', 'buyer']) {
      const { channels: found } = await getChannels({ lnd: pair.lnds.node(name).lnd });
      ends.push(found.map(({ local_balance, pending_payments }) => [local_balance, pending_payments.length]));
    }
    return ends.flat();
  };

  for (const mode of ['hold-first', 'lock-first'] as const)
    test(`a ${mode} trade: the inscription and exactly the price change sides`, async () => {
      const [sold, bought] = await channels();
      const trade = await Staged.begin(world, { mode });
      await trade.finish();
      await trade.assertTraded();
      assert.deepEqual(await channels(), [
        [(sold?.[0] ?? 0) + 90_000, 0],
        [(bought?.[0] ?? 0) - 90_000, 0],
      ]);
    });

  test('a refund: a buyer who goes silent gets his payment back, the seller his inscription', async () => {
    const untouched = await channels();
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.buyerLeaves();
    await trade.finish();
    await trade.assertRefunded();
    assert.deepEqual(await channels(), untouched);
  });
});

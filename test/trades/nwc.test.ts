import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { OpenNodes, WorldNode } from '../../world/nodes.ts';
import type { Name } from '../../world/party.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { NwcSide } from '../regtest/nwc.ts';
import { withoutLnd } from '../regtest/parts.ts';
import { startRelay } from '../regtest/relay.ts';
import { mixedNodes } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

/** One side reaches its node through a wallet service over a relay; the other side has its own. */
const nwcNodes =
  ({ nwcSide, lndSide, said }: { nwcSide: Name; lndSide: Name; said: Said }): OpenNodes =>
  async (place) => {
    const { regtest, dir, onStop } = place;
    const nodes = await mixedNodes(lndSide, said)(place);
    const relay = await startRelay();
    onStop(() => relay.stop());
    const { lightning, synced } = nodes[nwcSide];
    const backend = { lightning: () => lightning, height: () => regtest.height() };
    const side = new NwcSide({ relays: [relay.url], backend, path: join(dir, 'wallet.nwc'), maxCltvBlocks: 1_000 });
    await side.open();
    onStop(async () => {
      said.warnings.push(...side.warnings);
      await side.close();
      await lightning.close();
    });
    const over: WorldNode = { lightning: side.wallet, synced };
    return { ...nodes, [nwcSide]: over };
  };

const cases: readonly { what: string; nwcSide: Name; lndSide: Name }[] = [
  { what: 'the buyer pays over NWC from an LND', nwcSide: 'buyer', lndSide: 'buyer' },
  { what: 'the seller is paid over NWC on an LND', nwcSide: 'seller', lndSide: 'seller' },
];

for (const { what, nwcSide, lndSide } of cases)
  describe(`trades in which ${what}`, { skip: withoutBitcoind || withoutLnd }, () => {
    let world: World;

    before(async () => {
      const said = new Said();
      const openNodes = nwcNodes({ nwcSide, lndSide, said });
      world = await createWorld({ log: () => {}, openNodes, traderLog: said.log });
    });
    after(() => world?.stop());

    test('hold-first: the inscription and exactly the price change sides', async () => {
      const trade = await Staged.begin(world, { mode: 'hold-first' });
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

import { after, before, describe, test } from 'node:test';
import type { OpenNodes } from '../../world/nodes.ts';
import { createWorld, type World } from '../../world/world.ts';
import { withoutBitcoind } from '../regtest/bitcoind.ts';
import { startElectrumWallet } from '../regtest/electrum-wallet.ts';
import { startElectrumX } from '../regtest/electrumx.ts';
import { until } from '../regtest/kept-process.ts';
import { withoutElectrum, withoutElectrumx, withoutLnd } from '../regtest/parts.ts';
import { ElectrumLightning } from './electrum-lightning.ts';
import { LndProcesses } from './nodes.ts';
import { Said } from './said.ts';
import { Staged } from './staged.ts';

/** The buyer has nothing but an Electrum wallet; the seller an LND. */
const electrumNodes =
  (said: Said): OpenNodes =>
  async (place) => {
    const { regtest, onStop } = place;
    const lnds = new LndProcesses();
    const [electrumx, lnd] = await Promise.all([startElectrumX({ regtest }), lnds.start(place, { name: 'seller' })]);
    onStop(() => electrumx.stop());
    const wallet = await startElectrumWallet({ regtest, electrumx });
    onStop(() => wallet.stop());
    await wallet.fund(2_000_000n);
    const peer = { nodeId: lnd.nodeId, socket: lnd.peerSocket };
    await wallet.openChannel({ peer, sats: 1_000_000n, pushSats: 100_000n });
    const synced = async (): Promise<void> => {
      await electrumx.caughtUp();
      const height = await regtest.height();
      const seen = async () => (await wallet.command<{ blockchain_height: number }>('getinfo')).blockchain_height;
      await until('Electrum to see the tip', async () => (await seen()) >= height);
    };
    return {
      seller: lnds.over('seller', said),
      buyer: { lightning: new ElectrumLightning({ wallet, synced }), synced },
    };
  };

const skip = withoutBitcoind || withoutLnd || withoutElectrumx || withoutElectrum;

describe('trades that an Electrum wallet pays for', { skip }, () => {
  let world: World;

  before(async () => {
    const said = new Said();
    world = await createWorld({ log: () => {}, openNodes: electrumNodes(said), traderLog: said.log });
  });
  after(() => world?.stop());

  test('it pays a hold invoice, and the claim that shows the preimage ends its waiting', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.finish();
    await trade.assertTraded();
  });

  test('it pays a plain invoice for a lock that was checked before', async () => {
    const trade = await Staged.begin(world, { mode: 'lock-first' });
    await trade.finish();
    await trade.assertTraded();
  });

  test('its held payment comes back when nobody claims', async () => {
    const trade = await Staged.begin(world, { mode: 'hold-first' });
    await trade.buyerLeaves();
    await trade.finish();
    await trade.assertRefunded();
  });
});

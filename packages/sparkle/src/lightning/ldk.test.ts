import { startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { LdkWorld } from '../../../../test/regtest/ldk.ts';
import { lightningSuite, type LightningWorld } from './lightning.suite.ts';

/** payer - router - payee, with private channels; the router is also the rival. */
async function openWorld(): Promise<LightningWorld> {
  const regtest = await startRegtest();
  const world = await LdkWorld.open(regtest);
  for (const name of ['payer', 'router', 'payee']) await world.start(name);
  await world.channel({ from: 'payer', to: 'router', sats: 2_000_000n, pushMsat: 300_000_000n });
  await world.channel({ from: 'router', to: 'payee', sats: 2_000_000n, pushMsat: 300_000_000n });
  return {
    get payer() {
      return world.node('payer');
    },
    get payee() {
      return world.node('payee');
    },
    get rival() {
      return world.node('router');
    },
    mine: (blocks) => world.mine(blocks),
    height: () => regtest.height(),
    async restart(name) {
      await world.restart(name, 'kill');
      await world.channelsUp();
    },
    async close() {
      await world.close();
      await regtest.stop();
    },
  };
}

lightningSuite('embedded LDK', openWorld, { without: [], skip: withoutBitcoind });

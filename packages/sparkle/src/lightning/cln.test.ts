import { openFakeWorld } from './cln/fake-world.suite.ts';
import { lightningSuite, type LightningWorld } from './lightning.suite.ts';

/**
 * Core Lightning cannot be run here: three servers of ours speak its wire (clnrest and `hold` as they were measured on
 * running nodes), and the driver reaches them over TLS with a rune of just the restrictions that it prints.
 */
async function openWorld(): Promise<LightningWorld> {
  const { network, payer, payee, rival, restart, close } = await openFakeWorld();
  payer.node.peer.sending = { ...payer.node.peer.sending, routeFeeMsat: 1000n, routeBlocks: 40 };
  return {
    get payer() {
      return payer.lightning;
    },
    get payee() {
      return payee.lightning;
    },
    rival: rival.lightning,
    mine: async (blocks) => network.setHeight(network.core.height + blocks),
    height: async () => network.core.height,
    restart: (which) => restart(which === 'payer' ? payer : payee),
    close,
  };
}

lightningSuite('Core Lightning', openWorld, { without: [], skip: false });

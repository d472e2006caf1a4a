import { lightningSuite, type LightningWorld } from './lightning.suite.ts';
import { memoryNetwork } from './memory.ts';

const START = { network: 'regtest', seed: 'suite', height: 800_000, nowSeconds: 1_700_000_000 } as const;

async function memoryWorld(): Promise<LightningWorld> {
  const network = memoryNetwork(START);
  const nodes = {
    payer: network.addNode({ name: 'payer', balanceMsat: 1_000_000_000n }),
    payee: network.addNode({ name: 'payee', balanceMsat: 0n }),
  };
  const rival = network.addNode({ name: 'rival', balanceMsat: 1_000_000_000n });
  nodes.payer.setSending({ routeFeeMsat: 1_000n, routeBlocks: 40 });
  return {
    payer: nodes.payer.lightning,
    payee: nodes.payee.lightning,
    rival: rival.lightning,
    mine: async (blocks) => network.setHeight(network.height() + blocks),
    height: async () => network.height(),
    restart: async (which) => {
      nodes[which].crash();
      nodes[which].restart();
    },
    close: async () => {},
  };
}

lightningSuite('memory', memoryWorld, { without: [], skip: false });

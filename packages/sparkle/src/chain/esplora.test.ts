import { addressOf, startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { chainSuite } from './chain.suite.ts';
import { esploraChain } from './esplora.ts';
import { startEsploraServer } from './esplora-server.ts';
import type { ChainBench } from './suite-hands.ts';

async function bench(): Promise<ChainBench> {
  const regtest = await startRegtest();
  const { rpcUrl: url, rpcUser: user, rpcPassword: password } = regtest.node;
  const server = await startEsploraServer({
    node: { url, credentials: { user, password }, timeoutMilliseconds: 10_000 },
    ...{ port: 0, searchBlocks: 1_000, indexBlocks: 10_000 },
  });
  const chain = esploraChain({
    ...{ url: server.url, network: 'regtest', timeoutMilliseconds: 10_000, pollMilliseconds: 30 },
    ...{ mempool: 'recent', maxTipAgeSeconds: Infinity, nowSeconds: () => Date.now() / 1000, fallbackSatVb: 3 },
  });
  return {
    ...{ chain, network: 'regtest', reorg: regtest.reorg },
    mine: async (blocks) => void (await regtest.mine(blocks)),
    pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
    outage: { down: regtest.node.down, up: regtest.node.up },
    async stop() {
      await server.stop();
      await regtest.stop();
    },
  };
}

chainSuite('esplora, over our own server and a real node', bench, { skip: withoutBitcoind });

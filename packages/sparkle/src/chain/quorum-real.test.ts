import { startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { chainHands } from '../../../../test/regtest/chain-hands.ts';
import { bitcoindChain } from './bitcoind.ts';
import { chainSuite } from './chain.suite.ts';
import { esploraChain } from './esplora.ts';
import { startEsploraServer } from './esplora-server.ts';
import { quorumChain } from './quorum.ts';
import type { ChainBench } from './suite-hands.ts';

async function bench(): Promise<ChainBench> {
  const regtest = await startRegtest();
  const { rpcUrl: url, rpcUser: user, rpcPassword: password, zmq } = regtest.node;
  const node = { url, credentials: { user, password }, timeoutMilliseconds: 10_000 };
  const server = await startEsploraServer({ node, port: 0, searchBlocks: 1_000, indexBlocks: 10_000 });
  const light = esploraChain({
    ...{ url: server.url, network: 'regtest', timeoutMilliseconds: 10_000, pollMilliseconds: 50 },
    ...{ mempool: 'watched', maxTipAgeSeconds: Infinity, nowSeconds: () => Date.now() / 1000, fallbackSatVb: 3 },
  });
  const sources = [
    { name: 'node', chain: bitcoindChain({ ...node, zmq, pollMilliseconds: 60_000, fallbackSatVb: 3 }) },
    { name: 'esplora', chain: light },
  ];
  const limits = { agree: 2, maxLagBlocks: 1, answerMilliseconds: 20_000, settleMilliseconds: 5_000 };
  return {
    ...{ ...chainHands(regtest), chain: quorumChain({ sources, ...limits }) },
    async stop() {
      await server.stop();
      await regtest.stop();
    },
  };
}

chainSuite('quorum, a node and an Esplora server that must agree', bench, { skip: withoutBitcoind });

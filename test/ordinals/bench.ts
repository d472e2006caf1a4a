import { bitcoindChain } from 'sparkle-protocol/chain/bitcoind';
import type { BlockSource, Chain } from 'sparkle-protocol/chain/chain';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import { ordOrdinals, type OrdOrdinals } from 'sparkle-protocol/ordinals/ord';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { startRegtest, type Regtest } from '../regtest/bitcoind.ts';
import { startOrd, type OrdOf, type OrdServer } from '../regtest/ord.ts';

/** A node, an `ord` server beside it, and both ways to ask about inscriptions over them. */
export type OrdBench = {
  regtest: Regtest;
  server: OrdServer;
  chain: Chain & BlockSource;
  ord: OrdOrdinals;
  local: Ordinals;
  stop(): Promise<void>;
};

export async function ordBench(of: { blocks: number; index: NonNullable<OrdOf['index']> }): Promise<OrdBench> {
  const regtest = await startRegtest({ blocks: of.blocks });
  const server = await startOrd({ regtest, index: of.index }).catch(async (error: unknown) => {
    await regtest.stop();
    throw error;
  });
  const chain = bitcoindChain({
    ...{ url: regtest.node.rpcUrl, credentials: { cookieFile: regtest.node.cookieFile }, zmq: {} },
    ...{ timeoutMilliseconds: 30_000, pollMilliseconds: 10_000, fallbackSatVb: 2 },
  });
  return {
    ...{ regtest, server, chain },
    ord: ordOrdinals({
      ...{ url: server.url, chain, timeoutMilliseconds: 30_000, maxAnswerBytes: 4_000_000, maxInFlight: 4 },
    }),
    local: localOrdinals({ chain, blocks: chain, maxTransactions: 100_000 }),
    async stop() {
      await chain.close();
      await server.stop();
      await regtest.stop();
    },
  };
}

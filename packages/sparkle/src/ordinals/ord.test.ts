import { addressOf, startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { startOrd } from '../../../../test/regtest/ord.ts';
import { withoutOrd } from '../../../../test/regtest/parts.ts';
import { bitcoindChain } from '../chain/bitcoind.ts';
import { agreeingOrdinals } from './agree.ts';
import { localOrdinals } from './local.ts';
import { ordOrdinals } from './ord.ts';
import { ordinalsSuite, type OrdinalsBench } from './ordinals.suite.ts';
import type { Ordinals } from './ordinals.ts';

const MAX_TRANSACTIONS = 20_000;
/** ord counts 50 BTC of new sats in each block for ever, regtest halves them at block 150: what is paid as a fee must be below. */
const FEW_BLOCKS = 103;

const onOrd = (which: 'alone' | 'beside local') => async (): Promise<OrdinalsBench> => {
  const regtest = await startRegtest({ blocks: FEW_BLOCKS });
  const server = await startOrd({ regtest, index: ['runes', 'sats'] });
  const chain = bitcoindChain({
    ...{ url: regtest.node.rpcUrl, credentials: { cookieFile: regtest.node.cookieFile }, zmq: {} },
    ...{ timeoutMilliseconds: 10_000, pollMilliseconds: 1_000, fallbackSatVb: 2 },
  });
  const ord = ordOrdinals({
    ...{ url: server.url, chain, timeoutMilliseconds: 10_000, maxAnswerBytes: 1_000_000, maxInFlight: 4 },
  });
  const local = localOrdinals({ chain, blocks: chain, maxTransactions: MAX_TRANSACTIONS });
  const ordinals: Ordinals = which === 'alone' ? ord : agreeingOrdinals([local, ord]);
  const thenIndexed = async <T>(work: Promise<T>): Promise<T> => {
    const result = await work;
    await server.caughtUp();
    return result;
  };
  return {
    ...{ chain, blocks: chain, ordinals, network: 'regtest', sees: 'blocks' },
    mine: async (blocks) => void (await thenIndexed(regtest.mine(blocks))),
    mineExactly: async (raws) => void (await thenIndexed(regtest.generateBlock(raws))),
    reorg: (options) => thenIndexed(regtest.reorg(options)),
    pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
    async stop() {
      await server.stop();
      await regtest.stop();
    },
  };
};

const skip = withoutBitcoind || withoutOrd;

ordinalsSuite('ord', onOrd('alone'), { skip });
ordinalsSuite('ord and a trace, agreeing', onOrd('beside local'), { skip });

import { withoutBitcoind, addressOf } from '../../../../test/regtest/bitcoind.ts';
import { ordBench } from '../../../../test/ordinals/bench.ts';
import { withoutOrd } from '../../../../test/regtest/parts.ts';
import { agreeingOrdinals } from './agree.ts';
import { ordinalsSuite, type OrdinalsBench } from './ordinals.suite.ts';

/** ord counts 50 BTC of new sats in each block for ever, regtest halves them at block 150: what is paid as a fee must be below. */
const FEW_BLOCKS = 103;

const onOrd = (which: 'alone' | 'beside local') => async (): Promise<OrdinalsBench> => {
  const { regtest, server, chain, ord, local, stop } = await ordBench({
    blocks: FEW_BLOCKS,
    index: which === 'alone' ? ['runes', 'sats'] : ['runes'],
  });
  const thenIndexed = async <T>(work: Promise<T>): Promise<T> => {
    const result = await work;
    await server.caughtUp();
    return result;
  };
  return {
    ...{ chain, blocks: chain, network: 'regtest', sees: 'blocks', stop },
    ordinals: which === 'alone' ? ord : agreeingOrdinals([local, ord]),
    mine: async (blocks) => void (await thenIndexed(regtest.mine(blocks))),
    mineExactly: async (raws) => void (await thenIndexed(regtest.generateBlock(raws))),
    reorg: (options) => thenIndexed(regtest.reorg(options)),
    pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
  };
};

const skip = withoutBitcoind || withoutOrd;

ordinalsSuite('ord', onOrd('alone'), { skip });
ordinalsSuite('ord and a trace, agreeing', onOrd('beside local'), { skip });

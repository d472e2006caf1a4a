import { addressOf, startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { startElectrumX, withoutElectrumx } from '../../../../test/regtest/electrumx.ts';
import { chainSuite } from './chain.suite.ts';
import { electrumChain } from './electrum.ts';
import { firstBlock } from './electrum-checkpoints.ts';
import type { ChainBench } from './suite-hands.ts';

const settings = {
  network: 'regtest',
  ...{ checkpoint: firstBlock('regtest'), fallbackSatVb: 3 },
  ...{ timeoutMilliseconds: 10_000, indexMilliseconds: 10_000, pollMilliseconds: 60_000 },
  backoff: { firstMilliseconds: 20, mostMilliseconds: 200 },
} as const;

async function bench(): Promise<ChainBench> {
  const regtest = await startRegtest();
  const electrumx = await startElectrumX({ regtest });
  return {
    chain: electrumChain({ ...settings, url: electrumx.url }),
    network: 'regtest',
    async mine(blocks) {
      await regtest.mine(blocks);
      await electrumx.caughtUp();
    },
    async reorg(options) {
      await regtest.reorg(options);
      await electrumx.caughtUp();
    },
    pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
    outage: electrumx,
    async stop() {
      await electrumx.stop();
      await regtest.stop();
    },
  };
}

chainSuite('Electrum, through ElectrumX', bench, { skip: withoutBitcoind || withoutElectrumx });

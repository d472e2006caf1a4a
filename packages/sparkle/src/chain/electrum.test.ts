import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startRegtest, withoutBitcoind, type Regtest } from '../../../../test/regtest/bitcoind.ts';
import { chainHands } from '../../../../test/regtest/chain-hands.ts';
import { startElectrumX, withoutElectrumx, type ElectrumX } from '../../../../test/regtest/electrumx.ts';
import { chainSuite } from './chain.suite.ts';
import { electrumChain } from './electrum.ts';
import { firstBlock } from './electrum-checkpoints.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { ChainBench } from './suite-hands.ts';
import pems from './electrum-tls.vectors.json' with { type: 'json' };

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
    ...{ ...chainHands(regtest), chain: electrumChain({ ...settings, url: electrumx.url }) },
    async mine(blocks) {
      await regtest.mine(blocks);
      await electrumx.caughtUp();
    },
    async reorg(options) {
      await regtest.reorg(options);
      await electrumx.caughtUp();
    },
    outage: electrumx,
    async stop() {
      await electrumx.stop();
      await regtest.stop();
    },
  };
}

chainSuite('Electrum, through ElectrumX', bench, { skip: withoutBitcoind || withoutElectrumx });

describe('ElectrumX over TLS', { skip: withoutBitcoind || withoutElectrumx }, () => {
  let regtest: Regtest;
  let electrumx: ElectrumX;
  before(async () => {
    regtest = await startRegtest();
    electrumx = await startElectrumX({ regtest, certificate: pems.one });
  });
  after(async () => {
    await electrumx?.stop();
    await regtest?.stop();
  });

  const open = (sha256: string) =>
    electrumChain({ ...settings, url: electrumx.tlsUrl, trust: { by: 'fingerprint', sha256 } });

  test('it is asked when it shows the certificate that it is known by, and only then', async () => {
    const chain = open(pems.one.sha256);
    assert.equal((await chain.tip()).height, await regtest.height());
    await chain.close();
    const other = open(pems.other.sha256);
    await assert.rejects(
      other.tip(),
      (error) => error instanceof SparkleError && error.detail['reason'] === 'certificate',
    );
    await other.close();
  });

  test('while its node is away questions about transactions are refused, and nothing is guessed', async () => {
    const chain = electrumChain({ ...settings, url: electrumx.url, timeoutMilliseconds: 500 });
    await chain.tip();
    await regtest.node.down();
    await assert.rejects(
      chain.transaction('ab'.repeat(32)),
      (error) => error instanceof SparkleError && error.code === 'chain_unavailable',
    );
    await regtest.node.up();
    await chain.close();
  });
});

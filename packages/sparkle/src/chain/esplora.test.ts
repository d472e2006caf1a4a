import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { chainHands } from '../../../../test/regtest/chain-hands.ts';
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
    ...{ ...chainHands(regtest), chain },
    async stop() {
      await server.stop();
      await regtest.stop();
    },
  };
}

chainSuite('esplora, over our own server and a real node', bench, { skip: withoutBitcoind });

test('the driver and the quorum bundle for a browser, without anything of node', async () => {
  const { outputFiles } = await build({
    entryPoints: ['esplora.ts', 'quorum.ts'].map((file) => fileURLToPath(new URL(file, import.meta.url))),
    ...{ bundle: true, write: false, outdir: 'nowhere', format: 'esm', platform: 'browser', logLevel: 'silent' },
  });
  const code = outputFiles.map((file) => file.text).join('');
  assert.deepEqual(code.match(/\bnode:[a-z_/]+|\brequire\(|\bBuffer\b|\bprocess\.(?:env|argv|version)/g) ?? [], []);
});

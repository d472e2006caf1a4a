import { chainSuite } from './chain.suite.ts';
import { memoryChain, type MemoryChain } from './memory.ts';
import { memoryWallet } from './memory-wallet.ts';
import type { ChainBench } from './suite-hands.ts';
import { walletSuite } from './wallet.suite.ts';

const NOW_SECONDS = 1_750_000_000;

const open = (): MemoryChain => memoryChain({ network: 'regtest', seed: 1, nowSeconds: () => NOW_SECONDS });

function benchOf(chain: MemoryChain): ChainBench {
  const { control } = chain;
  return {
    ...{ chain, network: 'regtest' },
    mine: async (blocks) => control.mine(blocks),
    reorg: async (options) => control.reorg(options),
    pay: async (payment) => control.pay(payment),
    outage: { down: async () => control.goDown(), up: async () => control.comeBack() },
    stop: async () => undefined,
  };
}

chainSuite('memory', async () => benchOf(open()));
chainSuite('another node in the same memory', async () => benchOf(open().control.peer()));

walletSuite('memory', async () => {
  const chain = open();
  const wallet = memoryWallet({ chain, network: 'regtest', secret: new Uint8Array(32).fill(5) });
  return { ...benchOf(chain), wallet };
});

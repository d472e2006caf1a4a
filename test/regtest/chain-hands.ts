import type { ChainBench } from 'sparkle-protocol/chain/suite-hands';
import { addressOf, type Regtest } from './bitcoind.ts';

/** The hands of the chain's suite on a regtest node, for a driver that sees what it does at once. */
export const chainHands = (regtest: Regtest): Omit<ChainBench, 'chain' | 'stop'> => ({
  network: 'regtest',
  mine: async (blocks) => void (await regtest.mine(blocks)),
  reorg: regtest.reorg,
  pay: ({ script, sats }) => regtest.pay({ to: addressOf(script), sats }),
  outage: { down: regtest.node.down, up: regtest.node.up },
});

import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { Regtest } from '../test/regtest/bitcoind.ts';
import { openChannel, openNode } from './lightning.ts';
import { accessOf, type Name } from './party.ts';

/** A Lightning node of a party. `synced` resolves once it has seen every block of the chain. */
export type WorldNode = { lightning: Lightning; synced(): Promise<unknown> };
export type Nodes = Record<Name, WorldNode>;

/** Brings up the nodes of both parties with a channel that the buyer can pay over. What it starts it hands to `onStop`. */
export type OpenNodes = (place: {
  regtest: Regtest;
  dir: string;
  log: (what: string) => void;
  onStop: (stop: () => Promise<unknown>) => void;
}) => Promise<Nodes>;

/** Nodes inside this process: nothing to install. */
export const ldkNodes: OpenNodes = async ({ regtest, dir, log }) => {
  log('opening a Lightning channel between two embedded nodes');
  const node = (name: Name) => openNode({ name, access: accessOf(regtest), dir });
  const nodes = { seller: await node('seller'), buyer: await node('buyer') };
  await openChannel(nodes, regtest.mine);
  return {
    seller: { lightning: nodes.seller, synced: () => nodes.seller.sync() },
    buyer: { lightning: nodes.buyer, synced: () => nodes.buyer.sync() },
  };
};

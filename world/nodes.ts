import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import type { Regtest } from '../test/regtest/bitcoind.ts';
import { type Lnd, lndSynced, openLndChannel, startLnd } from '../test/regtest/lnd.ts';
import { driverOver } from '../test/regtest/lnd-driver.ts';
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
  await openChannel(nodes, regtest);
  return {
    seller: { lightning: nodes.seller, synced: () => nodes.seller.sync() },
    buyer: { lightning: nodes.buyer, synced: () => nodes.buyer.sync() },
  };
};

const CHANNEL_SATS = 2_000_000n;

const quiet = (): void => undefined;

/** Two LND processes of their own. */
export const lndNodes: OpenNodes = async ({ regtest, log, onStop }) => {
  log('starting two LND nodes and opening a channel between them');
  const start = async (name: Name): Promise<Lnd> => {
    const node = await startLnd({ regtest, name });
    onStop(() => node.stop());
    return node;
  };
  const [seller, buyer] = await Promise.all([start('seller'), start('buyer')]);
  // With nothing on his side the seller has no anchor; the first payment would cost the buyer that anchor's 330 sats too.
  const terms = { sats: CHANNEL_SATS, pushSats: 10_000n, kind: 'public' } as const;
  await openLndChannel(regtest, { from: buyer, to: seller, ...terms });
  const synced = () => lndSynced(regtest, [seller, buyer]);
  return {
    seller: { lightning: driverOver(seller, quiet), synced },
    buyer: { lightning: driverOver(buyer, quiet), synced },
  };
};

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRegtest, withoutBitcoind } from '../../../../test/regtest/bitcoind.ts';
import { LdkWorld } from '../../../../test/regtest/ldk.ts';
import { NwcSide, nowSeconds, type NwcBackend } from '../../../../test/regtest/nwc.ts';
import { withoutRelay } from '../../../../test/regtest/parts.ts';
import { startRealRelay } from '../../../../test/regtest/real-relay.ts';
import { startRelay } from '../../../../test/regtest/relay.ts';
import { ROUTE_CAP } from './bench.suite.ts';
import type { Lightning } from './lightning.ts';
import { lightningSuite, type Extra, type LightningWorld } from './lightning.suite.ts';
import { memoryNetwork } from './memory.ts';

/** NIP-47 has no word for a cap on fees nor for a preimage of one's own. */
const WITHOUT: readonly Extra[] = ['fees', 'ownPreimage'];

type Relay = { url: string; stop(): Promise<void> };
type Nodes = {
  payer: NwcBackend;
  payee: NwcBackend;
  rival: () => Lightning;
  mine(blocks: number): Promise<void>;
  /** Ends the node as a crash would and has it back, with nothing of ours in front of it meanwhile. */
  restart(which: 'payer' | 'payee'): Promise<void>;
  close(): Promise<void>;
};

/** Wallets over a relay, each in front of a node of its own. */
async function walletWorld(relay: Relay, nodes: Nodes): Promise<LightningWorld> {
  const home = await mkdtemp(join(tmpdir(), 'sparkle-nwc-'));
  const side = (name: 'payer' | 'payee'): NwcSide =>
    new NwcSide({ relays: [relay.url], backend: nodes[name], path: join(home, name), maxCltvBlocks: ROUTE_CAP });
  const sides = { payer: side('payer'), payee: side('payee') };
  await Promise.all([sides.payer.open(), sides.payee.open()]);
  return {
    get payer() {
      return sides.payer.wallet;
    },
    get payee() {
      return sides.payee.wallet;
    },
    get rival() {
      return nodes.rival();
    },
    mine: (blocks) => nodes.mine(blocks),
    height: () => nodes.payer.height(),
    async restart(which) {
      await sides[which].shut();
      await nodes.restart(which);
      await sides[which].open();
    },
    async close() {
      await Promise.all([sides.payer.close(), sides.payee.close()]);
      await nodes.close();
      await relay.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

function memoryNodes(): Nodes {
  const network = memoryNetwork({ network: 'regtest', seed: 'nwc', height: 800_000, nowSeconds: nowSeconds() });
  const payer = network.addNode({ name: 'payer', balanceMsat: 1_000_000_000n });
  const payee = network.addNode({ name: 'payee', balanceMsat: 0n });
  const rival = network.addNode({ name: 'rival', balanceMsat: 1_000_000_000n });
  payer.setSending({ routeFeeMsat: 1_000n, routeBlocks: 40 });
  const height = async (): Promise<number> => network.height();
  const nodes = { payer, payee };
  return {
    payer: { lightning: () => payer.lightning, height },
    payee: { lightning: () => payee.lightning, height },
    rival: () => rival.lightning,
    mine: async (blocks) => network.setHeight(network.height() + blocks),
    async restart(which) {
      nodes[which].crash();
      nodes[which].restart();
    },
    close: async () => undefined,
  };
}

/** payer - router - payee, real nodes with private channels. */
async function ldkNodes(): Promise<Nodes> {
  const regtest = await startRegtest();
  const world = await LdkWorld.open(regtest);
  for (const name of ['payer', 'router', 'payee']) await world.start(name);
  await world.channel({ from: 'payer', to: 'router', sats: 2_000_000n, pushMsat: 300_000_000n });
  await world.channel({ from: 'router', to: 'payee', sats: 2_000_000n, pushMsat: 300_000_000n });
  const height = (): Promise<number> => regtest.height();
  return {
    payer: { lightning: () => world.node('payer'), height },
    payee: { lightning: () => world.node('payee'), height },
    rival: () => world.node('router'),
    mine: (blocks) => world.mine(blocks),
    async restart(which) {
      await world.restart(which, 'kill');
      await world.channelsUp();
    },
    async close() {
      await world.close();
      await regtest.stop();
    },
  };
}

lightningSuite('NWC wallets over memory nodes', async () => walletWorld(await startRelay(), memoryNodes()), {
  without: WITHOUT,
  skip: false,
});

lightningSuite(
  `NWC wallets over ${withoutRelay ? 'a relay in process' : 'nostr-rs-relay'} and LDK nodes`,
  async () => walletWorld(withoutRelay ? await startRelay() : await startRealRelay(), await ldkNodes()),
  { without: WITHOUT, skip: withoutBitcoind },
);

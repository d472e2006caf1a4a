import type { Lightning } from '../lightning.ts';
import certificates from './certificates.vectors.json' with { type: 'json' };
import { cln, type ClnClock, type ClnOptions, runeRestrictions } from './cln.ts';
import { FAKE_NETWORK, FakeClnNetwork, type FakeClnNode } from './fake-node.suite.ts';
import { FakeClnServer } from './fake-server.suite.ts';

const HOLD_EXPIRY_DEADLINE = 18;

/** A driver over a fake node, and all there is to reach behind it. */
type FakeSide = { lightning: Lightning; readonly server: FakeClnServer; readonly node: FakeClnNode };

/** Payer, payee and another payer over one network of ours. `clock.milliseconds` is what the drivers take for elapsed time. */
export type FakeWorld = {
  network: FakeClnNetwork;
  payer: FakeSide;
  payee: FakeSide;
  rival: FakeSide;
  clock: { milliseconds: number };
  /** Another driver for the same node, as a process that was just started. */
  drive(side: FakeSide): Promise<Lightning>;
  /** lightningd and the program over it are started anew. */
  restart(side: FakeSide): Promise<void>;
  close(): Promise<void>;
};

export async function openFakeWorld(): Promise<FakeWorld> {
  const network = new FakeClnNetwork({ height: 800_000, nowSeconds: 1_700_000_000 });
  const elapsed = { milliseconds: 0 };
  const clock: ClnClock = {
    nowSeconds: () => network.core.nowSeconds,
    nowMilliseconds: () => elapsed.milliseconds,
  };
  const drivers: Lightning[] = [];
  const drive = async ({ server }: Pick<FakeSide, 'server'>): Promise<Lightning> => {
    const driver = await cln(clnOptions(server, clock));
    drivers.push(driver);
    return driver;
  };
  const side = async (name: string, balanceMsat: bigint): Promise<FakeSide> => {
    const node = network.addNode({ name, balanceMsat, holdExpiryDeadline: HOLD_EXPIRY_DEADLINE });
    const server = await FakeClnServer.open(node);
    return { node, server, lightning: await drive({ server }) };
  };
  const payer = await side('payer', 1_000_000_000n);
  const payee = await side('payee', 0n);
  const rival = await side('rival', 1_000_000_000n);
  return {
    network,
    payer,
    payee,
    rival,
    clock: elapsed,
    drive,
    async restart(restarted) {
      await restarted.lightning.close();
      restarted.server.restart();
      restarted.lightning = await drive(restarted);
    },
    async close() {
      for (const driver of drivers) await driver.close();
      for (const { server } of [payer, payee, rival]) await server.close();
    },
  };
}

/** How a driver reaches a fake node: a rune of just the restrictions that are printed, and the node's own authority. */
export const clnOptions = (server: FakeClnServer, clock: ClnClock): ClnOptions => ({
  url: server.url,
  rune: { text: server.createRune(runeRestrictions('all')) },
  ca: { text: certificates.ca },
  network: FAKE_NETWORK,
  use: 'all',
  timeoutMilliseconds: 10_000,
  clock,
});

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { ldkNodes, type OpenNodes, type WorldNode } from '../../world/nodes.ts';
import type { Name } from '../../world/party.ts';
import type { Printer } from '../../world/print.ts';
import { tell, type StoryName } from '../../world/story.ts';
import { createWorld } from '../../world/world.ts';
import { withoutBitcoind } from './bitcoind.ts';
import { NwcSide } from './nwc.ts';
import { startRelay } from './relay.ts';

/** Both parties own a wallet somewhere else, which they reach over a relay; their nodes are real. */
const nwcNodes: OpenNodes = async (place) => {
  const { regtest, dir, onStop } = place;
  const nodes = await ldkNodes(place);
  const relay = await startRelay();
  onStop(() => relay.stop());
  const wallet = async (name: Name): Promise<WorldNode> => {
    const backend = { lightning: () => nodes[name].lightning, height: () => regtest.height() };
    const side = new NwcSide({ relays: [relay.url], backend, path: join(dir, `${name}.nwc`), maxCltvBlocks: 432 });
    await side.open();
    onStop(async () => {
      await side.close();
      await nodes[name].lightning.close();
    });
    return { lightning: side.wallet, synced: () => nodes[name].synced() };
  };
  return { seller: await wallet('seller'), buyer: await wallet('buyer') };
};

const silent: Printer = { step() {}, note() {}, waiting() {}, summary() {}, stop() {} };

const endings = { 'hold-first': 'traded', refund: 'refunded' } satisfies Partial<Record<StoryName, string>>;

for (const story of ['hold-first', 'refund'] as const)
  test(`a ${story} trade between two NWC wallets ends right`, { skip: withoutBitcoind }, async () => {
    const world = await createWorld({ log: () => {}, openNodes: nwcNodes });
    try {
      const { report } = await tell(world, story, silent);
      const { outcome, buyerPaidMsat, sellerReceivedMsat } = report;
      const priceMsat = story === 'refund' ? 0 : 90_000_000;
      assert.deepEqual([outcome, buyerPaidMsat, sellerReceivedMsat], [endings[story], priceMsat, priceMsat]);
    } finally {
      await world.stop();
    }
  });

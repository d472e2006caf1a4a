import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { bitcoindRpc } from 'sparkle-protocol/chain/bitcoind-rpc';
import { bitcoindBlocks } from 'sparkle-protocol/lightning/ldk/bitcoind-blocks';
import { type LdkNode, startLdkNode } from 'sparkle-protocol/lightning/ldk/node';
import { z } from 'zod';
import type { Regtest } from '../test/regtest/bitcoind.ts';
import { until } from '../test/regtest/kept-process.ts';
import type { Name, NodeAccess } from './party.ts';

const CHANNEL_SATS = 2_000_000n;

const funded = z.object({ hex: z.string() });
const script = z.object({ scriptPubKey: z.string() });

/** An embedded node on the world's chain; its channel is paid from the wallet of its owner. */
export function openNode(given: { name: Name; access: NodeAccess; dir: string }): Promise<LdkNode> {
  const { name, access, dir } = given;
  const rpc = bitcoindRpc({ ...access, timeoutMilliseconds: 30_000 });
  const wallet = bitcoindRpc({ ...access, url: `${access.url}/wallet/${name}`, timeoutMilliseconds: 30_000 });
  return startLdkNode({
    directory: join(dir, name, 'lightning'),
    network: 'regtest',
    // A name is seed enough for a chain that lives for minutes.
    seed: new Uint8Array(createHash('sha256').update(`sparkle world ${name}`).digest()),
    blocks: bitcoindBlocks(rpc.ask),
    listen: { host: '127.0.0.1', port: 0 },
    fundChannel: async ({ address, sats }) => {
      const outputs = [{ [address]: Number(sats) / 1e8 }];
      const raw = await wallet.call('createrawtransaction', [[], outputs], z.string());
      const options = { lockUnspents: true, fee_rate: 2, change_type: 'bech32m' };
      const { hex } = await wallet.call('fundrawtransaction', [raw, options], funded);
      return (await wallet.call('signrawtransactionwithwallet', [hex], funded)).hex;
    },
    sweepScript: async () => {
      const address = await wallet.call('getnewaddress', ['', 'bech32m'], z.string());
      return (await wallet.call('getaddressinfo', [address], script)).scriptPubKey;
    },
    acceptChannelsFrom: 'anyone',
    nowMilliseconds: () => Date.now(),
    warn: () => {},
  });
}

/** A channel from buyer to seller that both can use at once. */
export async function openChannel(
  nodes: Record<Name, LdkNode>,
  { rpc, mine }: Pick<Regtest, 'rpc' | 'mine'>,
): Promise<void> {
  const { seller, buyer } = nodes;
  await buyer.connect({ nodeId: await seller.nodeId(), host: '127.0.0.1', port: seller.port });
  const { fundingTxid } = await buyer.openChannel({ nodeId: await seller.nodeId(), sats: CHANNEL_SATS, pushMsat: 0n });
  // It leaves the node by itself: a block that is mined before it has come does not have it.
  await until('the channel to be funded', async () => (await rpc<string[]>('getrawmempool')).includes(fundingTxid));
  await mine(1);
  await Promise.all([seller.sync(), buyer.sync()]);
  const usable = (node: LdkNode) => node.channels().some((channel) => channel.usable && channel.routable);
  await until('the channel can be used', () => usable(seller) && usable(buyer));
}

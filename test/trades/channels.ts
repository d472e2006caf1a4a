import { addPeer, getChannels, openChannel } from 'lightning';
import type { LdkNode } from 'sparkle-protocol/lightning/ldk/node';
import type { Regtest } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';
import { fundLnd, lndSynced, type Lnd } from '../regtest/lnd.ts';

/** With nothing on his side the payee has no reserve; the first payment would pay that too. */
const PUSH_SATS = 10_000n;
/** A node that accepts a channel may ask for six. */
const BLOCKS = 6;

async function inMempool(regtest: Regtest, txid: string): Promise<void> {
  await until('the funding transaction', async () => (await regtest.rpc<string[]>('getrawmempool')).includes(txid));
}

/** Returns once both ends of the one channel between an embedded node and an LND can use it. */
export async function mixedChannelUp({ ldk, lnd }: { ldk: LdkNode; lnd: Lnd }): Promise<void> {
  const nodeId = await ldk.nodeId();
  await until('the channel between LND and the embedded node', async () => {
    const { channels } = await getChannels({ lnd: lnd.lnd, is_active: true });
    return (
      channels.some(({ partner_public_key }) => partner_public_key === nodeId) &&
      ldk.channels().some(({ usable, routable }) => usable && routable)
    );
  });
}

type Ends = { lnd: Lnd; ldk: LdkNode; sats: bigint };

/** A private channel that the LND pays for. */
export async function lndToLdk(regtest: Regtest, { lnd, ldk, sats }: Ends): Promise<void> {
  await fundLnd(regtest, { node: lnd, sats: sats + 100_000n });
  await ldk.sync();
  const nodeId = await ldk.nodeId();
  await addPeer({ lnd: lnd.lnd, public_key: nodeId, socket: `127.0.0.1:${ldk.port}` });
  const { transaction_id: txid } = await openChannel({
    lnd: lnd.lnd,
    partner_public_key: nodeId,
    local_tokens: Number(sats),
    give_tokens: Number(PUSH_SATS),
    is_private: true,
    chain_fee_tokens_per_vbyte: 2,
  });
  await confirmed(regtest, { lnd, ldk, txid });
}

/** A private channel that the embedded node pays for. */
export async function ldkToLnd(regtest: Regtest, { lnd, ldk, sats }: Ends): Promise<void> {
  const [host = '', port] = lnd.peerSocket.split(':');
  await ldk.connect({ nodeId: lnd.nodeId, host, port: Number(port) });
  const { fundingTxid: txid } = await ldk.openChannel({ nodeId: lnd.nodeId, sats, pushMsat: PUSH_SATS * 1000n });
  await confirmed(regtest, { lnd, ldk, txid });
}

async function confirmed(regtest: Regtest, ends: { lnd: Lnd; ldk: LdkNode; txid: string }): Promise<void> {
  await inMempool(regtest, ends.txid);
  await regtest.mine(BLOCKS);
  await Promise.all([ends.ldk.sync(), lndSynced(regtest, [ends.lnd])]);
  await mixedChannelUp(ends);
}

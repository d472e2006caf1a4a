import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { displayHash, isAbsent, someOf } from './values.ts';

/** An HTLC that is in one of our channels now. */
type PendingHtlc = { paymentHash: string; amountMsat: bigint; expiryHeight: number };

/** A channel as it stands. */
export type LdkChannel = {
  channelId: string;
  nodeId: string;
  /** Absent until the funding transaction is known. */
  fundingTxid?: string;
  sats: bigint;
  /** Confirmed deep enough, on both sides. */
  ready: boolean;
  /** Ready, the peer is connected, and it is not being closed. */
  usable: boolean;
  /** The peer has told its routing terms: only then can an invoice lead here. */
  routable: boolean;
  /** What is ours in it, without HTLCs that are pending. */
  ownedMsat: bigint;
  /** The most one more HTLC could carry out. */
  spendableMsat: bigint;
  receivableMsat: bigint;
  incoming: PendingHtlc[];
  outgoing: PendingHtlc[];
};

/** All channels of a node, in the library's order. */
export const channelsOf = (manager: ldk.ChannelManager): LdkChannel[] => manager.list_channels().map(readChannel);

function readChannel(details: ldk.ChannelDetails): LdkChannel {
  const counterparty = details.get_counterparty();
  const funding = details.get_funding_txo();
  return {
    channelId: hex.encode(details.get_channel_id().get_a()),
    nodeId: hex.encode(counterparty.get_node_id()),
    ...(isAbsent(funding) ? {} : { fundingTxid: displayHash(funding.get_txid()) }),
    sats: details.get_channel_value_satoshis(),
    ready: Boolean(details.get_is_channel_ready()),
    usable: Boolean(details.get_is_usable()),
    routable: !isAbsent(counterparty.get_forwarding_info()),
    ownedMsat: ownedMsat(details),
    spendableMsat: details.get_next_outbound_htlc_limit_msat(),
    receivableMsat: details.get_inbound_capacity_msat(),
    incoming: details.get_pending_inbound_htlcs().map(readHtlc),
    outgoing: details.get_pending_outbound_htlcs().map(readHtlc),
  };
}

const readHtlc = (htlc: ldk.InboundHTLCDetails | ldk.OutboundHTLCDetails): PendingHtlc => ({
  paymentHash: hex.encode(htlc.get_payment_hash()),
  amountMsat: htlc.get_amount_msat(),
  expiryHeight: htlc.get_cltv_expiry(),
});

/**
 * Our side to the msat. The library tells what could be sent and received, each less a reserve and never below zero, so
 * one of the two leads back to the balance: what we could send, unless that is nothing.
 */
function ownedMsat(details: ldk.ChannelDetails): bigint {
  const ourReserve = 1000n * (someOf(details.get_unspendable_punishment_reserve(), ldk.Option_u64Z_Some) ?? 0n);
  const outbound = details.get_outbound_capacity_msat();
  if (outbound > 0n) return outbound + ourReserve;
  const theirReserve = 1000n * details.get_counterparty().get_unspendable_punishment_reserve();
  const pending = [...details.get_pending_inbound_htlcs(), ...details.get_pending_outbound_htlcs()];
  const pendingMsat = pending.reduce((sum, htlc) => sum + htlc.get_amount_msat(), 0n);
  const theirs = details.get_inbound_capacity_msat() + theirReserve;
  return 1000n * details.get_channel_value_satoshis() - theirs - pendingMsat;
}

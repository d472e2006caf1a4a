import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { displayHash, readU128, someOf } from './values.ts';

/** What the library tells, as plain data: its own objects must not outlive the callback that hands them over. */
export type NodeEvent =
  | { type: 'claimable'; paymentHash: string; amountMsat: bigint; claimDeadline: number | undefined }
  | { type: 'claimed'; paymentHash: string; amountMsat: bigint }
  | { type: 'given_back'; paymentHash: string }
  | { type: 'sent'; paymentHash: string; preimage: string; feeMsat: bigint }
  | { type: 'failed'; paymentHash: string; reason: string }
  | { type: 'forwards_wait' }
  | { type: 'channel_offered'; temporaryChannelId: string; nodeId: string; sats: bigint }
  | {
      type: 'funding_wanted';
      temporaryChannelId: string;
      nodeId: string;
      sats: bigint;
      script: string;
      userChannelId: bigint;
    }
  | { type: 'channel_pending'; channelId: string; nodeId: string; fundingTxid: string; userChannelId: bigint }
  | { type: 'channel_ready'; channelId: string; nodeId: string }
  | { type: 'channel_closed'; channelId: string; reason: string; userChannelId: bigint }
  | { type: 'outputs_spendable'; descriptors: string[] };

/** Translates one event; `undefined` for those nobody here needs. */
export function readEvent(event: ldk.Event): NodeEvent | undefined {
  return readPayment(event) ?? readChannel(event);
}

function readPayment(event: ldk.Event): NodeEvent | undefined {
  if (event instanceof ldk.Event_PaymentClaimable)
    return {
      type: 'claimable',
      paymentHash: hex.encode(event.payment_hash),
      amountMsat: event.amount_msat,
      claimDeadline: someOf(event.claim_deadline, ldk.Option_u32Z_Some),
    };
  if (event instanceof ldk.Event_PaymentClaimed)
    return { type: 'claimed', paymentHash: hex.encode(event.payment_hash), amountMsat: event.amount_msat };
  if (event instanceof ldk.Event_HTLCHandlingFailed) {
    const failed = event.failed_next_destination;
    return failed instanceof ldk.HTLCDestination_FailedPayment
      ? { type: 'given_back', paymentHash: hex.encode(failed.payment_hash) }
      : undefined;
  }
  if (event instanceof ldk.Event_PaymentSent)
    return {
      type: 'sent',
      paymentHash: hex.encode(event.payment_hash),
      preimage: hex.encode(event.payment_preimage),
      feeMsat: someOf(event.fee_paid_msat, ldk.Option_u64Z_Some) ?? 0n,
    };
  // Our payment ids are payment hashes.
  if (event instanceof ldk.Event_PaymentFailed)
    return { type: 'failed', paymentHash: hex.encode(event.payment_id), reason: failureReason(event) };
  if (event instanceof ldk.Event_PendingHTLCsForwardable) return { type: 'forwards_wait' };
  return undefined;
}

function readChannel(event: ldk.Event): NodeEvent | undefined {
  if (event instanceof ldk.Event_OpenChannelRequest)
    return {
      type: 'channel_offered',
      temporaryChannelId: hex.encode(event.temporary_channel_id.get_a()),
      nodeId: hex.encode(event.counterparty_node_id),
      sats: event.funding_satoshis,
    };
  if (event instanceof ldk.Event_FundingGenerationReady)
    return {
      type: 'funding_wanted',
      temporaryChannelId: hex.encode(event.temporary_channel_id.get_a()),
      nodeId: hex.encode(event.counterparty_node_id),
      sats: event.channel_value_satoshis,
      script: hex.encode(event.output_script),
      userChannelId: readU128(event.user_channel_id),
    };
  if (event instanceof ldk.Event_SpendableOutputs)
    return { type: 'outputs_spendable', descriptors: event.outputs.map((output) => hex.encode(output.write())) };
  return readLife(event);
}

/** The life of a channel once both sides have agreed on it. */
function readLife(event: ldk.Event): NodeEvent | undefined {
  if (event instanceof ldk.Event_ChannelPending)
    return {
      type: 'channel_pending',
      channelId: hex.encode(event.channel_id.get_a()),
      nodeId: hex.encode(event.counterparty_node_id),
      fundingTxid: displayHash(event.funding_txo.get_txid()),
      userChannelId: readU128(event.user_channel_id),
    };
  if (event instanceof ldk.Event_ChannelReady)
    return {
      type: 'channel_ready',
      channelId: hex.encode(event.channel_id.get_a()),
      nodeId: hex.encode(event.counterparty_node_id),
    };
  if (event instanceof ldk.Event_ChannelClosed)
    return {
      type: 'channel_closed',
      channelId: hex.encode(event.channel_id.get_a()),
      reason: event.reason.constructor.name.replace('ClosureReason_', ''),
      userChannelId: readU128(event.user_channel_id),
    };
  return undefined;
}

function failureReason(event: ldk.Event_PaymentFailed): string {
  const reason = someOf(event.reason, ldk.Option_PaymentFailureReasonZ_Some);
  return reason === undefined ? 'unknown' : ldk.PaymentFailureReason[reason].replace('LDKPaymentFailureReason_', '');
}

import type { LndRpc } from './rpc.ts';
import { wire, type LndChannel } from './wire.ts';

/** Weight of an HTLC output on a commitment transaction (BOLT 3). */
const HTLC_WEIGHT = 172n;
/** How often the two answers are asked for again when a payment moved between them. */
const TRIES = 5;

/** Throws `LndCallFailed`. */
export async function balanceOf(rpc: LndRpc): Promise<{ spendableMsat: bigint; ownedMsat: bigint }> {
  for (let tries = 1; ; tries += 1) {
    const [{ local_balance }, { channels }] = await Promise.all([
      rpc.ask('channelBalance', {}, wire.channelBalance),
      rpc.ask('listChannels', {}, wire.channels),
    ]);
    const localMsat = local_balance?.msat ?? 0n;
    const missingMsat = localMsat - 1000n * sum(channels.map((channel) => channel.local_balance));
    // Only the list knows the fees and only the sum knows the msats: they are of one moment when they differ by rounding.
    const isOneMoment = missingMsat >= 0n && missingMsat <= 1000n * BigInt(channels.length);
    if (!isOneMoment && tries < TRIES) continue;
    return {
      ownedMsat: localMsat + 1000n * sum(channels.map(feeOf)),
      spendableMsat: 1000n * sum(channels.map(spendableSatsOf)),
    };
  }
}

/**
 * Whether this amount could be sent if all channels were active, and some are not: as after a restart, until their
 * peers are back. Throws `LndCallFailed`.
 */
export async function awaitsInactive(rpc: LndRpc, amountMsat: bigint): Promise<boolean> {
  const { channels } = await rpc.ask('listChannels', {}, wire.channels);
  const sendableMsat = 1000n * sum(channels.map(sendableSatsOf));
  return channels.some(({ active }) => !active) && sendableMsat >= amountMsat;
}

const sum = (parts: readonly bigint[]): bigint => parts.reduce((total, part) => total + part, 0n);

/** The fee of the commitment is of who opened the channel, and changes with every HTLC that comes and goes. */
const feeOf = ({ initiator, commit_fee }: LndChannel): bigint => (initiator ? commit_fee : 0n);

const spendableSatsOf = (channel: LndChannel): bigint => (channel.active ? sendableSatsOf(channel) : 0n);

/**
 * What one channel can send while it is active: above the reserve (BOLT 2), and for who opened it also above the fee
 * buffer, with which LND keeps the next HTLC payable when the fee rate doubles.
 */
function sendableSatsOf(channel: LndChannel): bigint {
  const { local_balance, local_constraints, initiator, commit_fee, fee_per_kw } = channel;
  const buffer = initiator ? commit_fee + (2n * HTLC_WEIGHT * fee_per_kw) / 1000n : 0n;
  const sats = local_balance - (local_constraints?.chan_reserve_sat ?? 0n) - buffer;
  return sats > 0n ? sats : 0n;
}

import type { Invoice } from '../lightning.ts';
import type { LndIncoming, LndInvoice } from './wire.ts';

type Part = LndInvoice['htlcs'][number];

/**
 * The parts of a payment that are really there. LND keeps refused parts in the list, and when it is killed within
 * milliseconds of accepting one, it refuses that part after its restart ("sphinx packet replay attempted") and goes on
 * calling the invoice accepted: what counts is the HTLC in the channel. A part whose channel is not open any more is
 * claimed on the chain, where its channel does not list it.
 */
export function acceptedParts({ htlcs, r_hash }: LndInvoice, channels: readonly LndIncoming[]): Part[] {
  const isThere = ({ chan_id, htlc_index }: Part): boolean => {
    const channel = channels.find((each) => namesOf(each).includes(chan_id));
    return (
      channel === undefined ||
      channel.pending_htlcs.some((htlc) => htlc.incoming && htlc.hash_lock === r_hash && htlc.htlc_index === htlc_index)
    );
  };
  return htlcs.filter((part) => part.state === 'ACCEPTED' && isThere(part));
}

/** A channel that was used before it confirmed, or hides, has several ids. */
const namesOf = ({ chan_id, alias_scids, zero_conf_confirmed_scid }: LndIncoming): string[] => [
  chan_id,
  zero_conf_confirmed_scid,
  ...alias_scids,
];

/** The sum of the parts, until the first of them ends. No part: nothing holds this payment any more. */
export function heldOf(invoice: LndInvoice, channels: readonly LndIncoming[]): Invoice {
  const parts = acceptedParts(invoice, channels);
  return {
    state: 'held',
    amountMsat: parts.reduce((sum, { amt_msat }) => sum + amt_msat, 0n),
    expiryHeight: parts.length === 0 ? 0 : Math.min(...parts.map(({ expiry_height }) => expiry_height)),
    parts: parts.length,
  };
}

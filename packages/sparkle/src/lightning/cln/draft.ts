import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { decodeInvoice, encodeInvoice, type Invoice11, type RouteHint } from '../../protocol/bolt11.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { HoldInvoiceRequest } from '../lightning.ts';
import { differences } from '../requests.ts';
import { unavailable } from './rest.ts';
import type { Channel } from './wire.ts';

// BOLT 9: var_onion_optin and payment_secret are demanded, basic_mpp is offered.
const FEATURES = [8, 14, 17];
/** A reader takes no more than a few; the channels with the most room come first. */
const MAX_HINTS = 3;
/** BOLT 11 wants a signature; `signinvoice` ignores this one and puts the node's own in its place. */
const NOBODY = sha256(utf8.decode('a key whose signature the node replaces'));

type DraftOf = {
  request: HoldInvoiceRequest;
  network: NetworkName;
  nowSeconds: number;
  paymentSecret: string;
  routeHints: readonly (readonly RouteHint[])[];
};

/** An invoice that is complete but for the node's signature, as `signinvoice` takes it. */
export function draftInvoice({ request, network, nowSeconds, paymentSecret, routeHints }: DraftOf): string {
  const { paymentHash, amountMsat, description, expirySeconds, finalCltv } = request;
  return encodeInvoice(
    {
      network,
      amountMsat,
      timestampSeconds: nowSeconds,
      payeeSource: 'recovered',
      paymentHash,
      paymentSecret,
      description,
      expirySeconds,
      minFinalCltv: finalCltv,
      features: FEATURES,
      routeHints,
      fallbacks: [],
    },
    NOBODY,
  );
}

/**
 * Ways in over channels that nobody has announced, where there are only such: a payer could not find them. As
 * lightningd does for its own invoices (lightning-invoice(7), `exposeprivatechannels`).
 */
export function routeHintsOf(channels: readonly Channel[]): readonly (readonly RouteHint[])[] {
  const usable = channels.filter(({ state, peer_connected }) => state === 'CHANNELD_NORMAL' && peer_connected);
  if (usable.some((channel) => channel.private !== true)) return [];
  const byRoom = usable.toSorted((a, b) => Number((b.receivable_msat ?? 0n) - (a.receivable_msat ?? 0n)));
  return byRoom.flatMap(hintOf).slice(0, MAX_HINTS);
}

function hintOf(channel: Channel): RouteHint[][] {
  const shortChannelId = channel.alias?.remote ?? channel.short_channel_id;
  const update = channel.updates?.remote;
  if (shortChannelId === undefined || update === undefined) return [];
  const hint = {
    nodeId: channel.peer_id,
    shortChannelId,
    feeBaseMsat: update.fee_base_msat,
    feePpm: update.fee_proportional_millionths,
    cltvDelta: update.cltv_expiry_delta,
  };
  return [[hint]];
}

/** The node's own invoice, read. Throws `lightning_unavailable` when the node hands out what is no invoice. */
export function readOwn(bolt11: string): Invoice11 {
  try {
    return decodeInvoice(bolt11);
  } catch {
    throw unavailable('garbage', 'it gave an invoice that is none');
  }
}

/**
 * The signed invoice must say what was asked, with the node as its payee: an invoice for another hash would be paid and
 * open no lock. Throws `lightning_unavailable`.
 */
export function verifySigned(of: { bolt11: string; request: HoldInvoiceRequest; nodeId: string }): string {
  const invoice = readOwn(of.bolt11);
  if (differences(invoice, of.request).length === 0 && invoice.payee === of.nodeId) return invoice.text;
  throw unavailable('wrong_invoice', 'it gave an invoice with other terms than were asked for', {
    paymentHash: of.request.paymentHash,
  });
}

/** A random payment secret, 32 bytes in hex (BOLT 4). */
export const newPaymentSecret = (): string => hex.encode(crypto.getRandomValues(new Uint8Array(32)));

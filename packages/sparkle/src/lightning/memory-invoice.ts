import { secp256k1 } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { decodeInvoice, encodeInvoice, isInvoiceFor } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { HoldInvoiceRequest } from './lightning.ts';
import type { Terms } from './memory-route.ts';

// BOLT 9: var_onion_optin and payment_secret are demanded, basic_mpp is offered.
const FEATURES = [8, 14, 17];

export type InvoiceKey = { nodeId: string; secretKey: Uint8Array };

/** The key that a node of this name signs its invoices with, the same in every run. */
export function invoiceKey({ seed, name }: { seed: string; name: string }): InvoiceKey {
  const secretKey = sha256(utf8.decode(`sparkle memory node ${seed} ${name}`));
  return { nodeId: hex.encode(secp256k1.getPublicKey(secretKey, true)), secretKey };
}

/** A signed BOLT 11 invoice. The payment secret follows from the key and the hash, so that nothing here is random. */
export function writeInvoice(of: {
  request: HoldInvoiceRequest;
  network: NetworkName;
  nowSeconds: number;
  key: InvoiceKey;
}): string {
  const { request, network, nowSeconds, key } = of;
  const paymentSecret = hex.encode(sha256(Uint8Array.from([...key.secretKey, ...hex.decode(request.paymentHash)])));
  return encodeInvoice(
    {
      network,
      amountMsat: request.amountMsat,
      timestampSeconds: nowSeconds,
      payeeSource: 'recovered',
      paymentHash: request.paymentHash,
      paymentSecret,
      description: request.description,
      expirySeconds: request.expirySeconds,
      minFinalCltv: request.finalCltv,
      features: FEATURES,
      routeHints: [],
      fallbacks: [],
    },
    key.secretKey,
  );
}

/** What a payer reads in an invoice: the terms and who is to be paid. Throws `bad_invoice` or `wrong_network`. */
export function readInvoice({ bolt11, network }: { bolt11: string; network: NetworkName }): {
  terms: Terms;
  payeeId: string;
} {
  const invoice = decodeInvoice(bolt11);
  if (!isInvoiceFor(invoice, network))
    throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this node is on ${network}`);
  if (invoice.amountMsat === undefined)
    throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
  return {
    terms: {
      paymentHash: invoice.paymentHash,
      amountMsat: invoice.amountMsat,
      finalCltv: invoice.minFinalCltv,
      expiresAtSeconds: invoice.timestampSeconds + invoice.expirySeconds,
      preimage: undefined,
    },
    payeeId: invoice.payee,
  };
}

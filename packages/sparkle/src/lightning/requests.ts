import { type Invoice11, isInvoiceFor } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { HoldInvoiceRequest, InvoiceRequest, PayRequest } from './lightning.ts';

// BOLT 2: an HTLC carries its amount in 64 bits; 21 million BTC is the most there can be.
const MAX_MSAT = 2_100_000_000_000_000_000n;
// LND's and LDK's own limits on the expiry of an HTLC are about two weeks; 2016 is what BOLT 7 routers accept at most.
const MAX_CLTV_BLOCKS = 2016;
const MAX_EXPIRY_SECONDS = 366 * 24 * 3600;
// BOLT 11: a tagged field holds 639 bytes.
const MAX_DESCRIPTION_BYTES = 639;

function checkTerms(request: Omit<HoldInvoiceRequest, 'paymentHash'>): void {
  readMsat({ value: request.amountMsat, field: 'amountMsat', min: 1n });
  readIntegerIn({ value: request.finalCltv, field: 'finalCltv', min: 1, max: MAX_CLTV_BLOCKS, code: 'bad_height' });
  readIntegerIn({
    value: request.expirySeconds,
    field: 'expirySeconds',
    min: 1,
    max: MAX_EXPIRY_SECONDS,
    code: 'bad_invoice',
  });
  const bytes = new TextEncoder().encode(request.description).length;
  if (bytes > MAX_DESCRIPTION_BYTES)
    throw new SparkleError('bad_invoice', `description must be at most ${MAX_DESCRIPTION_BYTES} bytes; got ${bytes}`, {
      bytes,
    });
}

/** An amount in msat within what exists. Throws `bad_amount` naming `field`. */
export function readMsat(wanted: { value: unknown; field: string; min: bigint }): bigint {
  const { value, field, min } = wanted;
  if (typeof value === 'bigint' && value >= min && value <= MAX_MSAT) return value;
  const came = typeof value === 'bigint' ? `${value}` : typeof value;
  throw new SparkleError('bad_amount', `${field} must be a bigint from ${min} to ${MAX_MSAT} msat; got ${came}`, {
    field,
  });
}

/** Refuses a request that no node could honour. Throws `bad_hex`, `bad_amount`, `bad_height` or `bad_invoice`. */
export function checkHoldInvoiceRequest(request: HoldInvoiceRequest): void {
  readHex32(request.paymentHash, 'paymentHash');
  checkTerms(request);
}

/** Refuses a request that no node could honour, without ever repeating the preimage. Throws as `checkHoldInvoiceRequest`. */
export function checkInvoiceRequest(request: InvoiceRequest): void {
  readHex32(request.preimage, 'preimage');
  checkTerms(request);
}

/** Refuses a payment order out of range. Throws `bad_amount`, `bad_height` or `bad_config`; the invoice text is read elsewhere. */
export function checkPayRequest(request: PayRequest): void {
  readMsat({ value: request.maxFeeMsat, field: 'maxFeeMsat', min: 0n });
  readIntegerIn({
    value: request.maxCltvBlocks,
    field: 'maxCltvBlocks',
    min: 1,
    max: MAX_CLTV_BLOCKS,
    code: 'bad_height',
  });
  readIntegerIn({
    value: request.timeoutSeconds,
    field: 'timeoutSeconds',
    min: 1,
    max: MAX_EXPIRY_SECONDS,
    code: 'bad_config',
  });
}

/** The fields of an invoice in which it says otherwise than the request it was made for; none when it is as asked. */
export function differences(invoice: Invoice11, request: HoldInvoiceRequest): string[] {
  const asked = {
    paymentHash: request.paymentHash,
    amountMsat: request.amountMsat,
    minFinalCltv: request.finalCltv,
    expirySeconds: request.expirySeconds,
    description: request.description,
  };
  return Object.entries(asked).flatMap(([field, value]) => (Reflect.get(invoice, field) === value ? [] : [field]));
}

type Written = { invoice: Invoice11; by: string; network: NetworkName };

/**
 * Refuses an invoice that somebody else wrote and signed, and that is not what was asked of him. The final CLTV is his
 * choice. Throws `bad_invoice` with the first rule that is broken.
 */
export function assertAsAsked(written: Written, asked: Omit<HoldInvoiceRequest, 'finalCltv'>): void {
  const { invoice, by, network } = written;
  const rules = {
    paymentHash: invoice.paymentHash === asked.paymentHash,
    amount: invoice.amountMsat === asked.amountMsat,
    description: invoice.description === asked.description,
    expiry: invoice.expirySeconds === asked.expirySeconds,
    network: isInvoiceFor(invoice, network),
  };
  const rule = Object.entries(rules).find(([, holds]) => !holds)?.[0];
  if (rule === undefined) return;
  throw new SparkleError('bad_invoice', `${by} has another ${rule} than was asked for`, { rule });
}

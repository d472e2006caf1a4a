import type { Lightning } from 'sparkle-protocol/lightning/lightning';
import { lnurl, type LnurlOptions } from 'sparkle-protocol/lightning/lnurl';
import { decodeInvoice, type Invoice11, invoiceExpiresAt } from 'sparkle-protocol/protocol/bolt11';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Payout, PayoutEvent } from './payout.ts';

export type PayoutInvoiceParts = {
  lightning: Pick<Lightning, 'nodeId' | 'payment' | 'invoice'>;
  network: NetworkName;
  nowSeconds(): number;
  /** How services of strangers are reached. */
  reach: Pick<LnurlOptions, 'allowedOrigins' | 'ca' | 'resolve' | 'timeoutMilliseconds'>;
};

/** Shorter, and the order may find it expired; longer, and a payment that failed is waited for as long: CLN's own is a week. */
const LEAST_EXPIRY_SECONDS = 120;
const MOST_EXPIRY_SECONDS = 8 * 24 * 3600;

const unusable = (rule: string): PayoutEvent => ({ type: 'uninvoiced', why: `bad_invoice: ${rule}` });

/** Whoever gives it may have been paid with it already, or be paid by somebody else. */
export const hashReused = unusable('hash_reused');

/** What was wrong, for a program and a human; nothing of what the stranger's service has said. */
export function whyOf(error: unknown): string {
  if (!(error instanceof SparkleError)) return 'internal';
  const { reason, rule } = error.detail;
  const more = typeof reason === 'string' ? reason : typeof rule === 'string' ? rule : '';
  return more === '' ? error.code : `${error.code}: ${more}`;
}

/**
 * Asks the address of a payout for an invoice, and checks it before anything is noted: LUD-06 and LUD-16, for exactly what is
 * owed, of another node, and for a payment hash that this node has neither paid nor been paid for. What is a service's fault,
 * or the network's, is the answer; what our own node does not answer throws.
 */
export async function invoiceFor(
  { to, tradeId, amountSats }: Pick<Payout, 'to' | 'tradeId' | 'amountSats'>,
  { lightning, network, nowSeconds, reach }: PayoutInvoiceParts,
): Promise<PayoutEvent> {
  const nodeId = await lightning.nodeId();
  const options = { ...reach, network, nowSeconds, redirects: 'refused' } as const;
  let invoice: Invoice11;
  try {
    const payee = lnurl({ ...options, to, minExpirySeconds: LEAST_EXPIRY_SECONDS });
    const asked = { amountMsat: amountSats * 1000n, description: `Royalty of Sparkle trade ${tradeId}` };
    invoice = decodeInvoice((await payee.requestInvoice(asked)).bolt11);
  } catch (error) {
    if (error instanceof SparkleError) return { type: 'uninvoiced', why: whyOf(error) };
    throw error;
  }
  const { text: bolt11, paymentHash, payee } = invoice;
  const expiresAt = invoiceExpiresAt(invoice);
  if (expiresAt > nowSeconds() + MOST_EXPIRY_SECONDS) return unusable('expiry');
  if (payee === nodeId) return unusable('own_node');
  const states = [(await lightning.payment(paymentHash)).state, (await lightning.invoice(paymentHash)).state];
  if (states.some((state) => state !== 'unknown')) return hashReused;
  return { type: 'invoiced', bolt11, paymentHash, expiresAt };
}

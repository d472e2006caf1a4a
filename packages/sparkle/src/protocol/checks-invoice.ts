import { decodeInvoice, type Invoice11, invoiceExpiresAt, isInvoiceFor } from './bolt11.ts';
import { broken, type Failure, type Rule, same } from './checks-rule.ts';
import {
  finalCltvMatches,
  holdInvoiceExpirySeconds,
  invoiceMarginSeconds,
  invoiceWindowIsRight,
  leastRouteCap,
  lockInvoiceExpirySeconds,
} from './deadlines.ts';
import { SparkleError } from './errors.ts';
import type { Terms } from './trade/terms.ts';

type Bill = { text: string; terms: Terms; routeCapBlocks: number };
type InvoiceCheck = Bill & { nowSeconds: number };

/**
 * Everything about an invoice that a buyer must know before he pays it (swaps 4.1.3, item 7). That it is signed, has
 * a payment secret, and no feature unknown to us, is the reader's doing.
 */
export function invoiceFailures(check: InvoiceCheck): Failure[] {
  const invoice = read(check.text);
  if ('code' in invoice) return [invoice];
  return broken([...whatItPays(invoice, check.terms), ...untilWhen(invoice, check), ...byWhichRoute(invoice, check)]);
}

/** The same of an invoice that was paid: when it had to be paid says nothing any more. */
export function billFailures(bill: Bill): Failure[] {
  const invoice = read(bill.text);
  return 'code' in invoice ? [invoice] : broken([...whatItPays(invoice, bill.terms), ...byWhichRoute(invoice, bill)]);
}

function read(text: string): Invoice11 | Failure {
  try {
    return decodeInvoice(text);
  } catch (error) {
    if (!(error instanceof SparkleError)) throw error;
    const sentence = `the invoice must be one that BOLT 11 allows: ${error.message}`;
    return { code: 'invoice_unreadable', sentence, detail: { rule: error.detail['rule'] }, wait: false };
  }
}

function whatItPays(invoice: Invoice11, terms: Terms): Rule[] {
  const { network, paymentHash, priceSats, tradeId } = terms;
  return [
    {
      code: 'invoice_network',
      holds: isInvoiceFor(invoice, network),
      sentence: `the invoice must be for ${network}; it is for ${invoice.network}`,
      detail: { expected: network, came: invoice.network },
    },
    same({
      code: 'invoice_hash',
      field: 'the payment hash of the invoice',
      expected: paymentHash,
      came: invoice.paymentHash,
    }),
    same({
      code: 'invoice_amount',
      field: 'the amount of the invoice in msat',
      expected: priceSats * 1000n,
      came: invoice.amountMsat,
    }),
    {
      code: 'invoice_description',
      holds: invoice.description?.includes(tradeId) === true,
      sentence: `the description of the invoice must name the trade ${tradeId}; it does not`,
      detail: { tradeId },
    },
  ];
}

function untilWhen(invoice: Invoice11, { terms, nowSeconds }: InvoiceCheck): Rule[] {
  const left = invoiceExpiresAt(invoice) - nowSeconds;
  const windowSeconds = terms.mode === 'hold-first' ? holdInvoiceExpirySeconds : lockInvoiceExpirySeconds;
  return [
    {
      code: 'invoice_expired',
      holds: left >= invoiceMarginSeconds,
      sentence: `the invoice must last ${invoiceMarginSeconds} seconds more; it lasts ${left}`,
      detail: { left },
    },
    {
      code: 'invoice_window',
      holds: invoiceWindowIsRight({ secondsLeft: left, windowSeconds }),
      sentence: `the invoice must not last longer than ${windowSeconds} seconds; it lasts ${left} more`,
      detail: { left, windowSeconds },
    },
  ];
}

function byWhichRoute(invoice: Invoice11, { terms, routeCapBlocks }: Bill): Rule[] {
  const { finalCltv } = terms;
  const { minFinalCltv } = invoice;
  const least = leastRouteCap({ minFinalCltv, hintBlocks: hintBlocks(invoice) });
  return [
    {
      code: 'invoice_final_cltv',
      holds: finalCltvMatches({ asked: minFinalCltv, finalCltv }),
      sentence: `the invoice must ask for a final CLTV of ${finalCltv} or up to three more; it asks for ${minFinalCltv}`,
      detail: { expected: finalCltv, came: minFinalCltv },
    },
    {
      code: 'route_cap',
      holds: least <= routeCapBlocks,
      sentence: `the shortest route to the payee must fit into ${routeCapBlocks} blocks; it needs ${least}`,
      detail: { routeCapBlocks, least },
    },
  ];
}

/** The blocks of the cheapest route hint: a payer needs one of them, not all. */
export function hintBlocks({ routeHints }: Invoice11): number {
  const sums = routeHints.map((hops) => hops.reduce((sum, { cltvDelta }) => sum + cltvDelta, 0));
  return sums.length === 0 ? 0 : Math.min(...sums);
}

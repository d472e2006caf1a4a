import { decodeInvoice, invoiceExpiresAt } from './bolt11.ts';
import { checkHeld } from './checks.ts';
import { hintBlocks } from './checks-invoice.ts';
import { broken, type Failure } from './checks-rule.ts';
import { forwardRouteCapBlocks, invoiceMarginSeconds, leastRouteCap } from './deadlines.ts';
import type { Terms } from './trade/terms.ts';

/**
 * The forwarder, when the buyer's payment is held: is it enough and in time, and does it last for so long that the seller
 * can be paid with a payment that ends well before? `front` are the terms with the buyer. Returns all failures.
 */
export function checkForward(check: {
  front: Terms;
  sellerInvoice: string;
  held: { amountMsat: bigint; expiryHeight: number };
  height: number;
  nowSeconds: number;
}): Failure[] {
  const { front, held, height, nowSeconds } = check;
  const invoice = decodeInvoice(check.sellerInvoice);
  const cap = forwardRouteCapBlocks({ expiryHeight: held.expiryHeight, height });
  const least = leastRouteCap({ minFinalCltv: invoice.minFinalCltv, hintBlocks: hintBlocks(invoice) });
  const left = invoiceExpiresAt(invoice) - nowSeconds;
  return [
    ...checkHeld({ terms: front, held, height }),
    ...broken([
      {
        code: 'forward_gap',
        holds: least <= cap,
        sentence: `the way to the seller must fit into the ${cap} blocks that what is held leaves for it; it needs ${least}`,
        detail: { cap, least, expiryHeight: held.expiryHeight },
      },
      {
        code: 'invoice_expired',
        holds: left >= invoiceMarginSeconds,
        sentence: `the seller's invoice must last ${invoiceMarginSeconds} seconds more; it lasts ${left}`,
        detail: { left },
      },
    ]),
  ];
}

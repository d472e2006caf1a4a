import { holdRouteCapBlocks, lastAcceptHeight, lastPayHeight } from '../deadlines.ts';
import { decodeInvoice, invoiceExpiresAt } from '../bolt11.ts';
import type { KeyedEffect } from './effect.ts';
import type { Moment } from './event.ts';
import { keyed } from './machine.ts';
import type { Terms, Want } from './terms.ts';

type Payer = { tradeId: string; role: string; want: Want; terms: Terms; invoice: string };

/**
 * The one payment of a trade. In hold-first the route is capped so that the payee's HTLC cannot be asked to last
 * longer than the trade needs; in lock-first the cap is what keeps the seller from refunding and settling (R 4.1.2).
 */
export function payment(trade: Payer, at: Moment): KeyedEffect {
  const { terms, want } = trade;
  const holdFirst = terms.mode === 'hold-first';
  return keyed(trade, 'pay', {
    do: 'pay',
    terms,
    bolt11: trade.invoice,
    maxFeeMsat: want.maxFeeMsat,
    maxCltvBlocks: holdFirst ? holdRouteCapBlocks({ finalCltv: terms.finalCltv }) : want.routeCapBlocks,
    notAfterHeight: holdFirst
      ? lastAcceptHeight(terms)
      : lastPayHeight({ refundHeight: terms.refundHeight, routeCapBlocks: want.routeCapBlocks }),
    notAfterSeconds: Math.max(at.nowSeconds, invoiceExpiresAt(decodeInvoice(trade.invoice))),
  });
}

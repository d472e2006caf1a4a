import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { decodeInvoice, invoiceExpiresAt, isInvoiceFor } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Payment, PayRequest } from '../lightning.ts';
import { channelsOf } from './channels.ts';
import type { LdkCore } from './core.ts';
import type { NodeEvent } from './events.ts';
import type { LdkStore, PaymentRow } from './store.ts';
import type { Turns } from './turn.ts';
import { resultOf } from './values.ts';

type Deps = {
  store: LdkStore;
  core: LdkCore;
  turns: Turns;
  network: NetworkName;
  nowSeconds: () => number;
  tell: (paymentHash: string) => void;
  /** Resolves when some channel is up, or when waiting longer makes no sense. */
  connected: () => Promise<void>;
  /** Throws for an amount above the operator's cap. */
  checkCap: (amountMsat: bigint) => void;
};

type Order = { bolt11: string; paymentHash: string; finalCltv: number };

/** Other routes the library may try when one has failed; a failed try is over before the next begins. */
const TRIES = 6;
/** Twice MEDIAN_HOP_CLTV_EXPIRY_DELTA of LDK 0.1. */
const SHADOW_ROUTE_BLOCKS = 80;

/** Outgoing payments, one per hash: LDK's payment id is the payment hash, and our row is of the same turn as its state. */
export class Payments {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async pay(request: PayRequest): Promise<void> {
    const order = this.#read(request.bolt11);
    if (order === undefined) return;
    await this.#deps.connected();
    this.#deps.turns.run(() => this.#send(order, request));
    const row = this.#deps.store.payment(order.paymentHash);
    if (row?.state === 'failed' && row.reason === NO_ROUTE) throw noRoute(request);
  }

  lookup(paymentHash: string): Payment {
    const row = this.#deps.store.payment(paymentHash);
    switch (row?.state) {
      case undefined:
        return { state: 'unknown' };
      case 'pending':
        return { state: 'pending', ...expiryOf(Math.max(row.expiryHeight, this.#largestExpiry(paymentHash))) };
      case 'settled':
        return { state: 'settled', preimage: row.preimage ?? '', feeMsat: row.feeMsat };
      case 'failed':
        return { state: 'failed', reason: row.reason };
    }
  }

  sent({ paymentHash, preimage, feeMsat }: NodeEvent & { type: 'sent' }): void {
    this.#change(paymentHash, { state: 'settled', preimage, feeMsat, abandonAtSeconds: 0 });
  }

  failed({ paymentHash, reason }: NodeEvent & { type: 'failed' }): void {
    // A payment that was settled stays so, whatever its last part does.
    if (this.#deps.store.payment(paymentHash)?.state === 'settled') return;
    this.#change(paymentHash, { state: 'failed', reason, abandonAtSeconds: 0 });
  }

  /** Ends the search for other routes of payments whose time is over. What is in flight stays in flight. */
  abandonOverdue(): void {
    const { store, core, turns, nowSeconds } = this.#deps;
    if (turns.over || !store.pendingPayments().some((row) => isDue(row, nowSeconds()))) return;
    turns.run(() => {
      for (const row of store.pendingPayments()) {
        if (!isDue(row, nowSeconds())) continue;
        store.putPayment({ ...row, abandonAtSeconds: 0 });
        core.manager.abandon_payment(hex.decode(row.paymentHash));
      }
    });
  }

  /** Notes the expiries of retries too, before a channel that is closed tells them no more. */
  noteExpiries(): void {
    for (const row of this.#deps.store.pendingPayments()) this.#noteExpiry(row.paymentHash);
  }

  /** The largest expiry that any HTLC of the payment has had. */
  #noteExpiry(paymentHash: string): void {
    const row = this.#deps.store.payment(paymentHash);
    const largest = this.#largestExpiry(paymentHash);
    if (row?.state === 'pending' && largest > row.expiryHeight)
      this.#deps.store.putPayment({ ...row, expiryHeight: largest });
  }

  /** What is to be paid; `undefined` when it is under way or done already. */
  #read(bolt11: string): Order | undefined {
    const { store, core, network, nowSeconds, checkCap } = this.#deps;
    const invoice = decodeInvoice(bolt11);
    const { paymentHash, amountMsat } = invoice;
    if (!isInvoiceFor(invoice, network))
      throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this node is on ${network}`);
    if (amountMsat === undefined)
      throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
    const state = store.payment(paymentHash)?.state;
    if (state === 'pending' || state === 'settled') return undefined;
    if (nowSeconds() >= invoiceExpiresAt(invoice))
      throw new SparkleError('too_late', `the invoice expired at ${invoiceExpiresAt(invoice)}, it is ${nowSeconds()}`);
    if (invoice.payee === core.nodeId) throw new SparkleError('no_route', 'the invoice is of this node itself');
    checkCap(amountMsat);
    return { bolt11: invoice.text, paymentHash, finalCltv: invoice.minFinalCltv };
  }

  #send(order: Order, request: PayRequest): void {
    const { store, core, nowSeconds } = this.#deps;
    const { paymentHash } = order;
    const before = store.payment(paymentHash)?.state;
    if (before === 'pending' || before === 'settled') return;
    const row: PaymentRow = {
      ...{ paymentHash, state: 'pending', expiryHeight: 0, preimage: undefined, feeMsat: 0n, reason: '' },
      abandonAtSeconds: nowSeconds() + request.timeoutSeconds,
    };
    const wishes = routeCaps(order, request).map((cap) => routeWishes({ order, maxFeeMsat: request.maxFeeMsat, cap }));
    const wish = wishes.find(({ route }) => core.hasRoute(route));
    if (wish === undefined) throw noRoute(request);
    store.putPayment(row);
    const id = hex.decode(paymentHash);
    const { onion, route } = wish;
    const result = core.manager.send_payment(id, onion, id, route, ldk.Retry.constructor_attempts(TRIES));
    if (result instanceof ldk.Result_NoneRetryableSendFailureZ_Err) this.#refused(row, result.err);
    else this.#noteExpiry(paymentHash);
  }

  #refused(row: PaymentRow, failure: ldk.RetryableSendFailure): void {
    // The library knows a payment that our rows do not: it may be in flight, so it is not called failed.
    if (failure === ldk.RetryableSendFailure.LDKRetryableSendFailure_DuplicatePayment) return;
    this.#deps.store.putPayment({ ...row, state: 'failed', reason: NO_ROUTE, abandonAtSeconds: 0 });
  }

  #change(paymentHash: string, change: Partial<PaymentRow>): void {
    const row = this.#deps.store.payment(paymentHash);
    if (row === undefined) return;
    this.#deps.store.putPayment({ ...row, ...change });
    this.#deps.tell(paymentHash);
  }

  #largestExpiry(paymentHash: string): number {
    const channels = this.#deps.turns.over ? [] : channelsOf(this.#deps.core.manager);
    const parts = channels.flatMap((channel) => channel.outgoing.filter((htlc) => htlc.paymentHash === paymentHash));
    return Math.max(0, ...parts.map((htlc) => htlc.expiryHeight));
  }
}

const NO_ROUTE = 'RouteNotFound';

/** 0: the search has ended already. */
const isDue = ({ abandonAtSeconds }: PaymentRow, nowSeconds: number): boolean =>
  abandonAtSeconds !== 0 && abandonAtSeconds <= nowSeconds;

const expiryOf = (expiryHeight: number): { expiryHeight?: number } => (expiryHeight === 0 ? {} : { expiryHeight });

const noRoute = ({ maxFeeMsat, maxCltvBlocks }: PayRequest): SparkleError =>
  new SparkleError('no_route', `no route to the payee for at most ${maxFeeMsat} msat and ${maxCltvBlocks} blocks`, {
    maxFeeMsat: String(maxFeeMsat),
    maxCltvBlocks,
  });

/**
 * Caps to try, in the library's count: from the block that comes next. Above the final CLTV it keeps 80 blocks for
 * random padding whenever there is room for that, and then finds no route that needs some of them; with 79 it keeps none.
 */
function routeCaps({ finalCltv }: Order, { maxCltvBlocks }: PayRequest): number[] {
  const cap = maxCltvBlocks - 1;
  const unpadded = Math.min(cap, finalCltv + SHADOW_ROUTE_BLOCKS - 1);
  return unpadded === cap ? [cap] : [cap, unpadded];
}

type RouteWishes = { onion: ldk.RecipientOnionFields; route: ldk.RouteParameters };

function routeWishes({ order, maxFeeMsat, cap }: { order: Order; maxFeeMsat: bigint; cap: number }): RouteWishes {
  const invoice = resultOf({
    result: ldk.Bolt11Invoice.constructor_from_str(order.bolt11),
    ok: ldk.Result_Bolt11InvoiceParseOrSemanticErrorZ_OK,
    what: 'the invoice',
    code: 'bad_invoice',
  });
  const wishes = resultOf({
    result: ldk.UtilMethods.constructor_payment_parameters_from_invoice(invoice),
    ok: ldk.Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK,
    what: 'the invoice',
    code: 'bad_invoice',
  });
  const route = wishes.get_c();
  route.set_max_total_routing_fee_msat(ldk.Option_u64Z.constructor_some(maxFeeMsat));
  const limits = route.get_payment_params();
  limits.set_max_total_cltv_expiry_delta(cap);
  route.set_payment_params(limits);
  return { onion: wishes.get_b(), route };
}

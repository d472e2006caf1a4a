import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { HoldInvoiceRequest, Invoice, InvoiceRequest } from '../lightning.ts';
import { checkHoldInvoiceRequest, checkInvoiceRequest, differences } from '../requests.ts';
import { draftInvoice, newPaymentSecret, readOwn, routeHintsOf, verifySigned } from './draft.ts';
import { type ClnRest, readResult, type Refusal, refused, unavailable } from './rest.ts';
import type { ClnMethod } from './rune.ts';
import { Turns } from './turns.ts';
import {
  bolt11Shape,
  type ChannelHtlc,
  type HoldInvoiceRow,
  type InvoiceRow,
  listholdinvoicesShape,
  listinvoicesShape,
  listpeerchannelsShape,
} from './wire.ts';

type InvoicesDeps = {
  rest: ClnRest;
  nodeId: string;
  network: NetworkName;
  nowSeconds: () => number;
  plugin: 'running' | 'missing';
  /** How long to wait before two looks that contradict each other are taken again. */
  recheckMilliseconds: number;
};

type Known = { kind: 'hold' | 'plain'; bolt11: string };

/** BOLT 2, as lightningd names it: added to both commitments and not yet being removed. */
const HTLC_STANDS = 'RCVD_ADD_ACK_REVOCATION';
/** lightning-invoice(7): an invoice with this label, or with this preimage, exists. */
const LABEL_EXISTS = 900;
const PREIMAGE_EXISTS = 901;
const NO_SUCH_METHOD = -32601;

const labelOf = (paymentHash: string): string => `sparkle-${paymentHash}`;

/** Incoming payments: hold invoices by the `hold` plugin, plain ones by lightningd itself. */
export class ClnInvoices {
  readonly #deps: InvoicesDeps;
  readonly #turns = new Turns();
  /** lightningd forgets a plain invoice that was deleted; for as long as this driver lives it is answered as canceled. */
  readonly #deleted = new Set<string>();

  constructor(deps: InvoicesDeps) {
    this.#deps = deps;
  }

  async createHold(request: HoldInvoiceRequest): Promise<{ bolt11: string }> {
    checkHoldInvoiceRequest(request);
    if (this.#deps.plugin === 'missing')
      throw new SparkleError('not_supported', 'hold invoices need the plugin `hold` in the Core Lightning node');
    return this.#turns.run(request.paymentHash, async () => {
      const known = await this.#known(request.paymentHash);
      if (known !== undefined) return sameOrRefused({ known, kind: 'hold', request });
      const bolt11 = await this.#sign(request);
      const refusal = await this.#inject(bolt11);
      return refusal === undefined ? { bolt11 } : this.#existing({ kind: 'hold', request, refusal });
    });
  }

  async createPlain({ preimage, ...terms }: InvoiceRequest): Promise<{ bolt11: string; paymentHash: string }> {
    checkInvoiceRequest({ preimage, ...terms });
    const request = { ...terms, paymentHash: hashOf(preimage) };
    const { bolt11 } = await this.#turns.run(request.paymentHash, () => this.#plain(request, preimage));
    return { bolt11, paymentHash: request.paymentHash };
  }

  async #plain(request: HoldInvoiceRequest, preimage: string): Promise<{ bolt11: string }> {
    const known = await this.#known(request.paymentHash);
    if (known !== undefined) return sameOrRefused({ known, kind: 'plain', request });
    const answer = await this.#deps.rest.ask({
      method: 'invoice',
      params: {
        amount_msat: `${request.amountMsat}msat`,
        label: labelOf(request.paymentHash),
        description: request.description,
        expiry: request.expirySeconds,
        preimage,
        cltv: request.finalCltv,
      },
    });
    if ('refusal' in answer) return this.#existing({ kind: 'plain', request, refusal: answer.refusal });
    const { bolt11 } = readResult('invoice', answer.result, bolt11Shape);
    return { bolt11: verifySigned({ bolt11, request, nodeId: this.#deps.nodeId }) };
  }

  async look(paymentHash: string): Promise<Invoice> {
    readHex32(paymentHash, 'paymentHash');
    const row = await this.#holdRow(paymentHash);
    if (row === undefined) return this.#lookPlain(paymentHash);
    switch (row.state) {
      case 'unpaid':
        // Parts of a payment may have come already: held is only the whole of it.
        return { state: 'open' };
      case 'accepted':
        return this.#lookAccepted(row);
      case 'paid':
        return { state: 'settled', amountMsat: paidIn(row) };
      case 'cancelled':
        return { state: 'canceled' };
    }
  }

  async settle(preimage: string): Promise<void> {
    readHex32(preimage, 'preimage');
    const paymentHash = hashOf(preimage);
    const { state } = await this.look(paymentHash);
    if (state === 'settled') return;
    // The plugin would settle whatever parts have come: it gets the preimage only for the whole sum.
    if (state !== 'held') throw notHeld('settle', state);
    const refusal = await this.#order('settleholdinvoice', { preimage });
    if (refusal === undefined) return;
    const after = await this.look(paymentHash);
    if (after.state === 'settled') return;
    // After a restart the plugin waits until lightningd shows it the HTLC again.
    if (after.state === 'held') throw refused('settleholdinvoice', refusal);
    throw notHeld('settle', after.state);
  }

  async cancel(paymentHash: string): Promise<void> {
    readHex32(paymentHash, 'paymentHash');
    const row = await this.#holdRow(paymentHash);
    if (row === undefined) return this.#cancelPlain(paymentHash);
    if (row.state === 'cancelled') return;
    if (row.state === 'paid') throw notHeld('cancel', 'settled');
    const refusal = await this.#order('cancelholdinvoice', { payment_hash: paymentHash });
    if (refusal === undefined) return;
    const after = await this.look(paymentHash);
    if (after.state === 'settled') throw notHeld('cancel', 'settled');
    if (after.state !== 'canceled') throw refused('cancelholdinvoice', refusal);
  }

  /**
   * A plugin that was stopped has failed the payment back and still says `accepted`: only an HTLC that stands in a
   * channel is held. A settlement may fall between the two looks, so what contradicts is looked at again.
   */
  async #lookAccepted(row: HoldInvoiceRow): Promise<Invoice> {
    const first = await this.#held(row);
    if (first.state === 'held') return first;
    await new Promise((resolve) => setTimeout(resolve, this.#deps.recheckMilliseconds));
    const again = await this.#holdRow(row.payment_hash);
    if (again?.state === 'accepted') return this.#held(again);
    if (again?.state === 'paid') return { state: 'settled', amountMsat: paidIn(again) };
    return { state: 'canceled' };
  }

  async #held(row: HoldInvoiceRow): Promise<Invoice> {
    const { channels } = await this.#deps.rest.call({ method: 'listpeerchannels', params: {} }, listpeerchannelsShape);
    const standing = channels
      .flatMap(({ htlcs }) => htlcs ?? [])
      .filter((htlc) => htlc.payment_hash === row.payment_hash && htlc.state === HTLC_STANDS && isAccepted(htlc, row));
    // The plugin takes no other payment for an invoice that it has accepted once.
    if (standing.length === 0) return { state: 'canceled' };
    const amountMsat = standing.reduce((sum, htlc) => sum + htlc.amount_msat, 0n);
    const asked = readOwn(row.invoice).amountMsat;
    if (asked === undefined || amountMsat < asked) return { state: 'open' };
    const expiryHeight = Math.min(...standing.map((htlc) => htlc.expiry));
    return { state: 'held', amountMsat, expiryHeight, parts: standing.length };
  }

  async #lookPlain(paymentHash: string): Promise<Invoice> {
    const row = await this.#plainRow(paymentHash);
    switch (row?.status) {
      case undefined:
        return { state: this.#deleted.has(paymentHash) ? 'canceled' : 'unknown' };
      case 'unpaid':
        return { state: 'open' };
      case 'expired':
        return { state: 'canceled' };
      case 'paid':
        if (row?.amount_received_msat === undefined)
          throw unavailable('garbage', 'it names no amount for an invoice that is paid', { paymentHash });
        return { state: 'settled', amountMsat: row.amount_received_msat };
    }
  }

  async #cancelPlain(paymentHash: string): Promise<void> {
    if (this.#deleted.has(paymentHash)) return;
    const row = await this.#plainRow(paymentHash);
    if (row === undefined)
      throw new SparkleError('unknown_invoice', `no invoice with payment hash ${paymentHash}`, { paymentHash });
    if (row.status === 'paid') throw notHeld('cancel', 'settled');
    const refusal = await this.#order('delinvoice', { label: row.label, status: row.status });
    if (refusal === undefined) return void this.#deleted.add(paymentHash);
    // lightning-delinvoice(7): its status changed meanwhile.
    if ((await this.#plainRow(paymentHash))?.status === 'paid') throw notHeld('cancel', 'settled');
    throw refused('delinvoice', refusal);
  }

  /** What the node refuses to do, in its words; what it did is told by looking. */
  async #order(method: ClnMethod, params: Record<string, unknown>): Promise<Refusal | undefined> {
    const answer = await this.#deps.rest.ask({ method, params });
    return 'refusal' in answer ? answer.refusal : undefined;
  }

  async #sign(request: HoldInvoiceRequest): Promise<string> {
    const { rest, network, nodeId, nowSeconds } = this.#deps;
    const { channels } = await rest.call({ method: 'listpeerchannels', params: {} }, listpeerchannelsShape);
    const invstring = draftInvoice({
      request,
      network,
      nowSeconds: nowSeconds(),
      paymentSecret: newPaymentSecret(),
      routeHints: routeHintsOf(channels),
    });
    const { bolt11 } = await rest.call({ method: 'signinvoice', params: { invstring } }, bolt11Shape);
    return verifySigned({ bolt11, request, nodeId });
  }

  async #inject(invoice: string): Promise<Refusal | undefined> {
    const refusal = await this.#order('injectholdinvoice', { invoice });
    return refusal?.code === NO_SUCH_METHOD ? this.#order('injectinvoice', { invoice }) : refusal;
  }

  /** Another process was quicker, or the answer to an earlier try got lost: what exists decides. */
  async #existing(of: { kind: Known['kind']; request: HoldInvoiceRequest; refusal: Refusal }) {
    const { kind, request, refusal } = of;
    const exists =
      refusal.code === LABEL_EXISTS || refusal.code === PREIMAGE_EXISTS || /UNIQUE constraint/.test(refusal.message);
    const known = exists ? await this.#known(request.paymentHash) : undefined;
    if (known === undefined) throw refused(kind === 'hold' ? 'injectholdinvoice' : 'invoice', refusal);
    return sameOrRefused({ known, kind, request });
  }

  async #known(paymentHash: string): Promise<Known | undefined> {
    const hold = await this.#holdRow(paymentHash);
    if (hold !== undefined) return { kind: 'hold', bolt11: hold.invoice };
    const plain = await this.#plainRow(paymentHash);
    return plain?.bolt11 === undefined ? undefined : { kind: 'plain', bolt11: plain.bolt11 };
  }

  async #holdRow(paymentHash: string): Promise<HoldInvoiceRow | undefined> {
    if (this.#deps.plugin === 'missing') return undefined;
    const ask = { method: 'listholdinvoices', params: { payment_hash: paymentHash } } as const;
    const { holdinvoices } = await this.#deps.rest.call(ask, listholdinvoicesShape);
    return onlyOne(holdinvoices, paymentHash);
  }

  async #plainRow(paymentHash: string): Promise<InvoiceRow | undefined> {
    const ask = { method: 'listinvoices', params: { payment_hash: paymentHash } } as const;
    const { invoices } = await this.#deps.rest.call(ask, listinvoicesShape);
    return onlyOne(invoices, paymentHash);
  }
}

const hashOf = (preimage: string): string => hex.encode(sha256(hex.decode(preimage)));

const paidIn = (row: HoldInvoiceRow): bigint =>
  row.htlcs.filter(({ state }) => state === 'paid').reduce((sum, { msat }) => sum + msat, 0n);

/** An HTLC that the plugin has accepted, by its id, amount and expiry: a splice gives its channel another name. */
const isAccepted = (htlc: ChannelHtlc, row: HoldInvoiceRow): boolean =>
  htlc.direction === 'in' &&
  row.htlcs.some(
    (each) =>
      each.state === 'accepted' &&
      each.channel_id === htlc.id &&
      each.msat === htlc.amount_msat &&
      (each.cltv_expiry ?? htlc.expiry) === htlc.expiry,
  );

function onlyOne<Row extends { payment_hash: string }>(rows: readonly Row[], paymentHash: string): Row | undefined {
  const [row, ...more] = rows;
  if (more.length === 0 && (row === undefined || row.payment_hash === paymentHash)) return row;
  throw unavailable('garbage', 'it answers for another payment hash than it was asked for', { paymentHash });
}

function sameOrRefused(of: { known: Known; kind: Known['kind']; request: HoldInvoiceRequest }): { bolt11: string } {
  const { known, kind, request } = of;
  if (known.kind === kind && differences(readOwn(known.bolt11), request).length === 0) return { bolt11: known.bolt11 };
  const { paymentHash } = request;
  throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
    paymentHash,
  });
}

const notHeld = (call: 'settle' | 'cancel', state: string): SparkleError =>
  new SparkleError(
    'invoice_not_held',
    `${call} needs a held${call === 'cancel' ? ' or open' : ''} invoice; it is ${state}`,
    {
      state,
    },
  );

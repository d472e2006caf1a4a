import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import * as ldk from 'lightningdevkit';
import { decodeInvoice, invoiceExpiresAt } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import type { HoldInvoiceRequest, Invoice } from '../lightning.ts';
import { channelsOf } from './channels.ts';
import type { LdkCore } from './core.ts';
import type { NodeEvent } from './events.ts';
import type { InvoiceRow, LdkStore } from './store.ts';
import type { Turns } from './turn.ts';
import { resultOf } from './values.ts';

/** HTLC_FAIL_BACK_BUFFER of LDK 0.1: so many blocks before its expiry a held HTLC is given back. */
export const HOLD_EXPIRY_MARGIN_BLOCKS = 21;
/** LDK writes this much more into the invoice than it is asked for, against a block that comes while the payment travels. */
const LIBRARY_ADDS_BLOCKS = 3;
/** MIN_FINAL_CLTV_EXPIRY_DELTA of LDK 0.1. */
const LEAST_FINAL_CLTV = 24;

type Deps = {
  store: LdkStore;
  core: LdkCore;
  turns: Turns;
  nowSeconds: () => number;
  tell: (paymentHash: string) => void;
  /** Resolves when an invoice would lead somewhere: some channel is up and its peer has told its terms. */
  reachable: () => Promise<void>;
  /** Throws for an amount above the operator's cap. */
  checkCap: (amountMsat: bigint) => void;
};

type Wanted = { kind: InvoiceRow['kind']; request: HoldInvoiceRequest; preimage: string | undefined };

/**
 * Invoices and what is paid to them. The library would take a payment for a hash any number of times; that a hash is
 * paid once, and never after it was canceled or settled, is decided by our rows.
 */
export class Invoices {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Throws `invoice_exists`, `bad_height` for a final CLTV below 24, `lightning_unavailable` while nobody could pay it. */
  async create(wanted: Wanted): Promise<{ bolt11: string }> {
    const { request } = wanted;
    const known = this.#known(wanted);
    if (known !== undefined) return known;
    if (request.finalCltv < LEAST_FINAL_CLTV)
      throw new SparkleError(
        'bad_height',
        `finalCltv must be at least ${LEAST_FINAL_CLTV} on this node; got ${request.finalCltv}`,
      );
    this.#deps.checkCap(request.amountMsat);
    await this.#deps.reachable();
    return this.#deps.turns.run(() => this.#known(wanted) ?? this.#issue(wanted));
  }

  lookup(paymentHash: string): Invoice {
    this.expire();
    const row = this.#deps.store.invoice(paymentHash);
    switch (row?.state) {
      case undefined:
        return { state: 'unknown' };
      case 'held':
      case 'settling':
        return { state: 'held', amountMsat: row.receivedMsat, expiryHeight: row.expiryHeight, parts: row.parts };
      case 'settled':
        return { state: 'settled', amountMsat: row.receivedMsat };
      case 'open':
      case 'canceled':
        return { state: row.state };
    }
  }

  settle(preimage: string): void {
    const { store, core, turns } = this.#deps;
    turns.run(() => {
      const row = store.invoice(hex.encode(sha256(hex.decode(preimage))));
      if (row?.state === 'settled' || row?.state === 'settling') return;
      if (row?.state !== 'held')
        throw new SparkleError(
          'invoice_not_held',
          `settle needs a held invoice; the one of this preimage is ${row?.state ?? 'unknown'}`,
        );
      store.putInvoice({ ...row, state: 'settling', preimage });
      core.manager.claim_funds(hex.decode(preimage));
    });
  }

  cancel(paymentHash: string): void {
    const { store, turns } = this.#deps;
    turns.run(() => {
      const row = store.invoice(paymentHash);
      if (row === undefined)
        throw new SparkleError('unknown_invoice', `no invoice with payment hash ${paymentHash}`, { paymentHash });
      if (row.state === 'settled' || row.state === 'settling')
        throw new SparkleError('invoice_not_held', `cancel needs an open or held invoice; this one is ${row.state}`, {
          paymentHash,
        });
      if (row.state === 'canceled') return;
      this.#cancelRow(row);
      if (row.state === 'held') this.#giveBack(paymentHash);
    });
  }

  /** Cancels open invoices whose time is over: the library looks at block times only, and two hours late. */
  expire(): void {
    const { store, turns, nowSeconds } = this.#deps;
    const now = nowSeconds();
    if (turns.over || store.openInvoicesExpiredAt(now).length === 0) return;
    turns.run(() => {
      for (const row of store.openInvoicesExpiredAt(now)) this.#cancelRow(row);
    });
  }

  /** A complete payment has arrived. */
  claimable({ paymentHash, amountMsat, claimDeadline }: NodeEvent & { type: 'claimable' }): void {
    const { store, core, nowSeconds } = this.#deps;
    const row = store.invoice(paymentHash);
    // Told again after a crash, for the payment that we hold already.
    if (row?.state === 'held') return;
    const payable = row?.state === 'open' && nowSeconds() < row.expiresAtSeconds && amountMsat >= row.amountMsat;
    if (row === undefined || !payable) return this.#giveBack(paymentHash);
    const parts = channelsOf(core.manager).flatMap((channel) =>
      channel.incoming.filter((htlc) => htlc.paymentHash === paymentHash),
    );
    // The deadline counts from the smallest expiry of what was accepted; the channels may also hold a part that is being refused.
    const expiryHeight =
      claimDeadline === undefined
        ? Math.min(...parts.map((htlc) => htlc.expiryHeight))
        : claimDeadline + HOLD_EXPIRY_MARGIN_BLOCKS;
    const held = { ...row, receivedMsat: amountMsat, expiryHeight, parts: Math.max(1, parts.length) };
    store.putInvoice({ ...held, state: row.preimage === undefined ? 'held' : 'settling' });
    this.#deps.tell(paymentHash);
    if (row.preimage !== undefined) core.manager.claim_funds(hex.decode(row.preimage));
  }

  /** The preimage is in the channel's monitor: from here on the money is ours, on chain if need be. */
  claimed({ paymentHash, amountMsat }: NodeEvent & { type: 'claimed' }): void {
    const { store, tell } = this.#deps;
    const row = store.invoice(paymentHash);
    if (row === undefined) return;
    store.putInvoice({ ...row, state: 'settled', receivedMsat: amountMsat });
    tell(paymentHash);
  }

  /**
   * The library has given something back by itself. Before the deadline that was somebody else's second payment for the
   * same hash, which must not end the first.
   */
  givenBack({ paymentHash }: NodeEvent & { type: 'given_back' }): void {
    const { store, core } = this.#deps;
    const row = store.invoice(paymentHash);
    if (row?.state !== 'held') return;
    if (core.bestBlock().height >= row.expiryHeight - HOLD_EXPIRY_MARGIN_BLOCKS) this.#cancelRow(row);
  }

  #giveBack(paymentHash: string): void {
    this.#deps.core.manager.fail_htlc_backwards(hex.decode(paymentHash));
  }

  #cancelRow(row: InvoiceRow): void {
    this.#deps.store.putInvoice({ ...row, state: 'canceled' });
    this.#deps.tell(row.paymentHash);
  }

  #known({ kind, request }: Wanted): { bolt11: string } | undefined {
    const row = this.#deps.store.invoice(request.paymentHash);
    if (row === undefined) return undefined;
    const isSame =
      row.kind === kind &&
      row.amountMsat === request.amountMsat &&
      row.finalCltv === request.finalCltv &&
      row.expirySeconds === request.expirySeconds &&
      row.description === request.description;
    if (isSame) return { bolt11: row.bolt11 };
    const { paymentHash } = request;
    throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
      paymentHash,
    });
  }

  #issue({ kind, request, preimage }: Wanted): { bolt11: string } {
    const { store, nowSeconds } = this.#deps;
    const expiresAtSeconds = nowSeconds() + request.expirySeconds;
    const bolt11 = this.#writeUntil(request, expiresAtSeconds);
    store.putInvoice({
      ...request,
      ...{ kind, preimage, bolt11, expiresAtSeconds },
      ...{ state: 'open', receivedMsat: 0n, expiryHeight: 0, parts: 0 },
    });
    return { bolt11 };
  }

  /** The library's clock is the newest block's time, so the expiry that it counts from there is corrected to end when ours does. */
  #writeUntil(request: HoldInvoiceRequest, expiresAtSeconds: number): string {
    const first = this.#write(request, request.expirySeconds);
    const invoice = decodeInvoice(first);
    const expirySeconds = Math.max(1, expiresAtSeconds - invoice.timestampSeconds);
    return invoiceExpiresAt(invoice) === expiresAtSeconds ? first : this.#write(request, expirySeconds);
  }

  #write(request: HoldInvoiceRequest, expirySeconds: number): string {
    const description = resultOf({
      result: ldk.Description.constructor_new(request.description),
      ok: ldk.Result_DescriptionCreationErrorZ_OK,
      what: 'the description',
      code: 'bad_invoice',
    });
    const result = this.#deps.core.manager.create_bolt11_invoice(
      ldk.Option_u64Z.constructor_some(request.amountMsat),
      ldk.Bolt11InvoiceDescription.constructor_direct(description),
      ldk.Option_u32Z.constructor_some(expirySeconds),
      ldk.Option_u16Z.constructor_some(request.finalCltv - LIBRARY_ADDS_BLOCKS),
      ldk.Option_ThirtyTwoBytesZ.constructor_some(hex.decode(request.paymentHash)),
    );
    const ok = ldk.Result_Bolt11InvoiceSignOrCreationErrorZ_OK;
    return resultOf({ result, ok, what: 'the invoice', code: 'bad_invoice' }).to_str();
  }
}

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice, isInvoiceFor, type Invoice11 } from '../../protocol/bolt11.ts';
import { finalCltvMatches } from '../../protocol/deadlines.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { HoldInvoiceRequest, Invoice } from '../lightning.ts';
import { checkHoldInvoiceRequest } from '../requests.ts';
import { stateOf } from './payments.ts';
import { isAnswer, unavailable } from './wallet-error.ts';
import type { Wallet } from './wallet.ts';
import { msatNumber, transactionSchema, type Method, type WalletTransaction } from './wire.ts';
import { z } from 'zod';

/** Two clocks note the moments from which a wallet counts; more than this between them is another request. */
const CLOCK_SLACK_SECONDS = 5;

/** Hold invoices at a wallet: made, found again, settled and given back. */
export class NwcInvoices {
  readonly #wallet: Wallet;
  readonly #marginBlocks: number;
  /** Heights at which this process had invoices made, for wallets that tell no `settle_deadline`. */
  readonly #madeAt = new Map<string, number>();
  /** Hashes that the wallet has called held, for wallets that tell no deadline either. */
  readonly #heldOnce = new Set<string>();
  #ignoresCltv = false;

  constructor({ wallet, marginBlocks }: { wallet: Wallet; marginBlocks: number }) {
    this.#wallet = wallet;
    this.#marginBlocks = marginBlocks;
  }

  /** Whether the wallet has shown that it writes a final CLTV of its own into the invoices. */
  get ignoresCltv(): boolean {
    return this.#ignoresCltv;
  }

  /**
   * Throws `invoice_exists`, `bad_invoice` for an invoice that is not what was asked for, `not_supported` when the wallet
   * does not heed the final CLTV. Such an invoice is handed to nobody.
   */
  async create(request: HoldInvoiceRequest): Promise<{ bolt11: string }> {
    checkHoldInvoiceRequest(request);
    const { paymentHash } = request;
    const known = await this.#wallet.lookup(paymentHash);
    if (known !== undefined) return asKnown(known, request);
    this.#wallet.follow({ type: 'invoice', paymentHash });
    const [height, made] = await Promise.all([this.#wallet.height(), this.#make(request)]);
    if (height !== undefined) this.#madeAt.set(paymentHash, height);
    return this.#checked(made, request);
  }

  async invoice(paymentHash: string): Promise<Invoice> {
    readHex32(paymentHash, 'paymentHash');
    const found = await this.#wallet.lookup(paymentHash);
    if (found === undefined) return { state: 'unknown' };
    if (found.type === 'outgoing')
      throw unavailable('ambiguous', `the wallet tells of a payment and not of an invoice with hash ${paymentHash}`);
    switch (stateOf(found)) {
      case 'settled':
        return { state: 'settled', amountMsat: BigInt(found.amount) };
      case 'pending':
        return { state: 'open' };
      case 'accepted':
        return this.#held(found);
      case 'expired':
        return this.#expired(found);
      case 'failed':
        return { state: 'canceled' };
    }
  }

  /** The preimage leaves this process only for a payment that the wallet holds. */
  async settle(preimage: string): Promise<void> {
    const paymentHash = hex.encode(sha256(hex.decode(readHex32(preimage, 'preimage'))));
    const before = await this.#incoming(paymentHash);
    if (before === 'settled') return;
    if (before !== 'accepted' && before !== 'expired') throw notHeld(paymentHash, before);
    const error = await this.#order({ method: 'settle_hold_invoice', params: { preimage } });
    if (error === undefined) return;
    const after = await this.#incoming(paymentHash);
    if (after === 'settled') return;
    if (after === 'accepted') throw unavailable('wallet_error', `the wallet does not settle ${paymentHash} now`);
    throw notHeld(paymentHash, after);
  }

  /** `lightning_unavailable`, reason `not_cancelable`, while an invoice is open at a wallet that gives back only what it holds. */
  async cancel(paymentHash: string): Promise<void> {
    readHex32(paymentHash, 'paymentHash');
    const before = await this.#incoming(paymentHash);
    if (before === 'unknown')
      throw new SparkleError('unknown_invoice', `no invoice with payment hash ${paymentHash}`, { paymentHash });
    if (before === 'settled') throw notHeld(paymentHash, before);
    if (before === 'failed') return;
    const error = await this.#order({ method: 'cancel_hold_invoice', params: { payment_hash: paymentHash } });
    if (error === undefined) return;
    const after = await this.#incoming(paymentHash);
    if (after === 'settled') throw notHeld(paymentHash, after);
    // Alby Hub finds nothing to cancel while nobody has paid; what expired unpaid is over by itself.
    const isOver = after === 'failed' || (after === 'expired' && error.detail['reason'] === 'not_found');
    if (!isOver) throw unavailable('not_cancelable', `the wallet does not cancel ${paymentHash} now: it is ${after}`);
  }

  async #incoming(paymentHash: string): Promise<NonNullable<WalletTransaction['state']> | 'unknown'> {
    const found = await this.#wallet.lookup(paymentHash);
    return found?.type === 'incoming' ? stateOf(found) : 'unknown';
  }

  /** `undefined` when done, the wallet's own refusal when not; anything else is thrown. */
  async #order(ask: { method: Method; params: Record<string, unknown> }): Promise<SparkleError | undefined> {
    try {
      await this.#wallet.call({ ...ask, result: z.unknown() });
      return undefined;
    } catch (error) {
      const isRefusal = isAnswer(error) && ['wallet_error', 'not_found'].includes(String(error.detail['reason']));
      if (isRefusal) return error;
      throw error;
    }
  }

  async #make(request: HoldInvoiceRequest): Promise<WalletTransaction> {
    const { paymentHash, amountMsat, finalCltv, expirySeconds, description } = request;
    return this.#wallet.call({
      method: 'make_hold_invoice',
      params: {
        amount: msatNumber(amountMsat),
        payment_hash: paymentHash,
        description,
        expiry: expirySeconds,
        min_cltv_expiry_delta: finalCltv,
      },
      result: transactionSchema,
    });
  }

  #checked(made: WalletTransaction, request: HoldInvoiceRequest): { bolt11: string } {
    const invoice = decodeInvoice(made.invoice ?? '');
    const { network } = this.#wallet;
    const wrong = [
      ...(invoice.paymentHash === request.paymentHash ? [] : ['payment hash']),
      ...(invoice.amountMsat === request.amountMsat ? [] : ['amount']),
      ...(isInvoiceFor(invoice, network) ? [] : ['network']),
    ];
    if (wrong.length > 0)
      throw new SparkleError('bad_invoice', `the wallet made an invoice with another ${wrong.join(', ')}`, { wrong });
    if (finalCltvMatches({ asked: invoice.minFinalCltv, finalCltv: request.finalCltv }))
      return { bolt11: invoice.text };
    this.#ignoresCltv = true;
    const detail = { finalCltv: request.finalCltv, came: invoice.minFinalCltv };
    throw new SparkleError(
      'not_supported',
      `the wallet was asked for a final CLTV of ${request.finalCltv} and wrote ${invoice.minFinalCltv}`,
      detail,
    );
  }

  /**
   * `settle_deadline` is the block before which the wallet can act. Alby Hub says `accepted` for ever even when its node
   * has given the payment back at that height, so from there on it is taken for what it must be.
   */
  async #held(found: WalletTransaction): Promise<Invoice> {
    const deadline = found.settle_deadline ?? undefined;
    this.#heldOnce.add(found.payment_hash);
    const height = deadline === undefined ? undefined : await this.#wallet.height();
    if (deadline !== undefined && height !== undefined && height >= deadline) return { state: 'canceled' };
    const expiryHeight = deadline === undefined ? this.#earliestExpiry(found) : deadline + this.#marginBlocks;
    return { state: 'held', amountMsat: BigInt(found.amount), expiryHeight, parts: 1 };
  }

  /** BOLT 2: no payment is taken with less than the final CLTV above the height at which it comes, which is later than this. */
  #earliestExpiry({ payment_hash: paymentHash, invoice }: WalletTransaction): number {
    const madeAt = this.#madeAt.get(paymentHash);
    if (madeAt === undefined || invoice === undefined || invoice === null) return 0;
    return madeAt + decodeInvoice(invoice).minFinalCltv;
  }

  /** Alby Hub calls everything unsettled `expired` once the invoice is, also what it holds: a deadline tells that it was held. */
  async #expired(found: WalletTransaction): Promise<Invoice> {
    const { settle_deadline: deadline, payment_hash: paymentHash } = found;
    const isPast = async (block: number): Promise<boolean> => ((await this.#wallet.height()) ?? 0) >= block;
    const isOver =
      deadline === undefined || deadline === null ? !this.#heldOnce.has(paymentHash) : await isPast(deadline);
    if (isOver) return { state: 'canceled' };
    throw unavailable('ambiguous', `the wallet does not tell whether the payment for ${paymentHash} is still held`);
  }
}

function asKnown(known: WalletTransaction, request: HoldInvoiceRequest): { bolt11: string } {
  const { paymentHash } = request;
  const invoice = known.type === 'incoming' && known.invoice ? decodeInvoice(known.invoice) : undefined;
  if (invoice !== undefined && isSame(invoice, { known, request })) return { bolt11: invoice.text };
  throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
    paymentHash,
  });
}

function isSame(invoice: Invoice11, of: { known: WalletTransaction; request: HoldInvoiceRequest }): boolean {
  const { known, request } = of;
  // A node may count the expiry from the newest block and not from now.
  const lifetime = known.expires_at && known.created_at ? known.expires_at - known.created_at : invoice.expirySeconds;
  return (
    invoice.paymentHash === request.paymentHash &&
    invoice.amountMsat === request.amountMsat &&
    finalCltvMatches({ asked: invoice.minFinalCltv, finalCltv: request.finalCltv }) &&
    invoice.description === request.description &&
    Math.abs(lifetime - request.expirySeconds) <= CLOCK_SLACK_SECONDS
  );
}

const notHeld = (paymentHash: string, state: string): SparkleError =>
  new SparkleError('invoice_not_held', `a held invoice is needed; the one with hash ${paymentHash} is ${state}`, {
    paymentHash,
  });

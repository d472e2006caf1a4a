import { decodeInvoice, type Invoice11, invoiceExpiresAt, isInvoiceFor } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import { isPreimageOf } from '../../protocol/preimage.ts';
import type { Payment, PayRequest } from '../lightning.ts';
import { checkPayRequest } from '../requests.ts';
import { htlcsOf, sparkUnavailable, sumMsat } from './answered.ts';
import { refuseSparkRoute } from './fallback.ts';
import { ROLE, sendShape, type SparkHtlc, type SparkWalletLike } from './wallet.ts';

type SparkPaymentsDeps = { wallet: SparkWalletLike; network: NetworkName; nowSeconds: () => number };

const MSAT = 1000n;

/** Outgoing payments: leaves are locked to the hash with the operators, and the provider pays the invoice. */
export class SparkPayments {
  readonly #deps: SparkPaymentsDeps;
  readonly #dispatching = new Map<string, Promise<void>>();
  readonly #amountMsat = new Map<string, bigint>();

  constructor(deps: SparkPaymentsDeps) {
    this.#deps = deps;
  }

  /** Answers the payment hash. */
  async pay(request: PayRequest): Promise<string> {
    checkPayRequest(request);
    const { invoice, amountMsat } = this.#read(request.bolt11);
    const { paymentHash } = invoice;
    const { state } = await this.look(paymentHash);
    if (state === 'pending' || state === 'settled') return paymentHash;
    const { nowSeconds } = this.#deps;
    if (nowSeconds() >= invoiceExpiresAt(invoice))
      throw new SparkleError('too_late', `the invoice expired at ${invoiceExpiresAt(invoice)}, it is ${nowSeconds()}`);
    // Two callers may come here at once: the second waits for the command of the first.
    const dispatched = this.#dispatching.get(paymentHash) ?? this.#dispatch(invoice, request);
    this.#dispatching.set(paymentHash, dispatched);
    this.#amountMsat.set(paymentHash, amountMsat);
    try {
      await dispatched;
    } finally {
      this.#dispatching.delete(paymentHash);
    }
    return paymentHash;
  }

  async look(paymentHash: string): Promise<Payment> {
    readHex32(paymentHash, 'paymentHash');
    const { wallet } = this.#deps;
    const htlcs = await htlcsOf({ wallet, paymentHash, role: ROLE.sender });
    const shared = htlcs.find(({ status }) => status === 'shared');
    if (shared !== undefined) return this.#settled(shared);
    const isOpen = htlcs.some(({ status }) => status === 'waiting') || this.#dispatching.has(paymentHash);
    if (isOpen) return { state: 'pending' };
    return htlcs.length === 0 ? { state: 'unknown' } : { state: 'failed', reason: 'it came back' };
  }

  #settled(htlc: SparkHtlc): Payment {
    const { preimage = '', paymentHash } = htlc;
    if (!isPreimageOf(preimage, paymentHash))
      throw sparkUnavailable('garbage', 'the preimage it gives does not fit the payment hash');
    const amountMsat = this.#amountMsat.get(paymentHash);
    const feeMsat = amountMsat === undefined ? 0n : sumMsat([htlc]) - wholeSats(amountMsat) * MSAT;
    return { state: 'settled', preimage, feeMsat: feeMsat < 0n ? 0n : feeMsat };
  }

  #read(bolt11: string): { invoice: Invoice11; amountMsat: bigint } {
    const { network } = this.#deps;
    const invoice = decodeInvoice(bolt11);
    if (!isInvoiceFor(invoice, network))
      throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this wallet is on ${network}`);
    if (invoice.amountMsat === undefined)
      throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
    refuseSparkRoute(invoice);
    return { invoice, amountMsat: invoice.amountMsat };
  }

  async #dispatch(invoice: Invoice11, request: PayRequest): Promise<void> {
    const { paymentHash } = invoice;
    const params = {
      invoice: invoice.text,
      maxFeeSats: Number(request.maxFeeMsat / MSAT),
      preferSpark: false,
      idempotencyKey: paymentHash,
    };
    let answer: unknown;
    try {
      answer = await this.#deps.wallet.payLightningInvoice(params);
    } catch (error) {
      return this.#conclude(paymentHash, error);
    }
    if (!sendShape.safeParse(answer).success)
      throw sparkUnavailable('paid_over_spark', 'it says that it paid in another way than over Lightning');
  }

  /** The SDK checks fee and funds before anything moves; of every other failure the outcome is open. */
  async #conclude(paymentHash: string, error: unknown): Promise<void> {
    const htlcs = await htlcsOf({ wallet: this.#deps.wallet, paymentHash, role: ROLE.sender });
    if (htlcs.some(({ status }) => status !== 'returned')) return;
    const isRefusal = error instanceof Error && error.constructor.name === 'SparkValidationError';
    if (!isRefusal) throw sparkUnavailable('timeout_unknown', 'payLightningInvoice failed, its outcome is not known');
    if (/maxFeeSats/.test(error.message))
      throw new SparkleError('no_route', 'the payment would cost more than allowed', { reason: 'budget' });
    if (/insufficient|balance/i.test(error.message))
      throw new SparkleError('no_route', 'the wallet has too little', { reason: 'funds' });
    throw new SparkleError('payment_failed', 'the wallet refuses the invoice', { reason: 'rejected' });
  }
}

/** The SDK sends whole sats, rounded up. */
const wholeSats = (msat: bigint): bigint => (msat + MSAT - 1n) / MSAT;

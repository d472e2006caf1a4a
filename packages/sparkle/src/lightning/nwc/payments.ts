import { decodeInvoice, invoiceExpiresAt, isInvoiceFor } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { isPreimageOf } from '../../protocol/preimage.ts';
import type { Payment, PayRequest } from '../lightning.ts';
import { checkPayRequest } from '../requests.ts';
import { isAnswer, unavailable } from './wallet-error.ts';
import type { Wallet } from './wallet.ts';
import { payResultSchema, type WalletTransaction } from './wire.ts';

type Order = { bolt11: string; paymentHash: string; timeoutSeconds: number };

const FIRST_LOOK_MILLISECONDS = 100;
const LAST_LOOK_MILLISECONDS = 5_000;

/** The wallet was told to pay, and until `endMilliseconds` it may still read that on a slow relay. */
type Begun = { endMilliseconds: number; done: Promise<void> };

/**
 * Outgoing payments. A wallet answers `pay_invoice` when the payment has ended, and a held one ends late: that it is
 * under way is learned by looking, and no time that runs out ever makes a failure of it.
 */
export class NwcPayments {
  readonly #wallet: Wallet;
  readonly #begun = new Map<string, Begun>();
  /** What the wallet gave with its answer; some leave it out of a look-up. */
  readonly #preimages = new Map<string, string>();

  constructor(wallet: Wallet) {
    this.#wallet = wallet;
  }

  async pay(request: PayRequest): Promise<void> {
    checkPayRequest(request);
    const order = this.#read(request);
    const { paymentHash } = order;
    const before = this.#begun.get(paymentHash);
    if (before !== undefined && before.endMilliseconds > this.#wallet.nowMilliseconds())
      return this.#join(paymentHash, before);
    // Noted before the first wait: a second call must find the first.
    const done = this.#payOnce(order, request);
    this.#begun.set(paymentHash, { endMilliseconds: this.#endOf(order), done });
    return done;
  }

  /** A request that may still be read is not followed by another: its outcome is looked for. */
  async #join(paymentHash: string, { done }: Begun): Promise<void> {
    try {
      await done;
    } catch (error) {
      if (!isUnderWayOrDone(await this.#wallet.lookup(paymentHash))) throw error;
    }
  }

  async payment(paymentHash: string): Promise<Payment> {
    const found = await this.#wallet.lookup(paymentHash);
    const mayBegin = this.#mayBegin(paymentHash);
    // A failure that the wallet tells of now can be an earlier one, while the request to try again is on its way.
    if (found === undefined || (found.type === 'outgoing' && stateOf(found) === 'failed'))
      return mayBegin ? { state: 'pending' } : ended(found);
    return this.#told(found);
  }

  /** What was asked for, as far as it can be judged without the wallet. */
  #read({ bolt11, maxCltvBlocks, timeoutSeconds }: PayRequest): Order {
    const { network } = this.#wallet;
    const invoice = decodeInvoice(bolt11);
    if (!isInvoiceFor(invoice, network))
      throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, the wallet is on ${network}`);
    if (invoice.amountMsat === undefined)
      throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
    // A wallet cannot be given a cap on its route; what cannot hold it is seen here already.
    if (invoice.minFinalCltv > maxCltvBlocks)
      throw new SparkleError(
        'no_route',
        `the invoice asks for ${invoice.minFinalCltv} blocks, allowed are ${maxCltvBlocks}`,
      );
    return { bolt11: invoice.text, paymentHash: invoice.paymentHash, timeoutSeconds };
  }

  async #payOnce(order: Order, { bolt11 }: PayRequest): Promise<void> {
    const { paymentHash } = order;
    try {
      if (isUnderWayOrDone(await this.#wallet.lookup(paymentHash))) return;
      const expiresAt = invoiceExpiresAt(decodeInvoice(bolt11));
      const now = Math.floor(this.#wallet.nowMilliseconds() / 1000);
      if (now >= expiresAt) throw new SparkleError('too_late', `the invoice expired at ${expiresAt}, it is ${now}`);
    } catch (error) {
      this.#begun.delete(paymentHash);
      throw error;
    }
    this.#wallet.follow({ type: 'payment', paymentHash });
    await this.#send(order);
  }

  /** Resolves with the wallet's answer, or once a look shows the payment under way: whatever comes first. */
  async #send(order: Order): Promise<void> {
    const { paymentHash } = order;
    const begun = this.#begun.get(paymentHash);
    if (begun !== undefined) begun.endMilliseconds = this.#endOf(order);
    let isOver = false;
    const answer = this.#ask(order).finally(() => (isOver = true));
    // An answer that comes when nobody waits any more is a hint to look.
    answer.then(
      () => this.#wallet.tell({ type: 'payment', paymentHash }),
      () => this.#wallet.tell({ type: 'payment', paymentHash }),
    );
    await Promise.race([answer, this.#seen({ paymentHash, isOver: () => isOver })]);
  }

  async #ask({ bolt11, paymentHash, timeoutSeconds }: Order): Promise<void> {
    try {
      const { preimage } = await this.#wallet.call({
        method: 'pay_invoice',
        params: { invoice: bolt11 },
        result: payResultSchema,
        timeoutMilliseconds: timeoutSeconds * 1000,
      });
      if (!isPreimageOf(preimage, paymentHash)) throw wrongPreimage(paymentHash);
      this.#preimages.set(paymentHash, preimage);
    } catch (error) {
      if (isAnswer(error)) return this.#judge(paymentHash, error);
      throw error;
    }
    this.#begun.delete(paymentHash);
  }

  /**
   * Of an error answer only what a look-up confirms is final: NIP-47 allows PAYMENT_FAILED for a time that ran out, and
   * INTERNAL for anything.
   */
  async #judge(paymentHash: string, error: SparkleError): Promise<void> {
    const { reason } = error.detail;
    const found = await this.#wallet.lookup(paymentHash);
    if (isUnderWayOrDone(found)) return;
    const isPlain = reason === 'wallet_error' || reason === 'not_found';
    if (isPlain && found?.state !== 'failed') throw unavailable('wallet_error', error.message);
    this.#begun.delete(paymentHash);
    throw isPlain ? new SparkleError('payment_failed', error.message, error.detail) : error;
  }

  /** Looks again and again until the payment shows, with growing waits; never resolves once the answer is there. */
  async #seen({ paymentHash, isOver }: { paymentHash: string; isOver: () => boolean }): Promise<void> {
    let wait = FIRST_LOOK_MILLISECONDS;
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, wait).unref());
      if (isOver()) return new Promise(() => undefined);
      // A look that fails says nothing; the answer's own time limit ends the waiting.
      const found = await this.#wallet.lookup(paymentHash).catch(() => undefined);
      if (isUnderWayOrDone(found)) return;
      wait = Math.min(LAST_LOOK_MILLISECONDS, wait * 2);
    }
  }

  #told(found: WalletTransaction): Payment {
    const { payment_hash: paymentHash } = found;
    if (found.type === 'incoming')
      throw unavailable('ambiguous', `the wallet tells of an invoice and not of a payment with hash ${paymentHash}`);
    switch (stateOf(found)) {
      case 'settled': {
        const preimage = found.preimage || (this.#preimages.get(paymentHash) ?? '');
        if (!isPreimageOf(preimage, paymentHash)) throw wrongPreimage(paymentHash);
        return { state: 'settled', preimage, feeMsat: BigInt(found.fees_paid ?? 0) };
      }
      case 'failed':
        return ended(found);
      // Alby Hub calls what is still in flight `expired` once the invoice is.
      case 'expired':
      case 'accepted':
      case 'pending':
        return { state: 'pending' };
    }
  }

  #mayBegin(paymentHash: string): boolean {
    const begun = this.#begun.get(paymentHash);
    if (begun !== undefined && begun.endMilliseconds > this.#wallet.nowMilliseconds()) return true;
    this.#begun.delete(paymentHash);
    return false;
  }

  /** `expiration` is in whole seconds, and nobody's clock is exact to one. */
  #endOf({ timeoutSeconds }: Order): number {
    return this.#wallet.nowMilliseconds() + (timeoutSeconds + 2) * 1000;
  }
}

const ended = (found: WalletTransaction | undefined): Payment =>
  found === undefined ? { state: 'unknown' } : { state: 'failed', reason: 'the wallet says that the payment failed' };

/** `state` is optional in the NIP: what has a time of settlement is settled, the rest is not over. */
export const stateOf = ({ state, settled_at }: WalletTransaction): NonNullable<WalletTransaction['state']> =>
  state ?? (settled_at === null || settled_at === undefined ? 'pending' : 'settled');

/** Only `failed` is over without being paid: see `expired` above. */
const isUnderWayOrDone = (found: WalletTransaction | undefined): boolean =>
  found?.type === 'outgoing' && stateOf(found) !== 'failed';

const wrongPreimage = (paymentHash: string): SparkleError =>
  unavailable('wrong_preimage', `the wallet calls the payment settled and gives no preimage of ${paymentHash}`);

import { z } from 'zod';
import { decodeInvoice, invoiceExpiresAt, isInvoiceFor } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import { isPreimageOf } from '../protocol/preimage.ts';
import type { Payment, PayRequest } from './lightning.ts';
import { type PhoenixdReply, type PhoenixdRest, phoenixdUnavailable, readSuccess } from './phoenixd-rest.ts';
import { endOrPause } from './polling.ts';
import { checkPayRequest } from './requests.ts';

type PhoenixdPaymentsDeps = {
  rest: PhoenixdRest;
  network: NetworkName;
  nowSeconds: () => number;
  nowMilliseconds: () => number;
};

const outgoingShape = z.object({
  paymentHash: z.string(),
  isPaid: z.boolean(),
  preimage: z.string().nullish(),
  /** In msat, unlike the sums. */
  fees: z.int().nonnegative(),
  completedAt: z.int().nullish(),
});
const payAnswerShape = z.union([z.object({ paymentPreimage: z.string() }), z.object({ reason: z.string() })]);

/** A command whose answer got lost may still begin a payment for so long. */
const DOUBT_MILLISECONDS = 60_000;
const FIRST_LOOK_MILLISECONDS = 20;
const SLOWEST_LOOK_MILLISECONDS = 1000;

type Command = { ended: PhoenixdReply | SparkleError | undefined; end: Promise<void> };

/** Outgoing payments. `payinvoice` answers when the payment ends, a held one days later: it is dispatched, then looked at. */
export class PhoenixdPayments {
  readonly #deps: PhoenixdPaymentsDeps;
  readonly #commands = new Map<string, Command>();
  readonly #doubtSince = new Map<string, number>();

  constructor(deps: PhoenixdPaymentsDeps) {
    this.#deps = deps;
  }

  async pay(request: PayRequest): Promise<void> {
    checkPayRequest(request);
    const invoice = decodeInvoice(request.bolt11);
    const { network, nowSeconds } = this.#deps;
    if (!isInvoiceFor(invoice, network))
      throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this wallet is on ${network}`);
    if (invoice.amountMsat === undefined)
      throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
    const { state } = await this.look(invoice.paymentHash);
    // Two callers may come here at once: the second finds the command of the first.
    if (state === 'pending' || state === 'settled' || this.#commands.has(invoice.paymentHash)) return;
    if (nowSeconds() >= invoiceExpiresAt(invoice))
      throw new SparkleError('too_late', `the invoice expired at ${invoiceExpiresAt(invoice)}, it is ${nowSeconds()}`);
    const command = this.#dispatch(invoice.paymentHash, invoice.text);
    await this.#underWay({ paymentHash: invoice.paymentHash, command, timeoutSeconds: request.timeoutSeconds });
  }

  async look(paymentHash: string): Promise<Payment> {
    const payment = await this.#row(readHex32(paymentHash, 'paymentHash'));
    if (payment.state === 'pending' || payment.state === 'settled') return payment;
    const doubt = this.#doubtSince.get(paymentHash);
    const inDoubt = doubt !== undefined && this.#deps.nowMilliseconds() - doubt < DOUBT_MILLISECONDS;
    return inDoubt || this.#commands.has(paymentHash) ? { state: 'pending' } : payment;
  }

  async #row(paymentHash: string): Promise<Payment> {
    const path = `/payments/outgoingbyhash/${paymentHash}`;
    const reply = await this.#deps.rest.ask({ method: 'GET', path, form: {}, patience: 'short' });
    if (reply.status === 404) return { state: 'unknown' };
    const row = readSuccess(reply, outgoingShape);
    if (row.paymentHash !== paymentHash)
      throw phoenixdUnavailable('garbage', 'it answers for another payment hash than it was asked for');
    if (!row.isPaid)
      return typeof row.completedAt === 'number'
        ? { state: 'failed', reason: 'the wallet gave it up' }
        : { state: 'pending' };
    if (typeof row.preimage !== 'string' || !isPreimageOf(row.preimage, paymentHash))
      throw phoenixdUnavailable('garbage', 'the preimage it gives does not fit the payment hash');
    return { state: 'settled', preimage: row.preimage, feeMsat: BigInt(row.fees) };
  }

  #dispatch(paymentHash: string, invoice: string): Command {
    const command: Command = { ended: undefined, end: Promise.resolve() };
    const end = (ended: PhoenixdReply | SparkleError): void => {
      command.ended = ended;
      this.#commands.delete(paymentHash);
      if (ended instanceof SparkleError && !isUnsent(ended))
        this.#doubtSince.set(paymentHash, this.#deps.nowMilliseconds());
    };
    const ask = { method: 'POST', path: '/payinvoice', form: { invoice }, patience: 'held' } as const;
    command.end = this.#deps.rest.ask(ask).then(end, (error: unknown) => end(asSparkle(error)));
    this.#doubtSince.delete(paymentHash);
    this.#commands.set(paymentHash, command);
    return command;
  }

  async #underWay(of: { paymentHash: string; command: Command; timeoutSeconds: number }): Promise<void> {
    const { paymentHash, command, timeoutSeconds } = of;
    const giveUp = this.#deps.nowMilliseconds() + timeoutSeconds * 1000 + DOUBT_MILLISECONDS;
    let pause = FIRST_LOOK_MILLISECONDS;
    while (command.ended === undefined) {
      await endOrPause(command.end, pause);
      pause = Math.min(pause * 2, SLOWEST_LOOK_MILLISECONDS);
      if (command.ended === undefined && (await this.#row(paymentHash)).state === 'pending') return;
      if (this.#deps.nowMilliseconds() > giveUp)
        throw phoenixdUnavailable('timeout_unknown', 'it has neither begun nor refused a payment in time');
    }
    if (command.ended instanceof SparkleError) throw command.ended;
    await this.#conclude(paymentHash, command.ended);
  }

  /** Only a command that has ended, with nothing in flight, is a failure. */
  async #conclude(paymentHash: string, reply: PhoenixdReply): Promise<void> {
    const answer = reply.status === 200 ? readSuccess(reply, payAnswerShape) : undefined;
    const { state } = await this.#row(paymentHash);
    if (state === 'pending' || state === 'settled') return;
    if (answer === undefined || 'paymentPreimage' in answer)
      throw phoenixdUnavailable('refused', `it answered payinvoice with HTTP ${reply.status}`);
    throw failureOf(answer.reason);
  }
}

/** lightning-kmp's FinalFailure, as phoenixd words it. */
function failureOf(reason: string): SparkleError {
  if (/already/i.test(reason))
    return phoenixdUnavailable('already_paid', 'it says that the invoice is paid or under way');
  if (/route|balance|funds|channel/i.test(reason))
    return new SparkleError('no_route', 'phoenixd finds no route or has too little', { reason: 'no_route' });
  return new SparkleError('payment_failed', 'the payment failed and nothing is in flight', { reason: 'gave_up' });
}

const isUnsent = ({ detail }: SparkleError): boolean =>
  detail['reason'] === 'unreachable' || detail['reason'] === 'unauthorized';

const asSparkle = (error: unknown): SparkleError =>
  error instanceof SparkleError ? error : phoenixdUnavailable('connection_lost', 'the payment command broke');

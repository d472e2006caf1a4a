import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice, invoiceExpiresAt, isInvoiceFor } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Payment, PayRequest } from '../lightning.ts';
import { endOrPause } from '../polling.ts';
import { checkPayRequest } from '../requests.ts';
import { type ClnRest, type Refusal, refused, type RpcAnswer, unavailable } from './rest.ts';
import { Turns } from './turns.ts';
import { listpaysShape, listpeerchannelsShape, type PayRow } from './wire.ts';

type PaymentsDeps = {
  rest: ClnRest;
  nodeId: string;
  network: NetworkName;
  nowSeconds: () => number;
  /** Monotonic. */
  nowMilliseconds: () => number;
};

type Order = { bolt11: string; paymentHash: string; expiresAtSeconds: number };

/** A command of ours at the node, as long as this driver lives. */
type Running = { outcome: Promise<void>; ended: RpcAnswer | SparkleError | undefined };

/**
 * `xpay` looks for routes no longer than this. Where this driver has not seen the command end, being younger than it, a
 * payment whose attempts have all failed may be tried again by the node for so long.
 */
const MAX_RETRY_SECONDS = 60;
const QUIET_MILLISECONDS = (MAX_RETRY_SECONDS + 30) * 1000;
const FIRST_LOOK_MILLISECONDS = 20;
const SLOWEST_LOOK_MILLISECONDS = 1000;

/** lightning-xpay(7), lightning-pay(7) and common/jsonrpc_errors.h. */
const CODE = { inFlight: [-3, 200], paid: 219, rejected: 203, noRoute: [205, 206], expired: 207 } as const;

/** Outgoing payments by `xpay`. The node never tells of one that is held: it is dispatched, then looked at. */
export class ClnPayments {
  readonly #deps: PaymentsDeps;
  readonly #turns = new Turns();
  readonly #running = new Map<string, Running>();
  readonly #endSeen = new Set<string>();
  /** Since when nothing is seen of a payment that the node may still be trying. */
  readonly #quietSince = new Map<string, number>();

  constructor(deps: PaymentsDeps) {
    this.#deps = deps;
  }

  /** Answers the payment hash. */
  async pay(request: PayRequest): Promise<string> {
    checkPayRequest(request);
    const order = readOrder(request.bolt11, this.#deps);
    await this.#turns.run(order.paymentHash, async () => {
      const { state } = await this.look(order.paymentHash);
      if (state === 'pending' || state === 'settled') return;
      const now = this.#deps.nowSeconds();
      if (now >= order.expiresAtSeconds)
        throw new SparkleError('too_late', `the invoice expired at ${order.expiresAtSeconds}, it is ${now}`);
      await this.#underWay(order, this.#dispatch(order, request), request.timeoutSeconds);
    });
    return order.paymentHash;
  }

  async look(paymentHash: string): Promise<Payment> {
    readHex32(paymentHash, 'paymentHash');
    const rows = await this.#rows(paymentHash);
    const complete = rows.find((row) => row.status === 'complete');
    if (complete?.status === 'complete') return settled(complete);
    if (rows.some(({ status }) => status === 'pending')) return this.#pending(paymentHash);
    // Between two attempts all rows say failed.
    if (this.#isRunning(paymentHash)) return { state: 'pending' };
    if (rows.length === 0 && !this.#quietSince.has(paymentHash)) return { state: 'unknown' };
    if (!this.#isOver(paymentHash)) return { state: 'pending' };
    return rows.length === 0 ? { state: 'unknown' } : { state: 'failed', reason: 'every attempt failed' };
  }

  #isRunning(paymentHash: string): boolean {
    const running = this.#running.get(paymentHash);
    return running !== undefined && running.ended === undefined;
  }

  /** Whether the node surely no longer tries: its command was seen to end, or would have ended by now. */
  #isOver(paymentHash: string): boolean {
    if (this.#endSeen.has(paymentHash)) return true;
    const now = this.#deps.nowMilliseconds();
    const since = this.#quietSince.get(paymentHash) ?? now;
    this.#quietSince.set(paymentHash, since);
    return now - since >= QUIET_MILLISECONDS;
  }

  async #rows(paymentHash: string): Promise<PayRow[]> {
    const ask = { method: 'listpays', params: { payment_hash: paymentHash } } as const;
    const { pays } = await this.#deps.rest.call(ask, listpaysShape);
    if (pays.some((row) => row.payment_hash !== paymentHash))
      throw unavailable('garbage', 'it answers for another payment hash than it was asked for', { paymentHash });
    return pays;
  }

  async #pending(paymentHash: string): Promise<Payment> {
    this.#quietSince.delete(paymentHash);
    const { channels } = await this.#deps.rest.call({ method: 'listpeerchannels', params: {} }, listpeerchannelsShape);
    const expiries = channels
      .flatMap(({ htlcs }) => htlcs ?? [])
      .filter((htlc) => htlc.direction === 'out' && htlc.payment_hash === paymentHash)
      .map(({ expiry }) => expiry);
    return expiries.length === 0 ? { state: 'pending' } : { state: 'pending', expiryHeight: Math.max(...expiries) };
  }

  #dispatch({ bolt11, paymentHash }: Order, request: PayRequest): Running {
    const asked = this.#deps.rest.askLong({
      method: 'xpay',
      params: {
        invstring: bolt11,
        maxfee: `${request.maxFeeMsat}msat`,
        maxdelay: request.maxCltvBlocks,
        retry_for: Math.min(request.timeoutSeconds, MAX_RETRY_SECONDS),
      },
    });
    const running: Running = { ended: undefined, outcome: Promise.resolve() };
    const end = (ended: RpcAnswer | SparkleError): void => {
      running.ended = ended;
      this.#running.delete(paymentHash);
      if (!(ended instanceof SparkleError)) this.#endSeen.add(paymentHash);
      else if (!isUnsent(ended)) this.#quietSince.set(paymentHash, this.#deps.nowMilliseconds());
    };
    running.outcome = asked.then(end, (error: unknown) => end(asSparkle(error)));
    this.#endSeen.delete(paymentHash);
    this.#quietSince.delete(paymentHash);
    this.#running.set(paymentHash, running);
    return running;
  }

  /** Waits until the payment can be seen, or its command has ended. */
  async #underWay({ paymentHash }: Order, running: Running, timeoutSeconds: number): Promise<void> {
    const giveUp = this.#deps.nowMilliseconds() + timeoutSeconds * 1000 + QUIET_MILLISECONDS;
    let pause = FIRST_LOOK_MILLISECONDS;
    while (running.ended === undefined) {
      await endOrPause(running.outcome, pause);
      pause = Math.min(pause * 2, SLOWEST_LOOK_MILLISECONDS);
      if (running.ended !== undefined) break;
      const rows = await this.#rows(paymentHash);
      if (rows.some(({ status }) => status !== 'failed')) return;
      if (this.#deps.nowMilliseconds() > giveUp)
        throw unavailable('timeout_unknown', 'it has neither begun nor refused a payment in time', { paymentHash });
    }
    await this.#conclude(paymentHash, running.ended);
  }

  /** Only a command that has ended, with nothing in flight, is a failure. */
  async #conclude(paymentHash: string, ended: RpcAnswer | SparkleError): Promise<void> {
    if (ended instanceof SparkleError) throw ended;
    if (!('refusal' in ended)) return;
    const rows = await this.#rows(paymentHash);
    if (rows.some(({ status }) => status !== 'failed')) return;
    throw refusalOf(ended.refusal, paymentHash);
  }
}

function readOrder(bolt11: string, { network, nodeId }: PaymentsDeps): Order {
  const invoice = decodeInvoice(bolt11);
  if (!isInvoiceFor(invoice, network))
    throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this node is on ${network}`);
  if (invoice.amountMsat === undefined)
    throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
  if (invoice.payee === nodeId) throw new SparkleError('no_route', 'the invoice is of this node itself');
  return { bolt11: invoice.text, paymentHash: invoice.paymentHash, expiresAtSeconds: invoiceExpiresAt(invoice) };
}

function settled(row: PayRow & { status: 'complete' }): Payment {
  const { preimage, payment_hash: paymentHash } = row;
  if (hex.encode(sha256(hex.decode(preimage))) !== paymentHash)
    throw unavailable('garbage', 'the preimage it gives does not fit the payment hash', { paymentHash });
  return { state: 'settled', preimage, feeMsat: row.amount_sent_msat - row.amount_msat };
}

function refusalOf(refusal: Refusal, paymentHash: string): SparkleError {
  const { code } = refusal;
  const detail = { paymentHash, code };
  if (code === null || code === CODE.paid || CODE.inFlight.some((each) => each === code))
    return refused('xpay', refusal);
  if (CODE.noRoute.some((each) => each === code))
    return new SparkleError('no_route', 'the node finds no route within the caps', detail);
  if (code === CODE.expired) return new SparkleError('too_late', 'the node says that the invoice has expired', detail);
  const reason = code === CODE.rejected ? 'rejected' : 'gave_up';
  return new SparkleError('payment_failed', `the payment failed and nothing is in flight (${code})`, {
    ...detail,
    reason,
  });
}

/** The node has surely never heard of it. */
const isUnsent = ({ detail }: SparkleError): boolean =>
  ['unreachable', 'wrong_certificate', 'unauthorized', 'rate_limited'].includes(String(detail['reason']));

const asSparkle = (error: unknown): SparkleError =>
  error instanceof SparkleError ? error : unavailable('connection_lost', 'the payment command broke');

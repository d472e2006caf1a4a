import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice, invoiceExpiresAt, isInvoiceFor } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Payment, PayRequest } from '../lightning.ts';
import { awaitsInactive } from './balance.ts';
import { says, timedOut, unexpected, unknownOutcome, type LndFailure } from './failures.ts';
import { known, type LndRpc } from './rpc.ts';
import type { LndWatch } from './watch.ts';
import { wire, type LndPayment } from './wire.ts';

/** The most parts a payment is split into; LND's own command line splits into as many. */
const MOST_PARTS = 16;

type Deps = {
  rpc: LndRpc;
  identity: () => Promise<{ nodeId: string; network: NetworkName }>;
  nowMilliseconds: () => number;
  watch: LndWatch;
};

/** So many payments that were seen to settle are remembered: most are asked for once more, at once. */
const MOST_REMEMBERED = 1_000;

type Order = { bolt11: string; paymentHash: string; amountMsat: bigint; isExpired: boolean };

/** What the first messages about a payment decide: nothing yet, or that it is under way or over. */
type Verdict = 'wait' | 'under way' | SparkleError;

/** Outgoing payments. LND keeps one per hash and refuses a second while the first is in flight or has succeeded. */
export class LndPayments {
  readonly #deps: Deps;
  /** Nothing can happen to a settled payment any more. */
  readonly #settled = new Map<string, Payment>();
  /** Hashes whose payment LND calls failed for want of channels that were not active: whoever ordered it orders it again. */
  readonly #postponed = new Set<string>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async pay(request: PayRequest): Promise<void> {
    const order = await this.#read(request.bolt11);
    const { paymentHash } = order;
    if (!order.isExpired) return this.#send(order, request).catch((error: unknown) => this.#refused(order, error));
    const { state } = await this.lookup(paymentHash);
    if (state !== 'pending' && state !== 'settled')
      throw new SparkleError('too_late', 'the invoice has expired', { paymentHash });
  }

  async lookup(paymentHash: string): Promise<Payment> {
    const remembered = this.#settled.get(paymentHash);
    if (remembered !== undefined) return remembered;
    const found = await this.#first(paymentHash);
    if (found === undefined) return { state: 'unknown' };
    if (found.status === 'FAILED' && this.#postponed.has(paymentHash)) return { state: 'unknown' };
    const payment = paymentOf(found);
    const event = { type: 'payment', paymentHash } as const;
    if (payment.state === 'pending') this.#deps.watch.follow(event);
    else this.#deps.watch.foundOver(event);
    return payment;
  }

  async #read(bolt11: string): Promise<Order> {
    const invoice = decodeInvoice(bolt11);
    const { paymentHash, amountMsat } = invoice;
    const { network, nodeId } = await known(this.#deps.identity());
    if (!isInvoiceFor(invoice, network))
      throw new SparkleError('wrong_network', `the invoice is for ${invoice.network}, this node is on ${network}`);
    if (amountMsat === undefined)
      throw new SparkleError('bad_invoice', 'the invoice must name an amount; it names none');
    // A payment to oneself never leaves the node: it would be held here and there, and prove nothing.
    if (invoice.payee === nodeId)
      throw new SparkleError('no_route', 'the invoice is of this node itself', { reason: 'own_invoice' });
    const isExpired = this.#deps.nowMilliseconds() >= 1000 * invoiceExpiresAt(invoice);
    return { bolt11: invoice.text, paymentHash, amountMsat, isExpired };
  }

  /** LND counts `cltv_limit` from its own height and over the whole route, what it adds at the end included. */
  async #send({ bolt11, paymentHash }: Order, request: PayRequest): Promise<void> {
    const { rpc, watch } = this.#deps;
    const order = {
      payment_request: bolt11,
      fee_limit_msat: String(request.maxFeeMsat),
      cltv_limit: request.maxCltvBlocks,
      timeout_seconds: request.timeoutSeconds,
      max_parts: MOST_PARTS,
      no_inflight_updates: false,
      // It goes on without us: what is in flight decides, not whether we still listen.
      cancelable: false,
    };
    const event = { type: 'payment', paymentHash } as const;
    await listen(rpc, {
      ...{ name: 'sendPaymentV2', request: order, paymentHash },
      patienceMilliseconds: request.timeoutSeconds * 1000 + rpc.patienceMilliseconds,
      ...{ judge: verdictOn, refused: refusalOf },
      decided: (stop) => {
        this.#postponed.delete(paymentHash);
        watch.followed(event, stop);
      },
      got: (payment) => {
        if (!isOver(payment)) return;
        this.#remember(payment);
        watch.over(event);
      },
      ended: (failure) => watch.lost(event, failure),
    });
  }

  /** Just after a restart the money is there and the peers are not: a failure would end a trade that can still be paid. */
  async #refused({ paymentHash, amountMsat }: Order, error: unknown): Promise<never> {
    if (!(error instanceof SparkleError) || error.code === 'lightning_unavailable') throw error;
    this.#postponed.delete(paymentHash);
    if (error.detail['reason'] !== reasonName(INSUFFICIENT_BALANCE)) throw error;
    // Before LND is asked for its channels: while it does not tell them, its failure is not one for good either.
    this.#postponed.add(paymentHash);
    if (!(await known(awaitsInactive(this.#deps.rpc, amountMsat)))) {
      this.#postponed.delete(paymentHash);
      throw error;
    }
    const sentence = `${amountMsat} msat must be in active channels; nothing is in flight, and inactive ones hold it`;
    throw new SparkleError('lightning_unavailable', sentence, { reason: 'channels_inactive', paymentHash, amountMsat });
  }

  #remember(payment: LndPayment): void {
    if (payment.status !== 'SUCCEEDED' || !isItsPreimage(payment)) return;
    this.#settled.set(payment.payment_hash, settled(payment));
    const [oldest] = this.#settled.keys();
    if (this.#settled.size > MOST_REMEMBERED && oldest !== undefined) this.#settled.delete(oldest);
  }

  /** What LND knows of the payment now: the first message of a stream that follows it. */
  async #first(paymentHash: string): Promise<LndPayment | undefined> {
    const { rpc } = this.#deps;
    let found: LndPayment | undefined;
    await listen(rpc, {
      name: 'trackPaymentV2',
      request: { payment_hash: hex.decode(paymentHash), no_inflight_updates: false },
      ...{ paymentHash, patienceMilliseconds: rpc.patienceMilliseconds },
      judge: (payment) => {
        found = payment;
        return 'under way';
      },
      refused: (failure) => (says(failure, 'unknownPayment') ? 'under way' : unknownOutcome('trackPaymentV2', failure)),
      decided: (stop) => stop(),
      got: () => undefined,
      ended: () => undefined,
    });
    return found;
  }
}

type Listening = {
  name: 'sendPaymentV2' | 'trackPaymentV2';
  request: object;
  paymentHash: string;
  patienceMilliseconds: number;
  judge: (payment: LndPayment) => Verdict;
  refused: (failure: LndFailure) => Verdict;
  /** The stream is under way and goes on until it is stopped; what comes after goes to `got` and `ended`. */
  decided: (stop: () => void) => void;
  got: (payment: LndPayment) => void;
  ended: (failure: LndFailure | undefined) => void;
};

/** Follows a payment until a message, a failure or the clock decides. LND's first message comes at once. */
function listen(rpc: LndRpc, of: Listening): Promise<void> {
  return new Promise((resolve, reject) => {
    let state: 'deciding' | 'going on' | 'over' = 'deciding';
    let stop = (): void => void (state = 'over');
    const decide = (verdict: Verdict): void => {
      if (verdict === 'wait' || state !== 'deciding') return;
      clearTimeout(timer);
      state = verdict === 'under way' ? 'going on' : 'over';
      if (verdict !== 'under way') return (stop(), reject(verdict));
      of.decided(() => stop());
      resolve();
    };
    const late = (): void => decide(unknownOutcome(of.name, timedOut(of.name)));
    let timer = setTimeout(late, rpc.patienceMilliseconds);
    const got = (payment: LndPayment): void => {
      if (payment.payment_hash !== of.paymentHash) return decide(unknownOutcome(of.name, otherPayment));
      if (state === 'deciding') {
        clearTimeout(timer);
        timer = setTimeout(late, of.patienceMilliseconds);
        decide(of.judge(payment));
      }
      if (state === 'going on') of.got(payment);
    };
    const ended = (failure: LndFailure | undefined): void => {
      if (state === 'going on') of.ended(failure);
      decide(of.refused(failure ?? endedEarly));
    };
    known(rpc.stream(of.name, of.request, { schema: wire.payment, got, ended })).then(
      (end) => {
        stop = end;
        if (state === 'over') end();
      },
      (error: unknown) => decide(error as SparkleError),
    );
  });
}

const otherPayment = unexpected('an answer about another payment');
const endedEarly = unexpected('the stream ended before anything was decided');

const isOver = ({ status }: LndPayment): boolean => status === 'SUCCEEDED' || status === 'FAILED';

function verdictOn(payment: LndPayment): Verdict {
  switch (payment.status) {
    case 'SUCCEEDED':
      return 'under way';
    case 'IN_FLIGHT':
      return payment.htlcs.length > 0 ? 'under way' : 'wait';
    case 'UNKNOWN':
    case 'INITIATED':
      return 'wait';
    // LND says so only when no part is in flight any more.
    case 'FAILED':
      return failed(payment);
  }
}

const INSUFFICIENT_BALANCE = 'FAILURE_REASON_INSUFFICIENT_BALANCE';
const NO_ROUTE = ['FAILURE_REASON_NO_ROUTE', INSUFFICIENT_BALANCE];

const failed = ({ failure_reason, payment_hash: paymentHash }: LndPayment): SparkleError => {
  const detail = { reason: reasonName(failure_reason), paymentHash };
  return NO_ROUTE.includes(failure_reason)
    ? new SparkleError('no_route', `no route to the payee within the caps (${detail.reason})`, detail)
    : new SparkleError('payment_failed', `the payment has failed (${detail.reason})`, detail);
};

const reasonName = (reason: string): string => reason.replace(/^FAILURE_REASON_/, '').toLowerCase();

/** What it means that LND did not take the order. Only what it surely never began is a failure. */
function refusalOf(failure: LndFailure): Verdict {
  if (says(failure, 'alreadyPaying')) return 'under way';
  if (says(failure, 'noRoom'))
    return new SparkleError('no_route', `no route to the payee within the caps (${failure.words})`, {
      reason: 'caps',
    });
  if (says(failure, 'expired')) return new SparkleError('too_late', 'the invoice has expired');
  return unknownOutcome('sendPaymentV2', failure);
}

function paymentOf(payment: LndPayment): Payment {
  switch (payment.status) {
    case 'UNKNOWN':
    case 'INITIATED':
    case 'IN_FLIGHT':
      return { state: 'pending', ...expiryOf(payment) };
    case 'FAILED':
      return { state: 'failed', reason: reasonName(payment.failure_reason) };
    case 'SUCCEEDED':
      return settled(payment);
  }
}

function expiryOf({ htlcs }: LndPayment): { expiryHeight?: number } {
  const heights = htlcs.flatMap(({ status, route }) =>
    status === 'FAILED' || route === null ? [] : [route.total_time_lock],
  );
  return heights.length === 0 ? {} : { expiryHeight: Math.max(...heights) };
}

const isItsPreimage = ({ payment_hash, payment_preimage }: LndPayment): boolean =>
  /^[0-9a-f]{64}$/.test(payment_preimage) && hex.encode(sha256(hex.decode(payment_preimage))) === payment_hash;

function settled(payment: LndPayment): Payment {
  const { payment_hash: paymentHash, payment_preimage: preimage, fee_msat: feeMsat } = payment;
  if (isItsPreimage(payment)) return { state: 'settled', preimage, feeMsat };
  throw new SparkleError('bad_preimage', `LND calls ${paymentHash} paid and gives no preimage of it`, { paymentHash });
}

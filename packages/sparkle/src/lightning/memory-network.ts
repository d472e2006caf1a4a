import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import type { Invoice, Payment } from './lightning.ts';
import {
  planPayment,
  type Incoming,
  type MemoryPeer,
  type Order,
  type Outgoing,
  type Part,
  type Terms,
} from './memory-route.ts';

export type Told = { peer: MemoryPeer; type: 'payment' | 'invoice'; paymentHash: string };

const partsAt = (payment: Outgoing | undefined, at: Part['at']): Part[] =>
  payment?.parts.filter((part) => part.at === at) ?? [];
const sumOf = (parts: readonly Part[]): bigint => parts.reduce((sum, part) => sum + part.amountMsat, 0n);
const smallestExpiry = (parts: readonly Part[]): number => Math.min(...parts.map((part) => part.payeeExpiry));

/**
 * HTLCs between nodes, block by block: no time but `height` and `nowSeconds`, no randomness, no I/O. Every msat is at
 * every moment in one node, in one HTLC or with the routers.
 */
export class HtlcNetwork {
  #height: number;
  #nowSeconds: number;
  #routersMsat = 0n;
  readonly #peers = new Map<string, MemoryPeer>();
  readonly #live = new Set<Outgoing>();
  #told: Told[] = [];

  constructor(start: { height: number; nowSeconds: number }) {
    this.#height = start.height;
    this.#nowSeconds = start.nowSeconds;
  }

  get height(): number {
    return this.#height;
  }

  get nowSeconds(): number {
    return this.#nowSeconds;
  }

  add(peer: MemoryPeer): void {
    this.#peers.set(peer.nodeId, peer);
  }

  /** Where all msat are; their sum never changes. */
  totals(): { nodesMsat: bigint; inFlightMsat: bigint; routersMsat: bigint } {
    const moving = [...this.#live].flatMap((payment) => [
      ...partsAt(payment, 'way'),
      ...partsAt(payment, 'stuck'),
      ...partsAt(payment, 'payee'),
    ]);
    return {
      nodesMsat: [...this.#peers.values()].reduce((sum, peer) => sum + peer.balanceMsat, 0n),
      inFlightMsat: moving.reduce((sum, part) => sum + part.amountMsat + part.feeMsat, 0n),
      routersMsat: this.#routersMsat,
    };
  }

  /** What has changed since the last call: to be told once the network is at rest again. */
  takeTold(): Told[] {
    const told = this.#told;
    this.#told = [];
    return told;
  }

  /** Goes up block by block, so that deadlines fall in their order. Going down is a reorg and touches no HTLC. */
  setHeight(height: number): void {
    if (height < this.#height) this.#height = height;
    while (this.#height < height) {
      this.#height += 1;
      this.#onBlock();
    }
  }

  setTime(nowSeconds: number): void {
    this.#nowSeconds = nowSeconds;
    for (const peer of this.#peers.values())
      for (const invoice of peer.incoming.values())
        if (invoice.state === 'open' && invoice.terms.expiresAtSeconds <= nowSeconds)
          this.#cancelInvoice(peer, invoice);
  }

  issue(peer: MemoryPeer, terms: Terms): void {
    peer.incoming.set(terms.paymentHash, { terms, from: undefined, state: 'open', receivedMsat: 0n });
  }

  /** Starts a payment. Throws `no_route` and changes nothing when it cannot leave the payer. */
  pay(payer: MemoryPeer, order: Order): void {
    const before = payer.outgoing.get(order.terms.paymentHash)?.outcome.state;
    if (before === 'pending' || before === 'settled') return;
    const payee = this.#peers.get(order.payeeId);
    const payment = planPayment({ ...order, payer, payee, height: this.#height });
    for (const part of payment.parts) payer.balanceMsat -= part.amountMsat + part.feeMsat;
    payer.outgoing.set(payment.paymentHash, payment);
    this.#live.add(payment);
    this.#tell(payer, 'payment', payment.paymentHash);
    if (payer.sending.fate === 'refused')
      for (const part of payment.parts) this.#failPart(payment, part, 'refused by a router');
    this.#arrive(payment);
  }

  payment(peer: MemoryPeer, paymentHash: string): Payment {
    return peer.outgoing.get(paymentHash)?.outcome ?? { state: 'unknown' };
  }

  invoice(peer: MemoryPeer, paymentHash: string): Invoice {
    const invoice = peer.incoming.get(paymentHash);
    switch (invoice?.state) {
      case undefined:
        return { state: 'unknown' };
      case 'held': {
        const parts = partsAt(invoice.from, 'payee');
        return { state: 'held', amountMsat: sumOf(parts), expiryHeight: smallestExpiry(parts), parts: parts.length };
      }
      case 'settled':
        return { state: 'settled', amountMsat: invoice.receivedMsat };
      case 'open':
      case 'canceled':
        return { state: invoice.state };
    }
  }

  settle(peer: MemoryPeer, preimage: string): void {
    const invoice = peer.incoming.get(hex.encode(sha256(hex.decode(preimage))));
    if (invoice?.state === 'settled') return;
    if (invoice?.state !== 'held')
      throw new SparkleError(
        'invoice_not_held',
        `settle needs a held invoice; the one of this preimage is ${invoice?.state ?? 'unknown'}`,
      );
    this.#settleInvoice(peer, invoice, preimage);
  }

  cancel(peer: MemoryPeer, paymentHash: string): void {
    const invoice = peer.incoming.get(paymentHash);
    if (invoice === undefined)
      throw new SparkleError('unknown_invoice', `no invoice with payment hash ${paymentHash}`, { paymentHash });
    if (invoice.state === 'settled')
      throw new SparkleError('invoice_not_held', 'cancel needs an open or held invoice; this one is settled', {
        paymentHash,
      });
    if (invoice.state !== 'canceled') this.#cancelInvoice(peer, invoice);
  }

  /** A payee that was away finds what arrived meanwhile, and cancels what is too near its expiry. */
  restart(peer: MemoryPeer): void {
    peer.down = false;
    for (const payment of this.#live) if (payment.payee === peer) this.#arrive(payment);
    this.#cancelNearExpiry(peer);
  }

  /** Lets the stuck parts of a payment go on, or fails them. */
  release(payer: MemoryPeer, { paymentHash, to }: { paymentHash: string; to: 'payee' | 'payer' }): void {
    const payment = payer.outgoing.get(paymentHash);
    if (payment === undefined)
      throw new SparkleError('bad_state', `no payment with hash ${paymentHash}`, { paymentHash });
    for (const part of partsAt(payment, 'stuck'))
      if (to === 'payee') part.at = 'way';
      else this.#failPart(payment, part, 'failed by a router');
    this.#arrive(payment);
  }

  #arrive(payment: Outgoing): void {
    if (payment.payee.down) return;
    for (const part of partsAt(payment, 'way')) {
      if (part.arrivalHeight > this.#height) continue;
      const invoice = payment.payee.incoming.get(payment.paymentHash);
      if (invoice === undefined || !this.#accepts(invoice, payment, part))
        this.#failPart(payment, part, 'refused by the payee');
      else {
        invoice.from = payment;
        part.at = 'payee';
        this.#complete(payment.payee, invoice, payment);
      }
    }
  }

  /** BOLT 4, requirements of the final node; and a hash that was settled or canceled is never payable again. */
  #accepts(invoice: Incoming, payment: Outgoing, part: Part): boolean {
    const { terms } = invoice;
    const rival = invoice.from !== undefined && invoice.from !== payment && partsAt(invoice.from, 'payee').length > 0;
    if (invoice.state !== 'open' || payment.doomed || rival || this.#nowSeconds >= terms.expiresAtSeconds) return false;
    if (part.payeeExpiry - payment.payee.holdExpiryMarginBlocks <= this.#height) return false;
    if (payment.payee.arrivals === 'unchecked') return true;
    const rightAmount = payment.totalMsat >= terms.amountMsat && payment.totalMsat <= 2n * terms.amountMsat;
    return rightAmount && part.payeeExpiry >= this.#height + terms.finalCltv;
  }

  #complete(payee: MemoryPeer, invoice: Incoming, payment: Outgoing): void {
    if (sumOf(partsAt(payment, 'payee')) < payment.totalMsat) return;
    if (invoice.terms.preimage !== undefined) return this.#settleInvoice(payee, invoice, invoice.terms.preimage);
    invoice.state = 'held';
    this.#tell(payee, 'invoice', payment.paymentHash);
  }

  #settleInvoice(payee: MemoryPeer, invoice: Incoming, preimage: string): void {
    const payment = invoice.from;
    const parts = partsAt(payment, 'payee');
    invoice.state = 'settled';
    invoice.receivedMsat = sumOf(parts);
    payee.balanceMsat += invoice.receivedMsat;
    this.#tell(payee, 'invoice', invoice.terms.paymentHash);
    if (payment === undefined) return;
    payment.preimage = preimage;
    for (const part of parts) {
      this.#routersMsat += part.feeMsat;
      part.at = 'settled';
      part.learnHeight = Math.min(this.#height + payment.payer.sending.learnsAfterBlocks, part.payerExpiry - 1);
    }
    this.#learn(payment);
  }

  #learn(payment: Outgoing): void {
    const settled = partsAt(payment, 'settled');
    if (!settled.some((part) => part.learnHeight <= this.#height)) return;
    const feeMsat = settled.reduce((sum, part) => sum + part.feeMsat, 0n);
    this.#end(payment, { state: 'settled', preimage: payment.preimage, feeMsat });
  }

  #cancelInvoice(payee: MemoryPeer, invoice: Incoming): void {
    invoice.state = 'canceled';
    this.#tell(payee, 'invoice', invoice.terms.paymentHash);
    const payment = invoice.from;
    for (const part of partsAt(payment, 'payee'))
      if (payment !== undefined) this.#failPart(payment, part, 'refused by the payee');
  }

  /** One failed part fails the set: the payment is over when the last of its parts has come back. */
  #failPart(payment: Outgoing, part: Part, reason: string): void {
    if (part.at === 'failed') return;
    part.at = 'failed';
    payment.doomed = true;
    payment.payer.balanceMsat += part.amountMsat + part.feeMsat;
    for (const rest of partsAt(payment, 'payee')) this.#failPart(payment, rest, reason);
    if (payment.outcome.state === 'pending' && payment.parts.every((each) => each.at === 'failed'))
      this.#end(payment, { state: 'failed', reason });
  }

  #end(payment: Outgoing, outcome: Outgoing['outcome']): void {
    payment.outcome = outcome;
    this.#live.delete(payment);
    this.#tell(payment.payer, 'payment', payment.paymentHash);
  }

  #onBlock(): void {
    for (const payment of [...this.#live]) {
      this.#arrive(payment);
      this.#learn(payment);
      this.#expire(payment);
    }
    for (const peer of this.#peers.values()) this.#cancelNearExpiry(peer);
  }

  /** Nothing waits beyond its expiry: routers and payers take their money back on chain. */
  #expire(payment: Outgoing): void {
    const invoice = payment.payee.incoming.get(payment.paymentHash);
    if (invoice?.from === payment && partsAt(payment, 'payee').some((part) => part.payeeExpiry <= this.#height))
      this.#returnParts(payment.payee, invoice);
    for (const part of [...partsAt(payment, 'way'), ...partsAt(payment, 'stuck')])
      if (part.payerExpiry <= this.#height) this.#failPart(payment, part, 'expired');
  }

  #cancelNearExpiry(peer: MemoryPeer): void {
    if (peer.down) return;
    for (const invoice of peer.incoming.values()) {
      const parts = partsAt(invoice.from, 'payee');
      if (parts.length > 0 && smallestExpiry(parts) - peer.holdExpiryMarginBlocks <= this.#height)
        this.#returnParts(peer, invoice);
    }
  }

  /** A complete set that goes back cancels its invoice; an incomplete one leaves it open for another try. */
  #returnParts(peer: MemoryPeer, invoice: Incoming): void {
    const { from } = invoice;
    if (invoice.state === 'held') return this.#cancelInvoice(peer, invoice);
    for (const part of partsAt(from, 'payee'))
      if (from !== undefined) this.#failPart(from, part, 'incomplete at the payee');
  }

  #tell(peer: MemoryPeer, type: Told['type'], paymentHash: string): void {
    this.#told.push({ peer, type, paymentHash });
  }
}

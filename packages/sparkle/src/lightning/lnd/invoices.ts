import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice, isInvoiceFor, type Invoice11 } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { HoldInvoiceRequest, Invoice } from '../lightning.ts';
import { differences } from '../requests.ts';
import { says, unknownOutcome } from './failures.ts';
import { acceptedParts, heldOf } from './held.ts';
import { failureIn, known, type LndRpc } from './rpc.ts';
import type { LndWatch } from './watch.ts';
import { wire, type LndIncoming, type LndInvoice } from './wire.ts';

/** LND 0.21 makes no invoice with less. */
const LEAST_FINAL_CLTV = 24;
/** LND refuses invoices that live longer than 365 days. */
const MOST_EXPIRY_SECONDS = 365 * 24 * 3600;

type Deps = {
  rpc: LndRpc;
  identity: () => Promise<{ nodeId: string; network: NetworkName }>;
  holdExpiryMarginBlocks: number;
  /** Whether invoices name private channels as a way to the node. */
  privateChannels: 'named' | 'kept secret';
  watch: LndWatch;
};

type Wanted = { kind: 'hold' | 'plain'; request: HoldInvoiceRequest; preimage: string | undefined };

/** Invoices as LND keeps them: it is the only one who remembers. */
export class LndInvoices {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Throws `invoice_exists`, `bad_height` or `bad_invoice` for what LND cannot make, `bad_invoice` for what was not asked for. */
  async create(wanted: Wanted): Promise<{ bolt11: string }> {
    this.#checkLimits(wanted);
    const { paymentHash } = wanted.request;
    const bolt11 = (await this.#add(wanted)) ?? (await this.#existing(wanted));
    this.#deps.watch.follow({ type: 'invoice', paymentHash });
    return { bolt11 };
  }

  async lookup(paymentHash: string): Promise<Invoice> {
    const invoice = await this.#find(paymentHash);
    if (invoice === undefined) return { state: 'unknown' };
    const event = { type: 'invoice', paymentHash } as const;
    if (invoice.state === 'OPEN' || invoice.state === 'ACCEPTED') this.#deps.watch.follow(event);
    else this.#deps.watch.foundOver(event);
    if (invoice.state !== 'ACCEPTED') return stateOf(invoice, []);
    const channels = await this.#incoming();
    if (acceptedParts(invoice, channels).length === acceptedParts(invoice, []).length)
      return stateOf(invoice, channels);
    // Parts that are gone may have been settled or given back since LND said that it holds them.
    return stateOf((await this.#find(paymentHash)) ?? invoice, channels);
  }

  async settle(preimage: string): Promise<void> {
    const paymentHash = hex.encode(sha256(hex.decode(preimage)));
    try {
      await this.#deps.rpc.ask('settleInvoice', { preimage: hex.decode(preimage) }, wire.nothing);
    } catch (error) {
      const failure = failureIn(error);
      if (says(failure, 'settled')) return;
      const isOver = says(failure, 'notHeld') || says(failure, 'unknownInvoice');
      if (!isOver) throw unknownOutcome('settleInvoice', failure);
      throw new SparkleError('invoice_not_held', `settle needs a held invoice; LND says: ${failure.words}`, {
        paymentHash,
      });
    }
  }

  async cancel(paymentHash: string): Promise<void> {
    try {
      await this.#deps.rpc.ask('cancelInvoice', { payment_hash: hex.decode(paymentHash) }, wire.nothing);
    } catch (error) {
      const failure = failureIn(error);
      if (says(failure, 'unknownInvoice'))
        throw new SparkleError('unknown_invoice', `no invoice with payment hash ${paymentHash}`, { paymentHash });
      if (!says(failure, 'settled')) throw unknownOutcome('cancelInvoice', failure);
      throw new SparkleError('invoice_not_held', 'cancel needs an open or held invoice; this one is settled', {
        paymentHash,
      });
    }
  }

  #checkLimits({ kind, request: { finalCltv, expirySeconds } }: Wanted): void {
    // A hold that begins within the node's own margin is given back at once.
    const least =
      kind === 'hold' ? Math.max(LEAST_FINAL_CLTV, this.#deps.holdExpiryMarginBlocks + 1) : LEAST_FINAL_CLTV;
    if (finalCltv < least)
      throw new SparkleError('bad_height', `finalCltv must be at least ${least} on this node; got ${finalCltv}`, {
        least,
      });
    if (expirySeconds > MOST_EXPIRY_SECONDS)
      throw new SparkleError('bad_invoice', `expirySeconds must be at most ${MOST_EXPIRY_SECONDS} on LND`, {
        most: MOST_EXPIRY_SECONDS,
      });
  }

  /** The new invoice, or `undefined` when LND has one for this hash. */
  async #add(wanted: Wanted): Promise<string | undefined> {
    const { rpc, privateChannels } = this.#deps;
    const { kind, request, preimage } = wanted;
    const terms = {
      memo: request.description,
      value_msat: String(request.amountMsat),
      cltv_expiry: request.finalCltv,
      expiry: request.expirySeconds,
      private: privateChannels === 'named',
    };
    try {
      const answer =
        preimage === undefined
          ? await rpc.ask('addHoldInvoice', { ...terms, hash: hex.decode(request.paymentHash) }, wire.added)
          : await rpc.ask('addInvoice', { ...terms, r_preimage: hex.decode(preimage) }, wire.added);
      const other = differences(await this.#decode(answer.payment_request), request);
      if (other.length > 0) throw notAsAsked({ kind, other });
      return answer.payment_request;
    } catch (error) {
      if (error instanceof SparkleError) throw error;
      const failure = failureIn(error);
      if (says(failure, 'invoiceExists')) return undefined;
      if (says(failure, 'badCltv')) throw new SparkleError('bad_height', `finalCltv is too small: ${failure.words}`);
      throw unknownOutcome('creating an invoice', failure);
    }
  }

  async #existing({ kind, request, preimage }: Wanted): Promise<string> {
    const { paymentHash } = request;
    const found = await this.#find(paymentHash);
    if (found !== undefined) {
      const other = differences(await this.#decode(found.payment_request), request);
      // A settled hold invoice has its preimage too: then either request may have made it, and none can be paid again.
      const isKind =
        kind === 'plain' ? found.r_preimage === preimage : found.state === 'SETTLED' || found.r_preimage === '';
      if (other.length === 0 && isKind) return found.payment_request;
    }
    throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
      paymentHash,
    });
  }

  async #find(paymentHash: string): Promise<LndInvoice | undefined> {
    try {
      const request = { payment_hash: hex.decode(paymentHash) };
      const invoice = await this.#deps.rpc.ask('lookupInvoiceV2', request, wire.invoice);
      if (invoice.r_hash !== paymentHash)
        throw new SparkleError('bad_invoice', `LND answered with another invoice than that of ${paymentHash}`, {
          paymentHash,
        });
      return invoice;
    } catch (error) {
      if (error instanceof SparkleError) throw error;
      const failure = failureIn(error);
      if (says(failure, 'unknownInvoice')) return undefined;
      throw unknownOutcome('lookupInvoiceV2', failure);
    }
  }

  async #incoming(): Promise<LndIncoming[]> {
    return (await known(this.#deps.rpc.ask('listChannels', {}, wire.incoming))).channels;
  }

  /** Throws `bad_invoice` when it is not this node's, or for another network. */
  async #decode(bolt11: string): Promise<Invoice11> {
    const { nodeId, network } = await known(this.#deps.identity());
    const invoice = decodeInvoice(bolt11);
    const other = [
      ...(invoice.payee === nodeId ? [] : ['payee']),
      ...(isInvoiceFor(invoice, network) ? [] : ['network']),
    ];
    if (other.length > 0) throw notAsAsked({ kind: 'node', other });
    return invoice;
  }
}

const notAsAsked = ({ kind, other }: { kind: string; other: string[] }): SparkleError =>
  new SparkleError('bad_invoice', `LND's ${kind} invoice differs from what was asked for in ${other.join(', ')}`, {
    differs: other,
  });

function stateOf(invoice: LndInvoice, channels: readonly LndIncoming[]): Invoice {
  switch (invoice.state) {
    case 'OPEN':
      return { state: 'open' };
    case 'ACCEPTED':
      return heldOf(invoice, channels);
    case 'CANCELED':
      return { state: 'canceled' };
    case 'SETTLED':
      return { state: 'settled', amountMsat: invoice.amt_paid_msat };
  }
}

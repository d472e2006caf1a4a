import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { decodeInvoice } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { HoldInvoiceRequest, Invoice } from '../lightning.ts';
import { assertAsAsked, checkHoldInvoiceRequest } from '../requests.ts';
import { answered, htlcsOf, sumMsat } from './answered.ts';
import { refuseSparkRoute } from './fallback.ts';
import { receiveShape, ROLE, type SparkWalletLike } from './wallet.ts';

type Made = { request: HoldInvoiceRequest; bolt11: string };

const MSAT = 1000n;

/** Incoming payments: held until their preimage is given, or until they go back by themselves. */
export class SparkHolds {
  readonly #wallet: SparkWalletLike;
  readonly #network: NetworkName;
  readonly #made = new Map<string, Promise<Made>>();

  constructor({ wallet, network }: { wallet: SparkWalletLike; network: NetworkName }) {
    this.#wallet = wallet;
    this.#network = network;
  }

  async create(request: HoldInvoiceRequest): Promise<{ bolt11: string }> {
    checkHoldInvoiceRequest(request);
    const { paymentHash, amountMsat } = request;
    if (amountMsat % MSAT !== 0n)
      throw new SparkleError('bad_amount', `Spark makes invoices for whole sats; asked were ${amountMsat} msat`);
    const known = this.#made.get(paymentHash);
    if (known !== undefined) return sameOrRefused(await known, request);
    const making = this.#make(request);
    this.#made.set(paymentHash, making);
    making.catch(() => this.#made.delete(paymentHash));
    return { bolt11: (await making).bolt11 };
  }

  async look(paymentHash: string): Promise<Invoice> {
    readHex32(paymentHash, 'paymentHash');
    const htlcs = await htlcsOf({ wallet: this.#wallet, paymentHash, role: ROLE.receiver });
    const shared = htlcs.filter(({ status }) => status === 'shared');
    if (shared.length > 0) return { state: 'settled', amountMsat: sumMsat(shared) };
    const waiting = htlcs.filter(({ status }) => status === 'waiting');
    const made = await this.#made.get(paymentHash)?.catch(() => undefined);
    if (waiting.length > 0) {
      const amountMsat = sumMsat(waiting);
      const isWhole = made === undefined || amountMsat >= made.request.amountMsat;
      // Nobody tells at which height it ends: over already, as the port has it.
      return isWhole ? { state: 'held', amountMsat, expiryHeight: 0, parts: waiting.length } : { state: 'open' };
    }
    if (htlcs.length > 0) return { state: 'canceled' };
    return { state: made === undefined ? 'unknown' : 'open' };
  }

  async settle(preimage: string): Promise<void> {
    const paymentHash = hex.encode(sha256(hex.decode(readHex32(preimage, 'preimage'))));
    const { state } = await this.look(paymentHash);
    if (state === 'settled') return;
    if (state !== 'held')
      throw new SparkleError('invoice_not_held', `settle needs a held invoice; it is ${state}`, { state });
    try {
      await this.#wallet.claimHTLC(preimage);
    } catch {
      // What counts is what the operators say: the preimage may have reached them.
      if ((await this.look(paymentHash)).state === 'settled') return;
      throw new SparkleError('lightning_unavailable', 'the Spark wallet must take the preimage; claimHTLC failed', {
        reason: 'refused',
      });
    }
  }

  async #make(request: HoldInvoiceRequest): Promise<Made> {
    const { paymentHash, amountMsat, description, expirySeconds } = request;
    const work = this.#wallet.createLightningHodlInvoice({
      amountSats: Number(amountMsat / MSAT),
      paymentHash,
      memo: description,
      expirySeconds,
      // Either would let a payer pay past Lightning, without learning the preimage.
      includeSparkAddress: false,
      includeSparkInvoice: false,
    });
    const { invoice } = await answered({ call: 'createLightningHodlInvoice', work, shape: receiveShape });
    return { request, bolt11: this.#checked(invoice.encodedInvoice, request) };
  }

  /** The provider writes and signs the invoice: it must say what was asked. */
  #checked(bolt11: string, request: HoldInvoiceRequest): string {
    const invoice = decodeInvoice(bolt11);
    refuseSparkRoute(invoice);
    assertAsAsked({ invoice, by: "the provider's invoice", network: this.#network }, request);
    if (invoice.minFinalCltv >= request.finalCltv) return invoice.text;
    throw new SparkleError(
      'not_supported',
      `Spark chooses the final CLTV: ${invoice.minFinalCltv} blocks; asked were ${request.finalCltv}`,
      { finalCltv: invoice.minFinalCltv },
    );
  }
}

function sameOrRefused({ request: made, bolt11 }: Made, request: HoldInvoiceRequest): { bolt11: string } {
  const { paymentHash } = request;
  const same =
    made.amountMsat === request.amountMsat &&
    made.finalCltv === request.finalCltv &&
    made.expirySeconds === request.expirySeconds &&
    made.description === request.description;
  if (same) return { bolt11 };
  throw new SparkleError('invoice_exists', `an invoice with other terms exists for payment hash ${paymentHash}`, {
    paymentHash,
  });
}

import { hex } from '@scure/base';
import { decodeInvoice } from '../../protocol/bolt11.ts';
import type { Invoice, Payment } from '../lightning.ts';
import type { MemoryNode } from '../memory.ts';
import type { SparkWalletLike } from './wallet.ts';

/** The final CLTV that the fake's provider writes into invoices. */
export const PROVIDER_FINAL_CLTV = 60;

type Method = keyof SparkWalletLike;
type Trick = { do: 'fail before' | 'fail after' } | { do: 'answer'; answer: unknown } | { do: 'throw'; error: Error };

/** Named as the SDK names what it refuses before any money moves. */
class SparkValidationError extends Error {}

/** A Spark wallet of ours over a node in memory: the same calls, arguments and answers as far as the driver uses them. */
export class FakeSparkWallet implements SparkWalletLike {
  readonly calls: { method: Method; params: unknown }[] = [];
  /** What the provider writes instead of what was asked for. */
  rewrite: (bolt11: string) => string = (bolt11) => bolt11;
  readonly #node: MemoryNode;
  readonly #feeSats: number;
  readonly #sums = new Map<string, number>();
  readonly #tricks: { method: Method; trick: Trick }[] = [];

  constructor(of: { node: MemoryNode; feeSats: number }) {
    this.#node = of.node;
    this.#feeSats = of.feeSats;
  }

  next(method: Method, trick: Trick): void {
    this.#tricks.push({ method, trick });
  }

  createLightningHodlInvoice(params: Parameters<SparkWalletLike['createLightningHodlInvoice']>[0]): Promise<unknown> {
    return this.#run('createLightningHodlInvoice', params, async () => {
      const { paymentHash, memo: description, expirySeconds, amountSats } = params;
      const { bolt11 } = await this.#node.lightning.createHoldInvoice({
        ...{ paymentHash, description, expirySeconds },
        amountMsat: BigInt(amountSats) * 1000n,
        finalCltv: PROVIDER_FINAL_CLTV,
      });
      const invoice = { encodedInvoice: this.rewrite(bolt11), paymentHash, memo: description };
      return { id: 'receive', status: 'INVOICE_CREATED', typename: 'LightningReceiveRequest', invoice };
    });
  }

  payLightningInvoice(params: Parameters<SparkWalletLike['payLightningInvoice']>[0]): Promise<unknown> {
    return this.#run('payLightningInvoice', params, async () => {
      const { invoice: bolt11, maxFeeSats } = params;
      if (maxFeeSats < this.#feeSats) throw new SparkValidationError('maxFeeSats does not cover fee estimate');
      const { paymentHash, amountMsat = 0n } = decodeInvoice(bolt11);
      const amountSats = Number((amountMsat + 999n) / 1000n);
      if (BigInt(amountSats + this.#feeSats) * 1000n > this.#node.balanceMsat())
        throw new SparkValidationError('Total target amount exceeds available balance');
      this.#sums.set(paymentHash, amountSats + this.#feeSats);
      await this.#node.lightning.pay({ bolt11, maxFeeMsat: 10_000n, maxCltvBlocks: 2016, timeoutSeconds: 60 });
      return {
        id: 'send',
        status: 'LIGHTNING_PAYMENT_INITIATED',
        typename: 'LightningSendRequest',
        encodedInvoice: bolt11,
      };
    });
  }

  claimHTLC(preimage: string): Promise<unknown> {
    return this.#run('claimHTLC', preimage, async () => {
      await this.#node.lightning.settle(preimage);
      return { id: 'transfer' };
    });
  }

  queryHTLC(params: Parameters<SparkWalletLike['queryHTLC']>[0]): Promise<unknown> {
    return this.#run('queryHTLC', params, async () => {
      const [paymentHash = ''] = params.paymentHashes;
      const row = params.matchRole === 0 ? await this.#received(paymentHash) : await this.#sent(paymentHash);
      const common = { paymentHash: hex.decode(paymentHash), receiverIdentityPubkey: new Uint8Array(33) };
      return { preimageRequests: row === undefined ? [] : [{ ...common, ...row }], offset: -1 };
    });
  }

  getBalance(): Promise<unknown> {
    const balance = this.#node.balanceMsat() / 1000n;
    return this.#run('getBalance', undefined, async () => ({ balance, tokenBalances: new Map() }));
  }

  async cleanupConnections(): Promise<void> {
    this.calls.push({ method: 'cleanupConnections', params: undefined });
  }

  async #received(paymentHash: string) {
    const invoice: Invoice = await this.#node.lightning.invoice(paymentHash);
    switch (invoice.state) {
      case 'held':
        return { status: 0, transfer: { totalValue: Number(invoice.amountMsat / 1000n) } };
      case 'settled':
        return { status: 1, transfer: { totalValue: Number(invoice.amountMsat / 1000n) } };
      case 'canceled':
        return { status: 2 };
      case 'open':
      case 'unknown':
        return undefined;
    }
  }

  async #sent(paymentHash: string) {
    const payment: Payment = await this.#node.lightning.payment(paymentHash);
    const transfer = { totalValue: this.#sums.get(paymentHash) ?? 0 };
    switch (payment.state) {
      case 'pending':
        return { status: 0, transfer };
      case 'settled':
        return { status: 1, transfer, preimage: hex.decode(payment.preimage) };
      case 'failed':
        return { status: 2, transfer };
      case 'unknown':
        return undefined;
    }
  }

  async #run(method: Method, params: unknown, work: () => Promise<unknown>): Promise<unknown> {
    this.calls.push({ method, params });
    const at = this.#tricks.findIndex((each) => each.method === method);
    const trick = at < 0 ? undefined : this.#tricks.splice(at, 1)[0]?.trick;
    if (trick?.do === 'throw') throw trick.error;
    if (trick?.do === 'fail before') throw new Error(`the network is away; params were ${JSON.stringify(params)}`);
    if (trick?.do === 'answer') return trick.answer;
    const answer = await work();
    if (trick?.do === 'fail after') throw new Error(`the answer is lost; params were ${JSON.stringify(params)}`);
    return answer;
  }
}

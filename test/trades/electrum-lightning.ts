import { decodeInvoice } from 'sparkle-protocol/protocol/bolt11';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Lightning, LightningEvent, Payment, PayRequest } from 'sparkle-protocol/lightning/lightning';
import type { ElectrumWallet } from '../regtest/electrum-wallet.ts';

type Channel = { local_balance: number };
type Settled = { payment_hash?: string; preimage?: string; fee_msat?: number | null };

const refused = (method: string) => async (): Promise<never> => {
  throw new SparkleError('not_supported', `this wallet only pays; it was asked for ${method}`);
};

/** A wallet that can only pay, asked by its command line: what any wallet in a buyer's hand is to a trade. */
export class ElectrumLightning implements Lightning {
  readonly capabilities = {
    ...{ pay: true, routeCap: true, feeCap: true, hold: false, cancel: false, holdDeadline: false },
    ...{ finalCltv: false, ownPreimage: false, holdExpiryMarginBlocks: 0 },
  };
  readonly #wallet: ElectrumWallet;
  readonly #synced: () => Promise<void>;
  readonly #payments = new Map<string, Payment>();
  readonly #listeners = new Set<(event: LightningEvent) => void>();

  /** `synced` resolves once the wallet has seen the newest block. */
  constructor({ wallet, synced }: { wallet: ElectrumWallet; synced: () => Promise<void> }) {
    this.#wallet = wallet;
    this.#synced = synced;
  }

  createHoldInvoice = refused('a hold invoice');
  createInvoice = refused('an invoice');
  invoice = refused('the state of an invoice');
  settle = refused('settling');
  cancel = refused('canceling');

  async network() {
    return 'regtest' as const;
  }

  async nodeId(): Promise<string> {
    return this.#wallet.nodeId;
  }

  /** `lnpay` answers when the payment has ended, which for a held one may be never; the trade does not wait for it. */
  async pay({ bolt11, maxFeeMsat, maxCltvBlocks }: PayRequest): Promise<void> {
    const { paymentHash } = decodeInvoice(bolt11);
    if (this.#payments.has(paymentHash)) return;
    this.#payments.set(paymentHash, { state: 'pending' });
    // It asks for exactly the final CLTV of the invoice: a block behind, the payee refuses it as too short.
    await this.#synced();
    const limits = { maxCltv: maxCltvBlocks, maxFeeMsat: Number(maxFeeMsat) };
    void this.#wallet.pay(bolt11, limits).then(
      ({ success, preimage }) =>
        this.#ended(
          paymentHash,
          success && preimage !== null
            ? { state: 'settled', preimage, feeMsat: 0n }
            : { state: 'failed', reason: 'the wallet says so' },
        ),
      // Its answer did not come; the history tells what it was.
      () => undefined,
    );
  }

  async payment(paymentHash: string): Promise<Payment> {
    const known = this.#payments.get(paymentHash) ?? { state: 'unknown' };
    if (known.state !== 'pending') return known;
    const history = await this.#wallet.command<Settled[]>('lightning_history').catch((cause: unknown) => {
      throw new SparkleError('lightning_unavailable', 'Electrum does not answer', {}, { cause });
    });
    const paid = history.find((item) => item.payment_hash === paymentHash);
    if (paid?.preimage === undefined) return known;
    return { state: 'settled', preimage: paid.preimage, feeMsat: BigInt(paid.fee_msat ?? 0) };
  }

  async balance() {
    const channels = await this.#wallet.command<Channel[]>('list_channels');
    const ownedMsat = channels.reduce((sum, { local_balance }) => sum + BigInt(local_balance) * 1000n, 0n);
    return { spendableMsat: ownedMsat, ownedMsat };
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  #ended(paymentHash: string, payment: Payment): void {
    this.#payments.set(paymentHash, payment);
    for (const listener of this.#listeners) listener({ type: 'payment', paymentHash });
  }
}

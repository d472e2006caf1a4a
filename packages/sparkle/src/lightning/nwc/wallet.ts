import type { z } from 'zod';
import { SparkleError } from '../../protocol/errors.ts';
import { networks, type NetworkName } from '../../protocol/network.ts';
import type { LightningEvent } from '../lightning.ts';
import type { NwcClient } from './client.ts';
import { isAnswer, unavailable } from './wallet-error.ts';
import { infoResultSchema, transactionSchema, type InfoResult, type Method, type WalletTransaction } from './wire.ts';

type Ask<Result> = { method: Method; params: Record<string, unknown>; result: z.ZodType<Result> };

type WalletOptions = {
  client: NwcClient;
  network: NetworkName;
  nowMilliseconds: () => number;
  answerMilliseconds: number;
  warn: (words: string) => void;
};

/** More than any trader has under way; the oldest fall out. */
const MOST_FOLLOWED = 1_000;

/** What a wallet says of itself and of a payment hash. */
export class Wallet {
  readonly network: NetworkName;
  readonly nowMilliseconds: () => number;
  readonly #client: NwcClient;
  readonly #answerMilliseconds: number;
  readonly #warn: (words: string) => void;
  readonly #listeners = new Set<(event: LightningEvent) => void>();
  readonly #followed = new Map<string, LightningEvent['type']>();
  #info: InfoResult = { methods: [] };

  constructor({ client, network, nowMilliseconds, answerMilliseconds, warn }: WalletOptions) {
    this.#client = client;
    this.network = network;
    this.nowMilliseconds = nowMilliseconds;
    this.#answerMilliseconds = answerMilliseconds;
    this.#warn = warn;
  }

  get info(): InfoResult {
    return this.#info;
  }

  offers(method: Method): boolean {
    return this.#info.methods.includes(method);
  }

  /** Learns what the wallet offers to this connection. Throws `wrong_network` when it says it is on another. */
  async learn(): Promise<void> {
    try {
      this.#info = await this.#readInfo();
    } catch (error) {
      // A connection may be forbidden to ask; the info event then says what the wallet can do at all.
      if (!isAnswer(error) || this.#client.announced.length === 0) throw error;
      this.#info = { methods: this.#client.announced };
    }
    const { network } = this.#info;
    if (network === undefined || network === null || network === '' || isOn(network, this.network)) return;
    const sentence = `the wallet must be on ${this.network}; it says it is on ${JSON.stringify(network.slice(0, 20))}`;
    throw new SparkleError('wrong_network', sentence, { network: this.network });
  }

  /** The wallet's best height, `undefined` where it tells none. */
  async height(): Promise<number | undefined> {
    if (!this.offers('get_info')) return undefined;
    return (await this.#readInfo()).block_height ?? undefined;
  }

  call<Result>(ask: Ask<Result> & { timeoutMilliseconds?: number }): Promise<Result> {
    return this.#client.call({ timeoutMilliseconds: this.#answerMilliseconds, ...ask });
  }

  /** `undefined` when the wallet has never heard of the hash. Throws `lightning_unavailable` for any doubt. */
  async lookup(paymentHash: string): Promise<WalletTransaction | undefined> {
    const params = { payment_hash: paymentHash };
    try {
      const found = await this.call({ method: 'lookup_invoice', params, result: transactionSchema });
      if (found.payment_hash === paymentHash) return found;
    } catch (error) {
      if (error instanceof SparkleError && error.code === 'unknown_invoice') return undefined;
      throw error;
    }
    throw unavailable('garbage', `the wallet was asked for payment hash ${paymentHash} and told another`);
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  tell(event: LightningEvent): void {
    for (const listener of this.#listeners)
      try {
        listener(event);
      } catch (error) {
        this.#warn(`a listener failed: ${String(error)}`);
      }
  }

  /** Notifications that an outage swallowed are made up for by a hint at everything that this process has begun. */
  follow({ type, paymentHash }: LightningEvent): void {
    this.#followed.delete(paymentHash);
    this.#followed.set(paymentHash, type);
    const [oldest] = this.#followed.keys();
    if (this.#followed.size > MOST_FOLLOWED && oldest !== undefined) this.#followed.delete(oldest);
  }

  tellFollowed(): void {
    for (const [paymentHash, type] of this.#followed) this.tell({ type, paymentHash });
  }

  close(): void {
    this.#listeners.clear();
    this.#client.close();
  }

  #readInfo(): Promise<InfoResult> {
    return this.call({ method: 'get_info', params: {}, result: infoResultSchema });
  }
}

/** Wallets call testnet4 `testnet`, as invoices do, and some call the main network `bitcoin`. */
function isOn(told: string, network: NetworkName): boolean {
  const name = told === 'bitcoin' ? 'mainnet' : told;
  return (
    Object.hasOwn(networks, name) && networks[name as NetworkName].invoicePrefix === networks[network].invoicePrefix
  );
}

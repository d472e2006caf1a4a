import { randomBytes } from 'node:crypto';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import type { z } from 'zod';
import { decodeInvoice, invoiceExpiresAt, type Invoice11 } from '../../protocol/bolt11.ts';
import { SparkleError } from '../../protocol/errors.ts';
import type { Lightning } from '../lightning.ts';
import type { NwcGrant } from './grant.ts';
import { Book, type Held, type Looked } from './serve-book.ts';
import { Refusal } from './serve-error.ts';
import type { NwcEntry, NwcStore } from './serve-store.ts';
import { methods, msatNumber, notificationTypes, type Method, type paramsSchemas } from './wire.ts';

/** The operator's limits on every payment, which NIP-47 gives a client no word for. */
export type PayLimits = {
  maxFeeMsat: (amountMsat: bigint) => bigint;
  maxCltvBlocks: number;
  timeoutSeconds: number;
};

type ServedWalletOptions = {
  lightning: Lightning;
  store: NwcStore;
  book: Book;
  limits: PayLimits;
  tip: () => Promise<{ height: number; hash: string }>;
  nowSeconds: () => number;
};

/** One connection as the methods see it. */
export type Client = { wallet: string; grant: NwcGrant };
type Params = { [M in Method]: z.infer<(typeof paramsSchemas)[M]> };
type Handlers = { [M in Method]: (client: Client, params: Params[M]) => Promise<Record<string, unknown>> };

const USUAL_EXPIRY_SECONDS = 3_600;
const USUAL_FINAL_CLTV = 40;
const MOST_LISTED = 20;

/** NIP-47's methods on a Lightning node of ours. Each connection sees only what it has made itself. */
export class ServedWallet {
  readonly handlers: Handlers;
  readonly #options: ServedWalletOptions;
  readonly #waits = new Set<() => void>();
  #budgetTurn = Promise.resolve();
  #holdTurn = Promise.resolve();

  constructor(options: ServedWalletOptions) {
    this.#options = options;
    this.handlers = {
      pay_invoice: (client, params) => this.#pay(client, params),
      make_invoice: (client, params) => this.#makePlain(client, params),
      make_hold_invoice: (client, params) => this.#alone(() => this.#makeHold(client, params)),
      settle_hold_invoice: (client, params) => this.#settle(client, params),
      cancel_hold_invoice: (client, params) => this.#cancel(client, params),
      lookup_invoice: (client, params) => this.#lookup(client, params),
      list_transactions: (client, params) => this.#list(client, params),
      get_balance: () => this.#balance(),
      get_info: (client) => this.#info(client),
    };
  }

  close(): void {
    for (const end of this.#waits) end();
  }

  /** What the connection may ask and the node can do. */
  offered({ methods: allowed }: NwcGrant): Method[] {
    const { pay, hold, cancel, ownPreimage } = this.#options.lightning.capabilities;
    const can: Partial<Record<Method, boolean>> = {
      pay_invoice: pay,
      make_invoice: ownPreimage,
      make_hold_invoice: hold,
      settle_hold_invoice: hold,
      cancel_hold_invoice: hold && cancel,
    };
    return methods.filter((method) => allowed.includes(method) && can[method] !== false);
  }

  /** NIP-47's transaction object. Zeros and empty texts of ours are left out. */
  transaction({ entry, preimage, held }: Looked): Record<string, unknown> {
    const { lightning, nowSeconds } = this.#options;
    const isExpired = entry.type === 'incoming' && entry.state === 'open' && nowSeconds() >= entry.expiresAtSeconds;
    const open = held === undefined ? (isExpired ? 'expired' : 'pending') : 'accepted';
    const { holdDeadline, holdExpiryMarginBlocks } = lightning.capabilities;
    return {
      type: entry.type,
      state: entry.state === 'open' ? open : entry.state,
      invoice: entry.bolt11,
      description: entry.description,
      payment_hash: entry.paymentHash,
      amount: msatNumber(held?.amountMsat ?? entry.amountMsat),
      fees_paid: msatNumber(entry.feeMsat),
      created_at: entry.createdAtSeconds,
      expires_at: entry.expiresAtSeconds,
      ...(preimage === '' ? {} : { preimage }),
      ...(entry.state === 'settled' ? { settled_at: entry.settledAtSeconds } : {}),
      ...(held !== undefined && holdDeadline ? { settle_deadline: deadlineOf(held, holdExpiryMarginBlocks) } : {}),
    };
  }

  async #pay(client: Client, { invoice: bolt11, amount }: Params['pay_invoice']): Promise<Record<string, unknown>> {
    const { lightning, limits } = this.#options;
    const invoice = decodeInvoice(bolt11);
    const { amountMsat } = invoice;
    if (amountMsat === undefined || (amount !== undefined && BigInt(amount) !== amountMsat))
      throw new Refusal('OTHER', 'only invoices that name their amount are paid, and exactly that');
    const maxFeeMsat = limits.maxFeeMsat(amountMsat);
    const { maxCltvBlocks, timeoutSeconds } = limits;
    const entry = await this.#options.book.sending(invoice.paymentHash, async () => {
      const reserved = await this.#reserve(client, { invoice, amountMsat, maxFeeMsat });
      const order = { bolt11: invoice.text, maxFeeMsat, maxCltvBlocks, timeoutSeconds };
      // A node whose history was deleted would pay again what was paid, outside the budget.
      if (reserved.state !== 'settled')
        await lightning.pay(order).catch((error: unknown) => this.#unpaid(reserved, error));
      return reserved;
    });
    return this.#outcome(entry);
  }

  /** Takes the most it can cost out of the budget, on disk, before anything is sent. */
  #reserve(client: Client, of: { invoice: Invoice11; amountMsat: bigint; maxFeeMsat: bigint }): Promise<NwcEntry> {
    const turn = this.#budgetTurn.then(async () => {
      const { invoice, amountMsat, maxFeeMsat } = of;
      const entry = this.#entry(client, { type: 'outgoing', invoice, amountMsat });
      const known = await this.#options.store.find(entry);
      // Paid or under way: told again, and not taken from the budget again.
      if (known !== undefined && known.state !== 'failed') return known;
      const spentMsat = amountMsat + maxFeeMsat;
      await this.#checkBudget(client, spentMsat);
      const reserved: NwcEntry = { ...entry, spentMsat };
      await this.#options.store.put(reserved);
      return reserved;
    });
    // Two requests at once must not both find the same room.
    this.#budgetTurn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #checkBudget({ wallet, grant: { budget } }: Client, wantedMsat: bigint): Promise<void> {
    if (budget === 'unlimited') return;
    const since = this.#options.nowSeconds() - budget.periodSeconds;
    // What is still under way counts however long ago it began.
    const counts = (entry: NwcEntry): boolean =>
      entry.wallet === wallet && (entry.state === 'open' || entry.createdAtSeconds > since);
    const spent = (await this.#options.store.list()).filter(counts).reduce((sum, { spentMsat }) => sum + spentMsat, 0n);
    if (spent + wantedMsat > budget.msat)
      throw new Refusal('QUOTA_EXCEEDED', `the budget leaves ${budget.msat - spent} msat, needed are ${wantedMsat}`);
  }

  /** Throws what is final; returns for an outcome that is not known. */
  async #unpaid(entry: NwcEntry, error: unknown): Promise<void> {
    if (!(error instanceof SparkleError) || error.code === 'lightning_unavailable') return;
    const { state } = await this.#options.lightning.payment(entry.paymentHash);
    if (state === 'pending' || state === 'settled') return;
    await this.#options.store.put({ ...entry, state: 'failed', spentMsat: 0n });
    if (error.code !== 'no_route') throw error;
    const { spendableMsat } = await this.#options.lightning.balance();
    if (entry.amountMsat > spendableMsat)
      throw new Refusal('INSUFFICIENT_BALANCE', 'the wallet has not got as much as that');
    throw error;
  }

  /** The end of a payment, however late: while its outcome is not known there is no answer. */
  async #outcome({ wallet, type, paymentHash }: NwcEntry): Promise<Record<string, unknown>> {
    const { lightning, store, book } = this.#options;
    return new Promise((resolve, reject) => {
      const look = async (): Promise<void> => {
        const entry = await store.find({ wallet, type, paymentHash });
        if (entry === undefined) return;
        const { entry: now, preimage } = await book.look(entry);
        if (now.state === 'open') return;
        end();
        if (now.state === 'failed') return reject(new Refusal('PAYMENT_FAILED', 'the payment failed'));
        resolve({ preimage, fees_paid: msatNumber(now.feeMsat) });
      };
      const again = (): void => void look().catch(() => undefined);
      const unsubscribe = lightning.subscribe((event) => {
        if (event.paymentHash === paymentHash) again();
      });
      const timer = setInterval(again, OUTCOME_LOOK_MILLISECONDS).unref();
      const end = (): void => {
        clearInterval(timer);
        unsubscribe();
        this.#waits.delete(end);
      };
      this.#waits.add(end);
      again();
    });
  }

  /** Two connections that ask for one hash at once must not both find it free. */
  #alone<Answer>(make: () => Promise<Answer>): Promise<Answer> {
    const turn = this.#holdTurn.then(make);
    this.#holdTurn = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #makeHold(client: Client, params: Params['make_hold_invoice']): Promise<Record<string, unknown>> {
    const { lightning, store } = this.#options;
    const {
      amount,
      payment_hash: paymentHash,
      description = '',
      expiry: expirySeconds = USUAL_EXPIRY_SECONDS,
    } = params;
    const amountMsat = BigInt(amount);
    const finalCltv = params.min_cltv_expiry_delta ?? USUAL_FINAL_CLTV;
    const terms = { paymentHash, amountMsat, finalCltv, expirySeconds, description };
    const known = await store.find({ wallet: client.wallet, type: 'incoming', paymentHash });
    // The node answers a repeated request with the invoice that exists: whoever repeats another's could then cancel it.
    if (known === undefined && (await lightning.invoice(paymentHash)).state !== 'unknown')
      throw new Refusal('OTHER', 'an invoice of somebody else exists for this payment hash');
    const { bolt11 } = await lightning.createHoldInvoice(terms);
    const entry = known ?? this.#made(client, { bolt11, amountMsat, expirySeconds, description });
    if (known === undefined) await store.put(entry);
    return this.transaction({ entry, preimage: '', held: undefined });
  }

  async #makePlain(client: Client, params: Params['make_invoice']): Promise<Record<string, unknown>> {
    const preimage = randomBytes(32).toString('hex');
    const { amount, description = '', expiry: expirySeconds = USUAL_EXPIRY_SECONDS } = params;
    const amountMsat = BigInt(amount);
    const terms = { preimage, amountMsat, finalCltv: USUAL_FINAL_CLTV, expirySeconds, description };
    const { bolt11 } = await this.#options.lightning.createInvoice(terms);
    const entry = this.#made(client, { bolt11, amountMsat, expirySeconds, description });
    await this.#options.store.put(entry);
    return this.transaction({ entry, preimage: '', held: undefined });
  }

  async #settle(client: Client, { preimage }: Params['settle_hold_invoice']): Promise<Record<string, unknown>> {
    const entry = await this.#own(client, { type: 'incoming', paymentHash: hex.encode(sha256(hex.decode(preimage))) });
    await this.#options.lightning.settle(preimage);
    await this.#options.book.look(entry);
    return {};
  }

  async #cancel(client: Client, params: Params['cancel_hold_invoice']): Promise<Record<string, unknown>> {
    const entry = await this.#own(client, { type: 'incoming', paymentHash: params.payment_hash });
    await this.#options.lightning.cancel(params.payment_hash);
    await this.#options.book.look(entry);
    return {};
  }

  async #lookup(client: Client, { payment_hash, invoice }: Params['lookup_invoice']): Promise<Record<string, unknown>> {
    if (payment_hash === undefined && invoice === undefined)
      throw new Refusal('OTHER', 'lookup_invoice needs payment_hash or invoice');
    const paymentHash = payment_hash ?? decodeInvoice(invoice ?? '').paymentHash;
    const { wallet } = client;
    const { store, book } = this.#options;
    await book.left(paymentHash);
    const entry =
      (await store.find({ wallet, type: 'incoming', paymentHash })) ??
      (await store.find({ wallet, type: 'outgoing', paymentHash }));
    if (entry === undefined) throw new Refusal('NOT_FOUND', 'this connection has no such transaction');
    return this.transaction(await book.look(entry));
  }

  async #list(client: Client, params: Params['list_transactions']): Promise<Record<string, unknown>> {
    const { from = 0, until = Infinity, limit = MOST_LISTED, offset = 0, unpaid = false, type } = params;
    const isWanted = (entry: NwcEntry): boolean =>
      entry.wallet === client.wallet &&
      entry.createdAtSeconds >= from &&
      entry.createdAtSeconds <= until &&
      (type === undefined || entry.type === type) &&
      (unpaid || entry.state === 'settled');
    const entries = (await this.#options.store.list())
      .filter(isWanted)
      .toSorted((one, other) => other.createdAtSeconds - one.createdAtSeconds)
      .slice(offset, offset + Math.min(limit, MOST_LISTED));
    const looked = await Promise.all(entries.map((entry) => this.#options.book.look(entry)));
    return { transactions: looked.map((each) => this.transaction(each)) };
  }

  async #balance(): Promise<Record<string, unknown>> {
    const { ownedMsat, spendableMsat } = await this.#options.lightning.balance();
    return { balance: msatNumber(ownedMsat), spendable: msatNumber(spendableMsat) };
  }

  async #info({ grant }: Client): Promise<Record<string, unknown>> {
    const { lightning, tip } = this.#options;
    const [pubkey, network, { height, hash }] = await Promise.all([lightning.nodeId(), lightning.network(), tip()]);
    return {
      ...{ alias: 'sparkle', color: '', pubkey, network, block_height: height, block_hash: hash },
      ...{ methods: this.offered(grant), notifications: notificationTypes },
      hold_expiry_margin: lightning.capabilities.holdExpiryMarginBlocks,
    };
  }

  async #own({ wallet }: Client, of: Pick<NwcEntry, 'type' | 'paymentHash'>): Promise<NwcEntry> {
    const entry = await this.#options.store.find({ wallet, ...of });
    if (entry === undefined) throw new Refusal('NOT_FOUND', 'this connection has no such transaction');
    return entry;
  }

  /** An invoice of our own: its life is counted from now, as the client asked. */
  #made(
    client: Client,
    of: { bolt11: string; amountMsat: bigint; expirySeconds: number; description: string },
  ): NwcEntry {
    const { bolt11, amountMsat, expirySeconds, description } = of;
    const entry = this.#entry(client, { type: 'incoming', invoice: decodeInvoice(bolt11), amountMsat });
    return { ...entry, description, expiresAtSeconds: entry.createdAtSeconds + expirySeconds };
  }

  #entry(
    { wallet }: Client,
    { type, invoice, amountMsat }: { type: NwcEntry['type']; invoice: Invoice11; amountMsat: bigint },
  ): NwcEntry {
    return {
      ...{ wallet, type, state: 'open', amountMsat },
      ...{ paymentHash: invoice.paymentHash, bolt11: invoice.text, description: invoice.description ?? '' },
      createdAtSeconds: this.#options.nowSeconds(),
      expiresAtSeconds: invoiceExpiresAt(invoice),
      ...{ spentMsat: 0n, feeMsat: 0n, settledAtSeconds: 0 },
    };
  }
}

const OUTCOME_LOOK_MILLISECONDS = 5_000;

/** NIP-47: the block before which the payment can safely be settled or canceled. */
const deadlineOf = ({ expiryHeight }: Held, marginBlocks: number): number => Math.max(0, expiryHeight - marginBlocks);

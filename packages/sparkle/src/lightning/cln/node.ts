import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type {
  HoldInvoiceRequest,
  Invoice,
  InvoiceRequest,
  Lightning,
  LightningCapabilities,
  LightningEvent,
  Payment,
  PayRequest,
} from '../lightning.ts';
import { Polling } from '../polling.ts';
import { ClnInvoices } from './invoices.ts';
import { ClnPayments } from './payments.ts';
import type { ClnRest } from './rest.ts';
import type { RuneUse } from './rune.ts';
import { listpeerchannelsShape } from './wire.ts';

/** The time of day for invoices, and a clock that only goes forward for waiting. */
export type ClnClock = { nowSeconds: () => number; nowMilliseconds: () => number };

type ClnNodeDeps = {
  rest: ClnRest;
  nodeId: string;
  network: NetworkName;
  use: RuneUse;
  /** Blocks before its expiry at which the plugin gives a held payment back; `undefined` where it does not hold. */
  margin: number | undefined;
  clock: ClnClock;
};

const FASTEST_LOOK_MILLISECONDS = 100;
const SLOWEST_LOOK_MILLISECONDS = 2000;
const RECHECK_MILLISECONDS = 500;

/** lightning-listpeerchannels(7): states in which the balance of a channel is still in it. */
const OPEN_STATES = ['CHANNELD_NORMAL', 'CHANNELD_AWAITING_SPLICE', 'CHANNELD_SHUTTING_DOWN'];

/** One Core Lightning node behind the port. */
export class ClnNode implements Lightning {
  readonly capabilities: LightningCapabilities;
  readonly #deps: ClnNodeDeps;
  readonly #invoices: ClnInvoices;
  readonly #payments: ClnPayments;
  readonly #watch: Polling;

  constructor(deps: ClnNodeDeps) {
    const { rest, nodeId, network, clock, margin } = deps;
    const common = { rest, nodeId, network, ...clock };
    const plugin = margin === undefined ? 'missing' : 'running';
    this.#deps = deps;
    this.capabilities = clnCapabilities(deps);
    this.#invoices = new ClnInvoices({ ...common, plugin, recheckMilliseconds: RECHECK_MILLISECONDS });
    this.#payments = new ClnPayments(common);
    this.#watch = new Polling({
      look: ({ type, paymentHash }) =>
        type === 'invoice' ? this.#invoices.look(paymentHash) : this.#payments.look(paymentHash),
      fastestMilliseconds: FASTEST_LOOK_MILLISECONDS,
      slowestMilliseconds: SLOWEST_LOOK_MILLISECONDS,
    });
  }

  async network(): Promise<NetworkName> {
    return this.#deps.network;
  }

  async nodeId(): Promise<string> {
    return this.#deps.nodeId;
  }

  async createHoldInvoice(request: HoldInvoiceRequest): Promise<{ bolt11: string }> {
    const created = await this.#invoices.createHold(request);
    this.#watch.add({ type: 'invoice', paymentHash: request.paymentHash });
    return created;
  }

  async createInvoice(request: InvoiceRequest): Promise<{ bolt11: string }> {
    const { bolt11, paymentHash } = await this.#invoices.createPlain(request);
    this.#watch.add({ type: 'invoice', paymentHash });
    return { bolt11 };
  }

  async pay(request: PayRequest): Promise<void> {
    if (!this.capabilities.pay)
      throw new SparkleError('not_supported', 'the rune of this driver was made to receive alone');
    const paymentHash = await this.#payments.pay(request);
    this.#watch.add({ type: 'payment', paymentHash });
  }

  async payment(paymentHash: string): Promise<Payment> {
    return this.#watch.addUnlessOver({ type: 'payment', paymentHash }, await this.#payments.look(paymentHash));
  }

  async invoice(paymentHash: string): Promise<Invoice> {
    return this.#watch.addUnlessOver({ type: 'invoice', paymentHash }, await this.#invoices.look(paymentHash));
  }

  settle(preimage: string): Promise<void> {
    return this.#invoices.settle(preimage);
  }

  cancel(paymentHash: string): Promise<void> {
    return this.#invoices.cancel(paymentHash);
  }

  async balance(): Promise<{ spendableMsat: bigint; ownedMsat: bigint }> {
    const ask = { method: 'listpeerchannels', params: {} } as const;
    const { channels } = await this.#deps.rest.call(ask, listpeerchannelsShape);
    const usable = channels.filter(({ state, peer_connected }) => state === 'CHANNELD_NORMAL' && peer_connected);
    const open = channels.filter(({ state }) => OPEN_STATES.includes(state));
    return {
      spendableMsat: sumOf(usable.map((channel) => channel.spendable_msat)),
      ownedMsat: sumOf(open.map((channel) => channel.to_us_msat)),
    };
  }

  subscribe(listener: (event: LightningEvent) => void): () => void {
    return this.#watch.subscribe(listener);
  }

  async close(): Promise<void> {
    this.#watch.close();
    this.#deps.rest.close();
  }
}

const sumOf = (amounts: readonly (bigint | undefined)[]): bigint =>
  amounts.reduce<bigint>((sum, each) => sum + (each ?? 0n), 0n);

/** What a Core Lightning promises to whoever holds a rune for this use; `margin` is absent without the `hold` plugin. */
export const clnCapabilities = ({ use, margin }: Pick<ClnNodeDeps, 'use' | 'margin'>): LightningCapabilities => ({
  pay: use !== 'receive',
  routeCap: use !== 'receive',
  feeCap: use !== 'receive',
  hold: margin !== undefined,
  cancel: use !== 'pay',
  holdDeadline: margin !== undefined,
  finalCltv: use !== 'pay',
  ownPreimage: use !== 'pay',
  holdExpiryMarginBlocks: margin ?? 0,
});

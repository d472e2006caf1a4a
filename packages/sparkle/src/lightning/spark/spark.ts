import { SparkleError } from '../../protocol/errors.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Lightning, LightningCapabilities } from '../lightning.ts';
import { Polling } from '../polling.ts';
import { SparkHolds } from './holds.ts';
import { SparkPayments } from './payments.ts';
import { balanceShape, openSparkWallet, type SparkWalletLike, type SparkWalletOptions } from './wallet.ts';
import { answered } from './answered.ts';

export { carriesSparkRoute } from './fallback.ts';
export type { SparkWalletLike, SparkWalletOptions } from './wallet.ts';

export type SparkOptions = {
  wallet: SparkWalletLike;
  network: NetworkName;
  nowSeconds?: () => number;
};

/**
 * What a Spark wallet promises: it can buy hold-first, and sell nothing. A hold goes back by itself and never before; its
 * end is a moment of the service provider, not a height; invoice and route are the provider's.
 */
export const sparkCapabilities: LightningCapabilities = {
  pay: true,
  routeCap: false,
  feeCap: true,
  hold: true,
  cancel: false,
  holdDeadline: false,
  finalCltv: false,
  ownPreimage: false,
  holdExpiryMarginBlocks: 0,
};

const FASTEST_LOOK_MILLISECONDS = 500;
const SLOWEST_LOOK_MILLISECONDS = 5000;
const MSAT = 1000n;

/** A Spark wallet as a Lightning node, opened by the SDK. Throws `not_supported` where the SDK is not installed. */
export async function openSpark(options: SparkWalletOptions): Promise<Lightning> {
  return spark({ wallet: await openSparkWallet(options), network: options.network });
}

/**
 * A Spark wallet that is open already. Invoices it has made are remembered as long as this driver lives; held and sent
 * payments are known to the operators. The fee of a payment is known to the driver that paid, and 0 to another.
 */
export function spark({ wallet, network, nowSeconds = () => Math.floor(Date.now() / 1000) }: SparkOptions): Lightning {
  const holds = new SparkHolds({ wallet, network });
  const payments = new SparkPayments({ wallet, network, nowSeconds });
  const polling = new Polling({
    look: ({ type, paymentHash }) => (type === 'invoice' ? holds.look(paymentHash) : payments.look(paymentHash)),
    fastestMilliseconds: FASTEST_LOOK_MILLISECONDS,
    slowestMilliseconds: SLOWEST_LOOK_MILLISECONDS,
  });
  return {
    capabilities: sparkCapabilities,
    network: async () => network,
    nodeId: () => unsupported('tell who signs its invoices: a node of the service provider does'),
    async createHoldInvoice(request) {
      const created = await holds.create(request);
      polling.add({ type: 'invoice', paymentHash: request.paymentHash });
      return created;
    },
    createInvoice: () => unsupported('make an invoice for a preimage of the caller'),
    async pay(request) {
      polling.add({ type: 'payment', paymentHash: await payments.pay(request) });
    },
    payment: async (hash) => polling.addUnlessOver({ type: 'payment', paymentHash: hash }, await payments.look(hash)),
    invoice: async (hash) => polling.addUnlessOver({ type: 'invoice', paymentHash: hash }, await holds.look(hash)),
    settle: async (preimage) => holds.settle(preimage),
    cancel: () => unsupported('give a held payment back before it expires'),
    async balance() {
      const { balance } = await answered({ call: 'getBalance', work: wallet.getBalance(), shape: balanceShape });
      return { spendableMsat: balance * MSAT, ownedMsat: balance * MSAT };
    },
    subscribe: (listener) => polling.subscribe(listener),
    async close() {
      polling.close();
      await wallet.cleanupConnections();
    },
  };
}

async function unsupported(deed: string): Promise<never> {
  throw new SparkleError('not_supported', `a Spark wallet cannot ${deed}`);
}

import { SparkleError } from '../../protocol/errors.ts';
import { readHex32 } from '../../protocol/json.ts';
import type { NetworkName } from '../../protocol/network.ts';
import type { Lightning, LightningCapabilities } from '../lightning.ts';
import { NwcClient, usualTiming, type ClientTiming } from './client.ts';
import { parseConnection } from './connection.ts';
import { NwcInvoices } from './invoices.ts';
import { NwcPayments } from './payments.ts';
import { Wallet } from './wallet.ts';
import { balanceResultSchema, type Method } from './wire.ts';

export type NwcOptions = {
  /** The connection string: a credential that can spend. It is kept in memory only and shown nowhere. */
  connection: string;
  network: NetworkName;
  /**
   * What the wallet takes off the expiry of a held payment to get its `settle_deadline`, in blocks; 0 where not given. A
   * service of ours tells it by itself. Too much makes a hold look longer than it is: state only what you know.
   */
  holdExpiryMarginBlocks?: number;
  nowMilliseconds: () => number;
  /** Once per outage of a relay, never with a secret in it. */
  warn: (words: string) => void;
  timing?: ClientTiming;
};

/**
 * A wallet over Nostr Wallet Connect (NIP-47), as payer and as the payee of hold invoices. What it can do is asked, not
 * assumed. What no such wallet can promise: a cap on fees or on the route, a payment that ends when the caller gives up,
 * the sum and the parts of what is held. Throws `bad_config` for the string, `wrong_network`, and `lightning_unavailable`
 * while neither relay nor wallet answers.
 */
export async function connectNwc(options: NwcOptions): Promise<Lightning> {
  const { network, nowMilliseconds, warn, timing = usualTiming } = options;
  const client = new NwcClient({
    connection: parseConnection(options.connection),
    ...{ timing, nowMilliseconds, warn },
    onNotification: ({ type, paymentHash }) =>
      wallet.tell({ type: type === 'payment_sent' ? 'payment' : 'invoice', paymentHash }),
    onReconnected: () => wallet.tellFollowed(),
  });
  const wallet = new Wallet({ client, network, nowMilliseconds, answerMilliseconds: timing.answerMilliseconds, warn });
  try {
    await client.start();
    await wallet.learn();
  } catch (error) {
    client.close();
    throw error;
  }
  return port(wallet, wallet.info.hold_expiry_margin ?? options.holdExpiryMarginBlocks ?? 0);
}

function port(wallet: Wallet, marginBlocks: number): Lightning {
  const payments = new NwcPayments(wallet);
  const invoices = new NwcInvoices({ wallet, marginBlocks });
  return {
    capabilities: capabilitiesOf({ wallet, invoices, marginBlocks }),
    network: async () => wallet.network,
    nodeId: async () => nodeIdOf(wallet),
    createHoldInvoice: (request) => invoices.create(request),
    createInvoice: async () => {
      throw new SparkleError('not_supported', 'a wallet over NWC chooses the preimages of plain invoices itself');
    },
    pay: (request) => payments.pay(request),
    payment: async (paymentHash) => payments.payment(readHex32(paymentHash, 'paymentHash')),
    invoice: (paymentHash) => invoices.invoice(paymentHash),
    settle: (preimage) => invoices.settle(preimage),
    cancel: (paymentHash) => invoices.cancel(paymentHash),
    balance: () => balanceOf(wallet),
    subscribe: (listener) => wallet.subscribe(listener),
    close: async () => wallet.close(),
  };
}

/** What the info event and `get_info` of a wallet say of it. */
type NwcStatement = { offers: (method: Method) => boolean; tellsHeight: boolean; marginBlocks: number };

/** What a wallet over NWC promises by what it says of itself. */
export function nwcCapabilities({ offers, tellsHeight, marginBlocks }: NwcStatement): LightningCapabilities {
  const canLook = offers('lookup_invoice');
  const hold = canLook && offers('make_hold_invoice') && offers('settle_hold_invoice');
  return {
    // A payment that cannot be looked up could never be known to have failed.
    pay: canLook && offers('pay_invoice'),
    routeCap: false,
    feeCap: false,
    hold,
    cancel: hold && offers('cancel_hold_invoice'),
    // Without a height neither a `settle_deadline` nor the height of an invoice means anything.
    holdDeadline: hold && tellsHeight,
    finalCltv: hold,
    ownPreimage: false,
    holdExpiryMarginBlocks: marginBlocks,
  };
}

function capabilitiesOf(of: { wallet: Wallet; invoices: NwcInvoices; marginBlocks: number }): LightningCapabilities {
  const { wallet, invoices, marginBlocks } = of;
  const offers = (method: Method): boolean => wallet.offers(method);
  const said = nwcCapabilities({ offers, tellsHeight: typeof wallet.info.block_height === 'number', marginBlocks });
  return {
    ...said,
    // Whether it keeps to the CLTV that it was asked for shows in its first invoice.
    get finalCltv() {
      return said.finalCltv && !invoices.ignoresCltv;
    },
  };
}

function nodeIdOf(wallet: Wallet): string {
  const { pubkey } = wallet.info;
  if (typeof pubkey === 'string' && /^0[23][0-9a-f]{64}$/.test(pubkey)) return pubkey;
  throw new SparkleError('not_supported', 'the wallet does not tell the public key of its node');
}

async function balanceOf(wallet: Wallet): Promise<{ spendableMsat: bigint; ownedMsat: bigint }> {
  const { balance, spendable } = await wallet.call({ method: 'get_balance', params: {}, result: balanceResultSchema });
  return { spendableMsat: BigInt(spendable ?? balance), ownedMsat: BigInt(balance) };
}

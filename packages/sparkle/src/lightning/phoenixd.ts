import { z } from 'zod';
import { decodeInvoice } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Lightning, LightningCapabilities, PlainPayee } from './lightning.ts';
import { PhoenixdPayments } from './phoenixd-payments.ts';
import { PhoenixdRest, phoenixdUnavailable, readSuccess } from './phoenixd-rest.ts';
import { assertAsAsked, readMsat } from './requests.ts';

export type PhoenixdOptions = {
  /** `http://127.0.0.1:9740`; anywhere but on this machine it must be https. */
  url: string;
  /** `http-password` of phoenix.conf to pay; `http-password-limited-access` is enough to be paid. */
  password: string;
  network: NetworkName;
  /** How long its invoices can be paid. */
  expirySeconds: number;
  /** Limit of one answer; payments have none. */
  timeoutMilliseconds: number;
  clock?: { nowSeconds: () => number; nowMilliseconds: () => number };
};

/** A wallet that is paid by plain invoices and pays. */
export type Phoenixd = PlainPayee & Pick<Lightning, 'pay' | 'payment' | 'capabilities'>;

const systemClock = {
  nowSeconds: () => Math.floor(Date.now() / 1000),
  nowMilliseconds: () => performance.now(),
};

/** What a phoenixd promises: it chooses fees, routes and the preimages of its invoices by its own rules. */
export const phoenixdCapabilities: LightningCapabilities = {
  pay: true,
  routeCap: false,
  feeCap: false,
  hold: false,
  cancel: false,
  holdDeadline: false,
  finalCltv: false,
  ownPreimage: false,
  holdExpiryMarginBlocks: 0,
};

const MSAT = 1000n;
const MOST_DESCRIPTION_CHARACTERS = 128;

const createdShape = z.object({ paymentHash: z.string(), serialized: z.string() });
/** The answer also holds the preimage, before any payment: it is dropped here and exists nowhere else. */
const incomingShape = z.object({ paymentHash: z.string(), isPaid: z.boolean() });

/**
 * ACINQ's phoenixd over its HTTP interface. Throws `bad_config` for options that cannot be. `requestInvoice` throws
 * `bad_amount` for a sum that is no whole number of sats and `bad_invoice` for a description of more than 128 characters.
 */
export function phoenixd(options: PhoenixdOptions): Phoenixd {
  const { network, clock = systemClock } = options;
  const rest = new PhoenixdRest(options);
  const payments = new PhoenixdPayments({ rest, network, ...clock });
  return {
    capabilities: phoenixdCapabilities,
    requestInvoice: (request) => requestInvoice(rest, { ...request, options }),
    settlement: (paymentHash) => settlementOf(rest, paymentHash),
    pay: (request) => payments.pay(request),
    payment: (paymentHash) => payments.look(paymentHash),
    async close() {
      rest.close();
    },
  };
}

type Asked = { amountMsat: bigint; description: string; options: PhoenixdOptions };

async function requestInvoice(rest: PhoenixdRest, asked: Asked): Promise<{ bolt11: string; paymentHash: string }> {
  const { amountMsat, description, options } = asked;
  readMsat({ value: amountMsat, field: 'amountMsat', min: MSAT });
  if (amountMsat % MSAT !== 0n)
    throw new SparkleError('bad_amount', `phoenixd makes invoices for whole sats; asked were ${amountMsat} msat`);
  if (description.length > MOST_DESCRIPTION_CHARACTERS)
    throw new SparkleError('bad_invoice', `description must be at most ${MOST_DESCRIPTION_CHARACTERS} characters`);
  const form = { amountSat: `${amountMsat / MSAT}`, description, expirySeconds: `${options.expirySeconds}` };
  const reply = await rest.ask({ method: 'POST', path: '/createinvoice', form, patience: 'short' });
  return checked(readSuccess(reply, createdShape), asked);
}

/** The invoice must be the one that was asked for. Throws `bad_invoice`. */
function checked(created: z.infer<typeof createdShape>, { amountMsat, description, options }: Asked) {
  const invoice = decodeInvoice(created.serialized);
  const { paymentHash } = created;
  const { expirySeconds, network } = options;
  const written = { invoice, by: 'the invoice of phoenixd', network };
  assertAsAsked(written, { paymentHash, amountMsat, description, expirySeconds });
  return { bolt11: invoice.text, paymentHash };
}

async function settlementOf(rest: PhoenixdRest, paymentHash: string): Promise<'open' | 'settled' | 'unknown'> {
  const path = `/payments/incoming/${readHex32(paymentHash, 'paymentHash')}`;
  const reply = await rest.ask({ method: 'GET', path, form: {}, patience: 'short' });
  if (reply.status === 404) return 'unknown';
  const incoming = readSuccess(reply, incomingShape);
  if (incoming.paymentHash !== paymentHash)
    throw phoenixdUnavailable('garbage', 'it answers for another payment hash than it was asked for');
  return incoming.isPaid ? 'settled' : 'open';
}

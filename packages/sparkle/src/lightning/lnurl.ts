import { sha256 } from '@noble/hashes/sha2.js';
import { hex, utf8 } from '@scure/base';
import { z } from 'zod';
import { decodeInvoice, type Invoice11, invoiceExpiresAt, isInvoiceFor } from '../protocol/bolt11.ts';
import { SparkleError } from '../protocol/errors.ts';
import { readHex32 } from '../protocol/json.ts';
import type { NetworkName } from '../protocol/network.ts';
import { isPreimageOf } from '../protocol/preimage.ts';
import type { PlainPayee } from './lightning.ts';
import { type LnurlTarget, readLnurlTarget } from './lnurl-address.ts';
import { getJson, type GetOptions } from './lnurl-get.ts';
import { type Resolve, systemResolve, unanswered } from './lnurl-guard.ts';
import { readMsat } from './requests.ts';

export type LnurlOptions = {
  /** `alice@example.com`, `$alice@example.com` (UMA) or `lnurl1...`. */
  to: string;
  network: NetworkName;
  /** An invoice that expires sooner is refused. */
  minExpirySeconds: number;
  /** Origins that may lie in a private network, such as a service of one's own: `https://host:port`. */
  allowedOrigins?: readonly string[];
  /** Certificate authority of such a service, in PEM form, in place of those of the system. */
  ca?: string;
  resolve?: Resolve;
  /** Redirects are followed, each to an address that is checked, unless they are refused. */
  redirects?: GetOptions['redirects'];
  nowSeconds?: () => number;
  timeoutMilliseconds?: number;
};

const TIMEOUT_MILLISECONDS = 3000;
/** LUD-12: the whole request line has to fit in about 2000 characters. */
const MOST_COMMENT_CHARACTERS = 500;
const MOST_REMEMBERED = 1000;

const errorShape = z.object({ status: z.literal('ERROR'), reason: z.string().optional() });
const payRequestShape = z.object({
  tag: z.literal('payRequest'),
  callback: z.url(),
  minSendable: z.int().positive(),
  maxSendable: z.int().positive(),
  metadata: z.string(),
  commentAllowed: z.int().nonnegative().optional(),
});
const invoiceShape = z.object({ pr: z.string(), verify: z.url().nullish() });
const verifyShape = z.object({ settled: z.boolean(), preimage: z.string().nullish(), pr: z.string() });
const metadataShape = z.array(z.tuple([z.string()], z.unknown()));

type PayRequest = z.infer<typeof payRequestShape>;

/**
 * Whoever has a Lightning address, as a payee (LUD-06, LUD-16, LUD-12, LUD-21). Every URL comes from a stranger and is
 * only asked on the open Internet. Throws `bad_config` for an address that is none; `requestInvoice` throws `bad_amount`
 * for a sum the payee does not take, else as the port says, with `detail.reason`.
 */
export function lnurl(options: LnurlOptions): PlainPayee {
  const target = readLnurlTarget(options.to);
  const { allowedOrigins = [], resolve = systemResolve, ca, redirects = 'followed' } = options;
  const { timeoutMilliseconds = TIMEOUT_MILLISECONDS } = options;
  const get: GetOptions = { allowedOrigins, resolve, ca, redirects, timeoutMilliseconds };
  const proofs = new Map<string, { verify: URL; bolt11: string }>();
  return {
    async requestInvoice({ amountMsat, description }) {
      readMsat({ value: amountMsat, field: 'amountMsat', min: 1n });
      const offered = await readPayRequest(target, get);
      refuseOutside(offered, amountMsat);
      const answer = read(await getJson(callbackUrl({ offered, amountMsat, comment: description }), get), invoiceShape);
      const invoice = checkedInvoice({ bolt11: answer.pr, offered, amountMsat, options });
      const { paymentHash, text: bolt11 } = invoice;
      if (typeof answer.verify === 'string') remember(proofs, paymentHash, { verify: new URL(answer.verify), bolt11 });
      return { bolt11, paymentHash };
    },
    async settlement(paymentHash) {
      const proof = proofs.get(readHex32(paymentHash, 'paymentHash'));
      if (proof === undefined) return 'unknown';
      const answer = read(await getJson(proof.verify, get), verifyShape);
      if (answer.pr.toLowerCase() !== proof.bolt11)
        throw unanswered('garbage', 'it answers for another invoice than it was asked for');
      if (!answer.settled) return 'open';
      // LUD-21: the preimage is the proof. A service that only says so is not believed.
      if (typeof answer.preimage !== 'string') return 'unknown';
      if (isPreimageOf(answer.preimage, paymentHash)) return 'settled';
      throw unanswered('garbage', 'the preimage that it shows does not fit the payment hash');
    },
    async close() {
      proofs.clear();
    },
  };
}

/** The oldest is forgotten first: who asks for it later is told that it is unknown. */
function remember<Proof>(proofs: Map<string, Proof>, paymentHash: string, proof: Proof): void {
  const [oldest] = proofs.keys();
  if (proofs.size >= MOST_REMEMBERED && oldest !== undefined) proofs.delete(oldest);
  proofs.set(paymentHash, proof);
}

/** LUD-06: an error is an answer of its own kind. What the service says about it is its own text and is not repeated. */
function read<T>(json: unknown, schema: z.ZodType<T>): T {
  if (errorShape.safeParse(json).success) throw unanswered('service_error', 'it answers with an error');
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join('.') ?? '';
  throw unanswered('garbage', `its answer is not as expected at "${path}"`);
}

async function readPayRequest({ url, identifier }: LnurlTarget, get: GetOptions): Promise<PayRequest> {
  const offered = read(await getJson(url, get), payRequestShape);
  const metadata = metadataOf(offered.metadata);
  if (!metadata.some(([type]) => type === 'text/plain')) throw unanswered('garbage', 'its metadata has no text/plain');
  for (const [type, value] of metadata)
    if (identifier !== undefined && /^text\/(?:identifier|email)$/.test(type) && !isFor(value, identifier))
      throw unanswered('garbage', 'it answers for another address than it was asked for');
  return offered;
}

function metadataOf(text: string): [string, ...unknown[]][] {
  try {
    return metadataShape.parse(JSON.parse(text));
  } catch {
    throw unanswered('garbage', 'its metadata is not a list of entries');
  }
}

/** A service may name the address with the dollar sign of UMA, and with the tag or without. */
const isFor = (value: unknown, identifier: string): boolean =>
  typeof value === 'string' &&
  value
    .toLowerCase()
    .replace(/^\$/, '')
    .replace(/\+[^@]*@/, '@') === identifier;

function refuseOutside({ minSendable, maxSendable }: PayRequest, amountMsat: bigint): void {
  if (amountMsat >= BigInt(minSendable) && amountMsat <= BigInt(maxSendable)) return;
  throw new SparkleError(
    'bad_amount',
    `the payee takes ${minSendable} to ${maxSendable} msat; asked were ${amountMsat}`,
    {
      minSendable,
      maxSendable,
    },
  );
}

function callbackUrl(of: { offered: PayRequest; amountMsat: bigint; comment: string }): URL {
  const { offered, amountMsat, comment } = of;
  const room = Math.min(offered.commentAllowed ?? 0, MOST_COMMENT_CHARACTERS);
  const said = Array.from(comment).slice(0, room).join('');
  const url = new URL(offered.callback);
  // LUD-06: <callback><?|&>amount=, with what stands in the callback left as it is.
  const query = `amount=${amountMsat}${said === '' ? '' : `&comment=${encodeURIComponent(said)}`}`;
  url.search = url.search === '' ? `?${query}` : `${url.search}&${query}`;
  url.hash = '';
  return url;
}

/** LUD-06, steps 6 and 7, and what else makes an invoice the one that was asked for. Throws `bad_invoice`. */
function checkedInvoice(of: {
  bolt11: string;
  offered: PayRequest;
  amountMsat: bigint;
  options: LnurlOptions;
}): Invoice11 {
  const { bolt11, offered, amountMsat, options } = of;
  const { network, minExpirySeconds, nowSeconds = () => Math.floor(Date.now() / 1000) } = options;
  const invoice = decodeInvoice(bolt11);
  if (invoice.amountMsat !== amountMsat)
    throw wrong('amount', `asks for ${invoice.amountMsat ?? 'any sum'} instead of ${amountMsat} msat`);
  if (invoice.descriptionHash !== hex.encode(sha256(utf8.decode(offered.metadata))))
    throw wrong('description_hash', 'does not commit to what the payee said of itself');
  if (!isInvoiceFor(invoice, network)) throw wrong('network', `is for ${invoice.network} instead of ${network}`);
  const left = invoiceExpiresAt(invoice) - nowSeconds();
  if (left < minExpirySeconds) throw wrong('expiry', `expires in ${left} s; at least ${minExpirySeconds} s are needed`);
  return invoice;
}

const wrong = (rule: string, said: string): SparkleError =>
  new SparkleError('bad_invoice', `the payee's invoice ${said}`, { rule });

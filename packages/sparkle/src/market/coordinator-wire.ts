import * as z from 'zod/mini';
import { MAX_SATS } from '../protocol/amount.ts';
import { networkNames } from '../protocol/network.ts';
import { maxTextBytes } from './envelope.ts';
import { heldKey, inscriptionId, integer, oneOf, text, unixSeconds } from './wire-fields.ts';

/** A number as it stands in a query: canonical decimal text, nothing else. */
const queryInteger = ({ min, max, unit }: { min: number; max: number; unit: string }) => {
  const expected = `must be a whole number of ${unit} from ${min} to ${max}`;
  return z.string(expected).check(
    z.regex(/^(?:0|[1-9][0-9]{0,15})$/, expected),
    z.refine((digits) => Number(digits) >= min && Number(digits) <= max, expected),
  );
};

const SEQUENCE = { min: 0, max: Number.MAX_SAFE_INTEGER, unit: 'messages' };
const PRICE = { min: 1, max: Number(MAX_SATS), unit: 'sats' };
const sequence = integer(SEQUENCE);
const publicKey = text(/^[0-9a-f]{64}$/, 'an x-only key of 64 lowercase hex characters');
const challenge = text(/^[0-9a-f]{64}$/, 'the challenge as it was given: 64 lowercase hex characters');
const signature = text(/^[0-9a-f]{128}$/, 'a BIP 340 signature of 128 lowercase hex characters');
const token = text(/^[0-9a-f]{64}$/, 'a token of 64 lowercase hex characters');
const TEXT = `must be well-formed text without U+0000, of at most ${maxTextBytes} UTF-8 bytes`;
/** What every database keeps as it came: PostgreSQL has no U+0000, and a lone surrogate has no UTF-8. */
const isKeepable = (said: string): boolean => !/[\0\p{Surrogate}]/u.test(said);
const messageText = z.string(TEXT).check(
  // The length first: it bounds what the encoder is given.
  z.refine((said) => said.length <= maxTextBytes && new TextEncoder().encode(said).length <= maxTextBytes, TEXT),
  z.refine(isKeepable, TEXT),
);

/** A seller's own name of his offer; it stands in a path. */
const offerId = text(
  /^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$/,
  '1 to 100 letters, digits and . _ : - of which the first is a letter or a digit',
);
const mode = oneOf(['hold-first', 'lock-first']);
const MODES = 'must be one or two of hold-first, lock-first, each once';
const modes = z.array(mode, MODES).check(
  z.minLength(1, MODES),
  z.maxLength(2, MODES),
  z.refine((all) => new Set(all).size === all.length, MODES),
);
/** Where a page went on; only the coordinator that wrote it can read it. */
const cursor = text(/^[A-Za-z0-9_-]{1,64}$/, 'next_cursor of the page before');
const word = text(/^[a-z0-9_]{1,64}$/, '1 to 64 lowercase letters, digits and underscores');

/** What a seller signs, but for `sig`; `network` keeps an offer of a test network from being shown on another. */
const offerFields = {
  id: offerId,
  seller: publicKey,
  network: oneOf(networkNames),
  inscription_id: inscriptionId,
  price_sats: integer(PRICE),
  modes,
  expires_at: unixSeconds,
  /** The seller lets the coordinator stand between his buyers and him (docs/spec/trades.md, with a forwarder). */
  forward: z.optional(z.literal(true, 'must be true, or absent')),
};

/** `sig` is the seller's over all other fields (`offerDigest`), so that a reader need not believe the coordinator. */
export const offerSchema = z.strictObject({ ...offerFields, sig: signature });
export const offerPageSchema = z.strictObject({
  offers: z.array(offerSchema).check(z.maxLength(200)),
  next_cursor: z.optional(cursor),
});
export const offerQuerySchema = z.strictObject({
  cursor: z.optional(cursor),
  limit: z.optional(queryInteger({ min: 1, max: 200, unit: 'offers' })),
  inscription_id: z.optional(inscriptionId),
  seller: z.optional(heldKey),
  min_price_sats: z.optional(queryInteger(PRICE)),
  max_price_sats: z.optional(queryInteger(PRICE)),
  mode: z.optional(mode),
});
export const offerParamsSchema = z.strictObject({ id: offerId });

export const messageSchema = z.strictObject({ to: heldKey, text: messageText });
export const acceptedSchema = z.strictObject({ seq: sequence });
const mail = { seq: sequence, from: publicKey, text: messageText, received_at: unixSeconds };
export const messagePageSchema = z.strictObject({
  messages: z.array(z.strictObject(mail)).check(z.maxLength(100)),
  /** What to give as `since` for what comes after these. */
  next_since: sequence,
});
/** `wait_seconds`: how long an answer may be held back until there is a message. */
export const messageQuerySchema = z.strictObject({
  since: z.optional(queryInteger(SEQUENCE)),
  limit: z.optional(queryInteger({ min: 1, max: 100, unit: 'messages' })),
  wait_seconds: z.optional(queryInteger({ min: 0, max: 25, unit: 'seconds' })),
});
/** All messages up to `seq`, itself included, are handled and need not be kept. */
export const ackSchema = z.strictObject({ seq: sequence });

export const challengeRequestSchema = z.strictObject({ public_key: heldKey });
export const challengeSchema = z.strictObject({ challenge, expires_at: unixSeconds });
export const sessionRequestSchema = z.strictObject({ public_key: heldKey, challenge, signature });
export const sessionSchema = z.strictObject({ token, expires_at: unixSeconds });

/** What a client says on the WebSocket. `auth` answers the challenge; `token` shows a session or a trade's token. */
export const clientFrameSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('auth'), public_key: heldKey, signature }),
    z.strictObject({ type: z.literal('token'), token }),
    z.strictObject({ type: z.literal('subscribe'), channel: oneOf(['messages', 'trades']), since: sequence }),
    z.strictObject({ type: z.literal('ack'), seq: sequence }),
    z.strictObject({ type: z.literal('ping') }),
  ],
  'must be one of auth, token, subscribe, ack, ping',
);

const ready = z.strictObject({ type: z.literal('ready') });
const tradeUpdate = { seq: sequence, trade_id: text(/^[A-Za-z0-9_-]{1,64}$/, 'a trade id'), status: word };
/** What a coordinator says on the WebSocket. Messages and trades are numbered each for itself. */
export const serverFrameSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ type: z.literal('challenge'), challenge }),
    ready,
    z.strictObject({ type: z.literal('message'), ...mail }),
    z.strictObject({ type: z.literal('trade_update'), ...tradeUpdate }),
    z.strictObject({ type: z.literal('pong') }),
    z.strictObject({ type: z.literal('error'), code: word, message: z.string(), field: z.optional(z.string()) }),
  ],
  'must be a frame of a coordinator',
);

/** The body of every answer that is not a success. */
export const refusalSchema = z.object({ error: word, message: z.string(), field: z.optional(z.string()) });

export type OfferWire = z.infer<typeof offerSchema>;
export type OfferQuery = z.infer<typeof offerQuerySchema>;
export type MailWire = z.infer<typeof messagePageSchema>['messages'][number];
export type TradeUpdateWire = { seq: number; trade_id: string; status: string };
export type ClientFrame = z.infer<typeof clientFrameSchema>;
export type ServerFrame = z.infer<typeof serverFrameSchema>;

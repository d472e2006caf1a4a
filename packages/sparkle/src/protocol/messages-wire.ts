import * as z from 'zod/mini';
import { MAX_SATS } from './amount.ts';
import { FIRST_UNIX_LOCKTIME } from './json.ts';
import { networkNames } from './network.ts';

/** A field's schema carries, instead of an error text, what it must be: the reader makes a sentence of it. */
const text = (pattern: RegExp, expected: string) => z.string(expected).check(z.regex(pattern, expected));

const integer = ({ min, max, unit }: { min: number; max: number; unit: string }) => {
  const expected = `a whole number of ${unit} from ${min} to ${max}`;
  return z.int(expected).check(z.gte(min, expected), z.lte(max, expected));
};

const hash = text(/^[0-9a-f]{64}$/, '64 lowercase hex characters');
/** 33 bytes as SIP-3 shows them, or the x-only key alone; both are read, the first is written. */
const publicKey = text(/^(?:0[23])?[0-9a-f]{64}$/, '66 lowercase hex characters that begin with 02 or 03, or 64');
const sats = integer({ min: 0, max: Number(MAX_SATS), unit: 'sats' });
const price = integer({ min: 1, max: Number(MAX_SATS), unit: 'sats' });
const height = integer({ min: 1, max: FIRST_UNIX_LOCKTIME - 1, unit: 'blocks' });
const oneOf = <const Words extends readonly string[]>(words: Words) => z.enum(words, `one of ${words.join(', ')}`);
/** BOLT 11 allows any length; 7089 characters are what a QR code and other readers hold. */
const invoice = text(/^ln[0-9a-z]{1,7087}$/, 'a lowercase BOLT 11 invoice of at most 7089 characters');

const INSCRIPTION = 'an inscription id: 64 lowercase hex, i, index';
const inscriptionId = z.string(INSCRIPTION).check(
  z.regex(/^[0-9a-f]{64}i(?:0|[1-9][0-9]{0,9})$/, INSCRIPTION),
  z.refine((id) => Number(id.slice(65)) <= 0xffff_ffff, INSCRIPTION),
);

const common = <const Op extends string>(op: Op) => ({
  p: z.literal('sparkle', 'the word sparkle'),
  op: z.literal(op, `the word ${op}`),
  v: z.literal(1, 'the number 1'),
  inscription_id: inscriptionId,
});

/** SIP-3 v0.2 sections 3.1 to 3.3. */
const request = {
  ...common('trade_request'),
  buyer_pubkey: publicKey,
  offer_sats: price,
  deposit_invoice: z.optional(invoice),
};
const accept = {
  ...common('trade_accept'),
  funding_txid: hash,
  funding_vout: integer({ min: 0, max: 0xffff_ffff, unit: 'outputs' }),
  payment_hash: hash,
  invoice,
  refund_locktime: height,
  witness_script: text(/^(?:[0-9a-f]{2}){0,10000}$/, 'lowercase hex of at most 10000 whole bytes'),
};
const complete = { ...common('trade_complete'), claim_txid: hash, preimage: hash };

const signed = {
  trade_id: text(/^[0-9a-f]{32}$/, '32 lowercase hex characters'),
  from: hash,
  expires_at: integer({ min: 1, max: Number.MAX_SAFE_INTEGER, unit: 'Unix seconds' }),
  sig: text(/^[0-9a-f]{128}$/, '128 lowercase hex characters'),
};
const choices = {
  mode: oneOf(['hold-first', 'lock-first']),
  network: oneOf(networkNames),
  script: oneOf(['sip3', 'v1']),
  internal_key: oneOf(['nums', 'musig']),
};
const terms = {
  ...choices,
  seller_pubkey: publicKey,
  price_sats: price,
  quote_height: height,
  final_cltv: height,
  confirmations: integer({ min: 1, max: 144, unit: 'blocks' }),
  postage_sats: sats,
  reserve_sats: sats,
  offset_sats: sats,
};

/** What SIP-3 v0.2 has: no sender, no network, no signature. */
export const plainSchemas = {
  trade_request: z.strictObject(request),
  trade_accept: z.strictObject(accept),
  trade_complete: z.strictObject(complete),
} as const;

/** The same messages with our fields, and two of ours. Every field but `sig` is under the signature. */
export const signedSchemas = {
  trade_request: z.strictObject({ ...request, ...signed, ...choices, payment_hash: z.optional(hash) }),
  trade_quote: z.strictObject({
    ...common('trade_quote'),
    payment_hash: hash,
    invoice,
    refund_locktime: height,
    ...signed,
    ...terms,
  }),
  trade_accept: z.strictObject({ ...accept, ...signed, ...terms }),
  trade_complete: z.strictObject({ ...complete, ...signed }),
  trade_abort: z.strictObject({
    ...common('trade_abort'),
    code: text(/^[a-z0-9_]{1,64}$/, '1 to 64 lowercase letters, digits and underscores'),
    ...signed,
  }),
} as const;

export type PlainOp = keyof typeof plainSchemas;
export type Op = keyof typeof signedSchemas;
export type PlainWires = { [O in PlainOp]: z.infer<(typeof plainSchemas)[O]> };
export type SignedWires = { [O in Op]: z.infer<(typeof signedSchemas)[O]> };
export type PlainWire = PlainWires[PlainOp];
export type SignedWire = SignedWires[Op];
/** A JSON object whose fields nobody has checked. */
export type Wire = Readonly<Record<string, unknown>>;

import { schnorr } from '@noble/curves/secp256k1.js';
import { hex, utf8 } from '@scure/base';
import * as z from 'zod/mini';
import { SparkleError } from './errors.ts';
import { canonicalJson, shown } from './json.ts';
import type { ScriptVersion } from './lock.ts';
import { fromPlain, fromSigned, toWire } from './messages-convert.ts';
import {
  type Op,
  type PlainOp,
  plainSchemas,
  type PlainWire,
  type SignedWire,
  signedSchemas,
  type Wire,
} from './messages-wire.ts';
import type { NetworkName } from './network.ts';
import type { InternalKey, TradeMode } from './trade/terms.ts';

/** What every message of ours carries besides SIP-3's own fields; absent as a whole in a plain SIP-3 v0.2 message. */
export type Signed = { tradeId: string; from: string; expiresAt: number };

/** SIP-3 v0.2 section 3.1. `claimKey` is `buyer_pubkey` without its prefix byte. */
export type TradeRequest = {
  op: 'trade_request';
  inscriptionId: string;
  claimKey: string;
  offerSats: bigint;
  depositInvoice?: string;
  signed?: Signed & {
    mode: TradeMode;
    network: NetworkName;
    script: ScriptVersion;
    internalKey: InternalKey;
    paymentHash?: string;
  };
};

/** Ours, hold-first: the terms and the hold invoice, before anything is locked. */
export type TradeQuote = {
  op: 'trade_quote';
  inscriptionId: string;
  paymentHash: string;
  invoice: string;
  refundHeight: number;
  signed: Signed & AcceptTerms;
};

/** SIP-3 v0.2 section 3.2; in hold-first it announces the lock to which the quote led. */
export type TradeAccept = {
  op: 'trade_accept';
  inscriptionId: string;
  fundingTxid: string;
  fundingVout: number;
  paymentHash: string;
  invoice: string;
  refundHeight: number;
  witnessScript: string;
  signed?: Signed & AcceptTerms;
};

export type AcceptTerms = {
  mode: TradeMode;
  network: NetworkName;
  script: ScriptVersion;
  internalKey: InternalKey;
  refundKey: string;
  priceSats: bigint;
  quoteHeight: number;
  finalCltv: number;
  confirmations: number;
  postageSats: bigint;
  reserveSats: bigint;
  offsetSats: bigint;
};

/**
 * SIP-3 v0.2 section 3.3. Carries the preimage: sent only once the claim is in the mempool or the block, where it is
 * public anyway.
 */
export type TradeComplete = {
  op: 'trade_complete';
  inscriptionId: string;
  claimTxid: string;
  preimage: string;
  signed?: Signed;
};

/** Ours: this side has left the trade; `code` says why. Changes nothing by itself for who has money at stake. */
export type TradeAbort = { op: 'trade_abort'; inscriptionId: string; code: string; signed: Signed };

export type TradeMessage = TradeRequest | TradeQuote | TradeAccept | TradeComplete | TradeAbort;

/** 64 kB: more than twice the longest message, an accept with a script of 10,000 bytes. */
const MAX_CHARACTERS = 65_536;
/** BIP 340 asks for a tag of the protocol's own, so that no signature means something elsewhere. */
const TAG = 'sparkle/message';

/** Who signs: a 32-byte secret key, 32 fresh random bytes for BIP 340, and where it is known already the x-only key of the secret. */
export type Signer = { secret: Uint8Array; auxRand: Uint8Array; public?: string };

/**
 * Reads a message as it came, strictly: every field known, of the right type and form, said once; our fields all
 * there or none. `signedBy` is the key whose signature was checked, absent in a plain SIP-3 message, which proves
 * nothing about its sender. A request or a quote is refused from `expires_at` on; the other messages tell what
 * happened, and that stays true. Throws `bad_message` naming the field, `bad_signature`. Source: SIP-3 v0.2 section
 * 3, docs/spec/messages.md.
 */
export function readMessage(
  text: string,
  { nowSeconds }: { nowSeconds: number },
): { message: TradeMessage; signedBy?: string } {
  const fields = parseFlat(text);
  const op = readOp(fields);
  if (isPlain(fields, op)) return { message: fromPlain(validated<PlainWire>(plainSchemas[op], fields)) };
  const wire = validated<SignedWire>(signedSchemas[op], fields);
  checkSignature(wire);
  const proposes = wire.op === 'trade_request' || wire.op === 'trade_quote';
  if (proposes && nowSeconds >= wire.expires_at)
    throw new SparkleError('bad_message', `expires_at must be after ${nowSeconds}; got ${wire.expires_at}`, {
      field: 'expires_at',
      nowSeconds,
    });
  return { message: fromSigned(wire), signedBy: wire.from };
}

/**
 * Writes a message as canonical JSON; `sign` if and only if it has signed fields. What a reader would refuse is not
 * written.
 * Throws `bad_message` naming the field, `bad_key` when `sign` does not belong to `from`.
 */
export function writeMessage(message: TradeMessage, sign?: Signer): string {
  const unsigned = toWire(message);
  if (message.signed === undefined) {
    if (sign !== undefined || !hasPlainForm(message.op))
      throw new SparkleError('bad_message', `this ${message.op} must have signed fields; got none`, { op: message.op });
    return canonicalJson(validated<PlainWire>(plainSchemas[message.op], unsigned));
  }
  if (sign === undefined)
    throw new SparkleError('bad_key', 'a message with signed fields needs a key to sign; got none');
  const signer = sign.public ?? hex.encode(schnorr.getPublicKey(sign.secret));
  if (signer !== message.signed.from)
    throw new SparkleError('bad_key', `from must be the key that signs, ${signer}; got ${message.signed.from}`, {
      signer,
    });
  const sig = hex.encode(schnorr.sign(digest(unsigned), sign.secret, sign.auxRand));
  return canonicalJson(validated<SignedWire>(signedSchemas[message.op], { ...unsigned, sig }));
}

/**
 * An object of texts and numbers. JSON.parse keeps the last of two members of one name; other readers keep the first.
 */
function parseFlat(text: string): Wire {
  if (text.length > MAX_CHARACTERS)
    throw new SparkleError('bad_message', `a message has at most ${MAX_CHARACTERS} characters; got ${text.length}`);
  const value = parsed(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SparkleError('bad_message', `a message must be a JSON object; got ${shown(value)}`);
  const members = Object.entries(value);
  for (const [field, member] of members)
    if (!(typeof member === 'string' || typeof member === 'number') || Object.is(member, -0))
      refuseField(field, 'a text, or a number and not -0', member);
  const names = text.matchAll(/"(?:[^"\\]|\\.)*"\s*(:?)/g);
  if ([...names].filter(([, colon]) => colon === ':').length !== members.length)
    throw new SparkleError('bad_message', 'a message must name each field once; got a field twice');
  return value as Record<string, unknown>;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    // The parser's own words quote the text, and a message can hold a preimage.
    if (cause instanceof SyntaxError) throw new SparkleError('bad_message', 'a message must be JSON text');
    throw cause;
  }
}

function readOp({ op }: Wire): Op {
  if (typeof op === 'string' && Object.hasOwn(signedSchemas, op)) return op as Op;
  return refuseField('op', `one of ${Object.keys(signedSchemas).join(', ')}`, op);
}

const hasPlainForm = (op: Op): op is PlainOp => Object.hasOwn(plainSchemas, op);

/** Whether none of the fields is one that only a signed message has. */
function isPlain(fields: Wire, op: Op): op is PlainOp {
  if (!hasPlainForm(op)) return false;
  const plain = plainSchemas[op].shape;
  return !Object.keys(signedSchemas[op].shape).some(
    (name) => !Object.hasOwn(plain, name) && Object.hasOwn(fields, name),
  );
}

function validated<T>(schema: z.core.$ZodType<T>, fields: Wire): T {
  const result = z.safeParse(schema, fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue?.code === 'unrecognized_keys') {
    const field = shown(issue.keys[0]);
    throw new SparkleError('bad_message', `a message must have only the fields it is known to have; got ${field}`, {
      field,
    });
  }
  const field = String(issue?.path[0]);
  return refuseField(field, String(issue?.message), fields[field]);
}

/** Texts are described by their length: one of them is the preimage. */
function refuseField(field: string, expected: string, came: unknown): never {
  const got = typeof came === 'string' ? `${came.length} characters` : shown(came);
  throw new SparkleError('bad_message', `${shown(field)} must be ${expected}; got ${got}`, { field, expected });
}

const digest = (unsigned: Wire): Uint8Array => schnorr.utils.taggedHash(TAG, utf8.decode(canonicalJson(unsigned)));

function checkSignature({ sig, ...unsigned }: SignedWire): void {
  if (!schnorr.verify(hex.decode(sig), digest(unsigned), hex.decode(unsigned.from)))
    throw new SparkleError('bad_signature', `sig must be by ${unsigned.from} over the other fields; it is not`, {
      from: unsigned.from,
      op: unsigned.op,
    });
}

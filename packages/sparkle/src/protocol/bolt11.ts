import { secp256k1 } from '@noble/curves/secp256k1.js';
import { bech32, hex } from '@scure/base';
import type { InvoiceBody, Purpose } from './bolt11-fields.ts';
import { invoiceDigest, parseInvoice, type UnverifiedInvoice } from './bolt11-parse.ts';
import { writeInvoicePrefix } from './bolt11-prefix.ts';
import { refuse } from './bolt11-rule.ts';
import { requireInteger, type WritableBody, writeInvoiceFields } from './bolt11-write.ts';
import { SparkleError } from './errors.ts';
import { type NetworkName, networks } from './network.ts';

export type { Fallback, InvoiceBody, Purpose, RouteHint, SkippedField } from './bolt11-fields.ts';
export type { InvoiceRule } from './bolt11-rule.ts';
export type { WritableBody } from './bolt11-write.ts';

/**
 * `n`: the invoice names its payee, and that key signed. `recovered`: the payee is whatever key fits the signature, and
 * some key nearly always does: it proves nothing until it is compared with the key that was expected.
 */
export type PayeeSource = 'n' | 'recovered';

/** What stands before the tagged fields, and whether the payee is named in them. */
export type InvoiceHead = {
  /** Testnet4 shares its prefix with testnet and is read as `testnet`: compare with `isInvoiceFor`. */
  network: NetworkName;
  /** Absent: the payer chooses. */
  amountMsat?: bigint;
  timestampSeconds: number;
  payeeSource: PayeeSource;
};

/** An invoice whose signature has been checked. */
export type Invoice11 = InvoiceHead &
  InvoiceBody &
  Purpose & {
    /** Node key, 33 bytes in hex. */
    payee: string;
    /** r and s, 64 bytes in hex. */
    signature: string;
    recoveryId: number;
    /** The invoice itself, lowercase whatever case it came in. */
    text: string;
  };

/** What a writer chooses. An expiry or final CLTV that is absent is not written: readers then take 3600 s and 18 blocks. */
export type InvoiceTerms = InvoiceHead & WritableBody & Purpose;

/** 35 bits. */
const MAX_TIMESTAMP = 2 ** 35 - 1;

/**
 * Reads an invoice strictly and checks its signature. Time, amount and payee are for the caller to judge.
 * Throws `bad_invoice`, the broken rule in `detail.rule`. Source: BOLT 11 and, for features, BOLT 9.
 */
export function decodeInvoice(text: string): Invoice11 {
  const unverified = parseInvoice(text);
  const { payeeField, ...fields } = unverified.fields;
  return {
    ...unverified.prefix,
    timestampSeconds: unverified.timestampSeconds,
    ...fields,
    payee: signerOf(unverified),
    payeeSource: payeeField === undefined ? 'recovered' : 'n',
    signature: hex.encode(unverified.signature.subarray(0, 64)),
    recoveryId: unverified.signature[64] ?? 0,
    text: unverified.text,
  };
}

/** Checks the signature and returns the key that made it. */
function signerOf({ fields: { payeeField }, digest, signature }: UnverifiedInvoice): string {
  const recoveryId = signature[64] ?? 0;
  if (recoveryId > 3) refuse('recovery_id', `the recovery id must be 0 to 3; got ${recoveryId}`, { recoveryId });
  // noble expects the recovery id in front, BOLT 11 has it behind.
  const recovered = new Uint8Array([recoveryId, ...signature.subarray(0, 64)]);
  try {
    return payeeField === undefined
      ? hex.encode(secp256k1.recoverPublicKey(recovered, digest, { prehash: false }))
      : verified({ payeeField, digest, recovered });
  } catch (cause) {
    if (cause instanceof SparkleError) throw cause;
    return refuse('signature', 'the signature is not one that any key could have made', { cause });
  }
}

function verified({
  payeeField,
  digest,
  recovered,
}: {
  payeeField: string;
  digest: Uint8Array;
  recovered: Uint8Array;
}): string {
  // BOLT 11: low S is demanded where `n` is given; without it the other S leads to the same payee, and both are accepted.
  if (secp256k1.Signature.fromBytes(recovered, 'recovered').hasHighS())
    refuse('high_s', 'the invoice names its payee (n) and its signature has a high S');
  const key = hex.decode(payeeField);
  // With format `recovered` the recovery id must fit too, so that one invoice has one text.
  const rules = { prehash: false, format: 'recovered', lowS: true } as const;
  if (secp256k1.verify(recovered, digest, key, rules)) return payeeField;
  if (!secp256k1.utils.isValidPublicKey(key, true)) refuse('payee_key', 'the n field is not a public key');
  return refuse('signature', 'the signature is not by the payee the invoice names');
}

/**
 * Writes and signs an invoice; the same terms and key always give the same text (RFC 6979, no extra entropy).
 * Throws `bad_invoice` for terms that no reader would accept, `bad_key` for a secret key out of range. Source: BOLT 11.
 */
export function encodeInvoice(terms: InvoiceTerms, secretKey: Uint8Array): string {
  if (!secp256k1.utils.isValidSecretKey(secretKey))
    throw new SparkleError('bad_key', 'the secret key must be 32 bytes, 1 to the order of secp256k1 less one');
  const { timestampSeconds, payeeSource } = terms;
  const hrp = writeInvoicePrefix(terms);
  const payee = payeeSource === 'n' ? { payeeField: hex.encode(secp256k1.getPublicKey(secretKey)) } : {};
  const words = [...timestampWords(timestampSeconds), ...writeInvoiceFields({ ...terms, ...payee })];
  const options = { prehash: false, format: 'recovered', lowS: true, extraEntropy: false } as const;
  const [recoveryId = 0, ...signature] = secp256k1.sign(invoiceDigest(hrp, words), secretKey, options);
  const signed = [...words, ...bech32.toWords(new Uint8Array([...signature, recoveryId]))];
  // What was written is read again: a rule about several fields is stated once, for readers.
  return parseInvoice(bech32.encode(hrp, signed, false)).text;
}

function timestampWords(seconds: number): number[] {
  requireInteger({ name: 'timestampSeconds', value: seconds, max: MAX_TIMESTAMP });
  return Array.from({ length: 7 }, (_, index) => Math.floor(seconds / 32 ** (6 - index)) % 32);
}

/** The second at which the invoice expires: from then on nobody should pay it. */
export function invoiceExpiresAt({
  timestampSeconds,
  expirySeconds,
}: Pick<Invoice11, 'timestampSeconds' | 'expirySeconds'>): number {
  return timestampSeconds + expirySeconds;
}

/**
 * What an invoice says that was checked before, or that our own node made: its signature is not checked again, which takes
 * twenty times as long as all the rest. Throws `bad_invoice`.
 */
export function readKnownInvoice(text: string): { paymentHash: string; expiresAt: number } {
  const { timestampSeconds, fields } = parseInvoice(text);
  const { paymentHash, expirySeconds } = fields;
  return { paymentHash, expiresAt: invoiceExpiresAt({ timestampSeconds, expirySeconds }) };
}

/** Whether the invoice can be paid on this network. Testnet and testnet4 share a prefix, so either stands for both. */
export function isInvoiceFor(invoice: Pick<Invoice11, 'network'>, network: NetworkName): boolean {
  return networks[invoice.network].invoicePrefix === networks[network].invoicePrefix;
}

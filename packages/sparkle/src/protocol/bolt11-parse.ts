import { sha256 } from '@noble/hashes/sha2.js';
import { bech32 } from '@scure/base';
import { type InvoiceFields, readInvoiceFields } from './bolt11-fields.ts';
import { type InvoicePrefix, readInvoicePrefix } from './bolt11-prefix.ts';
import { refuse } from './bolt11-rule.ts';

/** What an invoice says, before anybody asked who signed it. */
export type UnverifiedInvoice = {
  prefix: InvoicePrefix;
  timestampSeconds: number;
  fields: InvoiceFields;
  /** SHA256 of what is signed. */
  digest: Uint8Array;
  /** r, s and the recovery id: 65 bytes. */
  signature: Uint8Array;
  /** Lowercase. */
  text: string;
};

/** As other readers bound it (LND, LDK): the digits a QR code holds. BOLT 11 lifts BIP 173's limit of 90 and sets none. */
const MAX_TEXT_LENGTH = 7089;
const TIMESTAMP_WORDS = 7;
const SIGNATURE_WORDS = 104;

/** Reads everything but the signature: no claim about who wrote it. Throws `bad_invoice`. Source: BOLT 11. */
export function parseInvoice(text: string): UnverifiedInvoice {
  const { hrp, words, lower } = readBech32(text);
  const prefix = readInvoicePrefix(hrp);
  if (words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS)
    refuse('too_short', `the data part has ${words.length} words; timestamp and signature alone need 111`);
  const signed = words.slice(0, -SIGNATURE_WORDS);
  let timestampSeconds = 0;
  for (const word of signed.slice(0, TIMESTAMP_WORDS)) timestampSeconds = timestampSeconds * 32 + word;
  return {
    prefix,
    timestampSeconds,
    fields: readInvoiceFields(signed.slice(TIMESTAMP_WORDS)),
    digest: invoiceDigest(hrp, signed),
    signature: bech32.fromWords(words.slice(-SIGNATURE_WORDS)),
    text: lower,
  };
}

function readBech32(text: string): { hrp: string; words: number[]; lower: string } {
  if (text.length > MAX_TEXT_LENGTH)
    refuse('too_long', `an invoice has at most ${MAX_TEXT_LENGTH} characters; got ${text.length}`);
  // Letters and digits only, before any change of case: the Kelvin sign, for one, would turn into a k.
  if (!/^[0-9A-Za-z]+$/.test(text)) refuse('characters', 'an invoice consists of letters and digits');
  const lower = text.toLowerCase();
  // BIP 173: a reader must not accept a mixture of cases.
  if (text !== lower && text !== text.toUpperCase())
    refuse('mixed_case', 'an invoice is all lower case or all upper case');
  if (!lower.includes('1')) refuse('separator', 'an invoice has a separator 1 between prefix and data');
  const decoded = bech32.decodeUnsafe(lower, false);
  if (decoded !== undefined) return { hrp: decoded.prefix, words: decoded.words, lower };
  if (/[bio]/.test(lower.slice(lower.lastIndexOf('1')))) refuse('characters', 'the data part has a letter b, i or o');
  return refuse('checksum', 'the checksum does not match');
}

/** BOLT 11: SHA256 over the prefix and the signed words, padded with zero bits to a whole byte. */
export function invoiceDigest(hrp: string, words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(hrp.length + Math.ceil((words.length * 5) / 8));
  for (let at = 0; at < hrp.length; at++) bytes[at] = hrp.charCodeAt(at);
  let at = hrp.length;
  let bits = 0;
  let count = 0;
  for (const word of words) {
    bits = ((bits << 5) | word) & 0xfff;
    count += 5;
    if (count < 8) continue;
    count -= 8;
    bytes[at++] = bits >>> count;
  }
  if (count > 0) bytes[at] = bits << (8 - count);
  return sha256(bytes);
}

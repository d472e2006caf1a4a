import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { hash160 } from '@scure/btc-signer/utils.js';
import { programOf, SINGLE_ANYONECANPAY, singleMessage, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';

/** An input that its owner signed with 0x83, wherever in a transaction it stands. `witness` is hex, lowest item first. */
export type SingleInput = { raw: string; index: number; source: Prevout; witness: readonly string[] };

/** BIP 341: 64 bytes of signature and one that names the sighash; 64 alone would be SIGHASH_DEFAULT. */
const SCHNORR_BYTES = 65;
const SIGHASH_DEFAULT = 0;
/** BIP 341: an annex is the last of two or more items and begins with this byte. */
const ANNEX = '50';

const unsigned = (sentence: string, detail: Record<string, unknown> = {}): SparkleError =>
  new SparkleError('bad_signature', sentence, detail);

/** P2TR or P2WPKH: any other input puts its signature into the txid, on which presigned spends of the lock rest. */
export function assertSource(script: string): void {
  if (programOf(script) === undefined)
    throw new SparkleError('bad_script', `the source must be P2TR or P2WPKH; its script is ${script}`, { script });
}

/**
 * The witness is a signature with 0x83 by the owner of `source`, valid for this transaction: by the key path when it is P2TR,
 * strict and with a low S when it is P2WPKH, as nodes relay it (BIP 66, BIP 146). Throws `bad_script` for a witness of
 * another form or a source of another type, `bad_signature` otherwise.
 */
export function assertSingleSigned(input: SingleInput): void {
  assertSource(input.source.script);
  if (programOf(input.source.script) === 'p2tr') assertKeyPath(input);
  else assertKeyHash(input);
}

function assertKeyPath({ witness, ...input }: SingleInput): void {
  const [item = '', ...more] = witness;
  if (more.length > 0) {
    const what = more.at(-1)?.startsWith(ANNEX) === true ? 'an annex' : 'a script path';
    const sentence = `the witness must be one signature for the key path (BIP 341); it has ${what}`;
    throw new SparkleError('bad_script', sentence, { items: witness.length });
  }
  const bytes = hex.decode(item);
  assertSighash(bytes.length === SCHNORR_BYTES - 1 ? SIGHASH_DEFAULT : bytes.at(-1));
  if (bytes.length !== SCHNORR_BYTES)
    throw unsigned(`a Schnorr signature must have ${SCHNORR_BYTES} bytes; it has ${bytes.length}`);
  const key = hex.decode(input.source.script.slice(4));
  if (!schnorr.verify(bytes.subarray(0, -1), singleMessage(input), key)) throw unverified(input);
}

function assertKeyHash({ witness, ...input }: SingleInput): void {
  const [item = '', key = ''] = witness;
  if (witness.length !== 2)
    throw new SparkleError('bad_script', `the witness must be a signature and a key; it has ${witness.length} items`, {
      items: witness.length,
    });
  // BIP 143: only compressed keys are relayed.
  const isCompressed = /^0[23][0-9a-f]{64}$/.test(key);
  if (!isCompressed || `0014${hex.encode(hash160(hex.decode(key)))}` !== input.source.script)
    throw unsigned(`the key must be the compressed one behind the source; it is ${key}`, { key });
  const bytes = hex.decode(item);
  assertSighash(bytes.at(-1));
  const signature = bytes.subarray(0, -1);
  assertStrictDer(signature);
  const how = { prehash: false, lowS: true, format: 'der' } as const;
  if (!secp256k1.verify(signature, singleMessage(input), hex.decode(key), how)) throw unverified(input);
}

/** Anything but 0x83 would give away more than this sale, or commit to outputs that are not there yet. */
export function assertSighash(sighash: number | undefined): void {
  if (sighash === SINGLE_ANYONECANPAY) return;
  const came = sighash === undefined ? 'none' : `0x${sighash.toString(16).padStart(2, '0')}`;
  throw unsigned(`the sighash must be 0x83 (SINGLE|ANYONECANPAY); it is ${came}`, { sighash });
}

/** BIP 66 and BIP 146: one signature has one text, or a stranger could change the bytes and with them the size. */
function assertStrictDer(signature: Uint8Array): void {
  const parsed = parsedDer(signature);
  if (parsed === undefined) throw unsigned('the signature must be strict DER (BIP 66); it is not');
  if (parsed.hasHighS()) throw unsigned('the S of the signature must be low (BIP 146); it is high');
}

function parsedDer(signature: Uint8Array): InstanceType<typeof secp256k1.Signature> | undefined {
  try {
    return secp256k1.Signature.fromBytes(signature, 'der');
  } catch {
    return undefined;
  }
}

const unverified = ({ source, index }: Omit<SingleInput, 'witness'>): SparkleError =>
  unsigned(`the signature must be one by the owner of ${source.outpoint} for this input and its output; it is not`, {
    outpoint: source.outpoint,
    index,
  });

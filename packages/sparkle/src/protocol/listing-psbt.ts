import { base64, hex } from '@scure/base';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { RawTx } from '@scure/btc-signer/script.js';
import { programOf, type Output, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { outpointText } from './inscription.ts';
import { assertSighash, assertSource } from './listing-signature.ts';
import { readTransaction } from './transaction.ts';

/** What a PSBT of one input and one output says of them, its signature made final but not verified. */
export type PsbtListing = { source: Prevout; sequence: number; payout: Output; witness: readonly string[] };

/** The previous transaction may come along (BIP 174), and a standard one has at most 400,000 bytes. */
const MAX_BYTES = 500_000;
const MAX_CHARACTERS = Math.ceil(MAX_BYTES / 3) * 4;

type Psbt = ReturnType<typeof RawPSBTV0.decode>;
type PsbtInput = Psbt['inputs'][number];

const wrong = (sentence: string, detail: Record<string, unknown> = {}): SparkleError =>
  new SparkleError('bad_transaction', sentence, detail);
const badMessage = (sentence: string, detail: Record<string, unknown>, cause?: unknown): SparkleError =>
  new SparkleError('bad_message', sentence, detail, { cause });

/** Throws `bad_message`, `bad_transaction`, `bad_script` or `bad_signature`; the sentence names the field. */
export function readListingPsbt(text: string): PsbtListing {
  const { unsignedTx, inputs, outputs } = parsed(text);
  const [spent, ...moreInputs] = unsignedTx.inputs;
  const [paid, ...moreOutputs] = unsignedTx.outputs;
  const [input] = inputs;
  if (spent === undefined || input === undefined || moreInputs.length > 0)
    throw wrong(`there must be one input and no extra one; there are ${inputs.length}`, { inputs: inputs.length });
  if (paid === undefined || moreOutputs.length > 0)
    throw wrong(`there must be one output and no extra one; there are ${outputs.length}`, { outputs: outputs.length });
  // A signature commits to both: a fill of ours has no other.
  if (unsignedTx.version !== 2) throw wrong(`version must be 2; it is ${unsignedTx.version}`);
  if (unsignedTx.lockTime !== 0) throw wrong(`locktime must be 0; it is ${unsignedTx.lockTime}`);
  const outpoint = outpointText({ txid: hex.encode(spent.txid), vout: spent.index });
  const source = sourceOf(input, outpoint);
  assertSource(source.script);
  if (input.sighashType !== undefined) assertSighash(input.sighashType);
  return {
    source,
    sequence: spent.sequence,
    payout: { script: hex.encode(paid.script), valueSats: paid.amount },
    witness: finalWitness(input, source).map((item) => hex.encode(item)),
  };
}

function parsed(text: string): Pick<Psbt, 'inputs' | 'outputs'> & { unsignedTx: UnsignedTx } {
  const psbt = decoded(bytesOf(text));
  const { unsignedTx } = psbt.global;
  if (unsignedTx === undefined || psbt.outputs.length !== unsignedTx.outputs.length)
    throw badMessage('psbt must have one map for every input and output of its transaction; it has others', {});
  return { inputs: psbt.inputs, outputs: psbt.outputs, unsignedTx };
}

type UnsignedTx = NonNullable<Psbt['global']['unsignedTx']>;

function bytesOf(text: string): Uint8Array {
  if (text.length > MAX_CHARACTERS)
    throw badMessage(`psbt must have at most ${MAX_BYTES} bytes; got ${text.length} characters`, {
      characters: text.length,
    });
  try {
    return base64.decode(text);
  } catch (cause) {
    throw badMessage(`psbt must be base64; got ${text.length} characters of something else`, {}, cause);
  }
}

function decoded(bytes: Uint8Array): Psbt {
  try {
    return RawPSBTV0.decode(bytes);
  } catch (cause) {
    throw badMessage('psbt must be a whole PSBT of version 0 (BIP 174); it is not', { bytes: bytes.length }, cause);
  }
}

function sourceOf({ witnessUtxo, nonWitnessUtxo }: PsbtInput, outpoint: string): Prevout {
  if (witnessUtxo === undefined)
    throw wrong('the input must have its witness UTXO (PSBT_IN_WITNESS_UTXO); it has none');
  const source = { outpoint, valueSats: witnessUtxo.amount, script: hex.encode(witnessUtxo.script) };
  if (nonWitnessUtxo === undefined) return source;
  const { txid, outputs } = readTransaction(hex.encode(RawTx.encode(nonWitnessUtxo)));
  const output = outputs.find((_, vout) => outpointText({ txid, vout }) === outpoint);
  if (output === undefined || output.valueSats !== source.valueSats || hex.encode(output.script) !== source.script)
    throw wrong('both UTXOs of the input must be the one output that it spends; they differ', { outpoint, txid });
  return source;
}

function finalWitness(input: PsbtInput, { script }: Prevout): readonly Uint8Array[] {
  const { finalScriptSig, finalScriptWitness, tapKeySig, partialSig = [] } = input;
  if (finalScriptSig !== undefined && finalScriptSig.length > 0)
    throw new SparkleError('bad_script', 'the input must have no signature script; it has one', {
      bytes: finalScriptSig.length,
    });
  if (finalScriptWitness !== undefined) return finalScriptWitness;
  if (programOf(script) === 'p2tr') {
    if (tapKeySig === undefined) throw missing('PSBT_IN_TAP_KEY_SIG');
    return [tapKeySig];
  }
  const [first, ...more] = partialSig;
  if (first === undefined) throw missing('PSBT_IN_PARTIAL_SIG');
  if (more.length > 0)
    throw new SparkleError('bad_signature', `there must be one partial signature; there are ${partialSig.length}`, {
      signatures: partialSig.length,
    });
  const [key, signature] = first;
  return [signature, key];
}

const missing = (field: string): SparkleError =>
  new SparkleError('bad_signature', `the input must be signed, with a final witness or ${field}; it has neither`, {
    field,
  });

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { RawOldTx, RawTx } from '@scure/btc-signer/script.js';
import { MAX_SATS } from './amount.ts';
import { SparkleError } from './errors.ts';

/** What an input spends and how; `txid` in display order, `witness` empty where there is none. */
export type TransactionInput = {
  txid: string;
  vout: number;
  scriptSig: Uint8Array;
  sequence: number;
  witness: Uint8Array[];
};

export type TransactionOutput = { valueSats: bigint; script: Uint8Array };

/** A transaction that was read from its bytes; `txid` is recomputed from them, never what somebody said. */
export type Transaction = {
  txid: string;
  version: number;
  inputs: TransactionInput[];
  outputs: TransactionOutput[];
  lockTime: number;
};

// BIP 141: a block weighs at most 4,000,000, and a byte at least 1.
const MAX_BYTES = 4_000_000;
const NULL_TXID = '00'.repeat(32);
const NULL_VOUT = 0xffff_ffff;

/**
 * Reads a raw transaction (hex, with or without witnesses) by the rules that need nothing but its bytes: canonical
 * sizes, nothing after the end, inputs and outputs present, no input twice, no value above 21,000,000 BTC.
 * Throws `bad_transaction`.
 */
export function readTransaction(raw: string): Transaction {
  const parsed = parse(bytesOf(raw));
  const { version, lockTime } = parsed;
  const inputs = parsed.inputs.map((input, index) => ({
    txid: hex.encode(input.txid),
    vout: input.index,
    scriptSig: input.finalScriptSig,
    sequence: input.sequence,
    witness: parsed.witnesses?.[index] ?? [],
  }));
  const outputs = parsed.outputs.map(({ amount, script }) => ({ valueSats: amount, script }));
  checkInputs(inputs);
  checkOutputs(outputs);
  const txid = hex.encode(sha256(sha256(RawOldTx.encode(parsed))).reverse());
  return { txid, version, inputs, outputs, lockTime };
}

/** The txid of a raw transaction, recomputed from its bytes (BIP 141: witnesses do not count). Throws `bad_transaction`. */
export const txidOf = (raw: string): string => readTransaction(raw).txid;

/** Whether somebody's bytes are this transaction; not so for what is no transaction at all. */
export function isRawOf({ raw, txid }: { raw: string; txid: string }): boolean {
  try {
    return txidOf(raw) === txid;
  } catch (error) {
    if (error instanceof SparkleError) return false;
    throw error;
  }
}

/** The bytes of a transaction as hex: with witnesses when an input has one (BIP 144), in the old form otherwise. */
export function writeTransaction({ version, inputs, outputs, lockTime }: Omit<Transaction, 'txid'>): string {
  const parts = {
    version,
    lockTime,
    inputs: inputs.map(({ txid, vout, scriptSig, sequence }) => ({
      txid: hex.decode(txid),
      index: vout,
      finalScriptSig: scriptSig,
      sequence,
    })),
    outputs: outputs.map(({ valueSats, script }) => ({ amount: valueSats, script })),
  };
  const witnesses = inputs.map(({ witness }) => witness);
  const isWitnessed = witnesses.some((witness) => witness.length > 0);
  return hex.encode(isWitnessed ? RawTx.encode({ ...parts, segwitFlag: true, witnesses }) : RawOldTx.encode(parts));
}

/** Whether this is the first transaction of a block: its one input spends nothing. */
export function isCoinbase({ inputs }: Pick<Transaction, 'inputs'>): boolean {
  const [first] = inputs;
  return inputs.length === 1 && first?.txid === NULL_TXID && first.vout === NULL_VOUT;
}

function bytesOf(raw: string): Uint8Array {
  if (raw.length === 0 || raw.length % 2 !== 0 || /[^0-9a-f]/.test(raw))
    throw bad(`a raw transaction must be lowercase hex of whole bytes; got ${raw.length} characters`);
  if (raw.length > 2 * MAX_BYTES) throw bad(`a raw transaction must have at most ${MAX_BYTES} bytes`);
  return hex.decode(raw);
}

function parse(bytes: Uint8Array): ReturnType<typeof RawTx.decode> {
  try {
    return RawTx.decode(bytes);
  } catch (cause) {
    throw new SparkleError(
      'bad_transaction',
      'the bytes are not one whole transaction',
      { bytes: bytes.length },
      { cause },
    );
  }
}

function checkInputs(inputs: readonly TransactionInput[]): void {
  if (inputs.length === 0) throw bad('a transaction must have an input');
  const outpoints = new Set(inputs.map(({ txid, vout }) => `${txid}:${vout}`));
  // CVE-2018-17144: the same coin counted twice would make sats out of nothing.
  if (outpoints.size !== inputs.length) throw bad('a transaction must not spend the same output twice');
  if (!isCoinbase({ inputs: [...inputs] }) && outpoints.has(`${NULL_TXID}:${NULL_VOUT}`))
    throw bad('only a coinbase may have an input that spends nothing');
}

function checkOutputs(outputs: readonly TransactionOutput[]): void {
  if (outputs.length === 0) throw bad('a transaction must have an output');
  const total = outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  if (total > MAX_SATS) throw bad(`a transaction must not create more than ${MAX_SATS} sats; got ${total}`);
}

const bad = (sentence: string): SparkleError => new SparkleError('bad_transaction', sentence);

import { hex } from '@scure/base';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { SparkleError } from './errors.ts';
import { outpointText, readOutpoint } from './inscription.ts';
import { networks, type NetworkName } from './network.ts';
import { readTransaction, writeTransaction } from './transaction.ts';

export { txidOf } from './transaction.ts';

/** An output that is to be spent: `outpoint` is `txid:vout`, `script` the hex of its scriptPubKey. */
export type Prevout = { outpoint: string; valueSats: bigint; script: string };

export type Output = { valueSats: bigint; script: string };

export type DraftInput = Prevout & { sequence: number; witness: readonly Uint8Array[] };

/** A version 2 transaction on its way to bytes. `lockHeight` is its nLockTime. */
export type Draft = { lockHeight: number; inputs: readonly DraftInput[]; outputs: readonly Output[] };

type DecodedInput = { outpoint: string; sequence: number; witness: readonly Uint8Array[] };

/** What a raw transaction says; nothing about it has been checked but its form. */
export type Decoded = {
  version: number;
  lockHeight: number;
  inputs: readonly DecodedInput[];
  outputs: readonly Output[];
};

/** The raw transaction (hex), with witnesses where the draft has any. Throws `bad_outpoint`. */
export const encodeDraft = ({ lockHeight, inputs, outputs }: Draft): string =>
  writeTransaction({
    version: 2,
    inputs: inputs.map(({ outpoint, sequence, witness }) => ({
      ...readOutpoint(outpoint),
      scriptSig: new Uint8Array(),
      sequence,
      witness: [...witness],
    })),
    outputs: outputs.map(({ valueSats, script }) => ({ valueSats, script: hex.decode(script) })),
    lockTime: lockHeight,
  });

/** Reads a raw transaction (hex) into the terms of this file. Throws `bad_transaction`. */
export function decodeTransaction(raw: string): Decoded {
  const { version, inputs, outputs, lockTime } = readTransaction(raw);
  return {
    version,
    lockHeight: lockTime,
    inputs: inputs.map((input) => ({
      outpoint: outpointText(input),
      sequence: input.sequence,
      witness: input.witness,
    })),
    outputs: outputs.map(({ valueSats, script }) => ({ valueSats, script: hex.encode(script) })),
  };
}

/** The size that fees are paid for, in vB (BIP 141): weight / 4, rounded up. Throws `bad_transaction`. */
export function vsizeOf(raw: string): number {
  const transaction = readTransaction(raw);
  const inputs = transaction.inputs.map((input) => ({ ...input, witness: [] }));
  const strippedBytes = writeTransaction({ ...transaction, inputs }).length / 2;
  return Math.ceil((3 * strippedBytes + raw.length / 2) / 4);
}

/** `raw` with the witness of one input set; the others stay as they are. Throws `bad_transaction`. */
export function withWitness(raw: string, index: number, witness: readonly Uint8Array[]): string {
  const transaction = readTransaction(raw);
  const inputs = transaction.inputs.map((input, position) =>
    position === index ? { ...input, witness: [...witness] } : input,
  );
  return writeTransaction({ ...transaction, inputs });
}

/** The library's view of a raw transaction, which knows what signatures commit to. */
const opened = (raw: string): Transaction =>
  Transaction.fromRaw(hex.decode(raw), {
    allowUnknownOutputs: true,
    allowUnknownInputs: true,
    disableScriptCheck: true,
  });

/**
 * The BIP 341 message that a signature for input 0 commits to with SIGHASH_DEFAULT: by key path, or by script path when
 * `leaf` (hex) is given. `spent` names value and script of every input, in order, because the message commits to them.
 */
export function signatureMessage({
  raw,
  spent,
  leaf,
}: {
  raw: string;
  spent: readonly Output[];
  leaf?: string;
}): Uint8Array {
  return opened(raw).preimageWitnessV1(
    0,
    spent.map(({ script }) => hex.decode(script)),
    0,
    spent.map(({ valueSats }) => valueSats),
    undefined,
    leaf === undefined ? undefined : hex.decode(leaf),
  );
}

const isProgram = (script: string, version: string, bytes: number): boolean =>
  script.startsWith(version) && script.length === 2 * (2 + bytes);

/** Which of the two forms of native segwit that our inputs can have an output's script (hex) has, if any. */
export function programOf(script: string): 'p2tr' | 'p2wpkh' | undefined {
  if (isProgram(script, '5120', 32)) return 'p2tr';
  return isProgram(script, '0014', 20) ? 'p2wpkh' : undefined;
}

/** SIGHASH_SINGLE with ANYONECANPAY: commits to one input and the output of the same index, and lets others add the rest. */
export const SINGLE_ANYONECANPAY = 0x83;

/**
 * The message that a 0x83 signature for input `index` commits to: by BIP 341 for the key path of a P2TR output, by BIP 143
 * for a P2WPKH one. `source` is what the input spends. Throws `bad_transaction` when there is no output of that index.
 */
export function singleMessage({ raw, index, source }: { raw: string; index: number; source: Output }): Uint8Array {
  const { inputs, outputs } = decodeTransaction(raw);
  // BIP 143 has a message for this too, and it commits to no output at all.
  if (index >= inputs.length || index >= outputs.length)
    throw new SparkleError('bad_transaction', `there must be an input and an output ${index}; there is none`, {
      index,
    });
  const script = hex.decode(source.script);
  if (programOf(source.script) === 'p2wpkh') {
    const scriptCode = OutScript.encode({ type: 'pkh', hash: script.subarray(2) });
    return opened(raw).preimageWitnessV0(index, scriptCode, SINGLE_ANYONECANPAY, source.valueSats);
  }
  // Of what is spent only the own entry counts with ANYONECANPAY.
  const scripts = inputs.map(() => script);
  const values = inputs.map(() => source.valueSats);
  return opened(raw).preimageWitnessV1(index, scripts, SINGLE_ANYONECANPAY, values);
}

/** The scriptPubKey (hex) behind an address of this network, in any standard form. Throws `wrong_network` when it is no address of it. */
export function addressScript(address: string, network: NetworkName): string {
  try {
    return hex.encode(OutScript.encode(Address(networks[network].address).decode(address)));
  } catch (cause) {
    throw new SparkleError(
      'wrong_network',
      `address must be one of ${network}; got ${address}`,
      { address, network },
      { cause },
    );
  }
}

const STANDARD: readonly string[] = ['pkh', 'sh', 'wpkh', 'wsh', 'tr'];

/**
 * The address behind a scriptPubKey (hex), `undefined` when it is none that every wallet and node pays to: P2PKH, P2SH,
 * P2WPKH, P2WSH, P2TR with a key on the curve.
 */
export function scriptAddress(script: string, network: NetworkName): string | undefined {
  try {
    const output = OutScript.decode(hex.decode(script));
    // The reader also takes pushes longer than need be, and then the bytes are another script.
    const isStandard = STANDARD.includes(output.type) && hex.encode(OutScript.encode(output)) === script;
    return isStandard ? Address(networks[network].address).encode(output) : undefined;
  } catch {
    return undefined;
  }
}

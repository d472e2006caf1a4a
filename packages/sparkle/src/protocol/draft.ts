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
  const transaction = Transaction.fromRaw(hex.decode(raw), {
    allowUnknownOutputs: true,
    allowUnknownInputs: true,
    disableScriptCheck: true,
  });
  return transaction.preimageWitnessV1(
    0,
    spent.map(({ script }) => hex.decode(script)),
    0,
    spent.map(({ valueSats }) => valueSats),
    undefined,
    leaf === undefined ? undefined : hex.decode(leaf),
  );
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

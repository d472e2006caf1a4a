import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { Address, OutScript } from '@scure/btc-signer/payment.js';
import { RawOldTx, RawTx } from '@scure/btc-signer/script.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { SparkleError } from './errors.ts';
import { outpointText, readOutpoint } from './inscription.ts';
import { networks, type NetworkName } from './network.ts';

/** An output that is to be spent: `outpoint` is `txid:vout`, `script` the hex of its scriptPubKey. */
export type Prevout = { outpoint: string; valueSats: bigint; script: string };

export type Output = { valueSats: bigint; script: string };

export type DraftInput = Prevout & { sequence: number; witness: readonly Uint8Array[] };

/** A version 2 transaction on its way to bytes. `lockHeight` is its nLockTime. */
export type Draft = { lockHeight: number; inputs: readonly DraftInput[]; outputs: readonly Output[] };

export type DecodedInput = { outpoint: string; sequence: number; witness: readonly Uint8Array[] };

/** What a raw transaction says; nothing about it has been checked but its form. */
export type Decoded = { version: number; lockHeight: number; inputs: readonly DecodedInput[]; outputs: readonly Output[] };

/** The raw transaction (hex): with witnesses where the draft has any, else in the form of before BIP 144. Throws `bad_outpoint`. */
export function encodeDraft({ lockHeight, inputs, outputs }: Draft): string {
  const fields = {
    version: 2,
    inputs: inputs.map(({ outpoint, sequence }) => {
      const { txid, vout } = readOutpoint(outpoint);
      return { txid: hex.decode(txid), index: vout, finalScriptSig: new Uint8Array(), sequence };
    }),
    outputs: outputs.map(({ valueSats, script }) => ({ amount: valueSats, script: hex.decode(script) })),
    lockTime: lockHeight,
  };
  if (inputs.every(({ witness }) => witness.length === 0)) return hex.encode(RawOldTx.encode(fields));
  const witnesses = inputs.map(({ witness }) => [...witness]);
  return hex.encode(RawTx.encode({ ...fields, segwitFlag: true, witnesses }));
}

function decodeBytes(raw: string): ReturnType<typeof RawTx.decode> {
  try {
    return RawTx.decode(hex.decode(raw));
  } catch (cause) {
    throw new SparkleError('bad_transaction', 'a raw transaction in hex was expected; the bytes are none', {
      length: raw.length,
    }, { cause });
  }
}

/** Reads a raw transaction (hex). Throws `bad_transaction`. */
export function decodeTransaction(raw: string): Decoded {
  const { version, lockTime, inputs, outputs, witnesses } = decodeBytes(raw);
  return {
    version,
    lockHeight: lockTime,
    inputs: inputs.map(({ txid, index, sequence }, position) => ({
      outpoint: outpointText({ txid: hex.encode(txid), vout: index }),
      sequence,
      witness: witnesses?.[position] ?? [],
    })),
    outputs: outputs.map(({ amount, script }) => ({ valueSats: amount, script: hex.encode(script) })),
  };
}

/** A raw transaction without its witnesses: what its txid is the hash of. */
function stripped(raw: string): Uint8Array {
  const { version, inputs, outputs, lockTime } = decodeBytes(raw);
  return RawOldTx.encode({ version, inputs, outputs, lockTime });
}

/** The txid in display order, witness or not (BIP 144). Throws `bad_transaction`. */
export const txidOf = (raw: string): string => hex.encode(sha256(sha256(stripped(raw))).reverse());

/** The size that fees are paid for, in vB (BIP 141): weight / 4, rounded up. Throws `bad_transaction`. */
export const vsizeOf = (raw: string): number => Math.ceil((3 * stripped(raw).length + raw.length / 2) / 4);

/** `raw` with the witness of one input set; the others stay as they are. Throws `bad_transaction`. */
export function withWitness(raw: string, index: number, witness: readonly Uint8Array[]): string {
  const parsed = decodeBytes(raw);
  const witnesses = parsed.inputs.map((_, position) =>
    position === index ? [...witness] : [...(parsed.witnesses?.[position] ?? [])],
  );
  return hex.encode(RawTx.encode({ ...parsed, segwitFlag: true, witnesses }));
}

/**
 * The BIP 341 message that a signature for input 0 commits to with SIGHASH_DEFAULT: by key path, or by script path when
 * `leaf` (hex) is given. `spent` names value and script of every input, in order, because the message commits to them.
 */
export function signatureMessage({ raw, spent, leaf }: { raw: string; spent: readonly Output[]; leaf?: string }): Uint8Array {
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
    throw new SparkleError('wrong_network', `address must be one of ${network}; got ${address}`, { address, network }, { cause });
  }
}

import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { Address, OutScript, p2tr } from '@scure/btc-signer/payment.js';
import { RawTx } from '@scure/btc-signer/script.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { readOutpoint } from '../protocol/inscription.ts';
import { networks } from '../protocol/network.ts';

/** A fixed key that the suites spend with. Its scripts are the same on every network. */
const secret = new Uint8Array(32).fill(11);
const payment = p2tr(schnorr.getPublicKey(secret));

/** The script (hex) that `spendOwn` can spend. */
export const ownScript = hex.encode(payment.script);

type OwnSpend = {
  inputs: { outpoint: string; sats: bigint; sequence?: number }[];
  outputs: { script: string; sats: bigint }[];
  /** Inputs after our own that somebody else signs; the witness of the first of ours is what is wanted then. */
  others?: { outpoint: string; sats: bigint; script: string }[];
  lockHeight?: number;
  version?: number;
};

/** A raw transaction (hex) that spends outputs to `ownScript` by key path, and the witness of its first input. */
export function spendOwn(spend: OwnSpend): { raw: string; txid: string; witness: string[] } {
  const { inputs, outputs, others = [], lockHeight = 0, version = 2 } = spend;
  const tx = new Transaction({ version, lockTime: lockHeight, allowUnknownOutputs: true });
  for (const { outpoint, sats, sequence = 0xffff_fffd } of inputs) {
    const { txid, vout } = readOutpoint(outpoint);
    const witnessUtxo = { script: payment.script, amount: sats };
    tx.addInput({ txid, index: vout, sequence, witnessUtxo, tapInternalKey: payment.tapInternalKey });
  }
  for (const { outpoint, sats, script } of others) {
    const { txid, vout } = readOutpoint(outpoint);
    const witnessUtxo = { script: hex.decode(script), amount: sats };
    tx.addInput({ txid, index: vout, sequence: 0xffff_fffd, witnessUtxo });
  }
  for (const { script, sats } of outputs) tx.addOutput({ script: hex.decode(script), amount: sats });
  for (const [index] of inputs.entries()) {
    tx.signIdx(secret, index, undefined, new Uint8Array(32));
    tx.finalizeIdx(index);
  }
  const raw = tx.toBytes(true, true);
  const witness = RawTx.decode(raw).witnesses?.[0] ?? [];
  return { raw: hex.encode(raw), txid: tx.id, witness: witness.map((item) => hex.encode(item)) };
}

/** The regtest address of a script (hex). */
export const addressOf = (script: string): string =>
  Address(networks.regtest.address).encode(OutScript.decode(hex.decode(script)));

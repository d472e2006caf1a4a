import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { readOutpoint } from '../protocol/inscription.ts';

/** A fixed key that the suites spend with. Its scripts are the same on every network. */
const secret = new Uint8Array(32).fill(11);
const payment = p2tr(schnorr.getPublicKey(secret));

/** The script (hex) that `spendOwn` can spend. */
export const ownScript = hex.encode(payment.script);

export type OwnSpend = {
  inputs: { outpoint: string; sats: bigint; sequence?: number }[];
  outputs: { script: string; sats: bigint }[];
  lockHeight?: number;
  version?: number;
};

/** A signed raw transaction (hex) that spends outputs to `ownScript` by key path. Signals RBF unless told otherwise. */
export function spendOwn({ inputs, outputs, lockHeight = 0, version = 2 }: OwnSpend): { raw: string; txid: string } {
  const tx = new Transaction({ version, lockTime: lockHeight, allowUnknownOutputs: true });
  for (const { outpoint, sats, sequence = 0xffff_fffd } of inputs) {
    const { txid, vout } = readOutpoint(outpoint);
    const witnessUtxo = { script: payment.script, amount: sats };
    tx.addInput({ txid, index: vout, sequence, witnessUtxo, tapInternalKey: payment.tapInternalKey });
  }
  for (const { script, sats } of outputs) tx.addOutput({ script: hex.decode(script), amount: sats });
  tx.sign(secret, undefined, new Uint8Array(32));
  tx.finalize();
  return { raw: hex.encode(tx.extract()), txid: tx.id };
}

import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { base64, hex } from '@scure/base';
import { p2tr, p2wpkh } from '@scure/btc-signer/payment.js';
import { RawPSBTV0 } from '@scure/btc-signer/psbt.js';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { addressScript, type Prevout } from './draft.ts';
import { networks } from './network.ts';

/** What tests of listings share: two sellers with fixed keys, and a wallet that signs whatever it is shown. */

const secret = new Uint8Array(32).fill(3);
const auxRand = new Uint8Array(32).fill(1);
export const payoutAddress = 'bcrt1pf2ggd8tnu9c5gc4lg7eur7hvgw5ev3dkdp8aqpvaat9e074q2xqq4ux4mm';
export const payoutScript = addressScript(payoutAddress, 'regtest');

const network = networks.regtest.address;
const taproot = p2tr(schnorr.getPublicKey(secret), undefined, network);
const segwit = p2wpkh(secp256k1.getPublicKey(secret), network);

const sourceOf = (script: Uint8Array, vout: number): Prevout => ({
  outpoint: `${'aa'.repeat(32)}:${vout}`,
  valueSats: 10_000n,
  script: hex.encode(script),
});

type Owner = { source: Prevout; address: string; internalKey?: string };

export const keyPath = {
  source: sourceOf(taproot.script, 0),
  address: taproot.address ?? '',
  internalKey: hex.encode(schnorr.getPublicKey(secret)),
};
export const keyHash: Owner = { source: sourceOf(segwit.script, 1), address: segwit.address ?? '' };

/** Signs whatever it is shown, with the sighash that stands in there. */
export function signed(psbt: string, { internalKey }: Owner): string {
  const tx = Transaction.fromPSBT(base64.decode(psbt), { allowUnknownOutputs: true, disableScriptCheck: true });
  if (internalKey !== undefined) tx.updateInput(0, { tapInternalKey: hex.decode(internalKey) });
  const { sighashType = 0 } = tx.getInput(0);
  tx.signIdx(secret, 0, [sighashType], auxRand);
  return base64.encode(tx.toPSBT(0));
}

type Form = {
  version: number;
  lockTime: number;
  sequence: number;
  sighash: number;
  payouts: readonly { script: string; valueSats: bigint }[];
  more: readonly Prevout[];
};

/** A listing that is valid but for what `changed` says, signed as it is. */
export function listed(owner: Owner, changed: Partial<Form> = {}): string {
  const form: Form = {
    ...{ version: 2, lockTime: 0, sequence: 0xfffffffd, sighash: 0x83, more: [] },
    ...{ payouts: [{ script: payoutScript, valueSats: 150_000n }], ...changed },
  };
  const tx = new Transaction({
    ...{ version: form.version, lockTime: form.lockTime, allowUnknownOutputs: true, disableScriptCheck: true },
  });
  for (const { outpoint, valueSats, script } of [owner.source, ...form.more])
    tx.addInput({
      ...{ txid: hex.decode(outpoint.slice(0, 64)), index: Number(outpoint.slice(65)), sequence: form.sequence },
      ...{ witnessUtxo: { amount: valueSats, script: hex.decode(script) }, sighashType: form.sighash },
    });
  for (const { script, valueSats } of form.payouts) tx.addOutput({ script: hex.decode(script), amount: valueSats });
  return signed(base64.encode(tx.toPSBT(0)), owner);
}

type Psbt = ReturnType<typeof RawPSBTV0.decode>;

/** A PSBT with one of its fields changed behind the signer's back. */
export function edited(psbt: string, change: (input: Psbt['inputs'][number], whole: Psbt) => void): string {
  const whole = RawPSBTV0.decode(base64.decode(psbt));
  const [input] = whole.inputs;
  if (input === undefined) throw new Error('a PSBT to be edited must have an input');
  change(input, whole);
  return base64.encode(RawPSBTV0.encode(whole));
}

/** The same with a final witness in place of the signature, as most wallets hand it out (BIP 174, input finalizer). */
export const finished = (psbt: string): string =>
  edited(psbt, (input) => {
    const [key, signature] = input.partialSig?.[0] ?? [];
    const witness = input.tapKeySig === undefined ? [signature, key] : [input.tapKeySig];
    input.finalScriptWitness = witness.filter((item) => item !== undefined);
    delete input.tapKeySig;
    delete input.partialSig;
    delete input.sighashType;
  });

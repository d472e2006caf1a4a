import { schnorr } from '@noble/curves/secp256k1.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { TaprootControlBlock } from '@scure/btc-signer/psbt.js';
import { Address, OutScript, Script } from '@scure/btc-signer';
import { Transaction } from '@scure/btc-signer/transaction.js';
import { type NetworkName, networks } from 'sparkle-protocol/protocol/network';

const REVEAL_FEE_SATS = 2_000n;

/** A key of no worth: whoever reads this file can spend what it holds, which is one commit output on a private chain. */
const commitKey = new Uint8Array(32).fill(7);

/** One inscription as `ord` reads it: its body, its content type and, for a sat that is not the first, its pointer. */
export type Envelope = { body: Uint8Array; contentType: string; pointer?: bigint };

function littleEndian(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  return Uint8Array.from(bytes);
}

function envelopeScript({ body, contentType, pointer }: Envelope): Uint8Array {
  const text = new TextEncoder();
  const chunks: Uint8Array[] = [];
  // BIP 342 keeps the 520-byte limit on what one push may hold.
  for (let start = 0; start < body.length; start += 520) chunks.push(body.subarray(start, start + 520));
  return Script.encode([
    ...[0, 'IF' as const, text.encode('ord')],
    ...[Uint8Array.of(1), text.encode(contentType)],
    ...(pointer === undefined ? [] : [Uint8Array.of(2), littleEndian(pointer)]),
    ...[0, ...chunks, 'ENDIF' as const],
  ]);
}

/** The output to be paid first. Its script leaf carries the envelopes and shows them when it is spent. */
export function commitOutput(envelopes: readonly Envelope[], network: NetworkName = 'regtest') {
  const head = Script.encode([schnorr.getPublicKey(commitKey), 'CHECKSIG']);
  const leaf = Uint8Array.from([head, ...envelopes.map(envelopeScript)].flatMap((part) => [...part]));
  const payment = p2tr(undefined, { script: leaf, leafVersion: 0xc0 }, networks[network].address, true);
  return { address: payment.address, leaf, payment, network };
}

/** The reveal: spends the commit output and puts its sats, less the fee, on `outputs` in order. Returns raw and txid. */
export function revealTransaction(input: {
  commit: ReturnType<typeof commitOutput>;
  outpoint: string;
  valueSats: bigint;
  outputs: readonly { address: string; valueSats: bigint }[];
}): { raw: string; txid: string } {
  const { leaf, payment, network } = input.commit;
  const address = Address(networks[network].address);
  const [txid, index] = input.outpoint.split(':');
  const tx = new Transaction({ allowUnknownInputs: true, allowUnknownOutputs: true });
  tx.addInput({
    ...{ txid: txid ?? '', index: Number(index), tapInternalKey: payment.tapInternalKey },
    witnessUtxo: { script: payment.script, amount: input.valueSats },
    ...(payment.tapLeafScript === undefined ? {} : { tapLeafScript: payment.tapLeafScript }),
  });
  for (const output of input.outputs)
    tx.addOutput({ script: OutScript.encode(address.decode(output.address)), amount: output.valueSats });
  tx.sign(commitKey, undefined, new Uint8Array(32));
  const signature = tx.getInput(0).tapScriptSig?.[0]?.[1];
  const control = payment.tapLeafScript?.[0]?.[0];
  if (signature === undefined || control === undefined) throw new Error('the reveal could not be signed');
  tx.updateInput(0, { finalScriptWitness: [signature, leaf, TaprootControlBlock.encode(control)] }, true);
  return { raw: hex.encode(tx.extract()), txid: tx.id };
}

/** What the commit output must hold so that the reveal can pay these sats and its fee. */
export const commitSats = (postageSats: bigint, envelopes: readonly Envelope[]): bigint =>
  postageSats + REVEAL_FEE_SATS + envelopes.reduce((sum, { body }) => sum + BigInt(body.length), 0n);

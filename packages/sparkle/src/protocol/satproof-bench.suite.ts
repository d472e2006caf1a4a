import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { TaprootControlBlock } from '@scure/btc-signer/psbt.js';
import { Script } from '@scure/btc-signer/script.js';
import { inscriptionEnvelope } from './envelope.ts';
import { NUMS_KEY } from './lock.ts';
import { networks } from './network.ts';
import { makeSatProof } from './satproof.ts';
import { readTransaction, txidOf, writeTransaction, type TransactionInput } from './transaction.ts';

export const SIGNATURE = new Uint8Array(64).fill(1);
export const PLAIN = Uint8Array.of(0x51);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Script bytes of an envelope with these fields, in hex. */
export const envelope = (fields = ''): Uint8Array => hex.decode(`0063036f7264${fields}68`);

export type Coin = { raw: string; vout: number; witness?: Uint8Array[] };
type Payout = bigint | { valueSats: bigint; script: Uint8Array };

/** A transaction that spends coins; `salt` makes those different that would else be the same. */
export function spend({
  coins,
  outputs,
  salt,
}: {
  coins: readonly Coin[];
  outputs: readonly Payout[];
  salt: number;
}): string {
  const inputs = coins.map(({ raw, vout, witness }): TransactionInput => {
    const scriptSig = new Uint8Array();
    return { txid: txidOf(raw), vout, scriptSig, sequence: 0, witness: witness ?? [SIGNATURE] };
  });
  return writeTransaction({ version: 2, inputs, outputs: outputs.map(payout), lockTime: salt });
}

const payout = (output: Payout): { valueSats: bigint; script: Uint8Array } =>
  typeof output === 'bigint' ? { valueSats: output, script: PLAIN } : output;

/** A coin out of nowhere. */
export function coin({ output, salt }: { output: Payout; salt: number }): Coin {
  const nowhere = { txid: 'ee'.repeat(32), vout: salt, scriptSig: new Uint8Array(), sequence: 0, witness: [SIGNATURE] };
  const raw = writeTransaction({ version: 2, inputs: [nowhere], outputs: [payout(output)], lockTime: salt });
  return { raw, vout: 0 };
}

/** A coin whose output commits to a leaf with these envelopes, and the witness that reveals the leaf. */
export function commit({
  envelopes,
  valueSats,
  salt,
}: {
  envelopes: readonly Uint8Array[];
  valueSats: bigint;
  salt: number;
}): Coin {
  const check = Script.encode([hex.decode(NUMS_KEY), 'CHECKSIG']);
  const script = Uint8Array.from([check, ...envelopes].flatMap((bytes) => [...bytes]));
  // A second leaf, so that the control block has a path.
  const output = p2tr(hex.decode(NUMS_KEY), [{ script }, { script: check }], networks.regtest.address, true);
  const leaf = output.tapLeafScript?.find(([, found]) => hex.encode(found).startsWith(hex.encode(script)));
  if (leaf === undefined) throw new Error('the library made an output without the leaf it was given');
  const witness = [SIGNATURE, script, TaprootControlBlock.encode(leaf[0])];
  return { ...coin({ output: { valueSats, script: output.script }, salt }), witness };
}

export const withoutWitness = (raw: string): string => {
  const { inputs, ...rest } = readTransaction(raw);
  return writeTransaction({ ...rest, inputs: inputs.map((input) => ({ ...input, witness: [] })) });
};

/** An inscription that moved twice, and the proof of where it is. */
export const hello = commit({
  envelopes: [inscriptionEnvelope({ contentType: 'text/plain', body: utf8('hello') })],
  valueSats: 1000n,
  salt: 1,
});
export const reveal = spend({ coins: [hello], outputs: [900n], salt: 2 });
export const padding = coin({ output: 500n, salt: 3 });
export const change = coin({ output: 5000n, salt: 4 });
export const firstHop = spend({
  coins: [padding, { raw: reveal, vout: 0 }, change],
  outputs: [600n, 700n, 4000n],
  salt: 5,
});
export const secondHop = spend({ coins: [{ raw: firstHop, vout: 0 }], outputs: [550n], salt: 6 });
export const inscriptionId = `${txidOf(reveal)}i0`;
export const everything = [secondHop, firstHop, reveal, hello.raw, padding.raw, change.raw];
export const proof = makeSatProof({ inscriptionId, transactions: everything });

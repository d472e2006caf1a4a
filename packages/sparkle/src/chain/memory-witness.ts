import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js';
import { ripemd160 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { Transaction as SignedTransaction } from '@scure/btc-signer/transaction.js';
import { revealedLeaf } from '../protocol/envelope.ts';
import { isCommittedLeaf } from '../protocol/taproot.ts';
import type { Transaction, TransactionInput } from '../protocol/transaction.ts';
import { refusal } from './memory-refusal.ts';
import { runLeaf } from './memory-script.ts';

/** A transaction with what its inputs spend, in order; `script` is hex. */
type SpendCheck = {
  raw: string;
  transaction: Transaction;
  spent: readonly { valueSats: bigint; script: string }[];
};

type InputCheck = SpendCheck & { index: number; input: TransactionInput; script: Uint8Array };

const TAPSCRIPT = 0xc0;
const ANNEX = 0x50;
const SIGHASH_TYPES = [0x01, 0x02, 0x03, 0x81, 0x82, 0x83];
/** Pay to anchor (Bitcoin Core 28), spendable by anybody. */
const ANCHOR = '51024e73';

const failed = (rule: string) => refusal(`mandatory-script-verify-flag-failed (${rule})`);

const signed = (raw: string): SignedTransaction =>
  SignedTransaction.fromRaw(hex.decode(raw), {
    ...{ allowUnknownInputs: true, allowUnknownOutputs: true, disableScriptCheck: true },
  });

/** BIP 341: 64 bytes sign everything; a 65th byte names another kind of signature, and must not be the default's. */
function schnorrSigned(
  check: InputCheck,
  { key, signature, leaf }: { key: Uint8Array; signature: Uint8Array; leaf?: Uint8Array },
): boolean {
  const [type] = signature.length === 65 ? signature.slice(64) : [0];
  if (type === undefined || (signature.length !== 64 && !(signature.length === 65 && SIGHASH_TYPES.includes(type))))
    return false;
  const scripts = check.spent.map(({ script }) => hex.decode(script));
  const values = check.spent.map(({ valueSats }) => valueSats);
  const message = signed(check.raw).preimageWitnessV1(check.index, scripts, type, values, undefined, leaf, TAPSCRIPT);
  return schnorr.verify(signature.slice(0, 64), message, key);
}

function checkTaproot(check: InputCheck): void {
  const { witness, sequence } = check.input;
  const { version, lockTime } = check.transaction;
  const [first, ...others] = witness;
  if (first === undefined) throw failed('Witness program was passed an empty witness');
  if (others.length > 0 && witness.at(-1)?.[0] === ANNEX) throw refusal('bad-witness-nonstandard');
  if (others.length === 0) {
    if (schnorrSigned(check, { key: check.script.slice(2), signature: first })) return;
    throw failed('Invalid Schnorr signature');
  }
  const leaf = revealedLeaf(witness);
  if (leaf === undefined || !isCommittedLeaf({ output: check.script, leaf }))
    throw failed('Witness program hash mismatch');
  if (((leaf.controlBlock[0] ?? 0) & 0xfe) !== TAPSCRIPT)
    throw failed('Taproot version reserved for soft-fork upgrades');
  const verify = (request: { key: Uint8Array; signature: Uint8Array }): boolean =>
    schnorrSigned(check, { ...request, leaf: leaf.script });
  runLeaf({ script: leaf.script, stack: witness.slice(0, -2), context: { version, lockTime, sequence, verify } });
}

/** BIP 143: a signature and the key whose hash the output names. */
function checkKeyHash(check: InputCheck): void {
  const [signature, key, ...others] = check.input.witness;
  if (signature === undefined || key === undefined || others.length > 0) throw failed('Witness program hash mismatch');
  const hash = check.script.slice(2);
  if (hex.encode(ripemd160(sha256(key))) !== hex.encode(hash)) throw failed('Witness program hash mismatch');
  const spends = Uint8Array.from([0x76, 0xa9, 0x14, ...hash, 0x88, 0xac]);
  const type = signature.at(-1) ?? 0;
  const value = check.spent[check.index]?.valueSats ?? 0n;
  const message = signed(check.raw).preimageWitnessV0(check.index, spends, type, value);
  const valid = secp256k1.verify(signature.slice(0, -1), message, key, { format: 'der', prehash: false });
  if (!valid) throw failed('Signature must be zero for failed CHECK(MULTI)SIG operation');
}

function checkInput(check: InputCheck): void {
  const script = hex.encode(check.script);
  if (/^5120[0-9a-f]{64}$/.test(script)) return checkTaproot(check);
  if (/^0014[0-9a-f]{40}$/.test(script)) return checkKeyHash(check);
  const isSigned = check.input.witness.length > 0 || check.input.scriptSig.length > 0;
  if (script === ANCHOR ? isSigned : !isSigned)
    throw failed('Script evaluated without error but finished with a false/empty top stack element');
}

/**
 * Checks that every input may be spent as it is: Taproot by key and by leaf, P2WPKH, and anchors. For other kinds of
 * outputs only that there is something like a signature. Throws `broadcast_refused`.
 */
export function checkWitnesses(check: SpendCheck): void {
  for (const [index, input] of check.transaction.inputs.entries())
    checkInput({ ...check, index, input, script: hex.decode(check.spent[index]?.script ?? '') });
}

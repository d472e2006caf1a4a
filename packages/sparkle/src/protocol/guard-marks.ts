import { readTransaction, type Transaction } from './transaction.ts';

/**
 * What the transaction that created an output shows of tokens that no index of inscriptions follows: a runestone (runes),
 * one that carries a protostone (Alkanes and others ride on it), or the mint of a CAT-21, whose mark is its locktime.
 */
export type Mark = 'runestone' | 'protostone' | 'cat21_mint';

const OP_RETURN = 0x6a;
const OP_13 = 0x5d;
const OP_PUSHDATA1 = 0x4c;
const OP_PUSHDATA4 = 0x4e;
const TAG_BODY = 0n;
// Source: protorune specification, tag "Protocol" of a runestone.
const TAG_PROTOCOL = 16_383n;
// Source: CAT-21 specification, ordpool-parser 2.0.3.
const CAT21_LOCKTIME = 21;
/** Runestone integers have at most 128 bits, 7 in each byte. */
const MOST_INTEGER_BYTES = 19;

/** The marks of a raw transaction (hex). Throws `bad_transaction`. */
export const marksOf = (raw: string): Mark[] => marksIn(readTransaction(raw));

/** `marksOf` for a transaction that was read already. */
export function marksIn({ outputs, lockTime }: Pick<Transaction, 'outputs' | 'lockTime'>): Mark[] {
  const stones = outputs.map(({ script }) => script).filter(isRunestone);
  return [
    ...(stones.length > 0 ? (['runestone'] as const) : []),
    ...(stones.some(hasProtostone) ? (['protostone'] as const) : []),
    ...(lockTime === CAT21_LOCKTIME ? (['cat21_mint'] as const) : []),
  ];
}

const isRunestone = (script: Uint8Array): boolean => script[0] === OP_RETURN && script[1] === OP_13;

/** Source: ord, crates/ordinals/src/runestone.rs: pairs of tag and value, from tag 0 on edicts. */
function hasProtostone(script: Uint8Array): boolean {
  const integers = integersOf(payloadOf(script));
  for (let at = 0; at + 1 < integers.length && integers[at] !== TAG_BODY; at += 2)
    if (integers[at] === TAG_PROTOCOL) return true;
  return false;
}

/** What the pushes after OP_13 hold together, as far as they are pushes. */
function payloadOf(script: Uint8Array): number[] {
  const payload: number[] = [];
  for (let at = 2; at < script.length;) {
    const opcode = script[at] ?? 0;
    if (opcode > OP_PUSHDATA4) break;
    const sizeBytes = opcode < OP_PUSHDATA1 ? 0 : 2 ** (opcode - OP_PUSHDATA1);
    const size = script.slice(at + 1, at + 1 + sizeBytes).reduceRight((sum, byte) => sum * 256 + byte, 0);
    const start = at + 1 + sizeBytes;
    const end = start + (sizeBytes === 0 ? opcode : size);
    payload.push(...script.slice(start, Math.min(end, script.length)));
    at = end;
  }
  return payload;
}

function integersOf(payload: readonly number[]): bigint[] {
  const integers: bigint[] = [];
  let value = 0n;
  let bytes = 0;
  for (const byte of payload) {
    value |= BigInt(byte & 0x7f) << BigInt(7 * bytes);
    bytes += 1;
    if (bytes > MOST_INTEGER_BYTES) break;
    if ((byte & 0x80) !== 0) continue;
    integers.push(value);
    value = 0n;
    bytes = 0;
  }
  return integers;
}

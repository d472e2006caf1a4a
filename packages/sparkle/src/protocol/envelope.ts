import { Script } from '@scure/btc-signer/script.js';
import { SparkleError } from './errors.ts';
import { readTransaction, type Transaction } from './transaction.ts';

/** An inscription as its reveal transaction carries it. */
export type Envelope = {
  /** The i of the inscription id: its number among all envelopes of the transaction. */
  index: number;
  /** The input whose witness holds it. */
  input: number;
  /** `undefined` when absent or not UTF-8. */
  contentType: string | undefined;
  body: Uint8Array | undefined;
  /** Tag 2: on which sat of the outputs, all counted together, the inscription wants to be. */
  pointer: bigint | undefined;
  /** It has an even tag that this reader does not know (66 is one for ever): ord then binds it to no sat. */
  hasUnknownEvenTag: boolean;
};

/** The script that a witness reveals, with what proves that the output committed to it (BIP 341). */
export type RevealedLeaf = { script: Uint8Array; controlBlock: Uint8Array };

// BIP 342 keeps the limit of 520 bytes for one stack element, and a push is one.
const MAX_PUSH = 520;
const ANNEX = 0x50;
const TAG_CONTENT_TYPE = 1;
const TAG_POINTER = 2;

const PROTOCOL_ID = Uint8Array.of(0x6f, 0x72, 0x64);

/**
 * The script bytes that inscribe `body`, in the form ord writes: to be put behind the key check of a tapscript leaf.
 * Throws `bad_script` when the content type is longer than one push. Source: ord, docs/src/inscriptions.md.
 */
export function inscriptionEnvelope({ contentType, body }: { contentType: string; body: Uint8Array }): Uint8Array {
  const type = new TextEncoder().encode(contentType);
  if (type.length > MAX_PUSH)
    throw new SparkleError('bad_script', `a content type must have at most ${MAX_PUSH} bytes; got ${type.length}`);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += MAX_PUSH) chunks.push(body.slice(at, at + MAX_PUSH));
  return Script.encode([0, 'IF', PROTOCOL_ID, Uint8Array.of(TAG_CONTENT_TYPE), type, 0, ...chunks, 'ENDIF']);
}

/** All inscriptions that a raw transaction reveals, in the order of their ids. Throws `bad_transaction`. */
export const readEnvelopes = (raw: string): Envelope[] => envelopesOf(readTransaction(raw));

/** All inscriptions that a transaction reveals, found exactly where and how ord finds them. */
export function envelopesOf({ inputs }: Pick<Transaction, 'inputs'>): Envelope[] {
  return inputs
    .flatMap(({ witness }, input) => payloadsOf(witness).map((payload) => ({ input, ...fieldsOf(payload) })))
    .map((envelope, index) => ({ index, ...envelope }));
}

/**
 * The leaf that a witness would reveal if its input is a script path spend, `undefined` when it is too short for one.
 * BIP 341: the last element is the control block, the one before it the script, an annex not counted.
 */
export function revealedLeaf(witness: readonly Uint8Array[]): RevealedLeaf | undefined {
  const hasAnnex = witness.length >= 2 && witness.at(-1)?.[0] === ANNEX;
  const [script, controlBlock] = (hasAnnex ? witness.slice(0, -1) : witness).slice(-2);
  return script === undefined || controlBlock === undefined ? undefined : { script, controlBlock };
}

function payloadsOf(witness: readonly Uint8Array[]): Uint8Array[][] {
  const leaf = revealedLeaf(witness);
  const instructions = leaf === undefined ? undefined : instructionsOf(leaf.script);
  return instructions === undefined ? [] : envelopesIn(instructions);
}

const OP_PUSHDATA1 = 0x4c;
const OP_PUSHDATA4 = 0x4e;
const OP_1NEGATE = 0x4f;
const OP_1 = 0x51;
const OP_16 = 0x60;
const OP_IF = 0x63;
const OP_ENDIF = 0x68;

/** Pushed bytes, or the number of an opcode that pushes none. */
type Instruction = Uint8Array | number;

/** The instructions of a script, minimal or not; `undefined` when a push runs over its end: ord then ignores all of it. */
function instructionsOf(script: Uint8Array): Instruction[] | undefined {
  const instructions: Instruction[] = [];
  for (let at = 0; at < script.length;) {
    const opcode = script[at] ?? 0;
    at += 1;
    if (opcode > OP_PUSHDATA4) {
      instructions.push(opcode);
      continue;
    }
    const lengthBytes = opcode < OP_PUSHDATA1 ? 0 : 2 ** (opcode - OP_PUSHDATA1);
    const length = lengthBytes === 0 ? opcode : littleEndian(script.slice(at, at + lengthBytes));
    const end = at + lengthBytes + length;
    if (end > script.length) return undefined;
    instructions.push(script.slice(at + lengthBytes, end));
    at = end;
  }
  return instructions;
}

const littleEndian = (bytes: Uint8Array): number => bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);

function envelopesIn(instructions: readonly Instruction[]): Uint8Array[][] {
  const payloads: Uint8Array[][] = [];
  let at = 0;
  while (at < instructions.length) {
    const isOpen =
      isPushOf(instructions[at], '') && instructions[at + 1] === OP_IF && isPushOf(instructions[at + 2], 'ord');
    if (!isOpen) {
      at += 1;
      continue;
    }
    const end = endOfPushes(instructions, at + 3);
    if (instructions[end] === OP_ENDIF) payloads.push(instructions.slice(at + 3, end).map(pushedBytes));
    at = end + 1;
  }
  return payloads;
}

const isPushOf = (instruction: Instruction | undefined, text: string): boolean =>
  instruction instanceof Uint8Array && String.fromCharCode(...instruction.slice(0, 4)) === text;

const isPush = (instruction: Instruction): boolean =>
  typeof instruction !== 'number' || instruction === OP_1NEGATE || (instruction >= OP_1 && instruction <= OP_16);

function endOfPushes(instructions: readonly Instruction[], start: number): number {
  let end = start;
  for (let next = instructions[end]; next !== undefined && isPush(next); next = instructions[end]) end += 1;
  return end;
}

function pushedBytes(instruction: Instruction): Uint8Array {
  if (typeof instruction !== 'number') return instruction;
  return Uint8Array.of(instruction === OP_1NEGATE ? 0x81 : instruction - OP_1 + 1);
}

/** Reads what stands in an envelope: pairs of tag and value, then, after an empty tag, the body. */
function fieldsOf(payload: readonly Uint8Array[]): Omit<Envelope, 'index' | 'input'> {
  const found = payload.findIndex((push, position) => position % 2 === 0 && push.length === 0);
  const end = found === -1 ? payload.length : found;
  // A tag without a value is left out, as ord does.
  const fields = Array.from({ length: Math.floor(end / 2) }, (_, pair) => ({
    tag: payload[2 * pair] ?? new Uint8Array(),
    value: payload[2 * pair + 1] ?? new Uint8Array(),
  }));
  const valuesOf = (tag: number): Uint8Array[] =>
    fields.filter((field) => field.tag.length === 1 && field.tag[0] === tag).map(({ value }) => value);
  const pointers = valuesOf(TAG_POINTER);
  const evenTags = fields.filter(({ tag }) => (tag[0] ?? 1) % 2 === 0).length;
  return {
    contentType: textOf(valuesOf(TAG_CONTENT_TYPE)[0]),
    body: found === -1 ? undefined : joined(payload.slice(found + 1)),
    pointer: pointerOf(pointers[0]),
    // Only the first pointer is known; a second one is an even tag left over.
    hasUnknownEvenTag: evenTags > Math.min(pointers.length, 1),
  };
}

function pointerOf(bytes: Uint8Array | undefined): bigint | undefined {
  if (bytes === undefined || bytes.slice(8).some((byte) => byte !== 0)) return undefined;
  return bytes.slice(0, 8).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    if (cause instanceof TypeError) return undefined;
    throw cause;
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

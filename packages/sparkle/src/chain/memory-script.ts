import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { Script, type ScriptType } from '@scure/btc-signer/script.js';
import { refusal } from './memory-refusal.ts';

/** What a leaf is run with: the transaction's own fields, and a check of a signature by an x-only key of 32 bytes. */
export type LeafContext = {
  version: number;
  lockTime: number;
  sequence: number;
  verify(request: { key: Uint8Array; signature: Uint8Array }): boolean;
};

const FIRST_UNIX_LOCKTIME = 500_000_000n;
const SEQUENCE_FINAL = 0xffff_ffff;
/** BIP 68: bit 31 switches the rule off, bit 22 says seconds, the low 16 bits are the number. */
const SEQUENCE_OFF = 1n << 31n;
const SEQUENCE_SECONDS = 1n << 22n;
const SEQUENCE_NUMBER = 0xffffn;

const failed = (rule: string) => refusal(`mandatory-script-verify-flag-failed (${rule})`);
const EMPTY = new Uint8Array();
const TRUE = Uint8Array.of(1);

const isTrue = (item: Uint8Array): boolean =>
  item.some((byte, index) => byte !== 0 && !(index === item.length - 1 && byte === 0x80));

/** BIP 65 and BIP 112: numbers of up to 5 bytes, little-endian with a sign bit, written as short as can be. */
function readNumber(item: Uint8Array): bigint {
  const last = item.at(-1) ?? 0;
  const padded = item.length > 0 && (last & 0x7f) === 0 && (item.length === 1 || ((item.at(-2) ?? 0) & 0x80) === 0);
  if (item.length > 5 || padded) throw failed('unknown error');
  const size = item.reduceRight((sum, byte, index) => {
    const bits = index === item.length - 1 ? byte & 0x7f : byte;
    return (sum << 8n) | BigInt(bits);
  }, 0n);
  return (last & 0x80) === 0 ? size : -size;
}

function writeNumber(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256);
  if (((bytes.at(-1) ?? 0) & 0x80) !== 0) bytes.push(0);
  return Uint8Array.from(bytes);
}

class LeafRun {
  private readonly stack: Uint8Array[];
  private readonly context: LeafContext;
  /** One entry per open IF: whether its branch runs. */
  private readonly branches: boolean[] = [];

  constructor(stack: readonly Uint8Array[], context: LeafContext) {
    this.stack = [...stack];
    this.context = context;
  }

  run(script: ScriptType): void {
    for (const step of script) this.take(step);
    if (this.branches.length > 0) throw failed('Invalid OP_IF construction');
    if (this.stack.length !== 1) throw failed('Stack size must be exactly one after execution');
    if (!isTrue(this.pop()))
      throw failed('Script evaluated without error but finished with a false/empty top stack element');
  }

  private take(step: ScriptType[number]): void {
    const runs = this.branches.every((branch) => branch);
    if (step === 'IF') return void this.branches.push(runs && this.condition());
    if (step === 'ENDIF') {
      if (this.branches.pop() === undefined) throw failed('Invalid OP_IF construction');
      return;
    }
    if (!runs) return;
    if (step instanceof Uint8Array) this.stack.push(step);
    else if (typeof step === 'number') this.stack.push(step === 0 ? EMPTY : writeNumber(step));
    else this.operate(step);
  }

  private operate(operation: string): void {
    switch (operation) {
      case 'DROP':
        return void this.pop();
      case 'SIZE':
        return void this.stack.push(writeNumber(this.top().length));
      case 'SHA256':
        return void this.stack.push(sha256(this.pop()));
      case 'EQUAL':
        return void this.stack.push(this.equal() ? TRUE : EMPTY);
      case 'EQUALVERIFY':
        return this.must(this.equal(), 'Script failed an OP_EQUALVERIFY operation');
      case 'VERIFY':
        return this.must(isTrue(this.pop()), 'Script failed an OP_VERIFY operation');
      case 'CHECKSIG':
        return void this.stack.push(this.signed() ? TRUE : EMPTY);
      case 'CHECKSIGVERIFY':
        return this.must(this.signed(), 'Script failed an OP_CHECKSIGVERIFY operation');
      case 'CHECKLOCKTIMEVERIFY':
        return this.checkLockTime();
      case 'CHECKSEQUENCEVERIFY':
        return this.checkSequence();
      default:
        throw failed(`an operation that this chain does not know: ${operation}`);
    }
  }

  private top(): Uint8Array {
    const item = this.stack.at(-1);
    if (item === undefined) throw failed('Operation not valid with the current stack size');
    return item;
  }

  private pop(): Uint8Array {
    const item = this.top();
    this.stack.pop();
    return item;
  }

  private must(holds: boolean, rule: string): void {
    if (!holds) throw failed(rule);
  }

  private equal(): boolean {
    return hex.encode(this.pop()) === hex.encode(this.pop());
  }

  /** BIP 342: in tapscript the argument of OP_IF is empty or exactly 01. */
  private condition(): boolean {
    const item = this.pop();
    if (item.length > 1 || (item.length === 1 && item[0] !== 1))
      throw failed('OP_IF/NOTIF argument must be minimal in tapscript');
    return item.length === 1;
  }

  private signed(): boolean {
    const key = this.pop();
    const signature = this.pop();
    if (key.length === 0) throw failed('Public key is neither compressed or uncompressed');
    if (signature.length === 0) return false;
    // BIP 342: a key of another length is of an unknown type and any signature counts. That is how coins get lost.
    if (key.length !== 32) return true;
    if (!this.context.verify({ key, signature })) throw failed('Invalid Schnorr signature');
    return true;
  }

  private checkLockTime(): void {
    const wanted = readNumber(this.top());
    const lockTime = BigInt(this.context.lockTime);
    if (wanted < 0n) throw failed('Negative locktime');
    const sameUnit = wanted < FIRST_UNIX_LOCKTIME === lockTime < FIRST_UNIX_LOCKTIME;
    if (!sameUnit || wanted > lockTime || this.context.sequence === SEQUENCE_FINAL)
      throw failed('Locktime requirement not satisfied');
  }

  private checkSequence(): void {
    const wanted = readNumber(this.top());
    if (wanted < 0n) throw failed('Negative locktime');
    if ((wanted & SEQUENCE_OFF) !== 0n) return;
    const sequence = BigInt(this.context.sequence);
    const sameUnit = (wanted & SEQUENCE_SECONDS) === (sequence & SEQUENCE_SECONDS);
    const enough = (wanted & SEQUENCE_NUMBER) <= (sequence & SEQUENCE_NUMBER);
    if (this.context.version < 2 || (sequence & SEQUENCE_OFF) !== 0n || !sameUnit || !enough)
      throw failed('Locktime requirement not satisfied');
  }
}

/**
 * Runs a tapscript leaf (BIP 342) on the witness items in front of it: the operations of our own leaves and of
 * inscription envelopes, nothing else. Throws `broadcast_refused` when it fails or contains another operation.
 */
export function runLeaf(leaf: { script: Uint8Array; stack: readonly Uint8Array[]; context: LeafContext }): void {
  let script: ScriptType;
  try {
    script = Script.decode(leaf.script);
  } catch {
    throw failed('Opcode missing or not understood');
  }
  new LeafRun(leaf.stack, leaf.context).run(script);
}

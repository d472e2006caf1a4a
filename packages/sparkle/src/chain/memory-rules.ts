import { hex } from '@scure/base';
import { dustLimitSats, feeFor } from '../protocol/fees.ts';
import { isCoinbase } from '../protocol/transaction.ts';
import type { Known, MemoryBlocks } from './memory-blocks.ts';
import { refusal } from './memory-refusal.ts';

/** An output that a transaction of the mempool may spend; `height` is absent while its own transaction is unconfirmed. */
export type SpendableCoin = { valueSats: bigint; script: string; height?: number; isCoinbase: boolean };

/** What is known of a transaction once its inputs were found. */
export type Checked = Known & { spent: SpendableCoin[]; feeSats: bigint; vsize: number };

/** What nodes ask at least, in sat/vB: the rule of 2025 and before, which no later node raises. */
export const MIN_RELAY_SAT_VB = 1;

const COINBASE_MATURITY = 100;
const FIRST_UNIX_LOCKTIME = 500_000_000;
const SEQUENCE_FINAL = 0xffff_ffff;
const OP_RETURN = 0x6a;
const MAX_VSIZE = 100_000;
/** BIP 68. */
const [SEQUENCE_OFF, SEQUENCE_SECONDS, SEQUENCE_NUMBER] = [0x8000_0000, 0x0040_0000, 0xffff] as const;

export const TRUC_VERSION = 3;
/** BIP 431: a TRUC transaction has one unconfirmed parent or child at most, and as a child it is small. */
const [TRUC_MAX_VSIZE, TRUC_CHILD_MAX_VSIZE] = [10_000, 1_000] as const;

/** Finds inputs, conserves value and measures. `find` looks into the chain, the mempool and the package. */
export function checkInputs(known: Known, find: (outpoint: string) => SpendableCoin | undefined): Checked {
  const { transaction, raw } = known;
  if (isCoinbase(transaction)) throw refusal('coinbase');
  const spent = transaction.inputs.map(({ txid, vout }) => {
    const coin = find(`${txid}:${vout}`);
    if (coin === undefined) throw refusal('bad-txns-inputs-missingorspent', { outpoint: `${txid}:${vout}` });
    return coin;
  });
  const paid = spent.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  const feeSats = paid - transaction.outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  if (feeSats < 0n) throw refusal('bad-txns-in-belowout', { feeSats });
  const witnessBytes = raw.length / 2 - strippedBytes(known);
  const vsize = Math.ceil((4 * strippedBytes(known) + witnessBytes) / 4);
  return { ...known, spent, feeSats, vsize };
}

const countBytes = (count: number): number => (count < 0xfd ? 1 : count <= 0xffff ? 3 : 5);

/** BIP 141: the size without marker, flag and witnesses. */
function strippedBytes({ transaction: { inputs, outputs } }: Known): number {
  const inputBytes = inputs.map(({ scriptSig }) => 40 + countBytes(scriptSig.length) + scriptSig.length);
  const outputBytes = outputs.map(({ script }) => 8 + countBytes(script.length) + script.length);
  const counts = countBytes(inputs.length) + countBytes(outputs.length);
  return [...inputBytes, ...outputBytes].reduce((sum, bytes) => sum + bytes, 8 + counts);
}

/** Whether the next block could hold it: coinbase maturity, nLockTime, and the relative locks of BIP 68. */
export function checkFinality({ transaction, spent }: Checked, blocks: MemoryBlocks): void {
  const nextHeight = blocks.tip.height + 1;
  const medianTime = blocks.medianTimeAt(blocks.tip.height);
  for (const coin of spent)
    if (coin.isCoinbase && nextHeight - (coin.height ?? nextHeight) < COINBASE_MATURITY)
      throw refusal('bad-txns-premature-spend-of-coinbase');
  const { lockTime, inputs, version } = transaction;
  const isFinal = lockTime < (lockTime < FIRST_UNIX_LOCKTIME ? nextHeight : medianTime);
  if (lockTime !== 0 && !isFinal && inputs.some(({ sequence }) => sequence !== SEQUENCE_FINAL))
    throw refusal('non-final');
  if (version < 2) return;
  for (const [index, { sequence }] of inputs.entries()) {
    const height = spent[index]?.height ?? nextHeight;
    if (sequence >= SEQUENCE_OFF) continue;
    const number = sequence & SEQUENCE_NUMBER;
    const open =
      (sequence & SEQUENCE_SECONDS) === 0
        ? height + number <= nextHeight
        : blocks.medianTimeAt(height - 1) + number * 512 <= medianTime;
    if (!open) throw refusal('non-BIP68-final');
  }
}

/** What nodes ask of a single transaction whatever it pays: size, outputs above dust. */
export function checkStandard({ transaction, vsize }: Checked): void {
  if (transaction.version < 1 || transaction.version > TRUC_VERSION) throw refusal('version');
  if (vsize > MAX_VSIZE) throw refusal('tx-size');
  for (const { valueSats, script } of transaction.outputs)
    if (script[0] !== OP_RETURN && valueSats < dustLimitSats(hex.encode(script))) throw refusal('dust');
}

/** BIP 431, given the unconfirmed parents; how many children a parent has is counted by the mempool. */
export function checkTruc({ transaction, vsize }: Checked, parents: readonly Known[]): void {
  const isTruc = transaction.version === TRUC_VERSION;
  if (parents.some((parent) => (parent.transaction.version === TRUC_VERSION) !== isTruc))
    throw refusal('TRUC-violation');
  if (!isTruc) return;
  const limit = parents.length === 0 ? TRUC_MAX_VSIZE : TRUC_CHILD_MAX_VSIZE;
  if (parents.length > 1 || vsize > limit) throw refusal('TRUC-violation');
}

/** A transaction that pays too little alone may only enter when it is TRUC and a child pays for it. */
export function checkFee({ transaction, feeSats, vsize }: Checked, company: 'alone' | 'package'): void {
  const least = feeFor({ vsize, feerateSatVb: MIN_RELAY_SAT_VB });
  const excused = company === 'package' && transaction.version === TRUC_VERSION;
  if (feeSats < least && !excused) throw refusal('min relay fee not met', { feeSats, least });
}

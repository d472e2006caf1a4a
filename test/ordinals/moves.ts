import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes } from '@noble/hashes/utils.js';
import { p2tr } from '@scure/btc-signer/payment.js';
import { TaprootControlBlock } from '@scure/btc-signer/psbt.js';
import { networks } from 'sparkle-protocol/protocol/network';
import { readTransaction, writeTransaction, type TransactionOutput } from 'sparkle-protocol/protocol/transaction';
import type { Chance } from '../sim/chance.ts';
import { envelopeLeaf } from './envelopes.ts';

/** An output that anyone can spend, and how. */
export type OpenCoin = { outpoint: string; valueSats: bigint; witness: readonly Uint8Array[] };

type OpenOutput = TransactionOutput & { witness: readonly Uint8Array[] | undefined };

const TRUE = Uint8Array.of(0x51);

/** P2WSH of a script that is always true. */
export const openScript = concatBytes(Uint8Array.of(0, 32), sha256(TRUE));
export const openWitness: readonly Uint8Array[] = [TRUE];

const open = (valueSats: bigint): OpenOutput => ({ valueSats, script: openScript, witness: openWitness });
const burning = (valueSats: bigint): OpenOutput => ({ valueSats, script: Uint8Array.of(0x6a, 0), witness: undefined });

/** An output whose spend shows envelopes; nobody needs to sign it. */
function inscribing(chance: Chance, valueSats: bigint): OpenOutput {
  const leaf = envelopeLeaf(chance, valueSats);
  const payment = p2tr(undefined, { script: leaf, leafVersion: 0xc0 }, networks.regtest.address, true);
  const control = payment.tapLeafScript?.[0]?.[0];
  if (control === undefined) throw new Error('a leaf must have a control block');
  return { valueSats, script: payment.script, witness: [leaf, TaprootControlBlock.encode(control)] };
}

function output(chance: Chance, valueSats: bigint): OpenOutput {
  if (chance.happens(0.06)) return burning(valueSats);
  return chance.happens(0.3) ? inscribing(chance, valueSats) : open(valueSats);
}

/** Cuts sats into parts at places of chance; a part may be a single sat, or none. */
function parted(chance: Chance, totalSats: bigint, parts: number): bigint[] {
  const cuts = Array.from({ length: parts - 1 }, () => (totalSats * BigInt(chance.between(0, 1000))) / 1000n);
  const edges = [0n, ...cuts.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)), totalSats];
  return edges.slice(1).map((edge, index) => edge - (edges[index] ?? 0n));
}

/** What goes to the miner: mostly little, sometimes much of it, sometimes nearly all. */
function feeOf(chance: Chance, totalSats: bigint): bigint {
  const percent = chance.oneOf([0, 0, 0, 1, 1, 3, 10, 30, 70, 100]);
  return (totalSats * BigInt(percent)) / 100n;
}

export type Move = { raw: string; txid: string; feeSats: bigint; made: OpenCoin[] };

/** A transaction that spends these coins into these outputs. */
export function spending(coins: readonly OpenCoin[], outputs: readonly OpenOutput[]): Move {
  const raw = writeTransaction({
    version: 2,
    inputs: coins.map(({ outpoint, witness }) => ({
      ...{ txid: outpoint.slice(0, 64), vout: Number(outpoint.slice(65)) },
      ...{ scriptSig: new Uint8Array(), sequence: 0xffff_ffff, witness: [...witness] },
    })),
    outputs: [...outputs],
    lockTime: 0,
  });
  const { txid } = readTransaction(raw);
  const sum = (all: readonly { valueSats: bigint }[]): bigint => all.reduce((so, { valueSats }) => so + valueSats, 0n);
  const made = outputs.flatMap(({ valueSats, witness }, vout) =>
    witness === undefined ? [] : [{ outpoint: `${txid}:${vout}`, valueSats, witness }],
  );
  return { raw, txid, feeSats: sum(coins) - sum(outputs), made };
}

/** Some of a large coin becomes small ones, the rest stays large and comes last. */
export function fanOut(chance: Chance, bank: OpenCoin, count: number): { move: Move; bank: OpenCoin } {
  const small = Array.from({ length: count }, () => output(chance, BigInt(chance.between(300, 60_000))));
  const rest = bank.valueSats - small.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  const move = spending([bank], [...small, open(rest)]);
  const last = move.made.at(-1);
  if (last === undefined) throw new Error('the rest of a large coin must be there');
  return { move: { ...move, made: move.made.slice(0, -1) }, bank: last };
}

/** Spends some of the coins, in an order of chance, into outputs of chance. */
export function randomMove(chance: Chance, coins: readonly OpenCoin[]): { move: Move; spent: OpenCoin[] } {
  const left = [...coins];
  const spent = Array.from({ length: Math.min(left.length, chance.oneOf([1, 1, 1, 2, 2, 3, 4])) }, () => {
    const [coin] = left.splice(chance.between(0, left.length - 1), 1);
    if (coin === undefined) throw new Error('there must be a coin left');
    return coin;
  });
  const total = spent.reduce((sum, { valueSats }) => sum + valueSats, 0n);
  const values = parted(chance, total - feeOf(chance, total), chance.oneOf([1, 1, 1, 2, 2, 3, 5]));
  return {
    move: spending(
      spent,
      values.map((value) => output(chance, value)),
    ),
    spent,
  };
}

/**
 * What a miner takes of subsidy and fees: mostly all, in one output or several, one of which may be burned; sometimes only the
 * subsidy, or not even that. What he leaves is lost.
 */
export function takings(
  chance: Chance,
  { subsidySats, feesSats }: { subsidySats: bigint; feesSats: bigint },
): OpenOutput[] {
  const left = chance.oneOf([0n, 0n, 0n, 0n, feesSats, feesSats / 2n, feesSats + 1_000n]);
  const total = subsidySats + feesSats - left;
  if (chance.happens(0.5) || feesSats === 0n) return [open(total)];
  // Cut within the fees, where inscriptions may lie.
  const cut = subsidySats + (feesSats * BigInt(chance.between(0, 100))) / 100n;
  if (cut >= total) return [open(total)];
  return chance.happens(0.3) ? [open(cut), burning(total - cut)] : [open(cut), open(total - cut)];
}

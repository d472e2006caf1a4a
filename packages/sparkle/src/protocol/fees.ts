import { hex } from '@scure/base';
import { SparkleError } from './errors.ts';

/** BIP 125 rule 4: what a replacement pays on top for its own bytes, in sat/vB. Nodes of 2025 ask for less, never for more. */
export const INCREMENTAL_RELAY_SAT_VB = 1;

/** Bitcoin Core's dust relay fee, in sat/vB: a policy constant since 0.15. */
const DUST_RELAY_SAT_VB = 3;

/** A transaction that is in the mempool and shall leave it. */
export type Replaced = { feeSats: bigint; vsize: number };

/** Feerates are used as nodes do, in whole sats per 1000 vB, rounded up. */
function satPerKvb(feerateSatVb: number): bigint {
  if (!Number.isFinite(feerateSatVb) || feerateSatVb <= 0 || feerateSatVb > 1_000_000)
    throw new SparkleError('bad_amount', `feerateSatVb must be above 0 and at most 1,000,000; got ${feerateSatVb}`, {
      feerateSatVb,
    });
  // Rounding at 1e-6 first: 1.1 * 1000 is 1100.0000000000002, and that must not become 1101.
  return BigInt(Math.ceil(Math.round(feerateSatVb * 1e6) / 1e3));
}

/** What `vsize` vB cost at this feerate, in sats, rounded up. Throws `bad_amount` for a feerate that is none. */
export const feeFor = ({ vsize, feerateSatVb }: { vsize: number; feerateSatVb: number }): bigint =>
  (BigInt(vsize) * satPerKvb(feerateSatVb) + 999n) / 1000n;

/** The highest feerate, in sat/vB with three decimals, at which `vsize` vB cost at most `feeSats`. */
export const feerateWithin = ({ feeSats, vsize }: { feeSats: bigint; vsize: number }): number =>
  Number((feeSats * 1000n) / BigInt(vsize)) / 1000;

/**
 * The least fee at which a transaction of `vsize` vB pays `feerateSatVb` and makes nodes drop `replaced`, which names every
 * transaction that leaves the mempool for it: BIP 125 rule 3 (not less in sum), rule 4 (its own relay on top), and the
 * node's rule that the feerate must rise too.
 */
export function replacementFee(wanted: { vsize: number; feerateSatVb: number; replaced: readonly Replaced[] }): bigint {
  const { vsize, feerateSatVb, replaced } = wanted;
  const wantedSats = feeFor({ vsize, feerateSatVb });
  if (replaced.length === 0) return wantedSats;
  const evictedSats = replaced.reduce((sum, { feeSats }) => sum + feeSats, 0n);
  const fees = [
    wantedSats,
    evictedSats + feeFor({ vsize, feerateSatVb: INCREMENTAL_RELAY_SAT_VB }),
    ...replaced.map((one) => (one.feeSats * BigInt(vsize)) / BigInt(one.vsize) + 1n),
  ];
  return fees.reduce((most, fee) => (fee > most ? fee : most));
}

/** Witness programs are spent with at least a 107-byte witness, discounted; anything else with a 148-byte input. */
function spendingVbytes(script: Uint8Array): number {
  const [version = -1, length = -1] = script;
  const isWitness = script.length >= 4 && script.length <= 42 && length === script.length - 2;
  return isWitness && (version === 0 || (version >= 0x51 && version <= 0x60)) ? 67 : 148;
}

/**
 * Below this value an output of this script (hex) is dust that no node relays: P2TR 330, P2WPKH 294, P2PKH 546, P2A 240.
 * Source: GetDustThreshold in Bitcoin Core's policy.cpp.
 */
export function dustLimitSats(script: string): bigint {
  const bytes = hex.decode(script);
  const outputBytes = 8 + 1 + bytes.length;
  return BigInt(DUST_RELAY_SAT_VB * (outputBytes + spendingVbytes(bytes)));
}

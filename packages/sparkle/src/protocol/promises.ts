import { sumSats } from './amount.ts';
import { decodeTransaction, type Decoded, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { dustLimitSats, feeFor } from './fees.ts';
import { followSat } from './satflow.ts';

/** What a builder promises of the transaction it hands out. Recomputed from the bytes, not from what built them. */
export type Promises = {
  /** Outputs spent, in order; the first holds the inscription. */
  spent: readonly Prevout[];
  sequences: readonly number[];
  lockHeight: number;
  /** Where the inscription's sat is within input 0, and how many sats must stay with it in output 0. */
  offsetSats: bigint;
  postageSats: bigint;
  /** Script of output 0. */
  destination: string;
  /** Script of output 1, if there is one; no other output is allowed. */
  change: string | undefined;
  vsize: number;
  feeSats: bigint;
  feerateSatVb: number;
  maxFeeSats: bigint;
};

const bad = (sentence: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('bad_transaction', sentence, detail);

/** Inputs are exactly the promised ones, in order, with the promised sequence, all replaceable. Throws `bad_transaction`. */
export function assertInputs(decoded: Decoded, promised: Pick<Promises, 'spent' | 'sequences'>): void {
  assertSameInputs(decoded, promised);
  // BIP 125: below 0xfffffffe.
  if (!decoded.inputs.every(({ sequence }) => sequence < 0xfffffffe))
    throw bad('every input must signal that it can be replaced (BIP 125); one does not', {
      inputs: decoded.inputs.map(sequenced),
    });
}

const sequenced = ({ outpoint, sequence }: Decoded['inputs'][number]): string => `${outpoint}/${sequence.toString(16)}`;

/** No input besides the promised ones, in order, each with the promised sequence. Throws `bad_transaction`. */
export function assertSameInputs(decoded: Decoded, promised: Pick<Promises, 'spent' | 'sequences'>): void {
  const inputs = decoded.inputs.map(sequenced);
  const wanted = promised.spent.map(({ outpoint }, index) => `${outpoint}/${promised.sequences[index]?.toString(16)}`);
  if (inputs.join() !== wanted.join())
    throw bad('inputs must be the promised outpoints with the promised sequences', { inputs, wanted });
}

/** Version 2 (BIP 68 needs it) and the promised nLockTime. Throws `bad_transaction`. */
export function assertLockHeight(decoded: Decoded, { lockHeight }: Pick<Promises, 'lockHeight'>): void {
  if (decoded.version !== 2) throw bad(`version must be 2; it is ${decoded.version}`, { version: decoded.version });
  if (decoded.lockHeight !== lockHeight)
    throw bad(`nLockTime must be ${lockHeight}; it is ${decoded.lockHeight}`, {
      lockHeight: decoded.lockHeight,
      wanted: lockHeight,
    });
}

/** Where a transaction takes the inscription from and where it puts it. */
type Way = Pick<Promises, 'spent' | 'offsetSats' | 'postageSats' | 'destination'> & {
  inputIndex: number;
  vout: number;
};

/**
 * Sats move first in, first out: the sat at `offsetSats` of input `inputIndex` must land at the same offset of output
 * `vout`, among the postage, and that output must pay `destination` at least the postage. Throws `sat_lost`.
 */
export function assertSatStays(raw: string, way: Way): void {
  const { offsetSats, postageSats, destination, inputIndex, vout } = way;
  const inputValues = way.spent.map(({ valueSats }) => valueSats);
  const output = decodeTransaction(raw).outputs[vout];
  const lost = (sentence: string): SparkleError =>
    new SparkleError('sat_lost', sentence, { offsetSats, postageSats, inputValues, output });
  const sourceSats = inputValues[inputIndex] ?? 0n;
  if (offsetSats < 0n || offsetSats >= sourceSats)
    throw lost(`the offset must lie within the ${sourceSats} sats of input ${inputIndex}; it is ${offsetSats}`);
  const place = followSat({ raw, inputValues, inputIndex, offsetSats });
  if (place.to !== 'output' || place.vout !== vout)
    throw lost(
      `the sat must stay on output ${vout}; it goes to ${place.to === 'output' ? `output ${place.vout}` : 'the fee'}`,
    );
  if (place.offsetSats !== offsetSats)
    throw lost(`the sat must stay at offset ${offsetSats}; it goes to offset ${place.offsetSats}`);
  if (offsetSats >= postageSats)
    throw lost(`the offset must be below the postage of ${postageSats}; it is ${offsetSats}`);
  if (output === undefined || output.valueSats < postageSats)
    throw lost(`output ${vout} must keep ${postageSats} sats; it has ${output?.valueSats}`);
  if (output.script !== destination) throw lost(`output ${vout} must pay ${destination}; it pays ${output.script}`);
}

/** No output but output 0 and change, and none that nodes would not relay. Throws `bad_transaction` or `dust`. */
export function assertOutputs(decoded: Decoded, { change }: Pick<Promises, 'change'>): void {
  const [, ...others] = decoded.outputs;
  if (others.length > 1 || others.some(({ script }) => script !== change))
    throw bad('there must be no output but output 0 and change', { outputs: decoded.outputs, change });
  assertNoDust(decoded.outputs);
}

/** No output that nodes would not relay. Throws `dust`. */
export function assertNoDust(outputs: Decoded['outputs']): void {
  for (const { script, valueSats } of outputs) {
    const limitSats = dustLimitSats(script);
    if (valueSats < limitSats)
      throw new SparkleError('dust', `an output of this type must have ${limitSats} sats; it has ${valueSats}`, {
        script,
        valueSats,
      });
  }
}

/** The fee is the promised one, pays the feerate, and is within the cap. Throws `bad_transaction` or `fee_too_high`. */
export function assertFee(
  decoded: Decoded,
  promised: Pick<Promises, 'spent' | 'vsize' | 'feeSats' | 'feerateSatVb' | 'maxFeeSats'>,
): void {
  const { feeSats, maxFeeSats, vsize, feerateSatVb } = promised;
  const paidSats =
    sumSats(promised.spent.map(({ valueSats }) => valueSats)) -
    sumSats(decoded.outputs.map(({ valueSats }) => valueSats));
  if (paidSats !== feeSats) throw bad(`the fee must be ${feeSats} sats; it is ${paidSats}`, { paidSats, feeSats });
  const leastSats = feeFor({ vsize, feerateSatVb });
  if (paidSats < leastSats)
    throw bad(`the fee must be ${leastSats} sats for ${vsize} vB; it is ${paidSats}`, { paidSats, leastSats, vsize });
  if (paidSats > maxFeeSats)
    throw new SparkleError('fee_too_high', `the fee must be at most ${maxFeeSats} sats; it is ${paidSats}`, {
      feeSats: paidSats,
      maxFeeSats,
      vsize,
    });
}

/** Reads `raw` again and asserts every promise that a builder of ours makes; throws as the parts do. */
export function assertPromises(raw: string, promised: Promises): void {
  const decoded = decodeTransaction(raw);
  assertInputs(decoded, promised);
  assertLockHeight(decoded, promised);
  assertSatStays(raw, { ...promised, inputIndex: 0, vout: 0 });
  assertOutputs(decoded, promised);
  assertFee(decoded, promised);
}

import { hex } from '@scure/base';
import { sumSats } from './amount.ts';
import { decodeTransaction, type Decoded, type Output } from './draft.ts';
import { SparkleError } from './errors.ts';
import { REPLACEABLE } from './layout.ts';
import type { Listing } from './listing.ts';
import { assertSingleSigned } from './listing-signature.ts';
import { assertFee, assertLockHeight, assertNoDust, assertSameInputs, assertSatStays } from './promises.ts';
import type { Promises } from './promises.ts';

/**
 * Where things stand in a fill. 0x83 binds the seller's input to the output of its own index, so the two inputs and outputs
 * in front of it are the filler's: his sats first, so that the inscription's begin where the lock begins.
 */
export const FILL = { sellerInput: 2, ownOutput: 0, lockOutput: 1, sellerOutput: 2, firstPayout: 3 } as const;

/** What the builder of a fill promises of it. Recomputed from the bytes, not from what built them. */
export type FillPromises = Pick<
  Promises,
  'spent' | 'offsetSats' | 'postageSats' | 'vsize' | 'feeSats' | 'feerateSatVb' | 'maxFeeSats'
> & { listing: Listing; lock: Output; payouts: readonly Output[]; change: string };

const bad = (sentence: string, detail: Record<string, unknown>): SparkleError =>
  new SparkleError('bad_transaction', sentence, detail);

const same = (a: Output | undefined, b: Output): boolean => a?.script === b.script && a.valueSats === b.valueSats;

/**
 * The inputs are the promised ones and no other, the seller's among them as he signed it; it is ours that let the
 * transaction be replaced (BIP 125), whatever his says. Throws `bad_transaction`.
 */
function assertFillInputs(decoded: Decoded, { spent, listing }: FillPromises): void {
  const { source, sequence } = listing;
  const input = spent[FILL.sellerInput];
  if (input?.outpoint !== source.outpoint || !same(input, source))
    throw bad(`input ${FILL.sellerInput} must spend the seller's ${source.outpoint}; it spends ${input?.outpoint}`, {
      input,
      source,
    });
  const sequences = spent.map((_, index) => (index === FILL.sellerInput ? sequence : REPLACEABLE));
  assertSameInputs(decoded, { spent, sequences });
}

/** Output 0 gives the filler back exactly what stands in front of the seller's input. Throws `bad_transaction`. */
function assertOwnSats({ outputs }: Decoded, { spent, change }: FillPromises): void {
  const front = spent.slice(0, FILL.sellerInput).map(({ valueSats }) => valueSats);
  const wanted = { script: change, valueSats: sumSats(front) };
  const output = outputs[FILL.ownOutput];
  if (!same(output, wanted))
    throw bad(`output 0 must give back ${wanted.valueSats} sats to ${change}; it is another`, { output, wanted });
}

/** The inscription lies in the lock where it lay in its source, and the lock is the promised one to the sat. Throws `sat_lost` or `bad_transaction`. */
function assertFilledLock(raw: string, decoded: Decoded, promised: FillPromises): void {
  const { spent, offsetSats, postageSats, lock } = promised;
  const way = { inputIndex: FILL.sellerInput, vout: FILL.lockOutput, destination: lock.script };
  assertSatStays(raw, { spent, offsetSats, postageSats, ...way });
  const valueSats = decoded.outputs[FILL.lockOutput]?.valueSats;
  if (valueSats !== lock.valueSats)
    throw bad(`the lock must have ${lock.valueSats} sats; it has ${valueSats}`, {
      valueSats,
      wantedSats: lock.valueSats,
    });
}

/** The seller is paid what he asked for, and his signature is valid in this very transaction. Throws `bad_transaction` or `bad_signature`. */
function assertSellerPaid(raw: string, decoded: Decoded, { listing }: FillPromises): void {
  const { source, payout, witness } = listing;
  const output = decoded.outputs[FILL.sellerOutput];
  if (!same(output, payout))
    throw bad(`output ${FILL.sellerOutput} must pay the seller ${payout.valueSats} sats; it is another`, {
      output,
      payout,
    });
  const came = decoded.inputs[FILL.sellerInput]?.witness.map((item) => hex.encode(item)) ?? [];
  if (came.join() !== witness.join())
    throw bad(`input ${FILL.sellerInput} must have the seller's witness; it has another`, { items: came.length });
  assertSingleSigned({ raw, index: FILL.sellerInput, source, witness });
}

/** Every payout is there once, in order, and behind them nothing but change. Throws `bad_transaction`. */
function assertPayouts({ outputs }: Decoded, { payouts, change }: FillPromises): void {
  const rest = outputs.slice(FILL.firstPayout);
  const isPaid = payouts.every((payout, index) => same(rest[index], payout));
  if (!isPaid) throw bad('every payout must be there, in order; one is not', { outputs: rest, payouts });
  const others = rest.slice(payouts.length);
  if (others.length > 1 || others.some(({ script }) => script !== change))
    throw bad('there must be no output behind the payouts but change', { outputs: others, change });
}

/** Reads a fill again and asserts every promise about it; throws as the parts do, and as `assertFee`, `dust` for an output too small. */
export function assertFillPromises(raw: string, promised: FillPromises): void {
  const decoded = decodeTransaction(raw);
  assertFillInputs(decoded, promised);
  assertLockHeight(decoded, { lockHeight: 0 });
  assertOwnSats(decoded, promised);
  assertFilledLock(raw, decoded, promised);
  assertSellerPaid(raw, decoded, promised);
  assertPayouts(decoded, promised);
  assertNoDust(decoded.outputs);
  assertFee(decoded, promised);
}

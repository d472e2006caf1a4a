import { sumSats } from './amount.ts';
import { addressScript, decodeTransaction, vsizeOf, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { dustLimitSats, feeFor, INCREMENTAL_RELAY_SAT_VB, replacementFee, type Replaced } from './fees.ts';
import { layOut, REPLACEABLE, unsignedRaw, walletInput, type LaidOut } from './layout.ts';
import { buildLock } from './lock.ts';
import { assertFee, assertInputs, assertLockHeight, assertOutputs, assertPromises } from './promises.ts';
import { assertSpendTerms, type Built, type SpendTerms } from './spend.ts';
import { txidOf } from './transaction.ts';
import { lockValueSats } from './trade/terms.ts';

/** Coins that may pay, in the order in which to use them, and where change goes. The caller keeps inscriptions out of them. */
export type Paying = { coins: readonly Prevout[]; changeAddress: string; feerateSatVb: number; maxFeeSats: bigint };

/** A transaction that is out, with what its inputs spend. */
export type Sent = { raw: string; spent: readonly Prevout[] };

/** A lock that is out: `vout` is the output that holds the inscription, 0 in a direct lock and 1 in a fill. */
export type SentLock = Sent & { vout: number };

/** An unsigned lock: `vout` is the lock's output, `coins` those that were used besides the source. */
export type BuiltLock = Built & { vout: number; coins: readonly Prevout[] };

const total = (items: readonly { valueSats: bigint }[]): bigint => sumSats(items.map(({ valueSats }) => valueSats));

/** What a sent transaction weighs against one that replaces it. Throws `bad_transaction` when it is not signed or `spent` is not its own. */
export function replacedOf({ raw, spent }: Sent): Replaced {
  const { inputs, outputs } = decodeTransaction(raw);
  if (inputs.some(({ witness }) => witness.length === 0))
    throw new SparkleError('bad_transaction', 'a sent transaction must be signed; an input has no witness', {
      txid: txidOf(raw),
    });
  assertSpent({ raw, spent });
  return { feeSats: total(spent) - total(outputs), vsize: vsizeOf(raw) };
}

/** `spent` names the inputs of the transaction in order. Throws `bad_transaction`. */
export function assertSpent({ raw, spent }: Sent): void {
  const { inputs } = decodeTransaction(raw);
  if (inputs.map(({ outpoint }) => outpoint).join() !== spent.map(({ outpoint }) => outpoint).join())
    throw new SparkleError('bad_transaction', 'spent must name the inputs of the transaction in order; it does not', {
      txid: txidOf(raw),
    });
}

/** The unsigned transaction that was laid out, with what it costs and spends. */
export function built(laidOut: LaidOut): Built {
  const { draft, vsize, feeSats } = laidOut;
  const raw = unsignedRaw(laidOut);
  const spent = draft.inputs.map(({ outpoint, valueSats, script }) => ({ outpoint, valueSats, script }));
  return { raw, txid: txidOf(raw), vsize, feeSats, feerateSatVb: Number(feeSats) / vsize, spent };
}

/**
 * Moves the inscription into the lock: source at input 0, lock at output 0, coins and change behind them, so the sat keeps
 * its offset whatever the source is worth. Unsigned; the txid is final, because every input is native segwit.
 * Throws `sat_lost` when the sat would not lie in the postage, `insufficient_funds`, `fee_too_high`, `dust`, `bad_script` for
 * a coin that is neither P2TR nor P2WPKH, and what `buildLock` throws.
 */
export function buildLockTransaction(wanted: Paying & { terms: SpendTerms; source: Prevout }): BuiltLock {
  const { terms, source, coins, changeAddress, feerateSatVb, maxFeeSats } = wanted;
  assertSpendTerms(terms);
  const { script } = buildLock(terms);
  const change = addressScript(changeAddress, terms.network);
  const valueSats = lockValueSats(terms);
  const lock = built(
    layOut({
      lockHeight: 0,
      inputs: [walletInput(source)],
      coins,
      kept: { script, wantedSats: valueSats, leastSats: valueSats },
      others: [],
      leftover: 'fee',
      change,
      feeSatsOf: (vsize) => feeFor({ vsize, feerateSatVb }),
    }),
  );
  assertPromises(lock.raw, {
    ...lock,
    sequences: lock.spent.map(() => REPLACEABLE),
    lockHeight: 0,
    offsetSats: terms.offsetSats,
    postageSats: terms.postageSats,
    destination: script,
    change,
    feerateSatVb,
    maxFeeSats,
  });
  assertLockValue(lock.raw, terms);
  return { ...lock, vout: 0, coins: lock.spent.slice(1) };
}

/** Output 0 has exactly postage and reserve: claim and refund sign for that value and for no other. Throws `bad_transaction`. */
export function assertLockValue(raw: string, terms: Pick<SpendTerms, 'postageSats' | 'reserveSats'>): void {
  const valueSats = decodeTransaction(raw).outputs[0]?.valueSats;
  const wantedSats = lockValueSats(terms);
  if (valueSats !== wantedSats)
    throw new SparkleError('bad_transaction', `the lock must have ${wantedSats} sats; it has ${valueSats}`, {
      valueSats,
      wantedSats,
    });
}

/** `lost` names coins of the lock that something else has spent: with them the abort would be as impossible as the lock. */
export type Aborting = Paying & { terms: SpendTerms; replaces: readonly Replaced[]; lost: readonly string[] };

/**
 * Takes an unconfirmed lock back: spends the same inputs, returns the inscription to an address of the seller, and pays
 * what it takes to replace what is in the mempool now, which `replaces` names: the lock and its last bump, or an earlier
 * abort. Only the one that confirms counts. Throws as `buildLockTransaction`.
 */
export function buildAbortTransaction(wanted: Aborting & { lock: Sent; returnAddress: string }): Built {
  const { terms, lock, coins, feerateSatVb, maxFeeSats, replaces: replaced, lost } = wanted;
  assertSpendTerms(terms);
  const destination = addressScript(wanted.returnAddress, terms.network);
  const change = addressScript(wanted.changeAddress, terms.network);
  const sourceSats = lock.spent[0]?.valueSats ?? 0n;
  const leastSats = sourceSats < terms.postageSats ? sourceSats : terms.postageSats;
  const abort = built(
    layOut({
      lockHeight: 0,
      inputs: lock.spent.filter(({ outpoint }, index) => index === 0 || !lost.includes(outpoint)).map(walletInput),
      coins,
      kept: { script: destination, wantedSats: sourceSats, leastSats },
      others: [],
      leftover: 'kept',
      change,
      feeSatsOf: (vsize) => replacementFee({ vsize, feerateSatVb, replaced }),
    }),
  );
  assertPromises(abort.raw, {
    ...abort,
    sequences: abort.spent.map(() => REPLACEABLE),
    lockHeight: 0,
    offsetSats: terms.offsetSats,
    postageSats: leastSats,
    destination,
    change,
    feerateSatVb,
    maxFeeSats,
  });
  assertConflict(abort.raw, lock);
  return abort;
}

/** The abort spends the source of the lock, so that only one of the two can confirm. Throws `bad_transaction`. */
export function assertConflict(raw: string, lock: Sent): void {
  const source = decodeTransaction(lock.raw).inputs[0]?.outpoint;
  const first = decodeTransaction(raw).inputs[0]?.outpoint;
  if (first !== source)
    throw new SparkleError('bad_transaction', `input 0 must be the lock's source ${source}; it is ${first}`, {
      source,
    });
}

/**
 * Raises the feerate of a sent lock by a child that spends its change, since replacing the lock would move its outpoint:
 * lock and child together pay `feerateSatVb`, which is also what `feerateSatVb` of the result means. The lock's output is never touched.
 * `replaces` names the child before it, if there is one. Throws `insufficient_funds` when there is no change or too little of it,
 * `fee_too_high` when the child's own fee is above the cap.
 */
export function buildBumpTransaction(
  wanted: Paying & { terms: SpendTerms; lock: SentLock; replaces: readonly Replaced[] },
): Built {
  const { terms, lock, coins, feerateSatVb, maxFeeSats } = wanted;
  const destination = addressScript(wanted.changeAddress, terms.network);
  const parent = replacedOf(lock);
  const leastSats = dustLimitSats(destination);
  const child = built(
    layOut({
      lockHeight: 0,
      inputs: [walletInput(changeOf(lock))],
      coins,
      kept: { script: destination, wantedSats: leastSats, leastSats },
      others: [],
      leftover: 'kept',
      change: undefined,
      feeSatsOf: (vsize) => childFee({ parent, vsize, feerateSatVb, replaced: wanted.replaces }),
    }),
  );
  const decoded = decodeTransaction(child.raw);
  assertInputs(decoded, { spent: child.spent, sequences: child.spent.map(() => REPLACEABLE) });
  assertLockHeight(decoded, { lockHeight: 0 });
  assertOutputs(decoded, { change: undefined });
  assertFee(decoded, { ...child, feerateSatVb: INCREMENTAL_RELAY_SAT_VB, maxFeeSats });
  assertSparesLock(child.raw, lock);
  return { ...child, feerateSatVb: Number(parent.feeSats + child.feeSats) / (parent.vsize + child.vsize) };
}

/**
 * The output of a lock that its own wallet may spend. Behind a direct lock there is nothing but change. In front of the lock
 * of a fill lie the filler's own sats, and his change, when there is any, is the last output with their script; otherwise it
 * is those. Throws `insufficient_funds` when there is none.
 */
export function changeOf({ raw, vout }: SentLock): Prevout {
  const { outputs } = decodeTransaction(raw);
  const own = outputs[vout === 0 ? 1 : 0]?.script;
  const index = outputs.findLastIndex(({ script }, position) => position !== vout && script === own);
  const change = outputs[index];
  if (change === undefined)
    throw new SparkleError('insufficient_funds', 'a lock must have change for a child to spend; it has one output', {
      txid: txidOf(raw),
    });
  return { ...change, outpoint: `${txidOf(raw)}:${index}` };
}

/** What is still missing for both together, but at least what a node asks for the child alone. */
function childFee(given: {
  parent: Replaced;
  vsize: number;
  feerateSatVb: number;
  replaced: readonly Replaced[];
}): bigint {
  const { parent, vsize, feerateSatVb, replaced } = given;
  const missingSats = feeFor({ vsize: parent.vsize + vsize, feerateSatVb }) - parent.feeSats;
  const leastSats = replacementFee({ vsize, feerateSatVb: INCREMENTAL_RELAY_SAT_VB, replaced });
  return missingSats > leastSats ? missingSats : leastSats;
}

/** A child must leave the lock alone: spending it would move the inscription. Throws `sat_lost`. */
export function assertSparesLock(raw: string, lock: SentLock): void {
  const outpoint = `${txidOf(lock.raw)}:${lock.vout}`;
  if (decodeTransaction(raw).inputs.some((input) => input.outpoint === outpoint))
    throw new SparkleError('sat_lost', `a child must not spend the lock ${outpoint}; it does`, { outpoint });
}

import { hex } from '@scure/base';
import { sumSats } from './amount.ts';
import { addressScript, decodeTransaction, scriptAddress, withWitness, type Output, type Prevout } from './draft.ts';
import { SparkleError } from './errors.ts';
import { dustLimitSats, feeFor, replacementFee } from './fees.ts';
import { assertFillPromises, FILL } from './fill-promises.ts';
import { layOut, REPLACEABLE, walletInput, type Layout } from './layout.ts';
import { assertListing, type Listing } from './listing.ts';
import { buildLock } from './lock.ts';
import { type Aborting, assertSpent, built, type BuiltLock, type Paying, type Sent } from './lock-tx.ts';
import { assertFee, assertInputs, assertLockHeight, assertOutputs } from './promises.ts';
import { assertSpendTerms, type Built, type SpendTerms } from './spend.ts';
import { lockValueSats } from './trade/terms.ts';
import { txidOf } from './transaction.ts';

/**
 * What a fill is made of. `dummies` are two coins of the filler, of any value: they only stand in front of the seller's input.
 * Dummies and coins hold nothing but sats, for which the caller answers. `payouts` are paid besides the seller: royalty, market fee.
 */
export type FillRequest = Paying & {
  terms: SpendTerms;
  listing: Listing;
  dummies: readonly [Prevout, Prevout];
  payouts: readonly Output[];
};

/**
 * Pays the seller of a listing and puts his inscription into the lock, in one transaction: inputs are both dummies, the
 * seller's and coins; outputs are the dummies' sats, the lock, the seller's payout, the other payouts, and change. `raw` has
 * the seller's witness and no other yet; the txid is final, because every input is native segwit.
 * Throws what `assertListing` and `buildLock` throw, `wrong_network`, `sat_lost` when the sat would not lie in the postage,
 * `insufficient_funds`, `fee_too_high`, `dust`, `bad_amount`, `bad_script` for a coin or payout of a kind that is not taken, and
 * `bad_transaction` for a coin that is named twice.
 */
export function buildFillTransaction(wanted: FillRequest): BuiltLock {
  const { terms, listing, dummies, coins, payouts, feerateSatVb, maxFeeSats } = wanted;
  assertFillable(wanted);
  const lock = { script: buildLock(terms).script, valueSats: lockValueSats(terms) };
  const change = addressScript(wanted.changeAddress, terms.network);
  const seller = {
    ...listing.source,
    sequence: listing.sequence,
    witness: listing.witness.map((item) => hex.decode(item)),
  };
  const ownSats = sumSats(dummies.map(({ valueSats }) => valueSats));
  const open = built(
    layOut({
      lockHeight: 0,
      inputs: [...dummies.map(walletInput), seller],
      coins,
      kept: { script: change, wantedSats: ownSats, leastSats: ownSats },
      others: [lock, listing.payout, ...payouts],
      leftover: 'fee',
      change,
      feeSatsOf: (vsize) => feeFor({ vsize, feerateSatVb }),
    }),
  );
  const fill = { ...open, raw: withWitness(open.raw, FILL.sellerInput, seller.witness) };
  const { offsetSats, postageSats } = terms;
  assertFillPromises(fill.raw, {
    ...{ ...fill, offsetSats, postageSats, listing, lock, payouts, change, feerateSatVb, maxFeeSats },
  });
  return { ...fill, vout: FILL.lockOutput, coins: fill.spent.slice(FILL.sellerInput + 1) };
}

/** What can be refused before anything is laid out. */
function assertFillable({ terms, listing, dummies, coins, payouts }: FillRequest): void {
  assertSpendTerms(terms);
  assertListing(listing);
  if (listing.network !== terms.network)
    throw new SparkleError('wrong_network', `the listing must be one of ${terms.network}; it is of ${listing.network}`);
  const outpoints = [...dummies, listing.source, ...coins].map(({ outpoint }) => outpoint);
  const twice = outpoints.find((outpoint, index) => outpoints.indexOf(outpoint) !== index);
  if (twice !== undefined)
    throw new SparkleError('bad_transaction', `every input must be named once; ${twice} is named twice`, {
      outpoint: twice,
    });
  sumSats(payouts.map(({ valueSats }) => valueSats));
  const odd = payouts.find(({ script }) => scriptAddress(script, terms.network) === undefined);
  if (odd !== undefined)
    throw new SparkleError('bad_script', `a payout must be P2PKH, P2SH, P2WPKH, P2WSH or P2TR; one is ${odd.script}`, {
      script: odd.script,
    });
}

/**
 * Takes an unconfirmed fill back: spends the filler's own inputs, all to himself, and pays what it takes to replace what is in
 * the mempool now, which `replaces` names: the fill, its last bump and whatever else spends it, or an earlier abort. The
 * seller's input stays free and his listing good. Throws `bad_transaction` for what is no fill of these terms,
 * `insufficient_funds`, `fee_too_high`, `wrong_network`.
 */
export function buildFillAbort(wanted: Aborting & { fill: Sent }): Built {
  const { terms, fill, coins, feerateSatVb, maxFeeSats, replaces: replaced, lost } = wanted;
  assertFillOf(fill, terms);
  const destination = addressScript(wanted.changeAddress, terms.network);
  const leastSats = dustLimitSats(destination);
  const layout: Layout = {
    lockHeight: 0,
    inputs: fill.spent
      .filter(({ outpoint }, index) => index !== FILL.sellerInput && !lost.includes(outpoint))
      .map(walletInput),
    coins,
    kept: { script: destination, wantedSats: leastSats, leastSats },
    others: [],
    leftover: 'kept',
    change: undefined,
    feeSatsOf: (vsize) => replacementFee({ vsize, feerateSatVb, replaced }),
  };
  const abort = built(layOut(layout));
  const decoded = decodeTransaction(abort.raw);
  assertInputs(decoded, { spent: abort.spent, sequences: abort.spent.map(() => REPLACEABLE) });
  assertLockHeight(decoded, { lockHeight: 0 });
  assertOutputs(decoded, { change: undefined });
  assertFee(decoded, { ...abort, feerateSatVb, maxFeeSats });
  assertTakenBack(abort.raw, { fill, destination });
  return abort;
}

function assertFillOf(fill: Sent, terms: SpendTerms): void {
  assertSpent(fill);
  const { script } = buildLock(terms);
  const output = decodeTransaction(fill.raw).outputs[FILL.lockOutput];
  if (output?.script !== script || output.valueSats !== lockValueSats(terms))
    throw new SparkleError('bad_transaction', `output ${FILL.lockOutput} must be the lock ${script}; it is another`, {
      txid: txidOf(fill.raw),
      output,
    });
}

/**
 * An abort spends an input of the fill, so that only one of the two can confirm, not the seller's, and pays the filler alone.
 * Throws `bad_transaction`.
 */
export function assertTakenBack(raw: string, { fill, destination }: { fill: Sent; destination: string }): void {
  const decoded = decodeTransaction(raw);
  const inputs = decoded.inputs.map(({ outpoint }) => outpoint);
  const theirs = decodeTransaction(fill.raw).inputs.map(({ outpoint }) => outpoint);
  const seller = theirs[FILL.sellerInput] ?? '';
  if (inputs.includes(seller))
    throw new SparkleError('bad_transaction', `an abort must not spend the seller's ${seller}; it does`, { seller });
  if (!inputs.some((outpoint) => theirs.includes(outpoint)))
    throw new SparkleError('bad_transaction', 'an abort must spend an input of the fill; it spends none', { inputs });
  const stray = decoded.outputs.find(({ script }) => script !== destination);
  if (stray !== undefined)
    throw new SparkleError('bad_transaction', `an abort must pay ${destination} alone; it pays ${stray.script}`, {
      stray,
    });
}

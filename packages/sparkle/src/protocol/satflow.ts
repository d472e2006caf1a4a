import { minusSats, sumSats } from './amount.ts';
import { envelopesOf } from './envelope.ts';
import { SparkleError } from './errors.ts';
import { networks, type NetworkName } from './network.ts';
import { isCoinbase, readTransaction, type Transaction } from './transaction.ts';

/** Where a sat goes: into an output, `offsetSats` sats from its start, or into the fee, `offsetSats` sats from its start. */
export type SatPlace = { to: 'output'; vout: number; offsetSats: bigint } | { to: 'fee'; offsetSats: bigint };

/**
 * Follows one sat through a transaction, first in, first out: the sats of all inputs in a row fill the outputs in a
 * row, and what is left over is the fee. `inputValues` are the values in sats of the outputs spent by inputs 0 to at
 * least `inputIndex`. Throws `bad_transaction` when transaction, values and sat do not fit together. Source: ord,
 * docs/src/overview.md.
 */
export function followSat({ raw, ...sat }: SatInput & { raw: string }): SatPlace {
  return followSatIn(readTransaction(raw), sat);
}

/** One sat before it is spent: `offsetSats` sats from the start of what input `inputIndex` spends. */
type SatInput = { inputValues: readonly bigint[]; inputIndex: number; offsetSats: bigint };

/** `followSat` for a transaction that was read already. */
export function followSatIn(transaction: Transaction, { inputValues, inputIndex, offsetSats }: SatInput): SatPlace {
  const value = valueOfInput({ transaction, inputValues, inputIndex });
  if (offsetSats < 0n || offsetSats >= value)
    throw bad(`input ${inputIndex} spends ${value} sats; there is none at offset ${offsetSats}`);
  return placeOf(transaction, sumSats(inputValues.slice(0, inputIndex)) + offsetSats);
}

/**
 * Where a new inscription first lies: by its pointer when that names a sat of the outputs, else where the first sat of
 * the input goes that reveals it. `unbound`: on no sat, because that input spends none or an even tag is not known.
 * `inputValues` as in `followSat`, up to the input that reveals it. Throws `unknown_inscription` when the transaction
 * does not reveal so many. Source: ord, src/index/updater/inscription_updater.rs.
 */
export function followReveal(wanted: {
  raw: string;
  inputValues: readonly bigint[];
  index: number;
}): SatPlace | { to: 'unbound' } {
  return followRevealIn(readTransaction(wanted.raw), wanted);
}

/** `followReveal` for a transaction that was read already. */
export function followRevealIn(
  transaction: Transaction,
  { inputValues, index }: { inputValues: readonly bigint[]; index: number },
): SatPlace | { to: 'unbound' } {
  const { txid } = transaction;
  const envelope = envelopesOf(transaction)[index];
  if (envelope === undefined || isCoinbase(transaction))
    throw new SparkleError('unknown_inscription', `transaction ${txid} reveals no inscription ${index}`, {
      txid,
      index,
    });
  const { input, pointer, hasUnknownEvenTag } = envelope;
  if (hasUnknownEvenTag || valueOfInput({ transaction, inputValues, inputIndex: input }) === 0n)
    return { to: 'unbound' };
  const total = sumSats(transaction.outputs.map(({ valueSats }) => valueSats));
  const isPointed = pointer !== undefined && pointer < total;
  return placeOf(transaction, isPointed ? pointer : sumSats(inputValues.slice(0, input)));
}

type InputOf = { transaction: Transaction; inputValues: readonly bigint[]; inputIndex: number };

function valueOfInput({ transaction, inputValues, inputIndex }: InputOf): bigint {
  const { txid, inputs } = transaction;
  const value = inputValues[inputIndex];
  if (isCoinbase(transaction)) throw bad(`${txid} is a coinbase: its input spends no sats`);
  if (value === undefined || inputValues.length > inputs.length)
    throw bad(`${txid} has ${inputs.length} inputs; got values of ${inputValues.length} and input ${inputIndex}`);
  return value;
}

function placeOf({ outputs }: Pick<Transaction, 'outputs'>, position: bigint): SatPlace {
  let offsetSats = position;
  for (const [vout, { valueSats }] of outputs.entries()) {
    if (offsetSats < valueSats) return { to: 'output', vout, offsetSats };
    offsetSats -= valueSats;
  }
  return { to: 'fee', offsetSats };
}

/**
 * Where a sat goes that was paid as a fee: the coinbase gets the subsidy first, then the fees in the order of the
 * block. `feesSats` are the fees of the block's transactions, the coinbase left out; the sat lies `offsetSats` into fee
 * number `feeIndex`. `lost`: the miner did not take it, and it has left the circulation. Throws `bad_transaction`.
 */
export function followFee(wanted: {
  coinbaseRaw: string;
  subsidySats: bigint;
  feesSats: readonly bigint[];
  feeIndex: number;
  offsetSats: bigint;
}): { to: 'output'; vout: number; offsetSats: bigint } | { to: 'lost' } {
  const { coinbaseRaw, subsidySats, feesSats, feeIndex, offsetSats } = wanted;
  const coinbase = readTransaction(coinbaseRaw);
  if (!isCoinbase(coinbase)) throw bad(`${coinbase.txid} must be a coinbase`);
  const fee = feesSats[feeIndex];
  if (fee === undefined || offsetSats < 0n || offsetSats >= fee)
    throw bad(`fee ${feeIndex} of ${feesSats.length} is ${fee ?? 0n} sats; there is none at offset ${offsetSats}`);
  const place = placeOf(coinbase, sumSats([subsidySats, ...feesSats.slice(0, feeIndex), offsetSats]));
  return place.to === 'output' ? place : { to: 'lost' };
}

/** The fee of a transaction: what its inputs spend, all of them in `inputValues`, less its outputs. Throws `bad_amount`. */
export function feeSatsOf({ raw, inputValues }: { raw: string; inputValues: readonly bigint[] }): bigint {
  const { inputs, outputs, txid } = readTransaction(raw);
  if (inputValues.length !== inputs.length)
    throw bad(`${txid} has ${inputs.length} inputs; got values of ${inputValues.length}`);
  return minusSats({ from: sumSats(inputValues), minus: sumSats(outputs.map(({ valueSats }) => valueSats)) });
}

const FIRST_SUBSIDY_SATS = 5_000_000_000n;

/** New sats that the block at `height` may create: 50 BTC, halved every 210,000 blocks (regtest: 150), rounded down. */
export function subsidySats({ height, network }: { height: number; network: NetworkName }): bigint {
  if (!Number.isSafeInteger(height) || height < 0)
    throw new SparkleError('bad_height', `a block height must be a whole number from 0 on; got ${height}`, { height });
  return FIRST_SUBSIDY_SATS >> BigInt(Math.floor(height / networks[network].halvingBlocks));
}

const bad = (sentence: string): SparkleError => new SparkleError('bad_transaction', sentence);

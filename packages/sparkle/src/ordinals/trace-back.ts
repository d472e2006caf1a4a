import { sumSats } from '../protocol/amount.ts';
import { envelopesOf } from '../protocol/envelope.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { HeldInscription } from '../protocol/guard.ts';
import { inscriptionIdText, type Outpoint } from '../protocol/inscription.ts';
import type { NetworkName } from '../protocol/network.ts';
import { followRevealIn, subsidySats, type SatPlace } from '../protocol/satflow.ts';
import { isCoinbase, type Transaction } from '../protocol/transaction.ts';
import type { Budget, Transactions } from './transactions.ts';

/**
 * Sats `from` up to, not including, `to` of a transaction, counted over its outputs in a row and on into its fee. They
 * lie `at` sats from the start of the output that is asked about.
 */
type Range = { txid: string; from: bigint; to: bigint; at: bigint };

type Found = { id: string; at: bigint; age: number };

/** `first_inscription_height` of ord: nothing was inscribed in the blocks before. */
const FIRST_INSCRIPTION: Readonly<Record<NetworkName, number>> = {
  ...{ mainnet: 767_430, testnet: 2_413_343, testnet4: 0, signet: 112_402, regtest: 0 },
};

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** Starts of values that lie in a row, and at the end their sum. */
function starts(values: readonly bigint[]): bigint[] {
  const all = [0n];
  for (const value of values) all.push((all.at(-1) ?? 0n) + value);
  return all;
}

const outputStarts = ({ outputs }: Transaction): bigint[] => starts(outputs.map(({ valueSats }) => valueSats));

/**
 * Finds what is inscribed on the sats of an output by following all of them back to where they were mined, or to the
 * time before inscriptions. Nothing is assumed on the way: where the way is too long, `not_indexed` is thrown.
 */
export class BackTrace {
  private readonly transactions: Transactions;
  private readonly network: NetworkName;
  private readonly budget: Budget;
  private readonly found: Found[] = [];
  private open: Range[] = [];

  constructor(source: { transactions: Transactions; network: NetworkName; budget: Budget }) {
    this.transactions = source.transactions;
    this.network = source.network;
    this.budget = source.budget;
  }

  /** With their offsets, in the order of their sats; of several on one sat the oldest first. */
  async inscriptionsIn({ txid, vout }: Outpoint): Promise<HeldInscription[]> {
    const found = await this.transactions.find(txid, this.budget);
    const start = found === undefined ? undefined : outputStarts(found.transaction)[vout];
    const output = found?.transaction.outputs[vout];
    if (start === undefined || output === undefined)
      throw new SparkleError('not_indexed', `output ${txid}:${vout} must exist; the chain does not know it`, {
        txid,
        vout,
      });
    this.open = [{ txid, from: start, to: start + output.valueSats, at: 0n }];
    for (let range = this.open.shift(); range !== undefined; range = this.open.shift()) await this.followBack(range);
    // The trace goes back in time, so what is found last on one sat was there first.
    this.found.sort((a, b) => (a.at === b.at ? b.age - a.age : a.at < b.at ? -1 : 1));
    return this.found.map(({ id, at }) => ({ id, offsetSats: at }));
  }

  private async followBack(range: Range): Promise<void> {
    const { transaction, block } = await this.transactions.content(range.txid, this.budget);
    if (block !== undefined && block.height < FIRST_INSCRIPTION[this.network]) return;
    if (isCoinbase(transaction)) return this.followFees(range);
    const count = transaction.inputs.length;
    const inputValues = await this.transactions.inputValues({ transaction, count, budget: this.budget });
    this.noteReveals({ transaction, inputValues, range });
    await this.followInputs({ transaction, inputValues, range });
  }

  private noteReveals(step: { transaction: Transaction; inputValues: bigint[]; range: Range }): void {
    const { transaction, inputValues, range } = step;
    const outputs = outputStarts(transaction);
    // Backwards, because later envelopes on one sat are younger.
    for (const { index } of envelopesOf(transaction).toReversed()) {
      const position = positionOf(followRevealIn(transaction, { inputValues, index }), outputs);
      if (position === undefined || position < range.from || position >= range.to) continue;
      const id = inscriptionIdText({ txid: transaction.txid, index });
      this.found.push({ id, at: range.at + position - range.from, age: this.found.length });
    }
  }

  /** First in, first out: sat number n of the outputs and fee is sat number n of the inputs. */
  private async followInputs(step: { transaction: Transaction; inputValues: bigint[]; range: Range }): Promise<void> {
    const { transaction, inputValues, range } = step;
    const inputs = starts(inputValues);
    for (const [index, { txid, vout }] of transaction.inputs.entries()) {
      const inputStart = inputs[index] ?? 0n;
      const from = greater(range.from, inputStart);
      const to = lesser(range.to, inputs[index + 1] ?? 0n);
      if (from >= to) continue;
      const { transaction: previous } = await this.transactions.content(txid, this.budget);
      const moved = (outputStarts(previous)[vout] ?? 0n) - inputStart;
      this.open.push({ txid, from: from + moved, to: to + moved, at: range.at + from - range.from });
    }
  }

  /** A coinbase holds new sats first, on which nothing can be inscribed yet, then the fees in the order of its block. */
  private async followFees(range: Range): Promise<void> {
    // Asked anew: a coinbase commits to its height, but only its block says which fees it took.
    const block = (await this.transactions.find(range.txid, this.budget))?.block;
    if (block === undefined)
      throw new SparkleError(
        'not_indexed',
        `the coinbase ${range.txid} must be in a block of the best chain; it is not`,
        {
          txid: range.txid,
        },
      );
    const subsidy = subsidySats({ height: block.height, network: this.network });
    if (range.to <= subsidy) return;
    const [, ...paying] = await this.transactions.block(block.hash, this.budget);
    let start = subsidy;
    for (const transaction of paying) {
      const fee = await this.transactions.fee(transaction, this.budget);
      const from = greater(range.from, start);
      const to = lesser(range.to, start + fee);
      const moved = sumSats(transaction.outputs.map(({ valueSats }) => valueSats)) - start;
      if (from < to)
        this.open.push({
          txid: transaction.txid,
          from: from + moved,
          to: to + moved,
          at: range.at + from - range.from,
        });
      start += fee;
      if (start >= range.to) return;
    }
  }
}

/** Where a new inscription lies, counted over outputs and fee; `undefined` for one that lies nowhere. */
function positionOf(place: SatPlace | { to: 'unbound' }, outputs: readonly bigint[]): bigint | undefined {
  switch (place.to) {
    case 'unbound':
      return undefined;
    case 'fee':
      return (outputs.at(-1) ?? 0n) + place.offsetSats;
    case 'output':
      return (outputs[place.vout] ?? 0n) + place.offsetSats;
  }
}

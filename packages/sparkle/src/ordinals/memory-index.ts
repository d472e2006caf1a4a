import type { BlockSource, Chain } from '../chain/chain.ts';
import { sumSats } from '../protocol/amount.ts';
import { envelopesOf } from '../protocol/envelope.ts';
import { SparkleError } from '../protocol/errors.ts';
import { inscriptionIdText } from '../protocol/inscription.ts';
import type { NetworkName } from '../protocol/network.ts';
import { followFee, followRevealIn, followSatIn, subsidySats, type SatPlace } from '../protocol/satflow.ts';
import { readTransaction, writeTransaction, type Transaction } from '../protocol/transaction.ts';

/** Where an inscription lies; `undefined` once it is burned, unbound or lost, from where nothing comes back. */
type IndexedPlace = { outpoint: string; offsetSats: bigint } | undefined;

/** All inscriptions up to a block, in the order of their reveals. */
export type IndexState = ReadonlyMap<string, IndexedPlace>;

/** An inscription on its way through one transaction. */
type Moving = { id: string; place: SatPlace | { to: 'unbound' } };

type Paid = { id: string; feeIndex: number; offsetSats: bigint };

const OP_RETURN = 0x6a;

/** Values in sats of what the inputs spend. */
async function valuesOf(chain: Chain, { inputs }: Transaction): Promise<bigint[]> {
  const values: bigint[] = [];
  for (const { txid, vout } of inputs) {
    const found = await chain.transaction(txid);
    const output = found === undefined ? undefined : readTransaction(found.raw).outputs[vout];
    if (output === undefined)
      throw new SparkleError('not_indexed', `output ${txid}:${vout} must be known, because it was spent; it is not`);
    values.push(output.valueSats);
  }
  return values;
}

/** Where a transaction takes the inscriptions that lie in what it spends, and those that it reveals. */
export async function moved(
  chain: Chain,
  transaction: Transaction,
  held: (outpoint: string) => [string, bigint][],
): Promise<Moving[]> {
  const spent = transaction.inputs.flatMap(({ txid, vout }, inputIndex) =>
    held(`${txid}:${vout}`).map(([id, offsetSats]) => ({ id, inputIndex, offsetSats })),
  );
  const envelopes = envelopesOf(transaction);
  if (spent.length + envelopes.length === 0) return [];
  const inputValues = await valuesOf(chain, transaction);
  const from = (id: string, place: Moving['place']): Moving => ({ id, place });
  return [
    ...spent.map(({ id, ...sat }) => from(id, followSatIn(transaction, { inputValues, ...sat }))),
    ...envelopes.map(({ index }) => {
      const id = inscriptionIdText({ txid: transaction.txid, index });
      return from(id, followRevealIn(transaction, { inputValues, index }));
    }),
  ];
}

/** A place in an output, unless that output can never be spent. */
export function settled(
  transaction: Transaction,
  { vout, offsetSats }: { vout: number; offsetSats: bigint },
): IndexedPlace {
  const burned = transaction.outputs[vout]?.script[0] === OP_RETURN;
  return burned ? undefined : { outpoint: `${transaction.txid}:${vout}`, offsetSats };
}

export const heldIn =
  (state: IndexState) =>
  (outpoint: string): [string, bigint][] =>
    [...state].flatMap(([id, place]) => (place?.outpoint === outpoint ? [[id, place.offsetSats]] : []));

export type IndexedBlock = { hash: string; height: number };

/** The index after one more block. */
export async function withBlock(wanted: {
  chain: Chain & BlockSource;
  network: NetworkName;
  state: IndexState;
  block: IndexedBlock;
}): Promise<IndexState> {
  const { chain, block } = wanted;
  const raws = await chain.block(block.hash);
  if (raws === undefined)
    throw new SparkleError('not_indexed', `block ${block.hash} must be known; it is not`, { block });
  const [coinbase, ...others] = raws.map(readTransaction);
  const state = new Map(wanted.state);
  const paid: Paid[] = [];
  for (const [feeIndex, transaction] of others.entries())
    for (const { id, place } of await moved(chain, transaction, heldIn(state))) {
      if (place.to === 'fee') paid.push({ id, feeIndex, offsetSats: place.offsetSats });
      state.set(id, place.to === 'output' ? settled(transaction, place) : undefined);
    }
  if (coinbase === undefined || paid.length === 0) return state;
  const feesSats: bigint[] = [];
  for (const each of others)
    feesSats.push(sumSats(await valuesOf(chain, each)) - sumSats(each.outputs.map(({ valueSats }) => valueSats)));
  const mined = {
    coinbaseRaw: writeTransaction(coinbase),
    feesSats,
    subsidySats: subsidySats({ height: block.height, network: wanted.network }),
  };
  for (const { id, ...sat } of paid) {
    const place = followFee({ ...mined, ...sat });
    state.set(id, place.to === 'lost' ? undefined : settled(coinbase, place));
  }
  return state;
}

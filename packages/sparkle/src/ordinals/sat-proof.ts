import type { BlockSource, Chain } from '../chain/chain.ts';
import { SparkleError } from '../protocol/errors.ts';
import { outpointText, readInscriptionId, readSatPoint } from '../protocol/inscription.ts';
import { makeSatProof, type SatProof } from '../protocol/satproof.ts';
import { readTransaction, type Transaction, writeTransaction } from '../protocol/transaction.ts';
import { ForwardTrace } from './trace-forward.ts';
import { type Budget, Transactions } from './transactions.ts';

export type SatProofRequest = {
  chain: Chain;
  /** Whole blocks, where the source of the chain has them. */
  blocks?: BlockSource;
  inscriptionId: string;
  /** The transaction that the proof ends with; it may be unconfirmed. */
  lastRaw: string;
  /** How many transactions may be looked at before it is given up with `not_indexed`. */
  maxTransactions: number;
  /** Ends the search, with its reason. */
  signal?: AbortSignal;
};

/**
 * The proof that an inscription went from its reveal into an output of `lastRaw`, out of what the chain knows. To find the way
 * takes as long as the chain takes to find spends. Throws `not_indexed` for a way that is too long, `bad_proof` for one that
 * a proof cannot show (through a fee) or that is too big to be sent.
 */
export async function fetchSatProof(wanted: SatProofRequest): Promise<SatProof> {
  const { chain, blocks, inscriptionId, lastRaw, maxTransactions, signal } = wanted;
  const transactions = new Transactions({ chain, blocks });
  const budget: Budget = { left: maxTransactions, signal };
  const last = readTransaction(lastRaw);
  const ends = new Set(last.inputs.map(outpointText));
  const trace = new ForwardTrace({ chain, transactions, network: await chain.network() });
  let hop = await trace.reveal(readInscriptionId(inscriptionId), budget);
  const way = [(await transactions.content(hop.txid, budget)).transaction];
  while (hop.txid !== last.txid && !ends.has(outpointText(hop))) {
    const next = await trace.next(hop, budget);
    if (next === undefined)
      throw new SparkleError('not_indexed', `the way of ${inscriptionId} must lead to ${last.txid}; it ends before`);
    hop = next;
    way.push((await transactions.content(hop.txid, budget)).transaction);
  }
  if (hop.txid !== last.txid) way.push(last);
  return makeSatProof({ inscriptionId, transactions: await withParents({ way, transactions, budget }) });
}

/** The same for its last step alone, from the satpoint that `lastRaw` spends: for who knows that the inscription lay there. */
export async function fetchLastStep(wanted: SatProofRequest & { from: string }): Promise<SatProof> {
  const { chain, blocks, inscriptionId, lastRaw, maxTransactions, from } = wanted;
  const transactions = new Transactions({ chain, blocks });
  const last = readTransaction(lastRaw);
  const spent = last.inputs.findIndex((input) => outpointText(input) === outpointText(readSatPoint(from)));
  // What comes behind the inscription says nothing about where it goes.
  const way = [{ ...last, inputs: last.inputs.slice(0, spent + 1) }];
  const parents = await withParents({ way, transactions, budget: { left: maxTransactions } });
  return makeSatProof({ inscriptionId, from, transactions: [...parents.slice(1), lastRaw] });
}

type Way = { way: Transaction[]; transactions: Transactions; budget: Budget };

/** With what their inputs spend; those that prove nothing are left out when the proof is made. */
async function withParents({ way, transactions, budget }: Way): Promise<string[]> {
  const raws = way.map(writeTransaction);
  for (const { inputs } of way)
    for (const { txid } of inputs) raws.push(writeTransaction((await transactions.content(txid, budget)).transaction));
  return raws;
}

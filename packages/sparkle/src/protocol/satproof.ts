import { SparkleError } from './errors.ts';
import { envelopesOf, revealedLeaf, type RevealedLeaf } from './envelope.ts';
import {
  outpointText,
  readInscriptionId,
  readSatPoint,
  satPointText,
  type InscriptionId,
  type SatPoint,
} from './inscription.ts';
import { followRevealIn, followSatIn, type SatPlace } from './satflow.ts';
import { isCommittedLeaf } from './taproot.ts';
import {
  isCoinbase,
  readTransaction,
  writeTransaction,
  type Transaction,
  type TransactionInput,
} from './transaction.ts';

/**
 * Where an inscription lies, shown by raw transactions alone. They stand in the one order in which they are needed:
 * before the reveal, and before every transaction that moved the sat, those whose outputs its inputs spend, up to the
 * input that matters. None has witnesses, so that its txid commits to each of its bytes; only the reveal keeps the leaf
 * scripts that hold envelopes, with the control blocks by which the spent outputs commit to them (BIP 341).
 *
 * It proves: if the last transaction is in the chain, the sat of the inscription lies at `satpoint`. It does not prove
 * that the transaction is, that the output is unspent, or that a leaf was ever revealed: only who made the reveal's
 * inputs can show a leaf that was not, and `checkReveal` finds even that with the reveal from a node of one's own.
 *
 * With `from` it begins later, at a satpoint at which the inscription is said to have lain: what comes before that the
 * reader must know by himself. For an inscription that has been through many hands.
 */
export type SatProof = { inscriptionId: string; from?: string; satpoint: string; transactions: string[] };

/** Why a proof is refused; `detail.reason` of every `bad_proof`. */
export type ProofFault =
  | 'too_many'
  | 'too_big'
  | 'unreadable'
  | 'duplicate'
  | 'conflict'
  | 'witness'
  | 'missing_reveal'
  | 'missing_parent'
  | 'missing_output'
  | 'no_inscription'
  | 'impossible'
  | 'uncommitted_leaf'
  | 'unbound'
  | 'sat_lost'
  | 'burned'
  | 'unused'
  | 'order'
  | 'wrong_satpoint'
  | 'reveal_differs';

const MAX_TRANSACTIONS = 4096;
/** Of all transactions together: five reveals of the most that is relayed. */
export const MAX_PROOF_BYTES = 2_000_000;
const OP_RETURN = 0x6a;

/**
 * Makes the proof for an inscription out of raw transactions that were fetched: the reveal, everything that moved the
 * sat since, and the parents of their inputs, in any order, with or without more. Throws `bad_proof`; a parent that is
 * not there is named in `detail.txid`, so that it can be fetched and the call made again.
 */
export function makeSatProof(fetched: {
  inscriptionId: string;
  from?: string;
  transactions: readonly string[];
}): SatProof {
  const { inscriptionId, from } = fetched;
  const id = readInscriptionId(inscriptionId);
  const known = new Map<string, Transaction>();
  for (const raw of fetched.transactions) {
    const transaction = read(raw);
    // The reveal may have been fetched with its witnesses and, as somebody's parent, without.
    if (!known.has(transaction.txid) || hasWitness(transaction)) known.set(transaction.txid, transaction);
  }
  for (const [txid, transaction] of known)
    known.set(
      txid,
      from === undefined && txid === id.txid ? reducedReveal(transaction, id) : withoutWitness(transaction),
    );
  const { satpoint, order } = walk(known, { id, from });
  const transactions = order.map((txid) => writeTransaction(get(known, txid)));
  assertBounded(transactions);
  return { inscriptionId, ...(from === undefined ? {} : { from }), satpoint, transactions };
}

/**
 * Checks a proof and answers the satpoint it proves, `txid:vout:offset`. Needs nothing but the proof, and for one with
 * `from` that the reader knows by himself that the inscription lay there. Throws `bad_inscription_id`, `bad_satpoint`, or
 * `bad_proof` with a `ProofFault` in `detail.reason`.
 */
export function verifySatProof({ inscriptionId, from, satpoint, transactions }: SatProof): string {
  const id = readInscriptionId(inscriptionId);
  assertBounded(transactions);
  const known = new Map<string, Transaction>();
  for (const raw of transactions) {
    const transaction = read(raw);
    const { txid } = transaction;
    if (known.has(txid)) throw bad('duplicate', `a proof must name a transaction once; ${txid} came twice`, { txid });
    checkWitness(transaction, from === undefined ? id : undefined);
    known.set(txid, transaction);
  }
  const proved = walk(known, { id, from });
  checkOrder([...known.keys()], proved.order);
  if (proved.satpoint !== satpoint) {
    const sentence = `the transactions lead to ${proved.satpoint}, not to the satpoint that the proof names`;
    throw bad('wrong_satpoint', sentence, { proved: proved.satpoint });
  }
  return proved.satpoint;
}

/**
 * Compares the reveal in a proof with the raw reveal transaction, witnesses included, from a source that the caller
 * trusts: the one thing that the transactions of a proof cannot show by themselves. Throws `bad_proof`.
 */
export function checkReveal({ proof, raw }: { proof: SatProof; raw: string }): void {
  const id = readInscriptionId(proof.inscriptionId);
  const reveal = read(raw);
  if (reveal.txid !== id.txid || !proof.transactions.includes(writeTransaction(reducedReveal(reveal, id))))
    throw bad('reveal_differs', `the proof's reveal is not the one that revealed ${proof.inscriptionId}`);
}

type Walked = { satpoint: string; order: string[] };
type Start = { id: InscriptionId; from: string | undefined };

/** Follows the sat from its start as far as the known transactions go, and notes which of them that took, in order. */
function walk(known: ReadonlyMap<string, Transaction>, start: Start): Walked {
  try {
    return steps(known, start);
  } catch (cause) {
    if (!(cause instanceof SparkleError) || cause.code === 'bad_proof') throw cause;
    // Transactions that no chain could hold: they spend more bitcoin than there is.
    throw new SparkleError('bad_proof', cause.message, { reason: 'impossible' satisfies ProofFault }, { cause });
  }
}

function steps(known: ReadonlyMap<string, Transaction>, start: Start): Walked {
  const spenders = spendersOf(known);
  const order = new Set<string>();
  let at = begun({ known, order }, start);
  for (let next = spenders.get(outpointText(at)); next !== undefined; next = spenders.get(outpointText(at)))
    at = moved({ known, next, at, order });
  return { satpoint: satPointText(at), order: [...order] };
}

function begun({ known, order }: Step, { id, from }: Start): SatPoint {
  if (from !== undefined) return readSatPoint(from);
  const reveal = known.get(id.txid);
  if (reveal === undefined) throw bad('missing_reveal', `the reveal ${id.txid} is missing`, { txid: id.txid });
  return revealed({ known, reveal, index: id.index, order });
}

type Spender = { transaction: Transaction; inputIndex: number };

function spendersOf(known: ReadonlyMap<string, Transaction>): Map<string, Spender> {
  const spenders = new Map<string, Spender>();
  // All coinbases spend the same nothing.
  for (const transaction of [...known.values()].filter((one) => !isCoinbase(one)))
    for (const [inputIndex, input] of transaction.inputs.entries()) {
      const outpoint = outpointText(input);
      // Both cannot be in one chain, and the proof would not say which of two ways the sat went.
      if (spenders.has(outpoint)) throw bad('conflict', `two transactions spend ${outpoint}`, { outpoint });
      spenders.set(outpoint, { transaction, inputIndex });
    }
  return spenders;
}

type Step = { known: ReadonlyMap<string, Transaction>; order: Set<string> };

function revealed({ known, reveal, index, order }: Step & { reveal: Transaction; index: number }): SatPoint {
  const { txid } = reveal;
  const envelope = envelopesOf(reveal)[index];
  if (envelope === undefined) throw bad('no_inscription', `${txid} reveals no inscription ${index}`, { txid, index });
  const parents = parentsOf({ known, child: reveal, count: envelope.input + 1, order });
  checkLeaves(reveal, parents);
  order.add(txid);
  const place = followRevealIn(reveal, { inputValues: parents.map(({ valueSats }) => valueSats), index });
  if (place.to === 'unbound')
    throw bad('unbound', `inscription ${index} of ${txid} is bound to no sat`, { txid, index });
  return landed(reveal, place);
}

function moved({ known, next, at, order }: Step & { next: Spender; at: SatPoint }): SatPoint {
  const { transaction, inputIndex } = next;
  const parents = parentsOf({ known, child: transaction, count: inputIndex + 1, order });
  order.add(transaction.txid);
  const inputValues = parents.map(({ valueSats }) => valueSats);
  return landed(transaction, followSatIn(transaction, { inputValues, inputIndex, offsetSats: at.offsetSats }));
}

function landed({ txid, outputs }: Transaction, place: SatPlace): SatPoint {
  // The coinbase of the block would be needed to follow it, and the order of the whole block.
  if (place.to === 'fee') throw bad('sat_lost', `${txid} pays the inscription's sat as a fee`, { txid });
  const { vout, offsetSats } = place;
  if (outputs[vout]?.script[0] === OP_RETURN)
    throw bad('burned', `${txid} burns the inscription in its output ${vout}`, { txid, vout });
  return { txid, vout, offsetSats };
}

type Spent = { valueSats: bigint; script: Uint8Array };

/** The outputs that the first `count` inputs spend, each out of a transaction whose txid the input itself names. */
function parentsOf({ known, child, count, order }: Step & { child: Transaction; count: number }): Spent[] {
  return child.inputs.slice(0, count).map(({ txid, vout }) => {
    const parent = known.get(txid);
    if (parent === undefined) throw bad('missing_parent', `${child.txid} spends ${txid}, which is missing`, { txid });
    const output = parent.outputs[vout];
    if (output === undefined) throw bad('missing_output', `${txid} has no output ${vout}`, { txid, vout });
    order.add(txid);
    return output;
  });
}

function checkLeaves({ txid, inputs }: Transaction, spent: readonly Spent[]): void {
  for (const [input, { script }] of spent.entries()) {
    const leaf = revealedLeaf(inputs[input]?.witness ?? []);
    if (leaf !== undefined && !isCommittedLeaf({ output: script, leaf }))
      throw bad('uncommitted_leaf', `input ${input} of ${txid} spends no output with that leaf`, { txid, input });
  }
}

/** The reveal with nothing left in its witnesses but the leaves with envelopes, up to the one that is asked for. */
function reducedReveal(reveal: Transaction, { txid, index }: InscriptionId): Transaction {
  const envelopes = envelopesOf(reveal);
  const last = envelopes[index];
  if (last === undefined) throw bad('no_inscription', `${txid} reveals no inscription ${index}`, { txid, index });
  const wanted = new Set(envelopes.map(({ input }) => input).filter((input) => input <= last.input));
  const inputs = reveal.inputs.map((input, position) => ({
    ...input,
    witness: wanted.has(position) ? witnessOf(revealedLeaf(input.witness)) : [],
  }));
  return { ...reveal, inputs };
}

const witnessOf = (leaf: RevealedLeaf | undefined): Uint8Array[] =>
  leaf === undefined ? [] : [leaf.script, leaf.controlBlock];

const withoutWitness = (transaction: Transaction): Transaction => ({
  ...transaction,
  inputs: transaction.inputs.map((input): TransactionInput => ({ ...input, witness: [] })),
});

const hasWitness = ({ inputs }: Transaction): boolean => inputs.some(({ witness }) => witness.length > 0);

/** No byte may be there that nothing commits to: it could be anything. */
function checkWitness(transaction: Transaction, id: InscriptionId | undefined): void {
  if (!hasWitness(transaction)) return;
  const { txid } = transaction;
  const isReduced =
    txid === id?.txid && writeTransaction(reducedReveal(transaction, id)) === writeTransaction(transaction);
  if (!isReduced) throw bad('witness', `${txid} must come without the witnesses that prove nothing`, { txid });
}

function checkOrder(came: readonly string[], needed: readonly string[]): void {
  const isNeeded = new Set(needed);
  const unused = came.find((txid) => !isNeeded.has(txid));
  if (unused !== undefined) throw bad('unused', `${unused} proves nothing about the inscription`, { txid: unused });
  if (came.some((txid, position) => txid !== needed[position]))
    throw bad('order', 'the transactions of a proof must stand in the order in which they are needed');
}

function read(raw: string): Transaction {
  try {
    return readTransaction(raw);
  } catch (cause) {
    if (!(cause instanceof SparkleError)) throw cause;
    throw new SparkleError('bad_proof', cause.message, { reason: 'unreadable' satisfies ProofFault }, { cause });
  }
}

function get(known: ReadonlyMap<string, Transaction>, txid: string): Transaction {
  const transaction = known.get(txid);
  if (transaction === undefined) throw bad('missing_parent', `${txid} is missing`, { txid });
  return transaction;
}

function assertBounded(transactions: readonly string[]): void {
  const count = transactions.length;
  if (count > MAX_TRANSACTIONS)
    throw bad('too_many', `a proof must have at most ${MAX_TRANSACTIONS} transactions; got ${count}`, { count });
  const bytes = transactions.reduce((sum, raw) => sum + raw.length, 0) / 2;
  if (bytes > MAX_PROOF_BYTES)
    throw bad('too_big', `a proof must have at most ${MAX_PROOF_BYTES} bytes; got ${bytes}`, { bytes });
}

const bad = (reason: ProofFault, sentence: string, detail: Record<string, unknown> = {}): SparkleError =>
  new SparkleError('bad_proof', sentence, { reason, ...detail });

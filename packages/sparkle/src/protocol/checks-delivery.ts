import { checkAnnouncement, checkLock, checkPaidQuote, checkQuote, checkReveal, termsOfQuote } from './checks.ts';
import { broken, type Failure, type Rule, same } from './checks-rule.ts';
import { txidOf } from './draft.ts';
import { SparkleError } from './errors.ts';
import { buildLock } from './lock.ts';
import { readMessage, type TradeAccept, type TradeMessage, type TradeQuote } from './messages.ts';
import { checkReveal as checkRevealIn, type SatProof, verifySatProof } from './satproof.ts';
import type { Terms, Want } from './trade/terms.ts';
import type { LockFacts } from './trade/view.ts';

/** What a coordinator shows of a trade, or anybody who claims to be one: nothing in it is believed. */
export type Shown = {
  /** The signed quote, then the signed announcement of the lock. */
  messages: readonly string[];
  lock?: { outpoint: string; address: string; descriptor: string; raw: string };
  satProof?: SatProof;
};

/** What the buyer knows by himself: what he wants, his hash and key in it, and the invoice that he pays or has paid. */
export type Bought = { want: Extract<Want, { mode: 'hold-first' }>; invoice: string };

/** What the buyer sees with his own eyes. */
export type Seen = {
  height: number;
  nowSeconds: number;
  tip: { timeSeconds: number };
  facts: LockFacts;
  /** Whether he has an index of inscriptions to ask; without one only a sat proof says where the inscription lies. */
  hasIndex: boolean;
  /** The raw reveal of the inscription, out of his own chain. */
  reveal?: string;
  /** A satpoint at which he knows that the inscription lay before the trade: a proof may begin there. */
  knownSatpoint?: string;
};

/** Where the lock is said to be, and what it must be. The terms are made of what the buyer wants and of a quote that was checked. */
export type Announced = { terms: Terms; outpoint: string };

type Before = Bought & {
  messages: readonly string[];
  /** The parts of the price, as they were shown. */
  parts?: readonly bigint[];
  height: number;
  nowSeconds: number;
  tip: { timeSeconds: number };
};

/**
 * The buyer of a coordinator, before he pays `invoice`: is it that of a quote which the seller signed, and is that quote what
 * he wants? Returns all failures.
 */
export function checkPrepared({ want, invoice, messages, parts, ...at }: Before): Failure[] {
  const quote = read(messages[0], 'trade_quote');
  if ('code' in quote) return [quote];
  return [
    ...checkQuote({ want, quote, ...at }),
    ...broken([sameInvoice(quote, invoice), ...(parts === undefined ? [] : [totalRule(want.priceSats, parts)])]),
  ];
}

/**
 * What was announced, as far as it can be read without looking anywhere: all failures, and where to look. Its outpoint is
 * only a place to look at, and `checkDelivery` says whether the lock is there.
 */
export function readDelivery({ want, invoice, shown }: Bought & { shown: Shown }): {
  failures: Failure[];
  announced?: Announced;
} {
  const quote = read(shown.messages[0], 'trade_quote');
  if ('code' in quote) return { failures: [quote] };
  const said = [...checkPaidQuote({ want, quote }), ...broken([sameInvoice(quote, invoice)])];
  const accept = read(shown.messages[1], 'trade_accept');
  if ('code' in accept) return { failures: [...said, accept] };
  const terms = termsOfQuote(want, quote);
  const outpoint = `${accept.fundingTxid}:${accept.fundingVout}`;
  const failures = [...said, ...checkAnnouncement({ terms, accept })];
  // What makes no lock is refused above; there is nothing to compare with.
  if (failures.some(({ wait }) => !wait)) return { failures };
  return { failures: [...failures, ...broken(shownRules({ shown, terms, outpoint }))], announced: { terms, outpoint } };
}

/**
 * The buyer of a coordinator, before he shows his preimage to anybody: is what he paid for there, for him alone to take, and
 * is there still time? Returns all failures; those with `wait` may pass by themselves. Source: swaps 4.1.3.
 */
export function checkDelivery({ shown, seen, ...bought }: Bought & { shown: Shown; seen: Seen }): Failure[] {
  const { failures, announced } = readDelivery({ ...bought, shown });
  if (announced === undefined) return failures;
  const { terms } = announced;
  const { height, tip, nowSeconds } = seen;
  const place = placeFailures({ shown, seen, ...announced });
  const isProved = shown.satProof !== undefined && place.length === 0;
  return [
    ...failures,
    ...checkLock({ terms, facts: settled({ seen, isProved, ...announced }), height }),
    ...place,
    ...checkReveal({ terms, height, tip, nowSeconds }),
  ];
}

type Op = { trade_quote: TradeQuote; trade_accept: TradeAccept };

/** A message by its place; what is there and is something else is as good as unreadable. */
function read<Name extends keyof Op>(text: string | undefined, op: Name): Op[Name] | Failure {
  if (text === undefined) return absent[op];
  const message = readOrCode(text);
  if (typeof message === 'string') return unreadable(op, message);
  if (message.op !== op) return unreadable(op, message.op);
  if (message.signed === undefined) {
    const sentence = `a ${op} must have signed fields; a plain SIP-3 message names no network and no sender`;
    return { code: 'unsigned', sentence, detail: { op }, wait: false };
  }
  return message as Op[Name];
}

function readOrCode(text: string): TradeMessage | string {
  try {
    // Whether it is out of date is asked by the checks, which say so by a code of its own.
    return readMessage(text, { nowSeconds: 0 }).message;
  } catch (error) {
    if (error instanceof SparkleError) return error.code;
    throw error;
  }
}

const absent: Record<keyof Op, Failure> = {
  trade_quote: {
    code: 'quote_missing',
    sentence: 'the signed quote must be shown; it is not',
    ...{ detail: {}, wait: false },
  },
  trade_accept: {
    code: 'lock_not_announced',
    sentence: 'the lock must be announced by a signed message; none was shown yet',
    ...{ detail: {}, wait: true },
  },
};

const unreadable = (op: keyof Op, came: string): Failure => ({
  code: 'message_unreadable',
  sentence: `there must be a ${op} with a good signature; it is ${came}`,
  ...{ detail: { op, came }, wait: false },
});

const sameInvoice = ({ invoice }: TradeQuote, paid: string): Rule => ({
  code: 'wrong_invoice',
  holds: invoice.toLowerCase() === paid.toLowerCase(),
  sentence: 'the invoice must be the one in the signed quote; it is another',
});

function totalRule(priceSats: bigint, parts: readonly bigint[]): Rule {
  const total = parts.reduce((sum, part) => sum + part, 0n);
  return same({ code: 'wrong_total', field: 'the sum of the parts of the price', expected: priceSats, came: total });
}

/** What is said of the lock besides is compared too: whoever shows one lie has shown that he lies. */
function shownRules({ shown: { lock }, terms, outpoint }: { shown: Shown } & Announced): Rule[] {
  if (lock === undefined) return [];
  const { address, descriptor = '' } = buildLock(terms);
  return [
    same({ code: 'wrong_outpoint', field: 'lock.outpoint', expected: outpoint, came: lock.outpoint }),
    same({ code: 'wrong_address', field: 'lock.address', expected: address, came: lock.address }),
    same({ code: 'wrong_address', field: 'lock.descriptor', expected: descriptor, came: lock.descriptor }),
    same({ code: 'wrong_txid', field: 'the txid of lock.raw', expected: outpoint.slice(0, 64), came: idOf(lock.raw) }),
  ];
}

function idOf(raw: string): string | undefined {
  try {
    return txidOf(raw);
  } catch (error) {
    if (error instanceof SparkleError) return undefined;
    throw error;
  }
}

type Place = { shown: Shown; seen: Seen } & Announced;

/** Where the proof says that the inscription is, when the buyer's own index does not say it. */
function placeFailures({ shown: { satProof }, seen, terms, outpoint }: Place): Failure[] {
  if (satProof === undefined) {
    if (seen.hasIndex) return [];
    const sentence = 'a sat proof must be shown to who has no index of his own; none is';
    // It is made from the lock, and may take its time.
    return [{ code: 'sat_proof_missing', sentence, detail: {}, wait: true }];
  }
  const { inscriptionId } = terms;
  const inscription = { field: 'sat_proof.inscription_id', expected: inscriptionId, came: satProof.inscriptionId };
  const other = broken([same({ code: 'wrong_inscription', ...inscription })]);
  if (other.length > 0) return other;
  const problem = proofProblem(satProof, seen);
  if (problem === 'unknown_start') {
    const sentence = `a sat proof must begin at the reveal, or where the buyer knows that the inscription lay; it begins at ${satProof.from}`;
    // The last step is shown at once, the whole way when it has been found.
    return [{ code: 'sat_proof_missing', sentence, detail: { from: satProof.from }, wait: true }];
  }
  if (problem !== undefined) {
    const sentence = `the sat proof must be a true one that begins at the reveal, or where the buyer knows the inscription lay: ${problem}`;
    return [{ code: 'sat_proof_bad', sentence, detail: { reason: problem }, wait: false }];
  }
  const expected = `${outpoint}:${terms.offsetSats}`;
  return broken([same({ code: 'sat_moved', field: 'sat_proof.satpoint', expected, came: satProof.satpoint })]);
}

function proofProblem(proof: SatProof, { reveal, knownSatpoint }: Seen): string | undefined {
  try {
    verifySatProof(proof);
    if (proof.from !== undefined) return proof.from === knownSatpoint ? undefined : 'unknown_start';
    if (reveal === undefined) return 'reveal_unknown';
    checkRevealIn({ proof, raw: reveal });
    return undefined;
  } catch (error) {
    if (!(error instanceof SparkleError)) throw error;
    const { reason } = error.detail;
    return typeof reason === 'string' ? reason : error.code;
  }
}

type Settling = Announced & { seen: Seen; isProved: boolean };

/** An index of one's own decides where it has an answer; where it has none, a proof that holds is enough. */
function settled({ seen: { facts, hasIndex }, isProved, terms, outpoint }: Settling): LockFacts {
  const hasAnswer = facts.satpoint !== undefined || facts.indexProblem === 'unknown_inscription';
  if (hasAnswer || (hasIndex && !isProved)) return facts;
  const { indexProblem: _problem, ...rest } = facts;
  const { inscriptionId, offsetSats } = terms;
  return { ...rest, satpoint: `${outpoint}:${offsetSats}`, inscriptions: [inscriptionId], runes: 'unknown' };
}

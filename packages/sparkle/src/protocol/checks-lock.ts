import { broken, type Failure, type Rule } from './checks-rule.ts';
import { refundIsOpen } from './deadlines.ts';
import { decodeTransaction, type Output, txidOf } from './draft.ts';
import { SparkleError } from './errors.ts';
import { readOutpoint } from './inscription.ts';
import { buildLock } from './lock.ts';
import { lockValueSats, type Terms } from './trade/terms.ts';
import type { LockFacts } from './trade/view.ts';

type LockCheck = { terms: Terms; facts: LockFacts; height: number };

/**
 * Whether the lock that the buyer looked up himself is the one agreed on: nothing the seller said about it is used
 * but its outpoint. Returns all failures; those with `wait` may pass by themselves. Source: swaps 4.1.3, items 2 to
 * 5.
 */
export function checkLock(check: LockCheck): Failure[] {
  const { terms, facts, height } = check;
  const { refundHeight } = terms;
  const open: Rule = {
    code: 'refund_open',
    holds: !refundIsOpen({ height, refundHeight }),
    sentence: `the refund must open after the best height; it opens at ${refundHeight} and the best height is ${height}`,
    detail: { height, refundHeight },
  };
  if (facts.raw === undefined)
    return broken([
      open,
      {
        code: 'lock_not_seen',
        holds: false,
        sentence: 'the lock must be in the chain or the mempool; it is in neither',
        wait: true,
      },
    ]);
  return [
    ...broken([open]),
    ...outputFailures(check, facts.raw),
    ...broken([...depthRules(check), ...assetRules(check)]),
  ];
}

function outputFailures({ terms, facts }: LockCheck, raw: string): Failure[] {
  const { txid, vout } = readOutpoint(facts.outpoint);
  const read = readTransaction(raw);
  if (read === undefined)
    return broken([
      { code: 'lock_unreadable', holds: false, sentence: 'the lock must be a transaction; its bytes are none' },
    ]);
  const named: Rule = {
    code: 'wrong_txid',
    holds: read.txid === txid,
    sentence: `the lock must have the txid ${txid}; its bytes have ${read.txid}`,
    detail: { expected: txid, came: read.txid },
  };
  const output = read.outputs[vout];
  if (output !== undefined) return broken([named, ...outputRules(terms, output)]);
  const count = read.outputs.length;
  const sentence = `the lock must be output ${vout} of its transaction, which has ${count}`;
  return broken([named, { code: 'no_such_output', holds: false, sentence, detail: { vout, count } }]);
}

function readTransaction(raw: string): { txid: string; outputs: readonly Output[] } | undefined {
  try {
    return { txid: txidOf(raw), outputs: decodeTransaction(raw).outputs };
  } catch (error) {
    if (error instanceof SparkleError) return undefined;
    throw error;
  }
}

function outputRules(terms: Terms, { script, valueSats }: Output): Rule[] {
  const expected = buildLock(terms).script;
  const value = lockValueSats(terms);
  return [
    {
      code: 'wrong_script',
      holds: script === expected,
      sentence: `the lock must pay to ${expected}, rebuilt from the terms; it pays to ${script}`,
      detail: { expected, came: script },
    },
    {
      code: 'wrong_value',
      holds: valueSats === value,
      sentence: `the lock must hold ${value} sats, postage and reserve; it holds ${valueSats}`,
      detail: { expected: value, came: valueSats },
    },
  ];
}

function depthRules({ terms, facts }: LockCheck): Rule[] {
  const { confirmations, unspent } = facts;
  const needed = terms.confirmations;
  return [
    {
      code: 'lock_unconfirmed',
      holds: confirmations > 0,
      sentence: `the lock must have ${needed} confirmations; it is in no block yet`,
      detail: { needed, confirmations },
      wait: true,
    },
    {
      code: 'lock_shallow',
      holds: confirmations <= 0 || confirmations >= needed,
      sentence: `the lock must have ${needed} confirmations; it has ${confirmations}`,
      detail: { needed, confirmations },
      wait: true,
    },
    {
      code: 'lock_spent',
      holds: unspent,
      sentence: 'the lock must be unspent, the mempool counted; it is spent',
      // Before the first block an eviction or a source that lags looks just the same.
      wait: confirmations <= 0,
    },
  ];
}

/** Where the inscription is says only something once the lock is in a block: before that, it is where it was. */
function assetRules({ terms, facts }: LockCheck): Rule[] {
  if (facts.confirmations <= 0) return [];
  const { satpoint, inscriptions, indexProblem: problem } = facts;
  if (problem === 'unknown_inscription') {
    const sentence = `${terms.inscriptionId} must exist and not be burned or lost; the index knows no such inscription`;
    return [{ code: 'inscription_unknown', holds: false, sentence, detail: { problem } }];
  }
  if (problem !== undefined || satpoint === undefined || inscriptions === undefined) {
    const sentence = 'the index must have the block of the lock; it cannot say yet where the inscription is';
    return [{ code: 'index_behind', holds: false, sentence, detail: { problem }, wait: true }];
  }
  const runes: Rule = {
    code: 'runes_present',
    // The claim would bring them to the buyer: no loss, and not what was agreed on. Unknown is no reason to refuse here.
    holds: facts.runes !== 'some',
    sentence: 'the lock must hold no runes besides the inscription; it holds some',
    detail: { outpoint: facts.outpoint },
  };
  return [...placeRules({ terms, outpoint: facts.outpoint, satpoint, inscriptions }), runes];
}

function placeRules(place: { terms: Terms; outpoint: string; satpoint: string; inscriptions: string[] }): Rule[] {
  const { terms, outpoint, satpoint, inscriptions } = place;
  const expected = `${outpoint}:${terms.offsetSats}`;
  const others = inscriptions.filter((id) => id !== terms.inscriptionId);
  return [
    {
      code: 'sat_moved',
      holds: satpoint === expected,
      sentence: `the inscription must be at ${expected}; it is at ${satpoint}`,
      detail: { expected, came: satpoint },
    },
    {
      code: 'inscription_missing',
      holds: inscriptions.includes(terms.inscriptionId),
      sentence: `the lock must hold ${terms.inscriptionId}; the index lists ${inscriptions.length} inscriptions without it`,
      detail: { inscriptionId: terms.inscriptionId },
    },
    {
      code: 'other_inscriptions',
      holds: others.length === 0,
      sentence: `the lock must hold exactly one inscription; it holds ${others.length} more`,
      detail: { others },
    },
  ];
}

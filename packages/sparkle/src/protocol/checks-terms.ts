import { schnorr } from '@noble/curves/secp256k1.js';
import { type Rule, same } from './checks-rule.ts';
import { confirmationsFor } from './deadlines.ts';
import { SparkleError } from './errors.ts';
import { buildLock, NUMS_KEY } from './lock.ts';
import type { AcceptTerms, Signed, TradeAccept, TradeQuote } from './messages.ts';
import type { Terms, TradeMode, Want } from './trade/terms.ts';

/** Virtual bytes of a claim through the claim leaf: a reserve that does not pay for it at 1 sat/vB is none. */
const CLAIM_VBYTES = 156n;
/** Bitcoin Core does not relay a Taproot output below this. */
const P2TR_DUST_SATS = 330n;

type Offered = { inscriptionId: string; paymentHash: string; refundHeight: number; signed: Signed & AcceptTerms };

function termsOf(want: Want, offered: Offered): Terms {
  const { refundKey, quoteHeight, finalCltv, confirmations, postageSats, reserveSats, offsetSats } = offered.signed;
  return {
    tradeId: want.tradeId,
    mode: want.mode,
    network: want.network,
    script: want.script,
    internalKey: want.internalKey,
    inscriptionId: want.inscriptionId,
    priceSats: want.priceSats,
    paymentHash: want.mode === 'hold-first' ? want.paymentHash : offered.paymentHash,
    claimKey: want.claimKey,
    refundKey,
    refundHeight: offered.refundHeight,
    quoteHeight,
    finalCltv,
    confirmations,
    postageSats,
    reserveSats,
    offsetSats,
    buyerId: want.buyerId,
    sellerId: want.sellerId,
  };
}

/** The terms that a quote makes of what the buyer wants. They mean nothing before `checkQuote` has passed. */
export const termsOfQuote = (want: Want, quote: TradeQuote): Terms => termsOf(want, quote);

/**
 * The same for an accept in lock-first. Throws `bad_message` for a plain SIP-3 accept: that does not even name the
 * seller's key.
 */
export function termsOfAccept(want: Want, accept: TradeAccept): Terms {
  const { signed } = accept;
  if (signed === undefined)
    throw new SparkleError('bad_message', 'a trade_accept must have signed fields to make terms of; got none');
  return termsOf(want, { ...accept, signed });
}

type Answer = { want: Want; offered: Offered; mode: TradeMode };

/** What the seller may not choose. `mode` is the one in which such an answer has a meaning. */
export function answerRules({ want, offered: { inscriptionId, signed }, mode }: Answer): Rule[] {
  return [
    same({ code: 'wrong_trade', field: 'trade_id', expected: want.tradeId, came: signed.tradeId }),
    same({ code: 'wrong_sender', field: 'from', expected: want.sellerId, came: signed.from }),
    same({ code: 'wrong_inscription', field: 'inscription_id', expected: want.inscriptionId, came: inscriptionId }),
    {
      code: 'wrong_mode',
      holds: want.mode === mode && signed.mode === mode,
      sentence: `mode must be ${mode} on both sides; it is ${want.mode} and ${signed.mode}`,
      detail: { expected: want.mode, came: signed.mode },
    },
    same({ code: 'wrong_network', field: 'network', expected: want.network, came: signed.network }),
    same({ code: 'wrong_script_version', field: 'script', expected: want.script, came: signed.script }),
    same({ code: 'wrong_internal_key', field: 'internal_key', expected: want.internalKey, came: signed.internalKey }),
    same({ code: 'wrong_price', field: 'price_sats', expected: want.priceSats, came: signed.priceSats }),
    scriptRule(want),
  ];
}

/** What the seller may choose, within the buyer's bounds. */
export function lockRules(want: Want, terms: Terms): Rule[] {
  const { confirmations, postageSats, reserveSats, offsetSats, refundKey } = terms;
  const least = Math.max(want.minConfirmations, confirmationsFor(want.priceSats));
  const postage = want.minPostageSats > P2TR_DUST_SATS ? want.minPostageSats : P2TR_DUST_SATS;
  return [
    {
      code: 'too_few_confirmations',
      holds: confirmations >= least,
      sentence: `the lock must have ${least} confirmations or more; ${confirmations} are offered`,
      detail: { least, confirmations },
    },
    {
      code: 'postage_small',
      holds: postageSats >= postage,
      sentence: `at least ${postage} sats must stay with the inscription; ${postageSats} are offered`,
      detail: { least: postage, postageSats },
    },
    {
      code: 'reserve_small',
      holds: reserveSats >= CLAIM_VBYTES,
      sentence: `at least ${CLAIM_VBYTES} sats of the lock must be there for the claim's fee; ${reserveSats} are offered`,
      detail: { least: CLAIM_VBYTES, reserveSats },
    },
    {
      code: 'offset_outside',
      holds: offsetSats < postageSats,
      sentence: `the inscription must lie within the postage of ${postageSats} sats; its offset is ${offsetSats}`,
      detail: { offsetSats, postageSats },
    },
    keyRule('bad_refund_key', refundKey),
    {
      code: 'own_key',
      holds: refundKey !== want.claimKey,
      sentence: `the refund key must not be the buyer's own claim key; it is ${refundKey}`,
      detail: { refundKey },
    },
  ];
}

/**
 * SIP-3's claim leaf takes a preimage of any length. In hold-first the buyer makes the preimage: with one of 33 bytes
 * he would take the inscription and leave the seller with a payment that Lightning cannot settle.
 */
export const scriptRule = (lock: Pick<Terms, 'mode' | 'script' | 'internalKey'>): Rule => ({
  code: 'script_not_allowed',
  holds: lock.script === 'v1' || (lock.mode === 'lock-first' && lock.internalKey === 'nums'),
  sentence: `a sip3 lock must be lock-first and have a nums internal key; it is ${lock.mode} with ${lock.internalKey}`,
  detail: { mode: lock.mode, script: lock.script, internalKey: lock.internalKey },
});

/** A key in a leaf: 32 bytes, on the curve (BIP 340 lift_x), and one that somebody can hold. */
export const keyRule = (code: 'bad_claim_key' | 'bad_refund_key', key: string): Rule => ({
  code,
  holds: isHeldKey(key),
  sentence: `the key must be the x coordinate of a point on the curve that somebody can hold; got ${key}`,
  detail: { key },
});

/** Whether this is an x-only key, in lowercase hex, that somebody can hold: on the curve, and not the NUMS point. */
export function isHeldKey(key: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(key) || key === NUMS_KEY) return false;
  try {
    schnorr.utils.lift_x(BigInt(`0x${key}`));
    return true;
  } catch {
    return false;
  }
}

/** Whether these terms make a lock at all; asked last, because every rule before names its reason. */
export function buildRule(terms: Terms): Rule {
  const problem = buildProblem(terms);
  return {
    code: 'lock_unbuildable',
    holds: problem === undefined,
    sentence: `the terms must make a lock: ${problem}`,
    detail: { problem },
  };
}

function buildProblem(terms: Terms): string | undefined {
  try {
    buildLock(terms);
    return undefined;
  } catch (error) {
    if (error instanceof SparkleError) return error.message;
    throw error;
  }
}

/** What was agreed and is said again must be said exactly again. */
export function repeatRules(terms: Terms, accept: Offered): Rule[] {
  const { signed } = accept;
  const again = { ...signed, inscriptionId: accept.inscriptionId, paymentHash: accept.paymentHash };
  return [
    same({ code: 'wrong_trade', field: 'trade_id', expected: terms.tradeId, came: again.tradeId }),
    same({ code: 'wrong_sender', field: 'from', expected: terms.sellerId, came: again.from }),
    same({
      code: 'wrong_inscription',
      field: 'inscription_id',
      expected: terms.inscriptionId,
      came: again.inscriptionId,
    }),
    same({ code: 'wrong_mode', field: 'mode', expected: terms.mode, came: again.mode }),
    same({ code: 'wrong_network', field: 'network', expected: terms.network, came: again.network }),
    same({ code: 'wrong_script_version', field: 'script', expected: terms.script, came: again.script }),
    same({ code: 'wrong_internal_key', field: 'internal_key', expected: terms.internalKey, came: again.internalKey }),
    same({ code: 'wrong_price', field: 'price_sats', expected: terms.priceSats, came: again.priceSats }),
    same({ code: 'wrong_payment_hash', field: 'payment_hash', expected: terms.paymentHash, came: again.paymentHash }),
    same({ code: 'wrong_refund_key', field: 'seller_pubkey', expected: terms.refundKey, came: again.refundKey }),
    same({
      code: 'wrong_refund_height',
      field: 'refund_locktime',
      expected: terms.refundHeight,
      came: accept.refundHeight,
    }),
    same({ code: 'wrong_quote_height', field: 'quote_height', expected: terms.quoteHeight, came: again.quoteHeight }),
    same({ code: 'wrong_final_cltv', field: 'final_cltv', expected: terms.finalCltv, came: again.finalCltv }),
    same({
      code: 'wrong_confirmations',
      field: 'confirmations',
      expected: terms.confirmations,
      came: again.confirmations,
    }),
    same({ code: 'wrong_postage', field: 'postage_sats', expected: terms.postageSats, came: again.postageSats }),
    same({ code: 'wrong_reserve', field: 'reserve_sats', expected: terms.reserveSats, came: again.reserveSats }),
    same({ code: 'wrong_offset', field: 'offset_sats', expected: terms.offsetSats, came: again.offsetSats }),
  ];
}

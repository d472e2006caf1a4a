/** What can be wrong with a trade. A code is part of the public surface: it may be added to, never reused. */
export type CheckCode =
  // who, what, how much
  | 'unsigned'
  | 'wrong_trade'
  | 'wrong_sender'
  | 'self_trade'
  | 'wrong_inscription'
  | 'wrong_price'
  | 'wrong_payout'
  | 'price_limits'
  | 'wrong_network'
  | 'wrong_mode'
  | 'mode_not_offered'
  | 'wrong_script_version'
  | 'wrong_internal_key'
  | 'script_not_allowed'
  | 'wrong_payment_hash'
  | 'payment_hash_missing'
  | 'payment_hash_unexpected'
  | 'offer_expired'
  | 'request_expired'
  | 'quote_expired'
  | 'want_expired'
  // keys and amounts of the lock
  | 'bad_claim_key'
  | 'bad_refund_key'
  | 'own_key'
  | 'wrong_refund_key'
  | 'too_few_confirmations'
  | 'too_many_confirmations'
  | 'wrong_confirmations'
  | 'postage_small'
  | 'wrong_postage'
  | 'reserve_small'
  | 'wrong_reserve'
  | 'offset_outside'
  | 'wrong_offset'
  | 'lock_unbuildable'
  // heights
  | 'quote_height'
  | 'wrong_quote_height'
  | 'wrong_heights'
  | 'wrong_refund_height'
  | 'wrong_final_cltv'
  | 'refund_too_far'
  | 'refund_open'
  | 'pay_too_late'
  | 'reveal_too_late'
  | 'accepted_late'
  | 'lock_too_late'
  | 'hold_gap'
  | 'forward_gap'
  | 'tip_stale'
  // the invoice and the held payment
  | 'invoice_unreadable'
  | 'invoice_network'
  | 'invoice_hash'
  | 'invoice_amount'
  | 'invoice_expired'
  | 'invoice_window'
  | 'invoice_final_cltv'
  | 'invoice_description'
  | 'route_cap'
  | 'underpaid'
  | 'overpaid'
  // the lock as it is in the chain
  | 'lock_not_seen'
  | 'lock_unreadable'
  | 'wrong_txid'
  | 'no_such_output'
  | 'wrong_script'
  | 'wrong_value'
  | 'lock_unconfirmed'
  | 'lock_shallow'
  | 'lock_spent'
  | 'index_behind'
  | 'inscription_unknown'
  | 'sat_moved'
  | 'inscription_missing'
  | 'other_inscriptions'
  // what a coordinator shows
  | 'quote_missing'
  | 'message_unreadable'
  | 'wrong_invoice'
  | 'wrong_total'
  | 'lock_not_announced'
  | 'wrong_outpoint'
  | 'wrong_address'
  | 'sat_proof_missing'
  | 'sat_proof_bad'
  // what else may lie in an output
  | 'coin_spent'
  | 'coin_unconfirmed'
  | 'coin_script'
  | 'not_cardinal'
  | 'runes_present'
  | 'runes_unknown'
  | 'token_possible';

/**
 * Something that is not as it must be. `wait`: it may yet come to be; look again later. Otherwise the trade must not
 * go on.
 */
export type Failure = { code: CheckCode; sentence: string; detail: Record<string, unknown>; wait: boolean };

/** One thing that must hold, and what to say when it does not. */
export type Rule = {
  code: CheckCode;
  holds: boolean;
  sentence: string;
  detail?: Record<string, unknown>;
  wait?: boolean;
};

/** All rules that do not hold, in order. */
export const broken = (rules: readonly Rule[]): Failure[] =>
  rules
    .filter(({ holds }) => !holds)
    .map(({ code, sentence, detail = {}, wait = false }) => ({ code, sentence, detail, wait }));

type Value = string | number | bigint | undefined;

/** A value that must be exactly another. */
export const same = (rule: { code: CheckCode; field: string; expected: Value; came: Value }): Rule => ({
  code: rule.code,
  holds: rule.expected === rule.came,
  sentence: `${rule.field} must be ${rule.expected}; got ${rule.came}`,
  detail: { field: rule.field, expected: rule.expected, came: rule.came },
});

/** A price that is within the bounds, in sats, both allowed. */
export const priceRule = (priceSats: bigint, { minSats, maxSats }: { minSats: bigint; maxSats: bigint }): Rule => ({
  code: 'price_limits',
  holds: priceSats >= minSats && priceSats <= maxSats,
  sentence: `the price must be ${minSats} to ${maxSats} sats; it is ${priceSats}`,
  detail: { priceSats, minSats, maxSats },
});

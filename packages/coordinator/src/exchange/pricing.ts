import { MAX_SATS, partsFloor, sumSats } from 'sparkle-protocol/protocol/amount';
import { SparkleError } from 'sparkle-protocol/protocol/errors';

/** What a buyer pays, part by part, in sats. */
export type Pricing = { sellerSats: bigint; royaltySats: bigint; marketFeeSats: bigint; l1FeeSats: bigint };

/** The market's part of a trade: so many basis points of the price, and so many sats. */
export type Fees = { fixedSats: bigint; bps: number };

/** The names that the published checkout has for the parts. */
const WIRE_NAMES = {
  sellerSats: 'seller_sats',
  royaltySats: 'creator_royalty_sats',
  marketFeeSats: 'market_fee_sats',
  l1FeeSats: 'estimated_l1_fee_sats',
} as const satisfies Record<keyof Pricing, string>;

const PARTS = Object.keys(WIRE_NAMES) as (keyof Pricing)[];

/** Something wrong with a pricing: the field by its published name, what was expected and what came. */
export type PricingFailure = { code: 'bad_amount'; field: string; sentence: string };

/** Proceeds are rounded down, fees up. Throws `bad_amount` for basis points outside 0..10000. */
export function marketFeeSats({ sellerSats, fees }: { sellerSats: bigint; fees: Fees }): bigint {
  const { fixedSats, bps } = fees;
  // Rounding up the fee is rounding down what the rest of the price would be.
  const rest = partsFloor({ sats: sellerSats, bps: 10_000 - bps });
  return sumSats([fixedSats, sellerSats - rest]);
}

/** What an item costs: the royalty as it is paid out, the fee rounded up, and the estimate for the chain. Throws `bad_amount`. */
export function pricingOf(of: { sellerSats: bigint; royaltySats: bigint; fees: Fees; l1FeeSats: bigint }): Pricing {
  const { sellerSats, royaltySats, fees, l1FeeSats } = of;
  const pricing = {
    sellerSats,
    royaltySats,
    marketFeeSats: marketFeeSats({ sellerSats, fees }),
    l1FeeSats,
  };
  totalSats(pricing);
  return pricing;
}

/**
 * A lock costs its seller a claim or a refund besides, and who walks away pays neither: where blocks are dear for what is sold
 * there is no trade (R15). Throws `fee_too_high`.
 */
export function assertProportionate(of: { chainFeesSats: bigint; priceSats: bigint; mostBps: number }): void {
  const { chainFeesSats, priceSats, mostBps } = of;
  if (chainFeesSats * 10_000n <= priceSats * BigInt(mostBps)) return;
  throw new SparkleError(
    'fee_too_high',
    `what the chain costs must be at most ${mostBps} basis points of the price ${priceSats}; today it is ${chainFeesSats} sats: ask again when blocks are cheaper`,
    { mostBps },
  );
}

/** The least price at which what a buyer pays, with the fee and nothing else, is `totalSats` or more. */
export function leastSellerSats({ totalSats, fees }: { totalSats: bigint; fees: Fees }): bigint {
  const rest = totalSats - fees.fixedSats;
  // What is paid is fixedSats + ceil(price * (1 + bps)): at the price one below, that is still under `totalSats`.
  return rest <= 0n ? 0n : ((rest - 1n) * 10_000n) / (10_000n + BigInt(fees.bps)) + 1n;
}

/** The sum of all parts: what the invoice is for. Throws `bad_amount`. */
export const totalSats = (pricing: Pricing): bigint => sumSats(PARTS.map((part) => pricing[part]));

/** The parts as the published checkout has them: JSON numbers, which 21,000,000 BTC fit into exactly. */
export const pricingWire = (pricing: Pricing): Record<(typeof WIRE_NAMES)[keyof Pricing], number> => ({
  seller_sats: Number(pricing.sellerSats),
  creator_royalty_sats: Number(pricing.royaltySats),
  market_fee_sats: Number(pricing.marketFeeSats),
  estimated_l1_fee_sats: Number(pricing.l1FeeSats),
});

const failure = (field: string, expected: string, came: unknown): PricingFailure => ({
  code: 'bad_amount',
  field,
  sentence: `${field} must be ${expected}; got ${String(came)}`,
});

const isSats = (value: unknown): value is number =>
  Number.isSafeInteger(value) && !Object.is(value, -0) && (value as number) >= 0 && BigInt(value as number) <= MAX_SATS;

export type PricingRules = {
  /** Parts at our own prices; of the chain's fee the least that we take. */
  ours: Pricing;
  minTotalSats: bigint;
  maxTotalSats: bigint;
};

type Named = Readonly<Record<(typeof WIRE_NAMES)[keyof Pricing], unknown>>;

/** A part at our price to the sat; of the chain's fee as much or more, since a feerate moves while a buyer reads. */
function checkPart(part: keyof Pricing, { came, ours }: { came: number; ours: bigint }): PricingFailure[] {
  const field = `pricing.${WIRE_NAMES[part]}`;
  if (part === 'l1FeeSats') return BigInt(came) >= ours ? [] : [failure(field, `at least ${ours}`, came)];
  return BigInt(came) === ours ? [] : [failure(field, String(ours), came)];
}

/**
 * Everything that is wrong with the pricing of a checkout: each part a number of sats and at our price, the royalty as it
 * was declared, the sum exactly `max_total_sats` and within the limits. Empty when a trade can be made at it.
 */
export function checkPricing(
  { pricing, maxTotalSats }: { pricing: Named; maxTotalSats: unknown },
  { ours, minTotalSats, maxTotalSats: limit }: PricingRules,
): PricingFailure[] {
  const failures: PricingFailure[] = [];
  const whole = `a whole number of sats from 0 to ${MAX_SATS}`;
  let sum: bigint | undefined = 0n;
  for (const part of PARTS) {
    const came = pricing[WIRE_NAMES[part]];
    if (!isSats(came)) failures.push(failure(`pricing.${WIRE_NAMES[part]}`, whole, came));
    else failures.push(...checkPart(part, { came, ours: ours[part] }));
    sum = sum === undefined || !isSats(came) ? undefined : sum + BigInt(came);
  }
  if (!isSats(maxTotalSats)) return [...failures, failure('max_total_sats', whole, maxTotalSats)];
  const total = BigInt(maxTotalSats);
  if (sum !== undefined && sum !== total)
    failures.push(failure('max_total_sats', `the sum of the pricing, ${sum}`, maxTotalSats));
  if (total < minTotalSats || total > limit)
    failures.push(failure('max_total_sats', `from ${minTotalSats} to ${limit}`, maxTotalSats));
  return failures;
}

/** Throws one `bad_amount` with all failures, naming the field of the first. */
export function assertPricing(...checked: Parameters<typeof checkPricing>): void {
  const failures = checkPricing(...checked);
  const [first] = failures;
  if (first === undefined) return;
  const sentence = failures.map((each) => each.sentence).join('; ');
  throw new SparkleError('bad_amount', sentence, { field: first.field, failures });
}

import type { Chain } from 'sparkle-protocol/chain/chain';
import type { PricingWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { sumSats } from 'sparkle-protocol/protocol/amount';
import type { Output } from 'sparkle-protocol/protocol/draft';
import { GivenQuotes } from './given-quotes.ts';
import type { Item } from './listings.ts';
import {
  assertPricing,
  assertProportionate,
  type Fees,
  type Pricing,
  pricingOf,
  type PricingRules,
  pricingWire,
  totalSats,
} from './pricing.ts';
import { type Owed, royaltyParts } from '../royalties/royalties.ts';

export type QuoteParts = {
  chain: Pick<Chain, 'feerate'>;
  fees: Fees;
  limits: { minTradeSats: bigint; maxTradeSats: bigint; quoteTtlSeconds: number; maxChainFeeBps: number };
  /** Whether creators who have named a Lightning address alone are paid there. */
  overLightning: boolean;
  nowSeconds(): number;
};

/** Virtual bytes of a fill with two coins of ours besides the two that only make room, all Taproot, one royalty included. */
const FILL_VBYTES = 560n;
const PAYOUT_VBYTES = 43n;
/** A claim of the lock's leaf with one output; the lock carries what it costs, three times over. */
const CLAIM_VBYTES = 156n;
/** A refund through the other leaf, rounded up. */
const REFUND_VBYTES = 150n;
const RESERVE_FACTOR = 3n;
const LEAST_RESERVE_SATS = 1_000n;
const TARGET_BLOCKS = 6;

/**
 * What one sale costs whom. `reserveSats` is the part of the L1 fee that lies in the lock and pays for the claim, `payouts`
 * are the outputs in which the fill pays the royalty, to the sat, `owed` what is paid over Lightning once the sale is.
 */
export type Price = {
  pricing: Pricing;
  reserveSats: bigint;
  totalSats: bigint;
  payouts: Output[];
  owed: Owed[];
  /** Of fill, claim and refund at today's feerate. */
  chainFeesSats: bigint;
};

/** An item of ours is not filled: with the fill that brought it here its creator was paid, but for what is left to be. */
function royaltyOf({ listing, declared, owed = [], priceSats: sellerSats }: Item, overLightning: boolean) {
  if (listing === undefined) return { payouts: [], owed: overLightning ? owed : [] };
  return declared === undefined ? { payouts: [], owed: [] } : royaltyParts({ declared, sellerSats, overLightning });
}

/** What things cost here. A quote holds as long as it says, and what it says is what is charged, to the sat. */
export class Quotes {
  readonly #parts: QuoteParts;
  /** Of each offer the least L1 fee among its quotes that still hold is enough. */
  readonly #given = new GivenQuotes();

  constructor(parts: QuoteParts) {
    this.#parts = parts;
  }

  async price(item: Item): Promise<Price> {
    const { chain, fees, overLightning } = this.#parts;
    const feerateSatVb = BigInt(Math.ceil(await chain.feerate(TARGET_BLOCKS)));
    const reserve = CLAIM_VBYTES * feerateSatVb * RESERVE_FACTOR;
    const reserveSats = reserve > LEAST_RESERVE_SATS ? reserve : LEAST_RESERVE_SATS;
    const { priceSats: sellerSats } = item;
    const { payouts, owed } = royaltyOf(item, overLightning);
    const vbytes = FILL_VBYTES + PAYOUT_VBYTES * BigInt(Math.max(0, payouts.length - 1));
    const pricing = pricingOf({
      ...{ sellerSats, royaltySats: sumSats([...payouts, ...owed].map(({ valueSats }) => valueSats)), fees },
      l1FeeSats: vbytes * feerateSatVb + reserveSats,
    });
    const chainFeesSats = (vbytes + CLAIM_VBYTES + REFUND_VBYTES) * feerateSatVb;
    return { pricing, reserveSats, totalSats: totalSats(pricing), payouts, owed, chainFeesSats };
  }

  /** Throws `fee_too_high` while the chain costs too much for this price, `bad_amount` for a price outside the limits. */
  async quote(item: Item): Promise<QuoteWire> {
    const price = await this.price(item);
    this.#assertProportionate(price);
    const { limits, nowSeconds } = this.#parts;
    const expiresAt = nowSeconds() + limits.quoteTtlSeconds;
    const quote = { pricing: pricingWire(price.pricing), max_total_sats: Number(price.totalSats) };
    assertPricing({ pricing: quote.pricing, maxTotalSats: quote.max_total_sats }, this.#rules(price.pricing));
    const { l1FeeSats } = price.pricing;
    this.#given.note(item.offerId, { l1FeeSats, reserveSats: price.reserveSats, expiresAt }, nowSeconds());
    return { inscription_id: item.inscriptionId, ...quote, expires_at: expiresAt };
  }

  /** A total as a buyer names it over the market, in its parts: what it has above all others is for the chain. Throws as `agreed`. */
  async agreedTotal(item: Item, total: bigint): Promise<{ pricing: PricingWire; price: Price }> {
    const today = await this.price(item);
    const l1FeeSats = total - today.totalSats + today.pricing.l1FeeSats;
    const pricing = pricingWire({ ...today.pricing, l1FeeSats: l1FeeSats > 0n ? l1FeeSats : 0n });
    return { pricing, price: this.#agree(today, { item, named: pricing, totalSats: total }) };
  }

  /**
   * The price that a buyer named, when it is one we sell at: every part is ours but for the L1 fee, which may be more than
   * we ask for, and as little as a quote that still holds. What he named is what he pays. Throws `bad_amount`, and
   * `fee_too_high` as `quote` does.
   */
  async agreed(of: { item: Item; named: PricingWire; totalSats: bigint }): Promise<Price> {
    return this.#agree(await this.price(of.item), of);
  }

  #agree(price: Price, of: { item: Item; named: PricingWire; totalSats: bigint }): Price {
    const { item, named, totalSats: total } = of;
    // A quote holds as long as it says.
    if (this.#standing(item.offerId).length === 0) this.#assertProportionate(price);
    const today = { l1FeeSats: price.pricing.l1FeeSats, reserveSats: price.reserveSats };
    const asked = this.#standing(item.offerId).reduce(
      (least, given) => (given.l1FeeSats < least.l1FeeSats ? given : least),
      today,
    );
    const ours = { ...price.pricing, l1FeeSats: asked.l1FeeSats };
    assertPricing({ pricing: named, maxTotalSats: Number(total) }, this.#rules(ours));
    const pricing = { ...price.pricing, l1FeeSats: BigInt(named.estimated_l1_fee_sats) };
    // At an old fee the old reserve: the difference would be the buyer's.
    const isOld = pricing.l1FeeSats < today.l1FeeSats;
    return { ...price, pricing, totalSats: total, reserveSats: isOld ? asked.reserveSats : today.reserveSats };
  }

  #assertProportionate({ chainFeesSats, pricing }: Price): void {
    assertProportionate({ chainFeesSats, priceSats: pricing.sellerSats, mostBps: this.#parts.limits.maxChainFeeBps });
  }

  #rules(ours: Pricing): PricingRules {
    const { minTradeSats: minTotalSats, maxTradeSats: maxTotalSats } = this.#parts.limits;
    return { ours, minTotalSats, maxTotalSats };
  }

  #standing(offerId: string) {
    return this.#given.standing(offerId, this.#parts.nowSeconds());
  }
}

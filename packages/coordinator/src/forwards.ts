import type { QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeRequest } from 'sparkle-protocol/protocol/messages';
import type { Forward } from 'sparkle-protocol/protocol/trade/terms';
import { inFlightSats } from 'sparkle-protocol/trader/forward';
import type { Store } from 'sparkle-protocol/store/store';
import type { Offers } from './hub-offers.ts';
import { assertPricing, type Fees, type Pricing, pricingOf, pricingWire, totalSats } from './pricing.ts';

export type ForwardsParts = {
  offers: Pick<Offers, 'page'>;
  store: Pick<Store, 'liveAnywhere'>;
  fees: Fees;
  limits: { minTradeSats: bigint; maxTradeSats: bigint; forwardSats: bigint; quoteTtlSeconds: number };
  /** The coordinator's own trader: nobody is passed on to himself. */
  forwarderId: string;
  nowSeconds(): number;
};

/** Of what a forward brings, the part that the way to the seller may cost: the rest is the market's in any case. */
const MOST_ROUTE_PERCENT = 50n;

type Passed = { offer: OfferWire; pricing: Pricing };

/**
 * Sales of traders who are connected here and have said that their buyers may pay through us: the price is theirs, the fee
 * comes on top, and nothing else is charged, because the seller locks with his own coins.
 */
export class Forwards {
  readonly #parts: ForwardsParts;

  constructor(parts: ForwardsParts) {
    this.#parts = parts;
  }

  /** What an inscription costs that somebody else sells through us, from who asks least; `undefined` when nobody does. */
  async quote(inscriptionId: string): Promise<QuoteWire | undefined> {
    const [cheapest] = await this.#passed(inscriptionId);
    if (cheapest === undefined) return undefined;
    const { pricing, offer } = cheapest;
    const quote = { pricing: pricingWire(pricing), max_total_sats: Number(totalSats(pricing)) };
    const { minTradeSats: minTotalSats, maxTradeSats: maxTotalSats, quoteTtlSeconds } = this.#parts.limits;
    const rules = { ours: pricing, minTotalSats, maxTotalSats };
    assertPricing({ pricing: quote.pricing, maxTotalSats: quote.max_total_sats }, rules);
    const expires_at = Math.min(this.#parts.nowSeconds() + quoteTtlSeconds, offer.expires_at);
    return { inscription_id: inscriptionId, ...quote, expires_at };
  }

  /**
   * How a buyer's request is passed on: at exactly the price that is quoted for the offer it fits. `undefined` when nobody
   * sells this through us. Throws `bad_amount` for another price, `busy` when as much is under way as may be.
   */
  async forwardFor({ inscriptionId, offerSats }: TradeRequest): Promise<Forward | undefined> {
    const all = await this.#passed(inscriptionId);
    const [cheapest] = all;
    if (cheapest === undefined) return undefined;
    const found = all.find(({ pricing }) => totalSats(pricing) === offerSats);
    if (found === undefined) {
      const asked = totalSats(cheapest.pricing);
      throw new SparkleError('bad_amount', `offer_sats must be what is quoted, ${asked}; got ${offerSats}`, {
        field: 'offer_sats',
      });
    }
    await this.#assertRoom(offerSats);
    const { offer, pricing } = found;
    const { sellerSats, marketFeeSats } = pricing;
    return {
      ...{ inscriptionId, sellerId: offer.seller, sellerSats, totalSats: offerSats, expiresAt: offer.expires_at },
      maxFeeMsat: (marketFeeSats * 1000n * MOST_ROUTE_PERCENT) / 100n,
    };
  }

  async #assertRoom(sats: bigint): Promise<void> {
    const { store, limits } = this.#parts;
    const others = (await store.liveAnywhere()).reduce((sum, trade) => sum + inFlightSats(trade), 0n);
    if (others + sats <= limits.forwardSats) return;
    throw new SparkleError('busy', 'the coordinator passes on as much as it may at one time; try again soon');
  }

  /** All offers of this inscription that may be passed on, the cheapest first. Signatures were checked when they came. */
  async #passed(inscription_id: string): Promise<Passed[]> {
    const { offers, fees, limits, forwarderId } = this.#parts;
    if (limits.forwardSats === 0n) return [];
    const { offers: found } = await offers.page({ inscription_id, mode: 'hold-first', limit: '200' });
    return found
      .filter(({ forward, seller }) => forward === true && seller !== forwarderId)
      .map((offer) => {
        const sellerSats = BigInt(offer.price_sats);
        return { offer, pricing: pricingOf({ sellerSats, royaltySats: 0n, fees, l1FeeSats: 0n }) };
      })
      .toSorted((a, b) => a.offer.price_sats - b.offer.price_sats);
  }
}

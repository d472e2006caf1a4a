import type { PricingWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import type { OfferWire } from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeRequest } from 'sparkle-protocol/protocol/messages';
import type { Forward } from 'sparkle-protocol/protocol/trade/terms';
import { whatIsFull } from 'sparkle-protocol/trader/forward';
import type { Store } from 'sparkle-protocol/store/store';
import type { Offers } from '../hub/hub-offers.ts';
import {
  assertPricing,
  type Fees,
  leastSellerSats,
  type Pricing,
  pricingOf,
  pricingWire,
  totalSats,
} from './pricing.ts';

export type ForwardsParts = {
  offers: Pick<Offers, 'forwarded'>;
  store: Pick<Store, 'committed'>;
  fees: Fees;
  limits: { minTradeSats: bigint; maxTradeSats: bigint; forwardSats: bigint; quoteTtlSeconds: number };
  /** The coordinator's own trader: nobody is passed on to himself. */
  forwarderId: string;
  nowSeconds(): number;
};

/** Of what a forward brings, the part that the way to the seller may cost: the rest is the market's in any case. */
const MOST_ROUTE_PERCENT = 50n;

/** What the buyer of a forward pays, part by part. */
export const forwardPricing = ({ sellerSats, totalSats: total }: Forward): PricingWire =>
  pricingWire({ sellerSats, royaltySats: 0n, marketFeeSats: total - sellerSats, l1FeeSats: 0n });

/** Throws `bad_amount` for parts that are not these: nothing is paid for the chain, and no royalty. */
export function assertForwardPricing(named: PricingWire, { sellerSats, totalSats: total }: Forward): void {
  const ours = { sellerSats, royaltySats: 0n, marketFeeSats: total - sellerSats, l1FeeSats: 0n };
  assertPricing({ pricing: named, maxTotalSats: Number(total) }, { ours, minTotalSats: total, maxTotalSats: total });
}

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
    const cheapest = await this.#passed(inscriptionId);
    if (cheapest === undefined) return undefined;
    const { pricing, offer } = cheapest;
    const quote = { pricing: pricingWire(pricing), max_total_sats: Number(totalSats(pricing)) };
    const expires_at = Math.min(this.#parts.nowSeconds() + this.#parts.limits.quoteTtlSeconds, offer.expires_at);
    return { inscription_id: inscriptionId, ...quote, expires_at, forward: true };
  }

  /**
   * How a buyer's request is passed on: at exactly the price that is quoted for the offer it fits. `undefined` when nobody
   * sells this through us. Throws `bad_amount` for another price, `busy` when as much is under way as may be.
   */
  async forwardFor(asked: Pick<TradeRequest, 'inscriptionId' | 'offerSats'>): Promise<Forward | undefined> {
    const { inscriptionId, offerSats } = asked;
    const found = await this.#passed(inscriptionId, offerSats);
    if (found === undefined) {
      const cheapest = await this.#passed(inscriptionId);
      if (cheapest === undefined) return undefined;
      const asked = totalSats(cheapest.pricing);
      throw new SparkleError('bad_amount', `offer_sats must be what is quoted, ${asked}; got ${offerSats}`, {
        field: 'offer_sats',
      });
    }
    const { offer, pricing } = found;
    await this.#assertRoom({ sats: offerSats, sellerId: offer.seller });
    const { sellerSats, marketFeeSats } = pricing;
    return {
      ...{ inscriptionId, sellerId: offer.seller, sellerSats, totalSats: offerSats, expiresAt: offer.expires_at },
      maxFeeMsat: (marketFeeSats * 1000n * MOST_ROUTE_PERCENT) / 100n,
    };
  }

  async #assertRoom(of: { sats: bigint; sellerId: string }): Promise<void> {
    const { store, limits } = this.#parts;
    const full = await whatIsFull(store, { ...of, mostSats: limits.forwardSats });
    if (full === undefined) return;
    const whom = full === 'seller' ? ' to this seller' : '';
    throw new SparkleError('busy', `the coordinator passes on${whom} as much as it may at one time; try again soon`);
  }

  /**
   * The cheapest offer of this inscription that may be passed on, or the one for which a buyer pays exactly `exactSats`.
   * What the operator's limits leave out is nobody's offer here. Signatures were checked when they came; who has the
   * inscription nobody can tell.
   */
  async #passed(inscriptionId: string, exactSats?: bigint): Promise<Passed | undefined> {
    const { offers, fees, limits, forwarderId } = this.#parts;
    const { minTradeSats, maxTradeSats, forwardSats } = limits;
    if (forwardSats === 0n) return undefined;
    const least = (totalSats: bigint) => leastSellerSats({ totalSats, fees });
    const range = { minSats: least(minTradeSats), maxSats: least(maxTradeSats + 1n) - 1n };
    if (exactSats !== undefined && (exactSats < minTradeSats || exactSats > maxTradeSats)) return undefined;
    const exact = exactSats === undefined ? {} : { exactSats: least(exactSats) };
    const offer = await offers.forwarded({ inscriptionId, ...range, ...exact, notOf: forwarderId });
    if (offer === undefined) return undefined;
    const pricing = pricingOf({ sellerSats: BigInt(offer.price_sats), royaltySats: 0n, fees, l1FeeSats: 0n });
    return exactSats === undefined || totalSats(pricing) === exactSats ? { offer, pricing } : undefined;
  }
}

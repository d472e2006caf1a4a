import type { Chain } from 'sparkle-protocol/chain/chain';
import type { PricingWire, QuoteWire } from 'sparkle-protocol/market/checkout-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { royaltySats } from 'sparkle-protocol/protocol/metadata';
import type { Item } from './listings.ts';

export type QuoteParts = {
  chain: Pick<Chain, 'feerate'>;
  fees: { fixedSats: bigint; bps: number };
  limits: { minTradeSats: bigint; maxTradeSats: bigint; quoteTtlSeconds: number };
  /** What the inscription's collection declares, 0 where it declares nothing. */
  royaltyBps(inscriptionId: string): Promise<number>;
  nowSeconds(): number;
};

/** Virtual bytes of a fill with two coins of ours besides the two that only make room (swaps 4.2.3), all Taproot, royalty included. */
const FILL_VBYTES = 560n;
/** A claim of the lock's leaf with one output; the lock carries what it costs, three times over. */
const CLAIM_VBYTES = 156n;
const RESERVE_FACTOR = 3n;
const LEAST_RESERVE_SATS = 1_000n;
const TARGET_BLOCKS = 6;

/** What one sale costs whom, in sats. `reserveSats` is the part of the L1 fee that lies in the lock and pays for the claim. */
export type Price = {
  sellerSats: bigint;
  royaltySats: bigint;
  marketFeeSats: bigint;
  l1FeeSats: bigint;
  reserveSats: bigint;
  totalSats: bigint;
};

const wire = (price: Price): PricingWire => ({
  seller_sats: Number(price.sellerSats),
  creator_royalty_sats: Number(price.royaltySats),
  market_fee_sats: Number(price.marketFeeSats),
  estimated_l1_fee_sats: Number(price.l1FeeSats),
});

/** Proceeds are rounded down, fees up. */
const marketFee = ({ fixedSats, bps }: QuoteParts['fees'], sellerSats: bigint): bigint =>
  fixedSats + (sellerSats * BigInt(bps) + 9_999n) / 10_000n;

/** What things cost here. A quote holds as long as it says, and what it says is what is charged, to the sat. */
export class Quotes {
  readonly #parts: QuoteParts;
  /** The last quotes of each offer: the least L1 fee among those that still hold is enough. */
  readonly #given = new Map<string, { l1FeeSats: bigint; expiresAt: number }[]>();

  constructor(parts: QuoteParts) {
    this.#parts = parts;
  }

  async price(item: Item): Promise<Price> {
    const { chain, fees, royaltyBps } = this.#parts;
    const sellerSats = item.priceSats;
    // Our own item has nobody else to be paid, and its lock is an ordinary one.
    const bps = await royaltyBps(item.inscriptionId);
    const feerateSatVb = BigInt(Math.ceil(await chain.feerate(TARGET_BLOCKS)));
    const reserve = CLAIM_VBYTES * feerateSatVb * RESERVE_FACTOR;
    const reserveSats = reserve > LEAST_RESERVE_SATS ? reserve : LEAST_RESERVE_SATS;
    const royalty = royaltySats({ sellerSats, bps });
    const marketFeeSats = marketFee(fees, sellerSats);
    const l1FeeSats = FILL_VBYTES * feerateSatVb + reserveSats;
    const totalSats = sellerSats + royalty + marketFeeSats + l1FeeSats;
    return { sellerSats, royaltySats: royalty, marketFeeSats, l1FeeSats, reserveSats, totalSats };
  }

  async quote(item: Item): Promise<QuoteWire> {
    const price = await this.price(item);
    this.#assertWithin(price.totalSats);
    const expiresAt = this.#parts.nowSeconds() + this.#parts.limits.quoteTtlSeconds;
    const still = this.#standing(item.offerId);
    this.#given.set(item.offerId, [...still, { l1FeeSats: price.l1FeeSats, expiresAt }]);
    return {
      inscription_id: item.inscriptionId,
      pricing: wire(price),
      max_total_sats: Number(price.totalSats),
      expires_at: expiresAt,
    };
  }

  /** A total as a buyer names it over the market, in its parts: what it has above all others is for the chain. */
  async split(item: Item, totalSats: bigint): Promise<PricingWire> {
    const price = await this.price(item);
    const l1FeeSats = totalSats - price.totalSats + price.l1FeeSats;
    return wire({ ...price, l1FeeSats: l1FeeSats > 0n ? l1FeeSats : 0n });
  }

  /**
   * The price that a buyer named, when it is one we sell at: every part is ours but for the L1 fee, which may be more than
   * we ask for. What he named is what he pays. Throws `bad_amount` with all that differs.
   */
  async agreed({ item, named, totalSats }: { item: Item; named: PricingWire; totalSats: bigint }): Promise<Price> {
    const price = await this.price(item);
    const l1Asked = this.#standing(item.offerId).reduce(
      (least, { l1FeeSats }) => (l1FeeSats < least ? l1FeeSats : least),
      price.l1FeeSats,
    );
    const l1FeeSats = BigInt(named.estimated_l1_fee_sats);
    const ours = wire(price);
    const exact = (['seller_sats', 'creator_royalty_sats', 'market_fee_sats'] as const).filter(
      (field) => named[field] !== ours[field],
    );
    const sum = Object.values(named).reduce((all, part) => all + BigInt(part), 0n);
    const wrong = [
      ...exact.map((field) => `pricing.${field} must be ${ours[field]}; got ${named[field]}`),
      ...(l1FeeSats < l1Asked ? [`pricing.estimated_l1_fee_sats must be at least ${l1Asked}; got ${l1FeeSats}`] : []),
      ...(sum === totalSats ? [] : [`max_total_sats must be the sum of the pricing, ${sum}; got ${totalSats}`]),
    ];
    if (wrong.length > 0)
      throw new SparkleError('bad_amount', wrong.join('; '), { field: wrong[0]?.split(' ')[0], wrong });
    this.#assertWithin(totalSats);
    return { ...price, l1FeeSats, totalSats };
  }

  #standing(offerId: string) {
    const now = this.#parts.nowSeconds();
    return (this.#given.get(offerId) ?? []).filter(({ expiresAt }) => expiresAt > now);
  }

  #assertWithin(totalSats: bigint): void {
    const { minTradeSats, maxTradeSats } = this.#parts.limits;
    if (totalSats >= minTradeSats && totalSats <= maxTradeSats) return;
    throw new SparkleError(
      'bad_amount',
      `a trade must be of ${minTradeSats} to ${maxTradeSats} sats; this one is of ${totalSats}`,
      {
        field: 'max_total_sats',
      },
    );
  }
}

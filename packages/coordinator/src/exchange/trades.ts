import type { CreateTradeWire, PreparedWire, TradeStateWire, TradeStatus } from 'sparkle-protocol/market/checkout-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { type Sides, unknownTrade } from '../access/auth.ts';
import type { Checkouts } from './checkouts.ts';
import type { Buyer, Desk } from './desk.ts';
import type { Item, Listings } from './listings.ts';
import { isSale } from './sold.ts';
import { uuidOf } from './trade-id.ts';

export type TradesParts = {
  desk: Desk;
  listings: Listings;
  checkouts: Checkouts;
  trader: Pick<Trader, 'trade' | 'abort'>;
  /** Whose listings are taken: who lists for more than a thing is worth, and buys it himself, has sold it to us. */
  listers: readonly string[] | 'anyone';
  listingSeconds: number;
  /** How long after the end of a listing its seller can still see what became of it. */
  graceSeconds: number;
  issueToken(of: { tradeId: string; role: 'seller'; expiresAt: number }): Promise<string>;
  nowSeconds(): number;
};

/**
 * `/v1/trade` as SIP-3 v0.1 has it: a seller creates one by listing, a buyer asks it for an invoice. Behind one id of a
 * seller there may be several buyers, one after the other, and each of them has an id of his own.
 */
export class Trades {
  readonly #parts: TradesParts;

  constructor(parts: TradesParts) {
    this.#parts = parts;
  }

  /** Lists an inscription. Throws `forbidden` for a stranger, and what `Listings.add` throws. */
  async create(
    asked: CreateTradeWire,
    party: string | undefined,
  ): Promise<{ trade_id: string; status: TradeStatus; token: string }> {
    this.#assertLister(party);
    const { listings, nowSeconds, listingSeconds, graceSeconds, issueToken } = this.#parts;
    const expiresAt = nowSeconds() + listingSeconds;
    const item = await listings.add({
      ...{ inscriptionId: asked.inscription_id, priceSats: BigInt(asked.price_sats), psbt: asked.psbt, expiresAt },
      ...{ payoutAddress: asked.seller_address, lister: party },
    });
    const token = await issueToken({ tradeId: item.offerId, role: 'seller', expiresAt: expiresAt + graceSeconds });
    return { trade_id: uuidOf(item.offerId), status: 'pending', token };
  }

  #assertLister(party: string | undefined): void {
    const { listers } = this.#parts;
    if (listers === 'anyone' || (party !== undefined && listers.includes(party))) return;
    throw new SparkleError(
      'forbidden',
      'listings are taken from those whom the operator has named (LISTERS); the caller is none',
    );
  }

  /** Who is in a trade by his key; a token says by itself. `undefined` when there is none. */
  async sides(id: string): Promise<Sides | undefined> {
    const trade = await this.#parts.trader.trade(id);
    // Whose sale we pass on has a trade of his own with us.
    if (trade?.role === 'forwarder') return { buyer: trade.buyerId };
    if (isSale(trade)) return { buyer: trade.terms.buyerId, seller: trade.terms.sellerId };
    if ((await this.#parts.checkouts.byTrade(id)) !== undefined) return {};
    const item = await this.#parts.listings.byId(id);
    if (item === undefined) return undefined;
    return item.lister === undefined ? {} : { seller: item.lister };
  }

  async state(id: string): Promise<TradeStateWire> {
    const { checkouts, desk, listings } = this.#parts;
    const checkout = await checkouts.byTrade(id);
    if (checkout !== undefined)
      return {
        ...{ trade_id: uuidOf(id), inscription_id: checkout.inscriptionId, price_sats: Number(checkout.totalSats) },
        ...(await desk.stage(checkout)),
      };
    const item = await listings.byId(id);
    if (item === undefined) throw unknownTrade();
    return {
      ...{ trade_id: uuidOf(id), inscription_id: item.inscriptionId, price_sats: Number(item.priceSats) },
      ...(await this.#stageOf(item)),
    };
  }

  /** Takes a listing off the shelf. What is being sold already goes on. Throws `in_progress`. */
  async withdraw(id: string): Promise<TradeStateWire> {
    const { listings, checkouts, trader } = this.#parts;
    const item = await listings.byId(id);
    if (item === undefined) throw unknownTrade();
    const isWithdrawn = item.state === 'withdrawn';
    if (!isWithdrawn && !(await listings.move({ offerId: id, from: ['open'], to: 'withdrawn' })))
      throw new SparkleError('in_progress', `a listing can be withdrawn while nobody buys it; it is ${item.state}`);
    // Invoices for it that are not paid yet shall not be.
    for (const { tradeId } of await checkouts.open(id))
      if ((await trader.trade(tradeId)) !== undefined) await trader.abort(tradeId, 'withdrawn by its seller');
    return this.state(id);
  }

  /** The invoice of a buyer's trade. */
  async invoice(id: string, buyer: Buyer): Promise<string> {
    return (await this.#parts.desk.invoice(id, buyer)).bolt11;
  }

  /** Somebody wants to buy what a seller's id names: a trade of his own begins. `undefined` when the id names no listing. */
  async buy(id: string, buyer: Buyer): Promise<PreparedWire | undefined> {
    const item = await this.#parts.listings.byId(id);
    return item === undefined ? undefined : this.#parts.desk.begin(item, buyer);
  }

  async #stageOf(item: Item): Promise<Pick<TradeStateWire, 'status' | 'transfer' | 'reason'>> {
    switch (item.state) {
      case 'open':
        return { status: 'pending' };
      case 'withdrawn':
      case 'gone':
        return { status: 'failed', reason: item.state };
      case 'taken':
      case 'sold': {
        const { checkouts, desk } = this.#parts;
        const last = await checkouts.lastOf(item.offerId);
        return last === undefined ? { status: 'paid' } : desk.stage(last);
      }
    }
  }
}

import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { sumSats } from 'sparkle-protocol/protocol/amount';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { readSatPoint } from 'sparkle-protocol/protocol/inscription';
import type { Forwarder, HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Trader } from 'sparkle-protocol/trader/trader';
import type { Checkout, Checkouts } from './checkouts.ts';
import { isSale } from './sold.ts';
import type { Item, Listings } from './listings.ts';
import type { Payouts } from '../royalties/payouts.ts';

export type AftermathParts = {
  trader: Pick<Trader, 'trade' | 'abort' | 'onChange'>;
  chain: Pick<Chain, 'unspent' | 'transaction'>;
  ordinals: Pick<Ordinals, 'locate'>;
  listings: Listings;
  checkouts: Checkouts;
  payouts: Pick<Payouts, 'owe'>;
  /** What is logged here with `level: 'page'` reaches a human. */
  log: Log;
  /** How long an item that came back is for sale again. */
  relistSeconds: number;
  nowSeconds(): number;
};

/** Of these there are thousands, and each look at one is told here. */
const ASKS_NOTHING: readonly HoldSeller['state'][] = ['quoting', 'invoiced', 'canceling'];

type Ended = Extract<HoldSeller, { state: 'ended' }>;

/**
 * What a trade means for the shelf: once a payment is held nobody else may buy the item, and once a trade has ended the
 * item is sold, for sale again, or ours. Everything here may be done twice, and is done again after a restart.
 */
export class Aftermath {
  readonly #parts: AftermathParts;
  readonly #working = new Set<Promise<void>>();

  constructor(parts: AftermathParts) {
    this.#parts = parts;
  }

  /** Catches up with what happened while nobody listened, then listens until the returned function is called. */
  async start(): Promise<() => void> {
    const stop = this.#parts.trader.onChange((trade) => {
      if (isSale(trade)) this.#soon(this.#follow(trade));
      else if (trade.role === 'forwarder') this.#soon(this.#passedOn(trade));
    });
    await this.catchUp();
    return stop;
  }

  /**
   * Looks at every open checkout: what could not be followed up is, and what never became a trade is closed when it is over. One
   * that cannot be followed up yet, because an index is behind or away, keeps no other waiting, and no coordinator from starting.
   */
  async catchUp(): Promise<void> {
    const { checkouts, log } = this.#parts;
    for (const checkout of await checkouts.pending())
      await this.#catchUpWith(checkout).catch((error: unknown) => {
        const { tradeId } = checkout;
        const code = error instanceof SparkleError ? error.code : 'internal';
        log.error({ tradeId, code, error: String(error) }, 'a trade could not be followed up yet');
      });
  }

  async #catchUpWith({ tradeId, checkoutId, expiresAt }: Checkout): Promise<void> {
    const { checkouts, trader, nowSeconds } = this.#parts;
    const trade = await trader.trade(tradeId);
    if (isSale(trade)) await this.#follow(trade);
    else if (trade?.role === 'forwarder') await this.#passedOn(trade);
    else if (expiresAt <= nowSeconds()) await checkouts.close(checkoutId);
  }

  /** Resolves when nothing is being worked on. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  #soon(work: Promise<void>): void {
    const told = work
      .catch((error: unknown) => this.#parts.log.error({ error: String(error) }, 'a trade was not followed up'))
      .finally(() => this.#working.delete(told));
    this.#working.add(told);
  }

  async #follow(trade: HoldSeller): Promise<void> {
    if (ASKS_NOTHING.includes(trade.state)) return;
    const checkout = await this.#parts.checkouts.byTrade(trade.tradeId);
    if (checkout === undefined || checkout.state === 'closed') return;
    switch (trade.state) {
      case 'quoting':
      case 'invoiced':
      case 'canceling':
        return;
      case 'building':
      case 'locking':
      case 'aborting':
      case 'locked':
      case 'refunding':
      case 'settling':
        return this.#taken(checkout);
      case 'ended':
        return this.#over(checkout, trade);
    }
  }

  /** What is passed on is on no shelf of ours: only its buyer is served. */
  async #passedOn(trade: Forwarder): Promise<void> {
    const { checkouts, nowSeconds } = this.#parts;
    const checkout = await checkouts.byTrade(trade.tradeId);
    if (checkout === undefined || checkout.state === 'closed') return;
    const { checkoutId } = checkout;
    if ('expiryHeight' in trade) await checkouts.held({ checkoutId, heldAt: nowSeconds() });
    if (trade.state === 'ended') await checkouts.close(checkoutId);
  }

  /** The first whose payment is held has it; whoever else has an invoice for it is told that it is gone. */
  async #taken(checkout: Checkout): Promise<void> {
    const { listings, checkouts, trader, nowSeconds } = this.#parts;
    const { offerId, tradeId, checkoutId } = checkout;
    await checkouts.held({ checkoutId, heldAt: nowSeconds() });
    if (!(await listings.move({ offerId, from: ['open'], to: 'taken' }))) return;
    const others = (await checkouts.open(offerId)).filter((other) => other.tradeId !== tradeId);
    // All at once: one that another instance holds takes its time.
    await Promise.all(
      others.map(async (other) => {
        if ((await trader.trade(other.tradeId)) !== undefined) await trader.abort(other.tradeId, 'sold to another');
      }),
    );
  }

  async #over(checkout: Checkout, trade: Ended): Promise<void> {
    const { checkouts } = this.#parts;
    const { offerId, checkoutId } = checkout;
    if (trade.outcome === 'traded') await this.#sold(checkout, trade);
    else if (trade.outcome === 'refunded') await this.#leftWithUs(checkout, trade);
    else await this.#backOnTheShelf(offerId);
    await checkouts.close(checkoutId);
  }

  /** A trade that was paid and delivered owes what was charged for its creator; one without a delivery owes nobody. */
  async #sold({ offerId, tradeId, owed: parts, pricing }: Checkout, { txid }: Ended): Promise<void> {
    const { listings, payouts } = this.#parts;
    await listings.move({ offerId, from: ['open', 'taken'], to: 'sold' });
    const marketFeeSats = BigInt(pricing.market_fee_sats);
    if (txid !== undefined) await payouts.owe({ tradeId, parts, marketFeeSats });
  }

  /** The buyer walked away: the inscription was paid for, is ours now, and is for sale again at what it cost. */
  async #leftWithUs({ offerId, owed: charged }: Checkout, trade: Ended): Promise<void> {
    const { listings } = this.#parts;
    const item = await listings.byId(offerId);
    if (item === undefined) return;
    // What was to be paid over Lightning was not: whoever buys it next is charged for it.
    const owed = item.listing === undefined ? (item.owed ?? []) : charged;
    const place = await this.#placeSince(item.inscriptionId, trade.txid ?? '');
    // What lies in an output of somebody else cannot be sold: who bought it would wait for nothing.
    if (readSatPoint(place).txid === trade.txid)
      await this.#relist({ ...item, owed, priceSats: item.priceSats + royaltyOf(trade) }, place);
    else this.#alarm(trade, place);
    // Last: whatever fails before is done again.
    await listings.move({ offerId, from: ['open', 'taken', 'withdrawn'], to: 'gone' });
  }

  #alarm({ tradeId, txid = '' }: Ended, satpoint: string): void {
    const sentence = `the inscription of a trade that was refunded must lie in ${txid}; it lies at ${satpoint}`;
    this.#parts.log.error({ level: 'page', code: 'sat_lost', tradeId, satpoint }, sentence);
  }

  /** Where it lies, by an index that has seen the block of this transaction. Throws `not_indexed`. */
  async #placeSince(inscriptionId: string, txid: string): Promise<string> {
    const { ordinals, chain } = this.#parts;
    const { satpoint, atBlock } = await ordinals.locate(inscriptionId);
    const block = (await chain.transaction(txid))?.block;
    if (block !== undefined && atBlock.height >= block.height) return satpoint;
    const sentence = `the index must have seen the block of ${txid}; it is at height ${atBlock.height}`;
    throw new SparkleError('not_indexed', sentence, { txid });
  }

  /** Puts an item of ours on the shelf where it lies now; once, however often it is done. */
  async #relist(item: Pick<Item, 'inscriptionId' | 'priceSats' | 'owed'>, satpoint: string): Promise<void> {
    const { listings, chain, relistSeconds, nowSeconds } = this.#parts;
    const { txid, vout, offsetSats } = readSatPoint(satpoint);
    const outpoint = `${txid}:${vout}`;
    const unspent = await chain.unspent(outpoint);
    if (unspent === undefined) return;
    const { inscriptionId, priceSats, owed = [] } = item;
    const { valueSats } = unspent;
    const expiresAt = nowSeconds() + relistSeconds;
    const own = { inscriptionId, priceSats, owed, outpoint, valueSats, offsetSats, expiresAt };
    await listings.addOwn(own).catch(ignoreListed);
  }

  /** Nothing moved: for sale again, unless the owner has spent it or somebody else holds it by now. */
  async #backOnTheShelf(offerId: string): Promise<void> {
    const { listings, chain, checkouts, trader, ordinals } = this.#parts;
    const item = await listings.byId(offerId);
    if (item === undefined || item.state !== 'taken') return;
    for (const { tradeId } of await checkouts.open(offerId)) {
      const trade = await trader.trade(tradeId);
      if (isSale(trade) && !['quoting', 'invoiced', 'canceling', 'ended'].includes(trade.state)) return;
    }
    const isUnspent = (await chain.unspent(item.outpoint)) !== undefined;
    // An item of ours whose lock was taken back lies in another output now.
    if (!isUnspent && item.listing === undefined)
      await this.#relist(item, (await ordinals.locate(item.inscriptionId)).satpoint);
    await listings.move({ offerId, from: ['taken'], to: isUnspent ? 'open' : 'gone' });
  }
}

/** What the fill has paid besides the price: the item has cost that, too. */
const royaltyOf = ({ offer }: Ended): bigint => sumSats((offer.fill?.payouts ?? []).map(({ valueSats }) => valueSats));

/** It is on the shelf already: what follows a trade may be done twice. */
function ignoreListed(error: unknown): void {
  if (!(error instanceof SparkleError) || error.code !== 'in_progress') throw error;
}

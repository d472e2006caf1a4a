import type { Chain } from 'sparkle-protocol/chain/chain';
import type {
  CheckoutStateWire,
  InvoiceRequestWire,
  PreparedWire,
  PrepareWire,
  PricingWire,
  QuoteWire,
} from 'sparkle-protocol/market/checkout-wire';
import { readKnownInvoice } from 'sparkle-protocol/protocol/bolt11';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { TradeRequest } from 'sparkle-protocol/protocol/messages';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Answer, Trader } from 'sparkle-protocol/trader/trader';
import type { Caller } from '../access/auth.ts';
import { assertAddress } from './address.ts';
import { type BuyerPath, keysIn, keysMissing } from './buyer-keys.ts';
import { type Checkout, type Checkouts, isPassedOn } from './checkouts.ts';
import { assertForwardPricing, forwardPricing, type Forwards } from './forwards.ts';
import { type Goods, goodsFor, type Listed, still } from './goods.ts';
import type { Item, Listings } from './listings.ts';
import type { Price, Quotes } from './quotes.ts';
import { assertCollection, buyerOf, type Keys, keyName, offerOf, requestOf } from './sale-terms.ts';
import { isSold, type Sold } from './sold.ts';
import { type Stage, stageOf } from './stages.ts';
import { uuidOf } from './trade-id.ts';
import { seenOf } from './transfers.ts';

export type DeskParts = {
  trader: Pick<Trader, 'id' | 'accept' | 'forward' | 'trade' | 'lookAt'>;
  chain: Pick<Chain, 'tip' | 'transaction' | 'spender'>;
  listings: Listings;
  quotes: Quotes;
  forwards: Pick<Forwards, 'quote' | 'forwardFor'>;
  checkouts: Checkouts;
  network: NetworkName;
  limits: {
    /** Most sats of our own that all fills under way may cost at one time. */
    capitalAtRiskSats: bigint;
    /** What one buyer may have open at a time, see `Caller`. */
    maxOpenHoldsPerBuyer: number;
    /** W of every trade. */
    claimWindowBlocks: number;
  };
  /** What all live trades cost us now. */
  atRiskSats(): Promise<bigint>;
  issueToken(of: { tradeId: string; expiresAt: number }): Promise<string>;
  /** 32 random hex characters. */
  newId(): string;
  nowSeconds(): number;
};

/** An invoice can be paid for 15 minutes; a checkout without one lasts as long. */
const CHECKOUT_SECONDS = 900;
const TOKEN_SECONDS = 30 * 24 * 3600;

/** Who asks, and as much of his keys as he has named. */
export type Buyer = { named: InvoiceRequestWire; caller: Caller };

/** A buyer as he comes in: what he wants, and at what price. */
type Entry = Buyer & {
  goods: Goods;
  pricing: PricingWire;
  totalSats: bigint;
  ordAddress: string;
  rail: PrepareWire['network'];
  path: BuyerPath;
};

/** What a checkout is made of. */
type Wanted = Omit<Entry, 'named' | 'path' | 'caller' | 'goods'> & { item: Listed; owed: Price['owed'] };

/** Begins the trade of a checkout, at the price that was agreed for it. */
type Start = (of: { checkout: Checkout; keys: Keys }) => Promise<void>;

type Opening = { checkout: Checkout; keys: Keys; caller: Caller; start: Start };

const invoiceIn = (trade: Trade | undefined): string | undefined =>
  isSold(trade) && 'invoice' in trade ? trade.invoice : undefined;

/** Where a buyer comes to buy: takes checkouts, opens trades for them, and says how they stand. */
export class Desk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  /** What is on our shelf costs what it costs there, whatever others ask who sell through us. */
  async quote(inscriptionId: string): Promise<QuoteWire> {
    const { listings, quotes, forwards } = this.#parts;
    const ours = await listings.find(inscriptionId);
    const passed = ours === undefined ? await forwards.quote(inscriptionId) : undefined;
    return passed ?? quotes.quote(listings.openOf(inscriptionId, ours));
  }

  /**
   * Begins a checkout; with the buyer's payment hash and claim key also the trade, so that there is an invoice to pay: at once
   * for what is on our shelf, and when its seller has answered for what he sells through us. Throws `not_found` (404), `in_progress` (409), `bad_amount`, `bad_address` and `wrong_network` (400), `refused`.
   */
  async prepare(asked: PrepareWire, caller: Caller): Promise<PreparedWire> {
    const totalSats = BigInt(asked.max_total_sats);
    const goods = await goodsFor(this.#parts, { inscriptionId: asked.inscription_id, offerSats: totalSats });
    const { ord_address: ordAddress } = asked.buyer;
    assertAddress(ordAddress, { network: this.#parts.network, field: 'buyer.ord_address' });
    if (!('forward' in goods)) assertCollection(asked.collection_ref, goods.item);
    await this.#assertBefore(asked.expiry_block);
    const { pricing, network: rail, buyer: named } = asked;
    return this.#enter({ goods, pricing, totalSats, ordAddress, rail, named, path: 'buyer.', caller });
  }

  /** How a sale begins at what the buyer named. Throws `bad_amount` when we do not sell at it. */
  async #starting(
    goods: Goods,
    asked: Pick<Checkout, 'pricing' | 'totalSats'>,
  ): Promise<{ start: Start; owed: Price['owed'] }> {
    const { trader, quotes, network, limits } = this.#parts;
    const { pricing, totalSats } = asked;
    if ('forward' in goods) {
      const { forward } = goods;
      assertForwardPricing(pricing, forward);
      return { owed: [], start: (of) => trader.forward({ request: requestOf({ ...of, network }), forward }) };
    }
    const { item } = goods;
    const price = await quotes.agreed({ item, named: pricing, totalSats });
    const start: Start = async (of) => {
      await this.#assertAffordable(item, price);
      const { claimWindowBlocks } = limits;
      const offer = offerOf({ item, price, expiresAt: of.checkout.expiresAt, claimWindowBlocks });
      await trader.accept({ request: requestOf({ ...of, network }), offer });
    };
    return { start, owed: price.owed };
  }

  async #enter(of: Entry): Promise<PreparedWire> {
    const { checkouts } = this.#parts;
    const { goods, named, path, totalSats, caller } = of;
    const { item } = goods;
    const { start, owed } = await this.#starting(goods, of);
    const wanted = keysIn(named, { item, totalSats, nowSeconds: this.#parts.nowSeconds(), path });
    const made = this.#newCheckout({ ...of, item, owed });
    const checkout = { ...made, tradeId: wanted?.tradeId ?? made.tradeId };
    if (wanted?.tradeId !== undefined) await this.#assertFresh(wanted.tradeId);
    await checkouts.add(checkout);
    if (wanted !== undefined)
      await this.#open({ checkout, keys: wanted, caller, start }).catch(async (error: unknown) => {
        // Nothing was begun: whoever asks again asks anew.
        await checkouts.remove(checkout.checkoutId);
        throw error;
      });
    return this.#prepared(checkout);
  }

  /** A checkout of one listing at today's price, for a buyer who asks for nothing but the invoice. */
  async begin(listed: Listed, { named, caller }: Buyer): Promise<PreparedWire> {
    const goods = still(listed, { item: await this.#parts.listings.open(listed.inscriptionId) });
    const { item } = goods;
    const { pricing, max_total_sats: total } = await this.#parts.quotes.quote(item);
    const totalSats = BigInt(total);
    // Without keys there is no invoice, and whoever asks for nothing else shall leave nothing behind.
    const path = '';
    if (keysIn(named, { item, totalSats, nowSeconds: this.#parts.nowSeconds(), path }) === undefined)
      throw keysMissing();
    return this.#enter({ goods, pricing, totalSats, ordAddress: '', rail: 'lightning', named, path, caller });
  }

  /**
   * The terms for a buyer who asks over the market instead: his price must be one that is quoted here. Answers `undefined`
   * for an unsigned request. Throws as `prepare` does.
   */
  async answerTo(request: TradeRequest): Promise<Answer | undefined> {
    const { offerSats, signed } = request;
    const { quotes, limits } = this.#parts;
    const { claimWindowBlocks } = limits;
    if (signed === undefined) return undefined;
    const goods = await goodsFor(this.#parts, request);
    await this.#assertFresh(signed.tradeId);
    if ('forward' in goods) {
      const { item, forward } = goods;
      const pricing = forwardPricing(forward);
      await this.#seat({ item, pricing, totalSats: offerSats, ordAddress: '', rail: 'lightning', owed: [] }, signed);
      return forward;
    }
    const { item } = goods;
    const { pricing, price } = await quotes.agreedTotal(item, offerSats);
    await this.#assertAffordable(item, price);
    const { owed } = price;
    const asked = { item, pricing, totalSats: offerSats, ordAddress: '', rail: 'lightning', owed } as const;
    const { expiresAt } = await this.#seat(asked, signed);
    return offerOf({ item, price, expiresAt, claimWindowBlocks });
  }

  /**
   * The checkout of a buyer who asks over the market, with one of his places. A request that comes again, because its
   * first answer was lost, is the same checkout; one that was made without keys takes its place now.
   */
  async #seat(asked: Wanted, { tradeId, from }: { tradeId: string; from: string }): Promise<Checkout> {
    const { checkouts, trader } = this.#parts;
    const checkout = { ...this.#newCheckout(asked), tradeId };
    const known = await checkouts.byTrade(tradeId);
    const isKnown = known?.offerId === checkout.offerId && known.totalSats === checkout.totalSats;
    // Whose trade has begun has his place, or had it until the trade was over.
    if (isKnown && (await trader.trade(tradeId)) !== undefined) return checkout;
    if (isKnown) {
      if (known.state === 'closed')
        throw new SparkleError('too_late', `the checkout was open until ${known.expiresAt}; it is too late`);
      await this.#takePlace(known, keyName(from));
      return checkout;
    }
    await checkouts.add(checkout);
    await this.#takePlace(checkout, keyName(from)).catch(async (error: unknown) => {
      await checkouts.remove(checkout.checkoutId);
      throw error;
    });
    return checkout;
  }

  /** The invoice of a checkout whose buyer names his keys only now, or named them before. */
  async invoice(tradeId: string, { named, caller }: Buyer): Promise<{ bolt11: string }> {
    const checkout = await this.#known(tradeId);
    const known = await this.#invoiceSoon(tradeId);
    if (known !== undefined) return { bolt11: known };
    if (checkout.expiresAt <= this.#parts.nowSeconds())
      throw new SparkleError('too_late', `the checkout was open until ${checkout.expiresAt}; it is too late`);
    const { totalSats, inscriptionId } = checkout;
    const goods = still(checkout, await goodsFor(this.#parts, { inscriptionId, offerSats: totalSats }));
    const { start } = await this.#starting(goods, checkout);
    const keys = keysIn(named, { item: goods.item, totalSats, nowSeconds: this.#parts.nowSeconds(), path: '' });
    if (keys === undefined || (keys.tradeId ?? tradeId) !== tradeId) throw keysMissing();
    await this.#open({ checkout, keys, caller, start });
    const bolt11 = await this.#invoiceOf(tradeId);
    if (bolt11 !== undefined) return { bolt11 };
    throw 'forward' in goods ? sellerAsked() : noInvoice();
  }

  /** A buyer names his trade himself: by the name of a listing he would stand in its seller's place. */
  async #assertFresh(tradeId: string): Promise<void> {
    if ((await this.#parts.listings.byId(tradeId)) === undefined) return;
    throw new SparkleError('duplicate_trade', 'trade_id must be unused; it is that of a listing', {
      field: 'trade_id',
    });
  }

  #newCheckout({ item, pricing, totalSats, ordAddress, rail, owed }: Wanted): Checkout {
    const { nowSeconds, newId } = this.#parts;
    const createdAt = nowSeconds();
    return {
      ...{ checkoutId: `chk_${newId()}`, tradeId: newId(), offerId: item.offerId, inscriptionId: item.inscriptionId },
      ...{ pricing, totalSats, ordAddress, rail, owed },
      ...{ createdAt, expiresAt: createdAt + CHECKOUT_SECONDS, heldAt: undefined, state: 'open' },
    };
  }

  /** Where a checkout is. Throws `not_found`. */
  async state(checkoutId: string): Promise<CheckoutStateWire> {
    const checkout = await this.#parts.checkouts.byId(checkoutId);
    if (checkout === undefined) throw unknownCheckout('checkout_id');
    const stage = await this.stage(checkout);
    const { heldAt, totalSats, inscriptionId } = checkout;
    const isPaid = heldAt !== undefined && ['paid', 'broadcast', 'confirmed'].includes(stage.status);
    const isWaiting = isPassedOn(checkout) && stage.status === 'pending_payment';
    const invoice = isWaiting ? await this.#invoiceOf(checkout.tradeId) : undefined;
    return {
      checkout_id: checkoutId,
      inscription_id: inscriptionId,
      ...stage,
      ...(invoice === undefined ? {} : { invoice }),
      ...(isPaid ? { payment: { received_sats: Number(totalSats), confirmed_at: heldAt } } : {}),
    };
  }

  /** The same for the holder of a trade's token. */
  async stage(checkout: Checkout): Promise<Stage> {
    const trade = await this.#parts.trader.trade(checkout.tradeId);
    return isSold(trade) ? this.stageOf(trade) : this.#unopened(checkout);
  }

  /** Where a sale is, as the chain has it now. */
  async stageOf(trade: Sold): Promise<Stage> {
    return stageOf(trade, await seenOf(this.#parts.chain, trade));
  }

  #unopened(checkout: Checkout): Stage {
    return { status: checkout.expiresAt <= this.#parts.nowSeconds() ? 'expired' : 'pending_payment' };
  }

  async #known(tradeId: string): Promise<Checkout> {
    const checkout = await this.#parts.checkouts.byTrade(tradeId);
    if (checkout === undefined) throw unknownCheckout('id');
    return checkout;
  }

  async #open(of: Opening): Promise<void> {
    const { checkout, keys, caller, start } = of;
    const { trader, checkouts } = this.#parts;
    await this.#takePlace(checkout, buyerOf(keys, caller));
    await start({ checkout, keys }).catch(async (error: unknown) => {
      // Of two who ask at once one begins: the place is that of his trade.
      if ((await trader.trade(checkout.tradeId)) === undefined) await checkouts.leavePlace(checkout.checkoutId);
      throw error;
    });
  }

  /** A held payment keeps a place in the channels and, once it is filled, our coins: nobody takes them all. */
  async #takePlace({ checkoutId }: Checkout, buyer: string): Promise<void> {
    const { checkouts, limits } = this.#parts;
    const most = limits.maxOpenHoldsPerBuyer;
    if (await checkouts.takePlace({ checkoutId, buyer, most })) return;
    throw new SparkleError(
      'too_many_holds',
      `one buyer may have at most ${most} payments open or held here at a time; this one has them`,
      { most },
    );
  }

  /** An item of ours is paid for: it counts already, and selling it ends that. */
  async #assertAffordable(item: Item, price: Price): Promise<void> {
    if (item.listing === undefined) return;
    const { atRiskSats, limits } = this.#parts;
    const { sellerSats, royaltySats, l1FeeSats } = price.pricing;
    const cost = sellerSats + royaltySats + l1FeeSats;
    if ((await atRiskSats()) + cost <= limits.capitalAtRiskSats) return;
    throw new SparkleError('busy', 'the coordinator has as much of its own money in trades as it may; try again soon');
  }

  async #assertBefore(expiryBlock: number | undefined): Promise<void> {
    const { height } = await this.#parts.chain.tip();
    if (expiryBlock === undefined || expiryBlock > height) return;
    throw new SparkleError('too_late', `expiry_block must be above the best height ${height}; it is ${expiryBlock}`, {
      field: 'expiry_block',
    });
  }

  /** The invoice of a trade that has begun, which is looked at when its node has not made one yet. Throws `lightning_unavailable`. */
  async #invoiceSoon(tradeId: string): Promise<string | undefined> {
    const trade = await this.#parts.trader.trade(tradeId);
    if (trade?.state === 'asking') throw sellerAsked();
    if (trade?.state === 'ended') throw isOver(trade.outcome);
    if (trade?.state !== 'quoting') return this.#invoiceOf(tradeId);
    await this.#parts.trader.lookAt(tradeId);
    const bolt11 = await this.#invoiceOf(tradeId);
    if (bolt11 !== undefined) return bolt11;
    throw noInvoice();
  }

  async #invoiceOf(tradeId: string): Promise<string | undefined> {
    return invoiceIn(await this.#parts.trader.trade(tradeId));
  }

  async #prepared(checkout: Checkout): Promise<PreparedWire> {
    const { checkoutId, tradeId, totalSats, rail } = checkout;
    const token = await this.#parts.issueToken({ tradeId, expiresAt: checkout.createdAt + TOKEN_SECONDS });
    const trade = await this.#parts.trader.trade(tradeId);
    const bolt11 = invoiceIn(trade);
    const stage = isSold(trade) ? await this.stageOf(trade) : this.#unopened(checkout);
    // Who has named his keys for what is passed on waits for its seller alone.
    const isAsked = trade?.role === 'forwarder';
    return {
      checkout_id: checkoutId,
      status: stage.status,
      invoice: bolt11 ?? null,
      expires_at: bolt11 === undefined ? checkout.expiresAt : readKnownInvoice(bolt11).expiresAt,
      payment_request: { type: rail, amount_sats: Number(totalSats), memo: `Sparkle trade ${tradeId}` },
      trade_id: uuidOf(tradeId),
      token,
      ...(bolt11 === undefined && !isAsked
        ? { needed: { fields: ['payment_hash', 'claim_key'], post_to: `/v1/trade/${uuidOf(tradeId)}/invoice` } }
        : {}),
    };
  }
}

const noInvoice = (): SparkleError =>
  new SparkleError('lightning_unavailable', 'the node must make an invoice; it has not yet');

const isOver = (outcome: string): SparkleError =>
  new SparkleError('refused', `the trade must be open to have an invoice; it is ${outcome}`, { reason: outcome });

const sellerAsked = (): SparkleError =>
  new SparkleError(
    'in_progress',
    'the seller must answer before there is an invoice; he has been asked, ask again soon',
  );

const unknownCheckout = (field: string): SparkleError =>
  new SparkleError('not_found', `${field} must be that of a checkout; there is none`, { field });

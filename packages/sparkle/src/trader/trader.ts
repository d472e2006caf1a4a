import { hex } from '@scure/base';
import type { ChainEvent } from '../chain/chain.ts';
import type { Envelope } from '../market/market.ts';
import { confirmationsFor } from '../protocol/deadlines.ts';
import { errorCodeOf, mayPass, SparkleError } from '../protocol/errors.ts';
import { identityKey, type KeyPair, keysOfTrades } from '../protocol/keys.ts';
import { readMessage, type TradeMessage, type TradeRequest, writeMessage } from '../protocol/messages.ts';
import type { Moment } from '../protocol/trade/event.ts';
import { answerRequest, openBuyer, openForwarder, sellerKeys } from '../protocol/trade/open.ts';
import { forwardedBy, saidBy } from '../protocol/trade/quoting.ts';
import { counterpartiesOf, type Trade } from '../protocol/trade/step.ts';
import type { Forward, Offer, TradeMode, Want } from '../protocol/trade/terms.ts';
import { within } from './clock.ts';
import { createPurse } from './coins.ts';
import type { Hands } from './effects.ts';
import { type Checkpoint, Engine, type Listener } from './engine.ts';
import type { Parts } from './parts.ts';
import { assertNodeCan } from './needs.ts';

/** What to buy, from whom, and the limits nobody may exceed. Amounts in sats but for `maxFeeMsat`. */
export type Purchase = {
  sellerId: string;
  inscriptionId: string;
  priceSats: bigint;
  mode: TradeMode;
  internalKey: Want['internalKey'];
  script: Want['script'];
  minPostageSats: bigint;
  maxFeeMsat: bigint;
  maxClaimFeeSats: bigint;
  /** Cap on the whole outgoing route in blocks (lock-first); see `deadlines.lockFirstNeed`. */
  routeCapBlocks: number;
  expiresAt: number;
  /** `sellerId` is a coordinator that passes the sale on (its quote says so): the payment may be held for longer. */
  forwarded?: true;
};

/** What a seller says of an offer; who and where he is his trader knows. */
export type OwnOffer = Omit<Offer, 'sellerId' | 'network'>;

/** What a request is answered with: a sale of one's own, or one that is passed on to its seller. */
export type Answer = OwnOffer | Forward;

type Refusal = { code: string; sentence: string };

const notForSale = ({ inscriptionId }: TradeRequest): Refusal => ({
  code: 'not_for_sale',
  sentence: `the inscription must be for sale here; ${inscriptionId} is not`,
});

const REFUSAL_EXPIRY_SECONDS = 3600;
/** A market that takes no letter and refuses none must not hold up what else is due: that is money. */
const MOST_SAY_MILLISECONDS = 5_000;
const MOST_SALES = 200;
/** Longer than the lease of an instance that is dead. */
const MOST_HAND_OVER_MILLISECONDS = 8_000;

/** A buyer, a seller, or both: one identity, one wallet, one Lightning node, and the trades between them. */
export class Trader {
  /** x-only key that signs this trader's messages. */
  readonly id: string;
  readonly #parts: Parts;
  readonly #me: KeyPair;
  readonly #hands: Hands;
  readonly #engine: Engine;
  readonly #offers = new Map<string, Offer>();
  readonly #stops: (() => void)[] = [];
  #isStopped = false;
  #makeOffer: ((request: TradeRequest) => Promise<Answer | undefined>) | undefined;

  constructor(parts: Parts, checkpoint: Checkpoint = () => {}) {
    const { seed, network } = parts;
    this.#parts = parts;
    this.#me = identityKey({ seed, network });
    this.id = this.#me.public;
    this.#hands = {
      keys: keysOfTrades({ seed, network }),
      say: (to, message) => this.#say(to, message),
      purse: createPurse(parts),
    };
    this.#engine = new Engine(parts, this.#hands, checkpoint);
  }

  /** Checks that all parts are of one network, resumes what was under way, and begins to listen. Throws `wrong_network`. */
  async start(): Promise<void> {
    const { chain, lightning, market, store, clock, tickMilliseconds } = this.#parts;
    await this.#assertOneNetwork();
    this.#isStopped = false;
    await this.#engine.resume();
    const wake = () => void this.look();
    const stopFollowing = store.subscribe?.((news) => void this.#engine.hearOfOther(news));
    this.#stops.push(
      ...(stopFollowing === undefined ? [] : [stopFollowing]),
      chain.subscribe((event) => this.#hearChain(event, wake)),
      lightning.subscribe(({ paymentHash }) => void this.#engine.lookAtPayment(paymentHash)),
      clock.every(tickMilliseconds, wake),
      market.inbox(this.id, (envelope) => this.#heard(envelope)),
    );
  }

  /** Stops listening and finishes what it is doing; what is still due is done after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const stop of this.#stops.splice(0)) stop();
    await this.#engine.stop();
  }

  /**
   * Answers requests for this offer until it is withdrawn. Not stored: whoever starts a trader offers again. With `forward` a
   * coordinator may stand between buyers and this trader: whose node they cannot reach.
   */
  async sell(given: OwnOffer, { forward }: { forward?: true } = {}): Promise<void> {
    const offer = this.#owned(given);
    this.#offers.set(offer.inscriptionId, offer);
    const { inscriptionId, priceSats, modes, expiresAt } = offer;
    await this.#parts.market.publish({
      id: inscriptionId,
      sellerId: this.id,
      inscriptionId,
      priceSats,
      modes,
      expiresAt,
      ...(forward === undefined ? {} : { forward }),
    });
  }

  /** Throws `refused` when the node cannot take such a payment, `bad_config` for a fill whose buyer would have to pay last. */
  #owned(given: OwnOffer): Offer {
    for (const mode of given.modes) assertNodeCan(`sell ${mode}`, this.#parts.lightning.capabilities);
    if (given.fill !== undefined && given.modes.join() !== 'hold-first')
      throw new SparkleError(
        'bad_config',
        `an offer that is filled must be hold-first alone; got ${given.modes.join()}`,
      );
    return { ...given, network: this.#parts.network, sellerId: this.id };
  }

  /**
   * Asks `makeOffer` about requests for what has no standing offer: whoever has many things to sell, at prices that change,
   * makes his terms when somebody asks. What it throws refuses the request, but for what may pass by itself.
   */
  answerWith(makeOffer: (request: TradeRequest) => Promise<Answer | undefined>): void {
    this.#makeOffer = makeOffer;
  }

  async withdraw(inscriptionId: string): Promise<void> {
    this.#offers.delete(inscriptionId);
    await this.#parts.market.withdraw(inscriptionId);
  }

  /** Begins a purchase and returns its trade id. Throws `refused` when the node cannot pay as the trade needs it. */
  async buy(purchase: Purchase): Promise<string> {
    assertNodeCan(`buy ${purchase.mode}`, this.#parts.lightning.capabilities);
    const { store, clock, network } = this.#parts;
    const keyIndex = await store.nextKeyIndex();
    const { claim, paymentHash } = this.#hands.keys(keyIndex);
    const tradeId = hex.encode(clock.randomBytes(16));
    const { mode, ...rest } = purchase;
    const minConfirmations = confirmationsFor(purchase.priceSats);
    const common = { ...rest, tradeId, network, claimKey: claim.public, buyerId: this.id, minConfirmations };
    const want: Want = mode === 'hold-first' ? { ...common, mode, paymentHash } : { ...common, mode };
    await this.#engine.open(openBuyer({ want, keyIndex }));
    return tradeId;
  }

  /**
   * Begins a sale by a request that did not come through the market, on terms made for it alone: an HTTP interface vouches
   * for who sent it. Throws `refused` with the codes of everything that is wrong, `duplicate_trade` for a trade id or
   * payment hash that is known.
   */
  async accept({ request, offer }: { request: TradeRequest; offer: OwnOffer }): Promise<void> {
    throwFirst(await this.#open(request, this.#owned(offer)));
  }

  /**
   * Begins to stand between this buyer and a seller who can be reached over the market: his payment is held here, and the
   * seller paid for the same hash, when the seller agrees. Throws as `accept`, and `refused` when the node cannot do both.
   */
  async forward({ request, forward }: { request: TradeRequest; forward: Forward }): Promise<void> {
    throwFirst(await this.#openForward(request, forward));
  }

  /**
   * Asks a trade to end; what is already under way decides whether it can. Throws `elsewhere` when another instance holds it
   * and does not give it up soon: it hears of this when it comes here.
   */
  abort(tradeId: string, reason: string): Promise<void> {
    const told = this.#engine.tell(tradeId, (at) => ({ type: 'abort_requested', at, reason }), { isAsked: true });
    return this.#soon(tradeId, told);
  }

  /** Looks at one trade now, in whosever hands it is. Throws `elsewhere` when another instance does not give it up soon. */
  lookAt(tradeId: string): Promise<void> {
    return this.#soon(tradeId, this.#engine.lookAt(tradeId));
  }

  #soon(tradeId: string, work: Promise<void>): Promise<void> {
    const late = () =>
      new SparkleError('elsewhere', `trade ${tradeId} must be given up by the instance that holds it; it is not yet`, {
        tradeId,
      });
    return within(this.#parts.clock, MOST_HAND_OVER_MILLISECONDS, work, late);
  }

  trade(tradeId: string): Promise<Trade | undefined> {
    return this.#parts.store.load(tradeId);
  }

  onChange(listener: Listener): () => void {
    return this.#engine.onChange(listener);
  }

  /** Looks at every live trade now; what events and the timer do by themselves. Nothing once it is stopped. Never rejects. */
  async look(): Promise<void> {
    if (this.#isStopped) return;
    await this.#engine.lookAtAll().catch((error: unknown) => {
      this.#parts.log.error({ error: String(error) }, 'the trades could not be listed');
    });
  }

  /** Resolves when nothing is being worked on. */
  idle(): Promise<void> {
    return this.#engine.idle();
  }

  #hearChain(event: ChainEvent, wake: () => void): void {
    switch (event.type) {
      case 'tip':
      case 'reorg':
        return wake();
      case 'transaction':
        // The mempool never stands still: of its transactions only those that spend a lock of ours matter before a block.
        return void this.#hearTransaction(event.raw);
      case 'removed':
        return;
      case 'disagreement': {
        // Nothing to look at: whoever asks is refused an answer, and asks again.
        const { about } = event;
        this.#parts.log.warn({ code: 'sources_disagree', about }, 'the sources of the chain contradict each other');
      }
    }
  }

  /** Never rejects: what a source calls a transaction and is none is no reason to stop listening. */
  async #hearTransaction(raw: string): Promise<void> {
    await this.#engine.hear(raw).catch((error: unknown) => {
      this.#parts.log.error(
        { code: 'internal', error: String(error) },
        'a transaction in the mempool could not be read',
      );
    });
  }

  async #assertOneNetwork(): Promise<void> {
    const { network, chain, lightning } = this.#parts;
    const found = { chain: await chain.network(), lightning: await lightning.network() };
    for (const [part, name] of Object.entries(found))
      if (name !== network)
        throw new SparkleError('wrong_network', `this trader is on ${network}; its ${part} is on ${name}`, {
          part,
          name,
        });
  }

  /**
   * What this seller has told the buyer of a hold-first trade and still stands by, signed anew: for whoever lost it, or
   * reads it elsewhere than in the market. Empty when there is no such trade, or it has ended.
   */
  async said(tradeId: string): Promise<string[]> {
    const trade = await this.#parts.store.load(tradeId);
    if (trade === undefined || trade.role === 'buyer' || trade.mode !== 'hold-first') return [];
    const messages = trade.role === 'forwarder' ? forwardedBy(trade) : saidBy(trade);
    return messages.map((message) => this.#signed(message));
  }

  #signed(message: TradeMessage): string {
    return writeMessage(message, { ...this.#me, auxRand: this.#parts.clock.randomBytes(32) });
  }

  async #say(to: string, message: TradeMessage): Promise<void> {
    const { market, clock } = this.#parts;
    const text = this.#signed(message);
    await within(clock, MOST_SAY_MILLISECONDS, market.send(to, { from: this.id, text }));
  }

  /** A letter that could not be taken comes again; why it could not is said here, because a market does not know. */
  async #heard(envelope: Envelope): Promise<void> {
    try {
      await this.#hear(envelope);
    } catch (error) {
      // What it would have been written down in may be closed by now.
      if (this.#isStopped) throw error;
      const fields = { code: errorCodeOf(error), error: String(error) };
      this.#parts.log.error(fields, 'a message could not be taken and will come again');
      throw error;
    }
  }

  async #hear({ text }: Envelope): Promise<void> {
    const message = this.#read(text);
    if (message?.signed === undefined) return;
    const { tradeId, from } = message.signed;
    const trade = await this.#parts.store.load(tradeId);
    if (trade === undefined && message.op === 'trade_request') return this.#answer(message, tradeId);
    if (trade === undefined || !counterpartiesOf(trade).includes(from)) return;
    // Every instance has the letter: its holder reads his own.
    await this.#engine.tell(tradeId, (at) => ({ type: 'message', at, message }), { isAsked: false, from });
  }

  /** Anyone may send anything: what cannot be read, or is signed by another, is noted and dropped. */
  #read(text: string): TradeMessage | undefined {
    const { clock, log } = this.#parts;
    try {
      const { message, signedBy } = readMessage(text, { nowSeconds: clock.nowSeconds() });
      return signedBy !== undefined && signedBy === message.signed?.from ? message : undefined;
    } catch (error) {
      log.warn({ code: errorCodeOf(error) }, 'a message was refused');
      return undefined;
    }
  }

  async #answer(request: TradeRequest, tradeId: string): Promise<void> {
    try {
      const [failure] = await this.#begin(request);
      if (failure !== undefined) await this.#refuse(request, failure.code);
    } catch (error) {
      if (!(error instanceof SparkleError) || mayPass(error)) throw error;
      if (error.code !== 'duplicate_trade') return this.#refuse(request, error.code);
      this.#parts.log.warn({ tradeId }, 'a request repeats a trade or a payment hash');
    }
  }

  async #begin(request: TradeRequest): Promise<Refusal[]> {
    const standing = this.#offers.get(request.inscriptionId);
    if (standing !== undefined) return this.#open(request, standing);
    const made = await this.#makeOffer?.(request);
    if (made === undefined) return [notForSale(request)];
    return 'sellerSats' in made ? this.#openForward(request, made) : this.#open(request, this.#owned(made));
  }

  /** Begins a sale, or says all that is wrong with the request. Throws `duplicate_trade`. */
  async #open(request: TradeRequest, offer: Offer): Promise<Refusal[]> {
    const { store } = this.#parts;
    const busy = this.#tooMany();
    if (busy !== undefined) return [busy];
    const answer = answerRequest({ request, offer, at: await this.#now() });
    if ('failures' in answer) return answer.failures;
    const keyIndex = await store.nextKeyIndex();
    await this.#engine.open(answer.withKeys(sellerKeys(keyIndex, this.#hands.keys(keyIndex))));
    return [];
  }

  async #openForward(request: TradeRequest, forward: Forward): Promise<Refusal[]> {
    const { network, lightning } = this.#parts;
    assertNodeCan('forward hold-first', lightning.capabilities);
    const busy = this.#tooMany();
    if (busy !== undefined) return [busy];
    const opened = openForwarder({ request, forward, network, forwarderId: this.id, at: await this.#now() });
    if ('failures' in opened) return opened.failures;
    await this.#engine.open(opened);
    return [];
  }

  #tooMany(): Refusal | undefined {
    const most = this.#parts.mostSales ?? MOST_SALES;
    if (this.#engine.sales < most) return undefined;
    return { code: 'busy', sentence: `at most ${most} sales are open at one time; ask again later` };
  }

  async #now(): Promise<Moment> {
    return { height: (await this.#parts.chain.tip()).height, nowSeconds: this.#parts.clock.nowSeconds() };
  }

  async #refuse({ signed, inscriptionId }: TradeRequest, code: string): Promise<void> {
    if (signed === undefined) return;
    const { tradeId } = signed;
    // Another instance had the same letter and has begun the trade.
    if ((await this.#parts.store.load(tradeId)) !== undefined) return;
    this.#parts.log.info({ tradeId, code }, 'a request was refused');
    const expiresAt = this.#parts.clock.nowSeconds() + REFUSAL_EXPIRY_SECONDS;
    const refusal = { op: 'trade_abort' as const, inscriptionId, code, signed: { tradeId, from: this.id, expiresAt } };
    // Whoever cannot be told has asked too often or is gone: his request is no reason to read no other.
    await this.#say(signed.from, refusal).catch((error: unknown) => {
      this.#parts.log.warn({ tradeId, code: errorCodeOf(error) }, 'a refusal could not be delivered');
    });
  }
}

function throwFirst(failures: Refusal[]): void {
  const [first] = failures;
  if (first === undefined) return;
  throw new SparkleError('refused', first.sentence, { reason: first.code, codes: failures.map(({ code }) => code) });
}

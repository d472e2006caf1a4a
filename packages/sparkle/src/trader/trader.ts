import { hex } from '@scure/base';
import { identityKey, tradeKeys } from '../protocol/keys.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { TradeMessage, TradeRequest } from '../protocol/messages.ts';
import { readMessage, writeMessage } from '../protocol/messages.ts';
import { confirmationsFor } from '../protocol/deadlines.ts';
import { openBuyer, openSeller } from '../protocol/trade/open.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Offer, TradeMode, Want } from '../protocol/trade/terms.ts';
import type { Envelope } from '../market/market.ts';
import { createPurse } from './coins.ts';
import { type Checkpoint, createEngine, type Engine, type Listener, type Parts } from './engine.ts';
import type { Hands } from './effects.ts';

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
};

/** A buyer, a seller, or both: one identity, one wallet, one Lightning node, and the trades between them. */
export interface Trader {
  /** x-only key that signs this trader's messages. */
  readonly id: string;
  /** Checks that all parts are of one network, resumes what was under way, and begins to listen. Throws `wrong_network`. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Answers requests for this offer until it is withdrawn or its output is spent. */
  sell(offer: Omit<Offer, 'sellerId' | 'network'>): Promise<void>;
  withdraw(inscriptionId: string): Promise<void>;
  /** Begins a purchase and returns its trade id. */
  buy(purchase: Purchase): Promise<string>;
  abort(tradeId: string, reason: string): Promise<void>;
  trade(tradeId: string): Promise<Trade | undefined>;
  onChange(listener: Listener): () => void;
  /** Looks at every live trade now; what the timer does by itself. */
  look(): Promise<void>;
  /** Resolves when nothing is being worked on. */
  idle(): Promise<void>;
}

export function createTrader(parts: Parts, options: { checkpoint?: Checkpoint } = {}): Trader {
  const { store, chain, lightning, market, clock, network, seed, log } = parts;
  const me = identityKey({ seed, network });
  const sign = { secret: me.secret, random: () => clock.randomBytes(32) };
  const offers = new Map<string, Offer>();
  const stops: (() => void)[] = [];

  const hands: Hands = {
    keys: (index) => tradeKeys({ seed, network, index }),
    purse: createPurse(parts),
    say: (to, message) => market.send(to, { from: me.public, text: writeSigned(message) }),
  };
  const writeSigned = (message: TradeMessage) => writeMessage(message, { secret: sign.secret, auxRand: sign.random() });
  const engine: Engine = createEngine(parts, hands, options.checkpoint);

  async function hear({ text }: Envelope): Promise<void> {
    const { message, signedBy } = read(text);
    if (message === undefined || message.signed === undefined) return;
    const { tradeId, from } = message.signed;
    if (signedBy !== from) return;
    const trade = await store.load(tradeId);
    if (trade !== undefined) {
      if (from === counterpartyOf(trade)) await engine.tell(tradeId, (at) => ({ type: 'message', at, message }));
      return;
    }
    if (message.op === 'trade_request') await answer(message, tradeId);
  }

  /** Anyone may send anything: what cannot be read is noted and dropped, and never stops the inbox. */
  function read(text: string): { message?: TradeMessage; signedBy?: string } {
    try {
      return readMessage(text, { nowSeconds: clock.nowSeconds() });
    } catch (error) {
      log.warn({ code: error instanceof SparkleError ? error.code : 'internal' }, 'a message was refused');
      return {};
    }
  }

  async function answer(request: TradeRequest, tradeId: string): Promise<void> {
    const offer = offers.get(request.inscriptionId);
    const { signed } = request;
    if (offer === undefined || signed === undefined) return refuse({ request, tradeId, code: 'not_for_sale' });
    const at = { height: (await chain.tip()).height, nowSeconds: clock.nowSeconds() };
    const keyIndex = await store.nextKeyIndex();
    const { refund, paymentHash } = hands.keys(keyIndex);
    const keys = { keyIndex, refundKey: refund.public, paymentHash };
    const opened = openSeller({ request, offer, keys, at });
    if ('failures' in opened) return refuse({ request, tradeId, code: opened.failures[0]?.code ?? 'refused' });
    try {
      await engine.open(opened);
    } catch (error) {
      if (!(error instanceof SparkleError && error.code === 'duplicate_trade')) throw error;
      log.warn({ tradeId }, 'a request repeats a trade or a payment hash');
    }
  }

  async function refuse(no: { request: TradeRequest; tradeId: string; code: string }): Promise<void> {
    const { request, tradeId, code } = no;
    if (request.signed === undefined) return;
    log.info({ tradeId, code }, 'a request was refused');
    const expiresAt = clock.nowSeconds() + 3600;
    const signed = { tradeId, from: me.public, expiresAt };
    await hands.say(request.signed.from, { op: 'trade_abort', inscriptionId: request.inscriptionId, code, signed });
  }

  async function sameNetwork(): Promise<void> {
    const found = { chain: await chain.network(), lightning: await lightning.network() };
    for (const [part, name] of Object.entries(found))
      if (name !== network)
        throw new SparkleError('wrong_network', `this trader is on ${network}, but its ${part} is on ${name}`, {
          part,
          name,
        });
  }

  return {
    id: me.public,
    start: async () => {
      await sameNetwork();
      await engine.resume();
      const wake = () => void engine.lookAtAll().catch(() => {});
      stops.push(
        chain.subscribe(wake),
        lightning.subscribe(wake),
        clock.every(parts.tickMilliseconds, wake),
        market.inbox(me.public, hear),
      );
    },
    stop: async () => {
      stops.splice(0).forEach((stop) => stop());
      await engine.idle();
    },
    sell: async (given) => {
      const offer: Offer = { ...given, network, sellerId: me.public };
      offers.set(offer.inscriptionId, offer);
      const { inscriptionId, priceSats, modes, expiresAt } = offer;
      await market.publish({ id: inscriptionId, sellerId: me.public, inscriptionId, priceSats, modes, expiresAt });
    },
    withdraw: async (inscriptionId) => {
      offers.delete(inscriptionId);
      await market.withdraw(inscriptionId);
    },
    buy: async (purchase) => {
      const keyIndex = await store.nextKeyIndex();
      const { claim, paymentHash } = hands.keys(keyIndex);
      const tradeId = hex.encode(clock.randomBytes(16));
      const { mode, ...rest } = purchase;
      const minConfirmations = confirmationsFor(purchase.priceSats);
      const common = { ...rest, tradeId, network, claimKey: claim.public, buyerId: me.public, minConfirmations };
      const want: Want = mode === 'hold-first' ? { ...common, mode, paymentHash } : { ...common, mode };
      await engine.open(openBuyer({ want, keyIndex }));
      return tradeId;
    },
    abort: (tradeId, reason) => engine.tell(tradeId, (at) => ({ type: 'abort_requested', at, reason })),
    trade: (tradeId) => store.load(tradeId),
    onChange: engine.onChange,
    look: engine.lookAtAll,
    idle: engine.idle,
  };
}

/** Who the messages of a trade must come from. */
function counterpartyOf(trade: Trade): string {
  return trade.role === 'buyer' ? trade.want.sellerId : trade.terms.buyerId;
}

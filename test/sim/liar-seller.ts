import { addressScript, encodeDraft } from 'sparkle-protocol/protocol/draft';
import { identityKey, tradeKeys } from 'sparkle-protocol/protocol/keys';
import { buildLockTransaction } from 'sparkle-protocol/protocol/lock-tx';
import { readMessage, writeMessage, type TradeMessage, type TradeRequest } from 'sparkle-protocol/protocol/messages';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildRefund } from 'sparkle-protocol/protocol/refund';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import { openSeller } from 'sparkle-protocol/protocol/trade/open';
import { acceptOf, quoteOf } from 'sparkle-protocol/protocol/trade/quoting';
import type { LockVersion } from 'sparkle-protocol/protocol/trade/state';
import type { Offer, Terms } from 'sparkle-protocol/protocol/trade/terms';
import type { Coin } from 'sparkle-protocol/chain/wallet';
import type { Parts } from 'sparkle-protocol/trader/parts';
import type { Lie, Own } from './lies.ts';

const KEY_INDEX = 0;
const OWN_INDEX = 1;
const OTHER_INDEX = 2;
const FEERATE_SAT_VB = 20;
const MAX_FEE_SATS = 1_000_000n;
/** Less is an inscription, and one is enough. */
const COIN_SATS = 100_000n;

/** A puppet keeps nothing and writes no log. */
type PuppetParts = Omit<Parts, 'store' | 'log'>;

type Deal = {
  /** What he agreed to, and by what he really locks. */
  terms: Terms;
  lockTerms: Terms;
  lock?: LockVersion;
  /** Hash of the invoice he made, and what it says. */
  invoiceHash?: string;
  bolt11?: string;
  saidAtHeight: number;
};

/** The amount of the invoice is the only thing a payer who does not look would notice too late. */
const plainly = (error: unknown): string => {
  if (error instanceof SparkleError) return error.code;
  throw error;
};

/**
 * A seller who keeps to no rule but his lie, and takes whatever he can: he settles with any preimage he knows, as late as
 * he can, and refunds as soon as the chain lets him, paid or not.
 */
export class LyingSeller {
  readonly id: string;
  readonly #parts: PuppetParts;
  readonly #offer: Offer;
  readonly #lie: Lie;
  readonly #note: (sentence: string) => void;
  #deal: Deal | undefined;
  #leave: () => void = () => undefined;

  constructor(given: {
    parts: PuppetParts;
    offer: Omit<Offer, 'sellerId' | 'network'>;
    lie: Lie;
    note: (sentence: string) => void;
  }) {
    const { parts, lie, note } = given;
    const { network, seed } = parts;
    this.id = identityKey({ seed, network }).public;
    this.#parts = parts;
    this.#offer = { ...given.offer, network, sellerId: this.id };
    this.#lie = lie;
    this.#note = note;
  }

  start(): void {
    this.#leave = this.#parts.market.inbox(this.id, ({ text }) => this.#hear(text));
  }

  stop(): void {
    this.#leave();
  }

  /** What he does whenever something may have changed. */
  async tick(): Promise<void> {
    if (this.#deal === undefined) return;
    try {
      await this.#act(this.#deal);
    } catch (error) {
      this.#note(`the liar cannot go on: ${plainly(error)}`);
    }
  }

  #keys(index: number) {
    const { network, seed } = this.#parts;
    return tradeKeys({ seed, network, index });
  }

  #own(): Own {
    const { claim, refund, paymentHash } = this.#keys(OWN_INDEX);
    return { key: claim.public, otherKey: refund.public, paymentHash };
  }

  async #hear(text: string): Promise<void> {
    const message = this.#read(text);
    if (message?.op === 'trade_request' && this.#deal === undefined) await this.#agree(message);
    await this.tick();
  }

  #read(text: string): TradeMessage | undefined {
    try {
      return readMessage(text, { nowSeconds: this.#parts.clock.nowSeconds() }).message;
    } catch (error) {
      this.#note(`the liar cannot read a letter: ${plainly(error)}`);
      return undefined;
    }
  }

  async #agree(request: TradeRequest): Promise<void> {
    const { chain, clock } = this.#parts;
    const { refund, paymentHash } = this.#keys(KEY_INDEX);
    const at = { height: (await chain.tip()).height, nowSeconds: clock.nowSeconds() };
    const keys = { keyIndex: KEY_INDEX, refundKey: refund.public, paymentHash };
    const opened = openSeller({ request, offer: this.#offer, keys, at });
    if ('failures' in opened) return;
    const { terms } = opened.trade;
    const lockTerms = this.#lie.lock?.(terms, this.#own()) ?? terms;
    this.#deal = { terms, lockTerms, saidAtHeight: 0 };
    if (terms.mode === 'lock-first') return;
    await this.#makeInvoice(this.#deal);
    const quote = quoteOf(terms, this.#offer, this.#deal.bolt11 ?? '');
    await this.#say(this.#lie.quote?.(quote, this.#own()) ?? quote);
  }

  /** Always one that he can hold: a node of his own need not settle when it should. */
  async #makeInvoice(deal: Deal): Promise<void> {
    const { terms } = deal;
    const asked = {
      paymentHash: terms.paymentHash,
      amountMsat: terms.priceSats * 1000n,
      finalCltv: terms.finalCltv,
      expirySeconds: terms.mode === 'hold-first' ? 900 : 3600,
      description: `Sparkle trade ${terms.tradeId}`,
    };
    const lied = this.#lie.invoice?.(asked, this.#own()) ?? asked;
    deal.bolt11 = (await this.#parts.lightning.createHoldInvoice(lied)).bolt11;
    deal.invoiceHash = lied.paymentHash;
  }

  async #act(deal: Deal): Promise<void> {
    const { chain, lightning } = this.#parts;
    const { height } = await chain.tip();
    const invoice = deal.invoiceHash === undefined ? undefined : await lightning.invoice(deal.invoiceHash);
    const holdFirst = deal.terms.mode === 'hold-first';
    const isTime = height >= (this.#lie.lockHeight?.(deal.terms) ?? 0);
    if (deal.lock === undefined && isTime && (!holdFirst || invoice?.state === 'held')) await this.#lock(deal);
    if (deal.lock !== undefined && height > deal.saidAtHeight) await this.#announce(deal, height);
    if (invoice?.state === 'held') await this.#settle(deal, { height, expiryHeight: invoice.expiryHeight });
    if (deal.lock !== undefined && height >= deal.lockTerms.refundHeight) await this.#refund(deal, height);
  }

  async #lock(deal: Deal): Promise<void> {
    const { chain, wallet } = this.#parts;
    const { sourceOutpoint, sourceValueSats } = this.#offer;
    const unspent = await chain.unspent(sourceOutpoint);
    if (unspent === undefined) return;
    const source = { outpoint: sourceOutpoint, valueSats: sourceValueSats, script: unspent.script };
    const coins = (await wallet.coins()).filter(({ valueSats }) => valueSats >= COIN_SATS);
    const built = buildLockTransaction({
      terms: deal.lockTerms,
      ...this.#placed(source, coins),
      changeAddress: await wallet.address(),
      feerateSatVb: FEERATE_SAT_VB,
      maxFeeSats: MAX_FEE_SATS,
    });
    const raw = await wallet.sign(built.raw, [...built.spent]);
    const { txid, feeSats, feerateSatVb, vout, spent } = built;
    deal.lock = { txid, raw, feeSats, feerateSatVb, vout, spent: [...spent] };
    if (this.#lie.place !== 'nowhere') await chain.broadcast([raw]);
    this.#note('the liar locks');
    if (deal.terms.mode === 'hold-first') await this.#announce(deal, (await chain.tip()).height);
    if (this.#lie.place === 'taken back') await this.#takeBack(deal.lock);
  }

  #placed(source: Omit<Coin, 'confirmations'>, coins: Coin[]) {
    const [coin, ...others] = coins;
    if (coin === undefined) return { source, coins };
    if (this.#lie.place === 'behind a coin') return { source: coin, coins: [source, ...others] };
    if (this.#lie.place === 'elsewhere') return { source: coin, coins: others };
    return { source, coins };
  }

  /** Spends the first input again, to himself and for more: the lock that he announced will never be. */
  async #takeBack({ spent, feeSats }: LockVersion): Promise<void> {
    const { chain, wallet, network } = this.#parts;
    const script = addressScript(await wallet.address(), network);
    const valueSats = spent.reduce((sum, input) => sum + input.valueSats, 0n) - feeSats * 3n;
    const inputs = spent.map((input) => ({ ...input, sequence: 0xffff_fffd, witness: [] }));
    const raw = encodeDraft({ lockHeight: 0, inputs, outputs: [{ script, valueSats }] });
    await chain.broadcast([await wallet.sign(raw, [...spent])]);
    this.#note('the liar takes his lock back');
  }

  async #announce(deal: Deal, height: number): Promise<void> {
    const { chain } = this.#parts;
    const { terms, lock } = deal;
    if (lock === undefined) return;
    if (deal.bolt11 === undefined) {
      const depth = (await chain.unspent(`${lock.txid}:${lock.vout}`))?.confirmations ?? 0;
      if (this.#lie.place === undefined && depth < terms.confirmations) return;
      await this.#makeInvoice(deal);
    }
    deal.saidAtHeight = height;
    const accept = acceptOf({ terms, offer: this.#offer, invoice: deal.bolt11 ?? '', lock });
    await this.#say(this.#lie.accept?.(accept, this.#own()) ?? accept);
  }

  async #say(message: TradeMessage): Promise<void> {
    const { market, clock, network, seed } = this.#parts;
    const { secret } = identityKey({ seed, network });
    const text = writeMessage(message, { secret, auxRand: clock.randomBytes(32) });
    await market.send(this.#deal?.terms.buyerId ?? this.id, { from: this.id, text });
  }

  async #settle(deal: Deal, at: { height: number; expiryHeight: number }): Promise<void> {
    const preimage = await this.#knownPreimage(deal);
    if (preimage === undefined) return;
    if (deal.terms.mode === 'lock-first' && at.height < at.expiryHeight - 1) return;
    this.#note('the liar settles');
    await this.#parts.lightning.settle(preimage);
  }

  async #knownPreimage({ terms, lock, invoiceHash }: Deal): Promise<string | undefined> {
    const own = [this.#keys(KEY_INDEX), this.#keys(OWN_INDEX)].find(({ paymentHash }) => paymentHash === invoiceHash);
    if (own !== undefined || lock === undefined) return own?.preimage;
    const spender = await this.#parts.chain.spender(`${lock.txid}:${lock.vout}`, terms.quoteHeight);
    return spender === undefined ? undefined : findPreimage(spender.raw, terms.paymentHash);
  }

  async #refund({ lockTerms, lock }: Deal, height: number): Promise<void> {
    const { chain, wallet, clock } = this.#parts;
    if (lock === undefined || this.#lie.place !== undefined) return;
    const outpoint = `${lock.txid}:${lock.vout}`;
    const spender = await chain.spender(outpoint, lockTerms.quoteHeight);
    if (spender?.block !== undefined) return;
    const secret = this.#secretOf(lockTerms.refundKey);
    if (secret === undefined) return;
    const funding = { coins: await wallet.coins(), changeAddress: await wallet.address() };
    const built = buildRefund({
      terms: lockTerms,
      lockOutpoint: outpoint,
      destination: await wallet.address(),
      feerateSatVb: FEERATE_SAT_VB + (this.#lie.greedSatVb ?? 1) * (height - lockTerms.refundHeight),
      maxFeeSats: MAX_FEE_SATS,
      funding,
      refundSecret: secret,
      auxRand: clock.randomBytes(32),
    });
    const raw = built.spent.length === 1 ? built.raw : await wallet.sign(built.raw, [...built.spent]);
    this.#note('the liar refunds');
    await chain.broadcast([raw]);
  }

  #secretOf(key: string): Uint8Array | undefined {
    const pairs = [KEY_INDEX, OWN_INDEX, OTHER_INDEX].flatMap((index) => {
      const { claim, refund } = this.#keys(index);
      return [claim, refund];
    });
    return pairs.find((pair) => pair.public === key)?.secret;
  }
}

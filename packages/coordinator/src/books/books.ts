import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Invoice, Lightning } from 'sparkle-protocol/lightning/lightning';
import { FINAL_CONFIRMATIONS, searchFromHeight } from 'sparkle-protocol/protocol/deadlines';
import { decodeTransaction, type Prevout } from 'sparkle-protocol/protocol/draft';
import { errorCodeOf, SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import type { Forwarder, HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import type { Store } from 'sparkle-protocol/store/store';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import { prevoutsOf } from 'sparkle-protocol/trader/prevouts';
import type { Trader } from 'sparkle-protocol/trader/trader';
import {
  abortBooking,
  deliveredBooking,
  feeBooking,
  forwardedBooking,
  lockBooking,
  refundBooking,
  settledBooking,
} from './bookings.ts';
import { isSale } from '../exchange/sold.ts';
import type { Booking, Ledger } from './ledger.ts';
import type { Outgoing, Sent } from './outgoing.ts';

export type BooksParts = {
  store: Pick<Store, 'load'>;
  chain: Pick<Chain, 'tip' | 'transaction' | 'spender' | 'subscribe' | 'broadcast'>;
  lightning: Pick<Lightning, 'invoice' | 'payment'>;
  trader: Pick<Trader, 'onChange'>;
  ledger: Pick<Ledger, 'book'>;
  outgoing: Outgoing;
  log: Log;
  nowSeconds(): number;
};

/**
 * Keeps the ledger: whatever of a sale is final is booked, once. A transaction is when it lies six blocks deep, a payment when
 * the node has settled it. All of it is looked up, in the chain and at the node, so that it may be done twice, by two
 * instances, and after a crash.
 */
export class Books {
  readonly #parts: BooksParts;
  readonly #lanes = createLanes();
  #isStopped = false;

  constructor(parts: BooksParts) {
    this.#parts = parts;
  }

  /** Catches up, then does so with every block and every sale that ends until the returned function is called. */
  start(): () => void {
    const { trader, chain } = this.#parts;
    const stops = [
      trader.onChange(({ state }) => (state === 'ended' ? this.#soon() : undefined)),
      chain.subscribe((event) => (event.type === 'tip' || event.type === 'reorg' ? this.#soon() : undefined)),
    ];
    this.#soon();
    return () => {
      this.#isStopped = true;
      stops.forEach((stop) => stop());
    };
  }

  /** Books what is final by now. Never rejects: what could not be looked up is when this is called again. */
  async catchUp(): Promise<void> {
    const { outgoing, log } = this.#parts;
    const failed = (tradeId: string) => (error: unknown) =>
      log.warn({ tradeId, code: errorCodeOf(error), error: String(error) }, 'a sale could not be booked yet');
    const trades = await outgoing.openTrades().catch((error: unknown) => (failed('')(error), []));
    for (const tradeId of trades) if (!this.#isStopped) await this.#follow(tradeId).catch(failed(tradeId));
  }

  /** Resolves when nothing is being worked on. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  #soon(): void {
    void this.#lanes.later('catch up', () => this.catchUp());
  }

  async #follow(tradeId: string): Promise<void> {
    const trade = await this.#parts.store.load(tradeId);
    if (trade?.role === 'forwarder' && trade.state === 'ended') return this.#forwarded(trade);
    if (!isSale(trade)) return;
    const all = await this.#parts.outgoing.of(tradeId);
    for (const sent of all) if (sent.state === 'sent') sent.state = await this.#look(trade, sent);
    const isPaid = await this.#settled(trade);
    const lock = all.find(({ kind, state }) => kind === 'lock' && state === 'booked');
    if (lock !== undefined && (await this.#spent(trade, { lock, all })) && isPaid)
      await this.#parts.outgoing.mark(lock, 'closed');
  }

  /** What became of a transaction: it is buried and booked, or one that spends the same output is, or neither yet. */
  async #look(trade: HoldSeller, sent: Sent): Promise<Sent['state']> {
    const { chain, outgoing, ledger, nowSeconds } = this.#parts;
    const found = await chain.transaction(sent.txid);
    if (found?.block === undefined) {
      if (await this.#isReplaced(trade, sent)) {
        await outgoing.mark(sent, 'dead');
        return 'dead';
      }
      if (trade.state === 'ended' && sent.kind !== 'lock') await this.#sendAgain(sent);
      return 'sent';
    }
    if (!(await this.#isFinal(found.block))) return 'sent';
    const spent = await prevoutsOf(chain, sent.raw);
    await ledger.book(bookingOf({ trade, sent, spent, at: nowSeconds() }));
    await outgoing.mark(sent, 'booked');
    return 'booked';
  }

  /**
   * A trade that has ended pushes nothing any more, and the wallet would count the coins of a transaction that nobody mines
   * as spent for ever: a mempool forgets, and a node that was killed may have it back from its wallet and tell it to nobody
   * for a day, until it is handed over anew. What the network refuses is replaced by another of its versions.
   */
  async #sendAgain({ tradeId, txid, raw }: Sent): Promise<void> {
    const { chain, log } = this.#parts;
    await chain.broadcast([raw]).catch((error: unknown) => {
      if (!(error instanceof SparkleError) || error.code !== 'broadcast_refused') throw error;
      log.info({ tradeId, txid, code: error.code }, 'a transaction of a sale that has ended is not taken again');
    });
  }

  /** Answers whether there is nothing more to come: the payment is booked, or the trade has ended without it. */
  async #settled(trade: HoldSeller): Promise<boolean> {
    if (trade.state !== 'ended') return false;
    if (trade.outcome !== 'traded') return true;
    return (await this.#received(trade.tradeId, trade.terms.paymentHash)) === 'settled';
  }

  /** Books what came for a hash once the node has settled it; answers how the payment is. */
  async #received(tradeId: string, paymentHash: string): Promise<Invoice['state']> {
    const { lightning, ledger, nowSeconds } = this.#parts;
    const invoice = await lightning.invoice(paymentHash);
    if (invoice.state === 'settled')
      await ledger.book(settledBooking({ tradeId, at: nowSeconds(), amountMsat: invoice.amountMsat }));
    return invoice.state;
  }

  /** A payment that was passed on: what came and what went, as the node has both. */
  async #forwarded({ tradeId, want }: Forwarder): Promise<void> {
    const { lightning, ledger, outgoing, nowSeconds } = this.#parts;
    const { paymentHash, priceSats: sellerSats } = want;
    const paid = await lightning.payment(paymentHash);
    const of = { tradeId, at: nowSeconds(), sellerSats };
    if (paid.state === 'settled') await ledger.book(forwardedBooking({ ...of, feeMsat: paid.feeMsat }));
    const received = await this.#received(tradeId, paymentHash);
    const isOver = paid.state !== 'pending' && (received === 'settled' || received === 'canceled');
    if (isOver) await outgoing.mark({ tradeId, txid: paymentHash }, 'closed');
  }

  /** Answers whether what spent the lock is booked: a refund of ours by itself, anything else is the buyer's claim. */
  async #spent(trade: HoldSeller, { lock, all }: { lock: Sent; all: readonly Sent[] }): Promise<boolean> {
    const { chain, ledger, nowSeconds } = this.#parts;
    const { tradeId, terms } = trade;
    const outpoint = `${lock.txid}:${lockOutput(trade, lock.raw)}`;
    const spender = await chain.spender(outpoint, searchFromHeight(terms));
    if (spender?.block === undefined || !(await this.#isFinal(spender.block))) return false;
    const ours = all.find(({ txid }) => txid === spender.txid);
    if (ours !== undefined) return ours.state === 'booked';
    await ledger.book(deliveredBooking({ tradeId, at: nowSeconds(), terms }));
    return true;
  }

  async #isReplaced({ terms }: HoldSeller, { raw, txid }: Sent): Promise<boolean> {
    for (const { outpoint } of decodeTransaction(raw).inputs) {
      const spender = await this.#parts.chain.spender(outpoint, searchFromHeight(terms));
      if (spender?.block !== undefined && spender.txid !== txid && (await this.#isFinal(spender.block))) return true;
    }
    return false;
  }

  async #isFinal({ height }: { height: number }): Promise<boolean> {
    return (await this.#parts.chain.tip()).height - height + 1 >= FINAL_CONFIRMATIONS;
  }
}

/** Which output of its transaction the lock is: the only one of its script. */
function lockOutput({ terms }: HoldSeller, raw: string): number {
  const { script } = buildLock(terms);
  return decodeTransaction(raw).outputs.findIndex((output) => output.script === script);
}

type Buried = { trade: HoldSeller; sent: Sent; spent: Prevout[]; at: number };

function bookingOf({ trade, sent, spent, at }: Buried): Booking {
  const { offer, terms, tradeId } = trade;
  const { raw, txid, kind } = sent;
  const of = { tradeId, at, raw, spent };
  switch (kind) {
    case 'lock':
      return lockBooking({ tradeId, at, offer, lock: { raw, spent, vout: lockOutput(trade, raw) } });
    case 'bump':
      return feeBooking({ ...of, why: `bumped ${txid}` });
    case 'forward':
      throw new SparkleError('bad_state', 'a payment is no transaction to be booked', { tradeId });
    case 'abort':
      return abortBooking({ ...of, offer });
    case 'refund': {
      const { script } = buildLock(terms);
      const lockOutpoint = spent.find((prevout) => prevout.script === script)?.outpoint ?? '';
      return refundBooking({ ...of, lockOutpoint });
    }
  }
}

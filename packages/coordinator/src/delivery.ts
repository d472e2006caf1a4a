import { hex } from '@scure/base';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { FinalizedWire, FinalizeWire, ProofWire } from 'sparkle-protocol/market/checkout-wire';
import { mayReveal } from 'sparkle-protocol/protocol/deadlines';
import { completeClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction, txidOf, vsizeOf } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { isPreimageOf } from 'sparkle-protocol/protocol/preimage';
import type { HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import { lockValueSats } from 'sparkle-protocol/protocol/trade/terms';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { isSale, uuidOf } from './desk.ts';

export type DeliveryParts = {
  trader: Pick<Trader, 'trade' | 'said' | 'look'>;
  chain: Pick<Chain, 'tip' | 'transaction' | 'unspent' | 'broadcast'>;
};

type Locked = Extract<HoldSeller, { state: 'locked' }>;

/** Brings the inscription to a buyer who hands over his preimage, and gives everybody what he needs to do it himself. */
export class Delivery {
  readonly #parts: DeliveryParts;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  /**
   * The buyer hands over his preimage. It is taken only together with his signed claim, which is sent to the chain at once
   * with the preimage in it: a preimage alone would let us take the money and him wait. Our own trader learns it from the
   * mempool, as it would from a claim that the buyer sent himself. Throws `bad_preimage`, `bad_transaction`, `refused` for a
   * lock that is not deep enough, `too_late`, `broadcast_refused`.
   */
  async finalize(tradeId: string, { payment_preimage: preimage, claim }: FinalizeWire): Promise<FinalizedWire> {
    const trade = await this.#upToDate(tradeId);
    const done = deliveredBy(trade);
    if (done !== undefined) return this.#finalized(done);
    if (!('terms' in trade) || !isPreimageOf(preimage, trade.terms.paymentHash))
      throw new SparkleError(
        'bad_preimage',
        'payment_preimage must hash to the payment hash of the trade; it does not',
        {
          field: 'payment_preimage',
        },
      );
    if (trade.state !== 'locked')
      throw new SparkleError(
        'refused',
        `the inscription must be locked, and deep enough; the trade is ${trade.state}`,
        {
          reason: 'not_locked',
        },
      );
    const { height } = await this.#parts.chain.tip();
    if (!mayReveal({ height, refundHeight: trade.terms.refundHeight }))
      throw new SparkleError(
        'too_late',
        'the refund height is too near to show a preimage: keep it, the payment returns',
      );
    const raw = completed(trade, { preimage, claim });
    await this.#parts.chain.broadcast([raw]);
    await this.#parts.trader.look();
    return this.#finalized(txidOf(raw));
  }

  /** What the buyer needs to check the trade by himself, and to end it without us. */
  async proof(tradeId: string): Promise<ProofWire> {
    const trade = await this.#sale(tradeId);
    const messages = await this.#parts.trader.said(tradeId);
    return { trade_id: uuidOf(tradeId), messages, ...(await this.#lockOf(trade)) };
  }

  async #lockOf(trade: HoldSeller): Promise<Pick<ProofWire, 'lock'>> {
    if (!('lock' in trade)) return {};
    const { lock, terms } = trade;
    const { address, descriptor = '' } = buildLock(terms);
    const confirmations = (await this.#parts.chain.unspent(`${lock.txid}:${lock.vout}`))?.confirmations ?? 0;
    return { lock: { outpoint: `${lock.txid}:${lock.vout}`, address, descriptor, raw: lock.raw, confirmations } };
  }

  async #sale(tradeId: string): Promise<HoldSeller> {
    const trade = await this.#parts.trader.trade(tradeId);
    if (isSale(trade)) return trade;
    throw new SparkleError('not_found', 'id must be that of a trade; there is none', { field: 'id' });
  }

  /** A buyer may have seen the block that deepens his lock before our own look, most of all right after a start. */
  async #upToDate(tradeId: string): Promise<HoldSeller> {
    const trade = await this.#sale(tradeId);
    if (trade.state !== 'locking') return trade;
    await this.#parts.trader.look();
    return this.#sale(tradeId);
  }

  async #finalized(txid: string): Promise<FinalizedWire> {
    const { chain } = this.#parts;
    const block = (await chain.transaction(txid))?.block;
    return { txid, confirmations: block === undefined ? 0 : (await chain.tip()).height - block.height + 1 };
  }
}

function deliveredBy(trade: HoldSeller): string | undefined {
  if (trade.state === 'settling') return trade.claimTxid;
  return trade.state === 'ended' && trade.outcome === 'traded' ? trade.txid : undefined;
}

/**
 * The buyer's claim with his preimage in it, all of it checked before: that it spends the lock alone, by the claim leaf, and
 * that the claim key signed it. What the network would refuse would have shown the preimage for nothing.
 */
function completed(
  { lock, terms }: Locked,
  { preimage, claim }: { preimage: string; claim: string | undefined },
): string {
  if (claim === undefined) throw badClaim('must come with the preimage, signed: a preimage alone delivers nothing');
  const { inputs, outputs } = decodeTransaction(claim);
  const [input, ...more] = inputs;
  const outpoint = `${lock.txid}:${lock.vout}`;
  if (input?.outpoint !== outpoint || more.length > 0) throw badClaim(`must spend ${outpoint} and nothing else`);
  // A v1 lock is claimed with preimage, signature, leaf and control block, in this order.
  const [, signature] = input.witness;
  if (signature === undefined) throw badClaim('must be signed through the claim leaf');
  const valueSats = lockValueSats(terms);
  const paidSats = outputs.reduce((sum, output) => sum + output.valueSats, 0n);
  const feeSats = valueSats - paidSats;
  const presigned = {
    ...{ raw: claim, txid: txidOf(claim), vsize: vsizeOf(claim), feeSats, feerateSatVb: 0, terms },
    ...{ spent: [{ outpoint, valueSats, script: buildLock(terms).script }], signature: hex.encode(signature) },
  };
  return completeClaim({ presigned, preimage }).raw;
}

const badClaim = (sentence: string): SparkleError =>
  new SparkleError('bad_transaction', `claim ${sentence}`, { field: 'claim' });

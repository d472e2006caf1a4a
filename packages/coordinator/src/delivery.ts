import { hex } from '@scure/base';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { FinalizedWire, FinalizeWire, ProofWire, RescueWire } from 'sparkle-protocol/market/checkout-wire';
import { lastRevealHeight, mayReveal } from 'sparkle-protocol/protocol/deadlines';
import { completeClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction, txidOf, vsizeOf } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { isPreimageOf } from 'sparkle-protocol/protocol/preimage';
import type { SatProof } from 'sparkle-protocol/protocol/satproof';
import type { HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import { lockValueSats } from 'sparkle-protocol/protocol/trade/terms';
import type { Trader } from 'sparkle-protocol/trader/trader';
import type { Claims } from './claims.ts';
import { isSale, uuidOf } from './desk.ts';
import type { SatProofs } from './sat-proofs.ts';
import { confirmationsOf } from './transfers.ts';

export type DeliveryParts = {
  trader: Pick<Trader, 'trade' | 'said' | 'look' | 'lookAt'>;
  chain: Pick<Chain, 'tip' | 'transaction' | 'unspent'>;
  claims: Pick<Claims, 'send'>;
  satProofs: Pick<SatProofs, 'of'>;
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
    const trade = await this.#upToDate(tradeId, preimage);
    const done = deliveredBy(trade);
    if (done !== undefined) return this.#finalized(done);
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
    await this.#parts.claims.send(trade, raw);
    await this.#parts.trader.look();
    return this.#finalized(txidOf(raw));
  }

  /** What the buyer needs to check the trade by himself. */
  async proof(tradeId: string): Promise<ProofWire> {
    return this.#proofOf(await this.#sale(tradeId));
  }

  /** With that, what he needs to end it without us. */
  async rescue(tradeId: string): Promise<RescueWire> {
    const trade = await this.#sale(tradeId);
    return { ...(await this.#proofOf(trade)), terms: termsOf(trade) };
  }

  async #proofOf(trade: HoldSeller): Promise<ProofWire> {
    const { tradeId } = trade;
    const messages = await this.#parts.trader.said(tradeId);
    return { trade_id: uuidOf(tradeId), messages, ...(await this.#lockOf(trade)) };
  }

  async #lockOf(trade: HoldSeller): Promise<Pick<ProofWire, 'lock' | 'sat_proof'>> {
    if (!('lock' in trade)) return {};
    const { lock, terms, offer } = trade;
    const outpoint = `${lock.txid}:${lock.vout}`;
    const { address, descriptor = '' } = buildLock(terms);
    const confirmations = (await this.#parts.chain.unspent(outpoint))?.confirmations ?? 0;
    const proof = await this.#parts.satProofs.of({
      ...{ inscriptionId: terms.inscriptionId, lastRaw: lock.raw, lastTxid: lock.txid },
      from: `${offer.sourceOutpoint}:${offer.offsetSats}`,
    });
    return {
      lock: { outpoint, address, descriptor, raw: lock.raw, confirmations },
      ...(proof === undefined ? {} : { sat_proof: satProofWire(proof) }),
    };
  }

  async #sale(tradeId: string): Promise<HoldSeller> {
    const trade = await this.#parts.trader.trade(tradeId);
    if (isSale(trade)) return trade;
    throw new SparkleError('not_found', 'id must be that of a trade; there is none', { field: 'id' });
  }

  /**
   * The trade whose preimage somebody has. He may have seen the block that deepens his lock before our own look, most of all
   * right after a start or when another instance holds the trade; for a guess nobody looks.
   */
  async #upToDate(tradeId: string, preimage: string): Promise<HoldSeller> {
    const trade = await this.#sale(tradeId);
    const isDone = deliveredBy(trade) !== undefined;
    if (!isDone && (!('terms' in trade) || !isPreimageOf(preimage, trade.terms.paymentHash)))
      throw new SparkleError(
        'bad_preimage',
        'payment_preimage must hash to the payment hash of the trade; it does not',
        {
          field: 'payment_preimage',
        },
      );
    if (trade.state !== 'locking') return trade;
    await this.#parts.trader.lookAt(tradeId);
    return this.#sale(tradeId);
  }

  async #finalized(txid: string): Promise<FinalizedWire> {
    return { txid, confirmations: (await confirmationsOf(this.#parts.chain, txid)) ?? 0 };
  }
}

const satProofWire = ({ inscriptionId, from, satpoint, transactions }: SatProof): ProofWire['sat_proof'] => ({
  ...{ inscription_id: inscriptionId, satpoint, transactions },
  ...(from === undefined ? {} : { from }),
});

function termsOf({ terms }: HoldSeller): NonNullable<RescueWire['terms']> {
  const { claimLeaf, claimControl } = buildLock(terms);
  return {
    ...{ inscription_id: terms.inscriptionId, payment_hash: terms.paymentHash },
    ...{ claim_key: terms.claimKey, refund_key: terms.refundKey },
    ...{ refund_height: terms.refundHeight, last_reveal_height: lastRevealHeight(terms) },
    ...{ postage_sats: Number(terms.postageSats), reserve_sats: Number(terms.reserveSats) },
    ...{ offset_sats: Number(terms.offsetSats), claim_leaf: claimLeaf, claim_control_block: claimControl },
  };
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

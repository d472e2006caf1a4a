import { hex } from '@scure/base';
import type { Chain } from 'sparkle-protocol/chain/chain';
import type { FinalizedWire, FinalizeWire, ProofWire, RescueWire } from 'sparkle-protocol/market/checkout-wire';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { checkLock } from 'sparkle-protocol/protocol/checks';
import { lastRevealHeight, mayReveal } from 'sparkle-protocol/protocol/deadlines';
import { completeClaim } from 'sparkle-protocol/protocol/claim';
import { decodeTransaction, txidOf, vsizeOf } from 'sparkle-protocol/protocol/draft';
import { errorCodeOf, SparkleError } from 'sparkle-protocol/protocol/errors';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import type { NetworkName } from 'sparkle-protocol/protocol/network';
import { isPreimageOf } from 'sparkle-protocol/protocol/preimage';
import type { SatProof } from 'sparkle-protocol/protocol/satproof';
import { lockValueSats, type Terms } from 'sparkle-protocol/protocol/trade/terms';
import type { Clock } from 'sparkle-protocol/trader/clock';
import type { Log } from 'sparkle-protocol/trader/log';
import { freshHeight } from 'sparkle-protocol/trader/tip';
import type { Trader } from 'sparkle-protocol/trader/trader';
import { lookAtLock } from 'sparkle-protocol/trader/watch';
import type { Claims } from './claims.ts';
import type { SatProofs } from './sat-proofs.ts';
import { agreedTerms, claimTxidOf, foundLock, isSold, lockPlace, type Sold } from './sold.ts';
import { uuidOf } from './trade-id.ts';
import { confirmationsOf } from './transfers.ts';

export type DeliveryParts = {
  trader: Pick<Trader, 'trade' | 'said' | 'lookAt'>;
  chain: Chain;
  ordinals: Ordinals;
  claims: Pick<Claims, 'send'>;
  clock: Clock;
  network: NetworkName;
  satProofs: Pick<SatProofs, 'of'>;
  log: Log;
};

/** A lock that the buyer may claim now. */
type Locked = { terms: Terms; outpoint: string };

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
   * lock that is not deep enough, `too_late`, `broadcast_refused`, `chain_unavailable` for a best block that is too old (R3).
   */
  async finalize(tradeId: string, { payment_preimage: preimage, claim }: FinalizeWire): Promise<FinalizedWire> {
    const trade = await this.#upToDate(tradeId, preimage);
    const done = await claimTxidOf(this.#parts.chain, trade);
    if (done !== undefined) return this.#finalized(done);
    const locked = await this.#locked(trade);
    await this.#assertInTime(locked.terms);
    const raw = completed(locked, { preimage, claim });
    await this.#parts.claims.send({ tradeId, terms: locked.terms }, raw);
    return this.#sent(tradeId, txidOf(raw));
  }

  /** Throws `too_late` where a claim might not confirm before the refund opens, and the seller have both (R - 36). */
  async #assertInTime(terms: Terms): Promise<void> {
    const height = await freshHeight(this.#parts);
    if (mayReveal({ height, refundHeight: terms.refundHeight })) return;
    const last = lastRevealHeight(terms);
    throw new SparkleError(
      'too_late',
      `a preimage may be shown until height ${last}; it is ${height}: keep it, the payment returns`,
      { last, height },
    );
  }

  /**
   * The claim is on its way, and the preimage with it: whatever cannot be looked at now is no reason to tell a buyer that it
   * failed. Whoever holds the trade sees the claim in the mempool, or with the next block.
   */
  async #sent(tradeId: string, txid: string): Promise<FinalizedWire> {
    const { trader, log } = this.#parts;
    try {
      await trader.lookAt(tradeId);
      return await this.#finalized(txid);
    } catch (error) {
      const fields = { tradeId, code: errorCodeOf(error), error: String(error) };
      log.info(fields, 'a claim was sent, and what became of it is seen later');
      return { txid, confirmations: 0 };
    }
  }

  /** The lock, when it is deep enough to be claimed. Throws `refused`. */
  async #locked(trade: Sold): Promise<Locked> {
    const [terms, outpoint] = [agreedTerms(trade), lockPlace(trade)];
    if (terms === undefined || outpoint === undefined || !MAY_BE_LOCKED.includes(trade.state))
      throw notLocked(`the trade is ${trade.state}`);
    if (trade.role === 'forwarder') await this.#assertLocked({ terms, outpoint });
    return { terms, outpoint };
  }

  /** What a seller says of his lock is looked at as its buyer does: a preimage for a lock that is none pays for nothing. */
  async #assertLocked({ terms, outpoint }: Locked): Promise<void> {
    const { chain, ordinals } = this.#parts;
    const at = { outpoint, inscriptionId: terms.inscriptionId };
    const { facts, tip } = await lookAtLock({ chain, ordinals }, at);
    const [failure] = checkLock({ terms, facts, height: tip.height });
    if (failure !== undefined) throw notLocked(failure.sentence);
  }

  /** What the buyer needs to check the trade by himself. */
  async proof(tradeId: string): Promise<ProofWire> {
    return this.#proofOf(await this.#sale(tradeId));
  }

  /** With that, what he needs to end it without us. */
  async rescue(tradeId: string): Promise<RescueWire> {
    const trade = await this.#sale(tradeId);
    const terms = agreedTerms(trade);
    return { ...(await this.#proofOf(trade)), ...(terms === undefined ? {} : { terms: termsWire(terms) }) };
  }

  async #proofOf(trade: Sold): Promise<ProofWire> {
    const { tradeId } = trade;
    const messages = await this.#parts.trader.said(tradeId);
    return { trade_id: uuidOf(tradeId), messages, ...(await this.#lockOf(trade)) };
  }

  async #lockOf(trade: Sold): Promise<Pick<ProofWire, 'lock' | 'sat_proof'>> {
    const { chain, satProofs } = this.#parts;
    const terms = agreedTerms(trade);
    const found = trade.state === 'ended' ? undefined : await foundLock(chain, trade);
    if (terms === undefined || found === undefined) return {};
    const { outpoint, raw } = found;
    const { address, descriptor = '' } = buildLock(terms);
    const confirmations = (await chain.unspent(outpoint))?.confirmations ?? 0;
    const way = { inscriptionId: terms.inscriptionId, lastRaw: raw, lastTxid: txidOf(raw) };
    // Where it lay before is known of what we have locked ourselves.
    const from = trade.role === 'seller' ? { from: `${trade.offer.sourceOutpoint}:${trade.offer.offsetSats}` } : {};
    const proof = await satProofs.of({ ...way, ...from });
    return {
      lock: { outpoint, address, descriptor, raw, confirmations },
      ...(proof === undefined ? {} : { sat_proof: satProofWire(proof) }),
    };
  }

  async #sale(tradeId: string): Promise<Sold> {
    const trade = await this.#parts.trader.trade(tradeId);
    if (isSold(trade)) return trade;
    throw new SparkleError('not_found', 'id must be that of a trade; there is none', { field: 'id' });
  }

  /**
   * The trade whose preimage somebody has. He may have seen the block that deepens his lock before our own look, most of all
   * right after a start or when another instance holds the trade; for a guess nobody looks.
   */
  async #upToDate(tradeId: string, preimage: string): Promise<Sold> {
    const trade = await this.#sale(tradeId);
    const { paymentHash } = trade.role === 'forwarder' ? trade.want : trade.terms;
    const isDone = (await claimTxidOf(this.#parts.chain, trade)) !== undefined;
    if (!isDone && !isPreimageOf(preimage, paymentHash))
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

function termsWire(terms: Terms): NonNullable<RescueWire['terms']> {
  const { claimLeaf, claimControl } = buildLock(terms);
  return {
    ...{ inscription_id: terms.inscriptionId, payment_hash: terms.paymentHash },
    ...{ claim_key: terms.claimKey, refund_key: terms.refundKey },
    ...{ refund_height: terms.refundHeight, last_reveal_height: lastRevealHeight(terms) },
    ...{ postage_sats: Number(terms.postageSats), reserve_sats: Number(terms.reserveSats) },
    ...{ offset_sats: Number(terms.offsetSats), claim_leaf: claimLeaf, claim_control_block: claimControl },
  };
}

/** States in which the lock may be as deep as was agreed; of a sale of our own the one in which it is. */
const MAY_BE_LOCKED: readonly Sold['state'][] = ['locked', 'announced', 'unsent'];

const notLocked = (why: string): SparkleError =>
  new SparkleError('refused', `the inscription must be locked, and deep enough; ${why}`, { reason: 'not_locked' });

/**
 * The buyer's claim with his preimage in it, all of it checked before: that it spends the lock alone, by the claim leaf, and
 * that the claim key signed it. What the network would refuse would have shown the preimage for nothing.
 */
function completed(
  { outpoint, terms }: Locked,
  { preimage, claim }: { preimage: string; claim: string | undefined },
): string {
  if (claim === undefined) throw badClaim('must come with the preimage, signed: a preimage alone delivers nothing');
  const { inputs, outputs } = decodeTransaction(claim);
  const [input, ...more] = inputs;
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

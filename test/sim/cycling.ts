import { buildClaim } from 'sparkle-protocol/protocol/claim';
import { addressScript, decodeTransaction, encodeDraft, vsizeOf } from 'sparkle-protocol/protocol/draft';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { tradeKeys } from 'sparkle-protocol/protocol/keys';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import type { Terms } from 'sparkle-protocol/protocol/trade/terms';
import { Purse } from './purse.ts';
import type { Actor, World } from './world.ts';

const MAX_FEE_SATS = 50_000_000n;
const DUST_SATS = 330n;

type Target = { terms: Terms; outpoint: string; keyIndex: number };

/**
 * Replacement cycling (swaps R7): the seller's refund is thrown out of the mempool by a claim that pays more with a coin
 * of the buyer, and the claim at once by another spend of that coin. Nothing is left but time, until the held payment
 * has gone back to the buyer; then he claims in earnest.
 */
export class CyclingBuyer implements Actor {
  readonly #world: World;
  readonly #pace: 'slowly' | 'at once';
  /** He can afford it. */
  readonly #purse: Purse;
  #pending: { coin: { outpoint: string; valueSats: bigint; script: string }; feeSats: bigint } | undefined;

  constructor(world: World, pace: 'slowly' | 'at once') {
    this.#world = world;
    this.#pace = pace;
    this.#purse = new Purse({ chain: world.chain, owners: ['rich'] });
  }

  async tick(): Promise<void> {
    const target = this.#target();
    if (target === undefined || this.#world.height < target.terms.refundHeight) return;
    try {
      await this.#act(target);
    } catch (error) {
      if (!(error instanceof SparkleError)) throw error;
      this.#world.story.note(`the cycling buyer fails: ${error.message}`);
    }
  }

  #target(): Target | undefined {
    for (const trade of this.#world.party('buyer').trades())
      if (trade.role === 'buyer' && 'outpoint' in trade && trade.terms !== undefined && trade.outpoint !== undefined)
        return { terms: trade.terms, outpoint: trade.outpoint, keyIndex: trade.keyIndex };
    return undefined;
  }

  async #act(target: Target): Promise<void> {
    const { chain } = this.#world;
    const parts = this.#world.partsOf('buyer');
    const { state } = await parts.lightning.payment(target.terms.paymentHash);
    if (this.#pending !== undefined) return this.#evict();
    const spender = await chain.spender(target.outpoint, 0);
    if (spender?.block !== undefined) return;
    if (spender !== undefined && findPreimage(spender.raw, target.terms.paymentHash) !== undefined) return;
    // The payment is back: now the claim is for keeps.
    if (state === 'failed') return this.#claim(target, { refund: spender?.raw, purpose: 'to keep' });
    if (spender === undefined) return;
    await this.#claim(target, { refund: spender.raw, purpose: 'to evict' });
    if (this.#pace === 'at once') await this.#evict();
  }

  async #claim(
    { terms, outpoint, keyIndex }: Target,
    { refund, purpose }: { refund: string | undefined; purpose: 'to keep' | 'to evict' },
  ): Promise<void> {
    const { seed, network, clock, chain } = this.#world.partsOf('buyer');
    const wallet = this.#purse;
    const keys = tradeKeys({ seed, network, index: keyIndex });
    const [coin] = await wallet.coins();
    if (coin === undefined) return;
    const replaces = refund === undefined ? [] : [{ feeSats: await this.#feeOf(refund), vsize: vsizeOf(refund) }];
    const most = replaces.reduce((rate, { feeSats, vsize }) => Math.max(rate, Number(feeSats) / vsize), 1);
    const built = buildClaim({
      terms,
      lockOutpoint: outpoint,
      destination: await wallet.address(),
      feerateSatVb: Math.max(most + 2, Number(terms.reserveSats) / 100),
      maxFeeSats: MAX_FEE_SATS,
      funding: { coins: [coin], changeAddress: await wallet.address() },
      replaces,
      claimSecret: keys.claim.secret,
      preimage: keys.preimage,
      auxRand: clock.randomBytes(32),
    });
    const raw = await wallet.sign(built.raw, [...built.spent]);
    this.#world.story.note(`the buyer replaces the refund by a claim for ${built.feeSats} sats`);
    const sent = chain.broadcast([raw]);
    if (purpose === 'to keep') return sent;
    if (built.spent.length > 1) this.#pending = { coin, feeSats: built.feeSats };
    // Both at once: no look of the seller's fits in between, only his mempool's own report does.
    if (this.#pace === 'at once') this.#evictNow = this.#evictionOf();
    await sent;
  }

  #evictNow: Promise<void> | undefined;

  async #evict(): Promise<void> {
    const running = this.#evictNow ?? this.#evictionOf();
    this.#evictNow = undefined;
    await running;
  }

  async #evictionOf(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    const { network, chain } = this.#world.partsOf('buyer');
    const wallet = this.#purse;
    const { coin, feeSats } = pending;
    const script = addressScript(wallet.nextAddress(), network);
    const valueSats = coin.valueSats - feeSats - feeSats / 4n - 500n;
    // Out of money: the claim stays, and with it the preimage.
    if (valueSats < DUST_SATS) return;
    const inputs = [{ ...coin, sequence: 0xffff_fffd, witness: [] }];
    const raw = encodeDraft({ lockHeight: 0, inputs, outputs: [{ script, valueSats }] });
    this.#world.story.note('the buyer throws his claim out again');
    await chain.broadcast([wallet.signNow(raw, [coin])]);
  }

  async #feeOf(raw: string): Promise<bigint> {
    const { inputs, outputs } = decodeTransaction(raw);
    let fee = -outputs.reduce((sum, { valueSats }) => sum + valueSats, 0n);
    for (const { outpoint } of inputs) {
      const [txid = '', vout] = outpoint.split(':');
      const found = await this.#world.chain.transaction(txid);
      fee += found === undefined ? 0n : (decodeTransaction(found.raw).outputs[Number(vout)]?.valueSats ?? 0n);
    }
    return fee;
  }
}

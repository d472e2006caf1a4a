import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { TradeMode } from 'sparkle-protocol/protocol/trade/terms';
import type { Listed } from '../../world/owner.ts';
import { purchase } from '../../world/story.ts';
import type { World } from '../../world/world.ts';
import type { Inscribed } from '../regtest/bitcoind.ts';
import { until } from '../regtest/kept-process.ts';

/** The trade as each side has it written down. */
export type Both = { sold: Trade | undefined; bought: Trade | undefined };
type Balances = { sellerMsat: bigint; buyerMsat: bigint };
type Transaction = {
  confirmations?: number;
  locktime: number;
  vin: { txid: string; vout: number; txinwitness?: string[] }[];
};

/** Few enough that nodes keep up. */
const MOST_BLOCKS = 20;
const PATIENCE = { patienceMilliseconds: 90_000 };

let staged = 0;

/** One trade of the world's seller and buyer, driven block by block and judged from outside. */
export class Staged {
  readonly world: World;
  readonly inscribed: Inscribed;
  readonly tradeId: string;
  readonly priceSats: bigint;
  readonly #before: Balances;
  #silent: 'nobody' | 'buyer' = 'nobody';

  private constructor(of: Pick<Staged, 'world' | 'inscribed' | 'tradeId' | 'priceSats'> & { before: Balances }) {
    this.world = of.world;
    this.inscribed = of.inscribed;
    this.tradeId = of.tradeId;
    this.priceSats = of.priceSats;
    this.#before = of.before;
  }

  /** Inscribes, offers, and asks to buy. */
  static async begin(
    world: World,
    given: {
      mode: TradeMode;
      priceSats?: bigint;
      confirmations?: number;
      routeCapBlocks?: number;
      listed?: Listed;
      /** A forwarder, who becomes the buyer's seller, and what he takes; he is told of what is for sale before it is asked for. */
      through?: { sellerId: string; feeSats: bigint; onSale(inscriptionId: string): void };
    },
  ): Promise<Staged> {
    const { mode, priceSats = 90_000n, confirmations = 1, routeCapBlocks = 432, listed, through } = given;
    const inscribed = listed?.inscribed ?? (await world.inscribe(world.seller, `staged ${(staged += 1)}`));
    await world.mine(0);
    const before = await balancesOf(world);
    await world.seller.trader.sell({
      ...(await world.offer(inscribed, mode, priceSats)),
      confirmations,
      routeCapBlocks,
      ...(listed === undefined ? {} : { fill: listed.fill }),
    });
    const wanted = purchase(world, inscribed.inscriptionId, { mode, priceSats });
    through?.onSale(inscribed.inscriptionId);
    const other = through && {
      sellerId: through.sellerId,
      priceSats: priceSats + through.feeSats,
      forwarded: true as const,
    };
    const tradeId = await world.buyer.trader.buy({ ...wanted, routeCapBlocks, ...other });
    return new Staged({ world, inscribed, tradeId, priceSats, before });
  }

  async both(): Promise<Both> {
    const { seller, buyer } = this.world;
    return { sold: await seller.trader.trade(this.tradeId), bought: await buyer.trader.trade(this.tradeId) };
  }

  /** Waits without a block. */
  async waitFor(what: string, ready: (now: Both) => boolean | Promise<boolean>): Promise<Both> {
    await until(what, async () => ready(await this.both()), PATIENCE).catch((error: unknown) => this.#stuck(error));
    return this.both();
  }

  /** Waits, and mines whenever the trade can only go on with a block. */
  async playUntil(what: string, ready: (now: Both) => boolean | Promise<boolean>): Promise<Both> {
    return this.waitFor(what, async (now) => {
      if (await ready(now)) return true;
      const blocks = await this.#blocksNeeded(now);
      if (blocks > 0) await this.world.mine(blocks);
      return false;
    });
  }

  /** The buyer goes away for good once he has paid, so that nobody claims. */
  async buyerLeaves(): Promise<void> {
    await this.waitFor('the seller locks', ({ sold }) => sold?.state === 'locking');
    this.#silent = 'buyer';
    await this.world.buyer.trader.stop();
  }

  async buyerReturns(): Promise<void> {
    await this.world.buyer.trader.start();
    this.#silent = 'nobody';
  }

  /** To the end of both sides; a buyer who left comes back when the seller is done. */
  async finish(): Promise<Both> {
    if (this.#silent === 'buyer') {
      await this.playUntil('the seller ends', ({ sold }) => sold?.state === 'ended');
      await this.buyerReturns();
    }
    return this.playUntil('both end', async ({ sold, bought }) => {
      if (sold?.state === 'ended' && bought?.state !== 'ended') await this.world.buyer.trader.look();
      return sold?.state === 'ended' && bought?.state === 'ended';
    });
  }

  /** Returns the payment hash once the seller's node holds the payment. */
  async held(): Promise<string> {
    await this.waitFor('the seller has made his invoice', ({ sold }) => sold !== undefined);
    const hash = await this.paymentHash();
    const { lightning } = this.world.seller;
    await this.waitFor('the payment is held', async () => (await lightning.invoice(hash)).state === 'held');
    return hash;
  }

  /** The hash the payment is for. */
  async paymentHash(): Promise<string> {
    const { sold } = await this.both();
    assert.ok(sold?.role === 'seller', 'the seller has no such trade');
    return sold.terms.paymentHash;
  }

  /** What the claim showed on the chain. */
  async preimage(): Promise<string> {
    const { witness } = await this.#endOf('traded', 'buyer');
    const hash = await this.paymentHash();
    const found = witness.find((item) => sha256(item) === hash);
    assert.ok(found !== undefined, 'the claim shows the preimage');
    return found;
  }

  /**
   * The inscription is the buyer's, the claim on the chain shows the preimage of the payment, and the price changed
   * sides, with the `extraMsat` that the buyer paid too much. A route costs `feeMsat`, of which LND counts the part below
   * a satoshi into the fee of its commitment.
   */
  async assertTraded({ feeMsat = 0n, extraMsat = 0n }: { feeMsat?: bigint; extraMsat?: bigint } = {}): Promise<void> {
    const { last, witness } = await this.#endOf('traded', 'buyer');
    const hash = await this.paymentHash();
    assert.ok(
      witness.some((item) => sha256(item) === hash),
      'the claim shows the preimage',
    );
    assert.ok((last.confirmations ?? 0) >= 1);
    const paidMsat = this.priceSats * 1000n + extraMsat;
    await this.#assertMoved({ sellerMsat: paidMsat, buyerMsat: -paidMsat - feeMsat }, feeMsat % 1000n);
    assert.equal((await this.world.seller.lightning.invoice(hash)).state, 'settled');
  }

  /** The inscription is the seller's again by the refund leaf, no preimage is on the chain, and no sat changed sides. */
  async assertRefunded(): Promise<void> {
    const { last, witness, sold } = await this.#endOf('refunded', 'seller');
    const hash = await this.paymentHash();
    assert.ok(witness.every((item) => sha256(item) !== hash));
    assert.ok(sold?.role === 'seller' && last.locktime >= sold.terms.refundHeight);
    await this.#assertMoved({ sellerMsat: 0n, buyerMsat: 0n });
    assert.equal((await this.world.seller.lightning.invoice(hash)).state, 'canceled');
    assert.equal((await this.world.buyer.lightning.payment(hash)).state, 'failed');
  }

  /** A lock-first trade that nobody paid: the inscription is the seller's again by the refund leaf, and no sat changed sides. */
  async assertTakenBack(): Promise<void> {
    const { sold } = await this.both();
    assert.ok(
      sold?.role === 'seller' && sold.state === 'ended' && sold.outcome === 'refunded',
      await this.whereabouts(),
    );
    const { satpoint } = await this.world.seller.ordinals.locate(this.inscribed.inscriptionId);
    assert.equal(await this.world.holderOf(satpoint), 'seller');
    assert.equal(satpoint.split(':')[0], sold.txid);
    await this.#assertMoved({ sellerMsat: 0n, buyerMsat: 0n });
  }

  /** Nothing was locked: the inscription never moved, and no sat changed sides. */
  async assertNothingMoved(): Promise<void> {
    const { satpoint } = await this.world.seller.ordinals.locate(this.inscribed.inscriptionId);
    assert.equal(satpoint, this.inscribed.satpoint);
    await this.#assertMoved({ sellerMsat: 0n, buyerMsat: 0n });
  }

  async #endOf(outcome: 'traded' | 'refunded', holder: 'seller' | 'buyer') {
    const { world, inscribed } = this;
    const { sold, bought } = await this.both();
    const [sellers, buyers] = [sold, bought].map((trade) => (trade?.state === 'ended' ? trade.outcome : trade?.state));
    // A buyer who had not looked at the lock before he left finds, when he comes back, one that he must refuse.
    const good = outcome === 'traded' ? ['traded'] : ['abandoned', 'refused'];
    assert.ok(sellers === outcome && good.includes(buyers ?? ''), await this.whereabouts());
    const { satpoint } = await world.seller.ordinals.locate(inscribed.inscriptionId);
    assert.equal(await world.holderOf(satpoint), holder);
    const raw = (txid: string) => world.regtest.rpc<Transaction>('getrawtransaction', [txid, 1]);
    const last = await raw(satpoint.split(':')[0] ?? '');
    const [spent] = last.vin;
    assert.ok(spent !== undefined);
    const lock = await raw(spent.txid);
    assert.ok(lock.vin.some(({ txid, vout }) => `${txid}:${vout}` === inscribed.outpoint));
    return { last, witness: spent.txinwitness ?? [], sold };
  }

  /** A node takes a moment to strike a payment off its channels, and one that was away finds its peer again first. */
  async #assertMoved(expected: Balances, fractionMsat = 0n): Promise<void> {
    // Both ends' fractions are left off the commitment, and make one satoshi more of its fee.
    const roundedMsat = fractionMsat === 0n ? 0n : 1000n;
    const moved = async (): Promise<Balances> => {
      const now = await balancesOf(this.world);
      const { sellerMsat, buyerMsat } = this.#before;
      return { sellerMsat: now.sellerMsat - sellerMsat, buyerMsat: now.buyerMsat - buyerMsat - roundedMsat };
    };
    const isSo = async () => {
      const { sellerMsat, buyerMsat } = await moved();
      return sellerMsat === expected.sellerMsat && buyerMsat === expected.buyerMsat;
    };
    await until('the balances', isSo, { patienceMilliseconds: 60_000 }).catch(() => {});
    assert.deepEqual(await moved(), expected);
  }

  async #blocksNeeded({ sold, bought }: Both): Promise<number> {
    const { regtest } = this.world;
    if ((await regtest.rpc<string[]>('getrawmempool')).length > 0) return 1;
    if (sold === undefined || sold.role === 'buyer') return 0;
    if (this.#silent === 'buyer' && sold.state === 'locked')
      return Math.max(1, Math.min(MOST_BLOCKS, sold.terms.refundHeight - (await regtest.height())));
    const waits = ['waiting', 'locked', 'refunding', 'aborting'].includes(sold.state) && this.#silent === 'buyer';
    const atConfirmations = sold.state === 'locking' || (sold.state === 'locked' && bought?.state === 'verifying');
    return waits || atConfirmations || bought?.state === 'claiming' || sold.state === 'waiting' ? 1 : 0;
  }

  async whereabouts(): Promise<string> {
    const { sold, bought } = await this.both();
    const words = (trade: Trade | undefined) =>
      trade === undefined
        ? 'nowhere'
        : trade.state === 'ended'
          ? `${trade.outcome} (${trade.codes.join(', ')})`
          : trade.state;
    return `seller ${words(sold)}, buyer ${words(bought)}, height ${await this.world.regtest.height()}`;
  }

  async #stuck(error: unknown): Promise<never> {
    throw new Error(`${(error as Error).message}: ${await this.whereabouts()}`, { cause: error });
  }
}

const sha256 = (item: string): string => createHash('sha256').update(Buffer.from(item, 'hex')).digest('hex');

async function balancesOf({ seller, buyer }: World): Promise<Balances> {
  const [sold, bought] = await Promise.all([seller, buyer].map(({ lightning }) => lightning.balance()));
  return { sellerMsat: sold?.ownedMsat ?? 0n, buyerMsat: bought?.ownedMsat ?? 0n };
}

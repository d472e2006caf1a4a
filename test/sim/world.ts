import type { MemoryChain } from 'sparkle-protocol/chain/memory';
import { memoryNetwork, type MemoryNetwork } from 'sparkle-protocol/lightning/memory';
import { memoryMarket, Square, type Weather } from 'sparkle-protocol/market/memory';
import type { Ordinals } from 'sparkle-protocol/ordinals/ordinals';
import { localOrdinals } from 'sparkle-protocol/ordinals/local';
import { lockOutpointOf, paymentHashOf } from 'sparkle-protocol/protocol/trade/step';
import type { Offer } from 'sparkle-protocol/protocol/trade/terms';
import type { Parts } from 'sparkle-protocol/trader/parts';
import type { Purchase } from 'sparkle-protocol/trader/trader';
import { type Base, coinOwners, type Inscribed, seedOf, START_SECONDS } from './base.ts';
import type { Chance } from './chance.ts';
import { Party } from './party.ts';
import { Purse } from './purse.ts';
import type { Scenario } from './scenario.ts';
import { Story } from './story.ts';
import { settle, Time } from './time.ts';

export type Name = 'seller' | 'buyer' | 'rival';

/** Does something to one trader's parts: what a liar, or a bug planted to test the judge, looks like. */
export type Tamper = (parts: Parts, world: World) => Parts;

type Given = {
  base: Base;
  scenario: Scenario;
  chance: Chance;
  told: 'in full' | 'not at all';
  tampers: Partial<Record<Name, Tamper>>;
};

/** An actor without a program of ours, such as a liar. */
export type Actor = { tick(): Promise<void> };

const NODE_MSAT = 40_000_000_000n;
const TICK_MILLISECONDS = 60_000;
const MOST_TRACED = 500;
const NETWORK = 'regtest';
const OFFER_SECONDS = 40 * 86_400;
const WANT_BLOCKS = 80;

/** A letter that could not be taken comes again each second; here it comes each minute, for nobody has the time. */
const patiently = (delayMs: number): number => (delayMs >= 100 && delayMs <= 1_000 ? 60_000 : delayMs);

/** One chain, one Lightning network, one square and some people, all on one clock and under one seed. */
export class World {
  readonly scenario: Scenario;
  readonly chance: Chance;
  readonly time = new Time(START_SECONDS);
  readonly chain: MemoryChain;
  readonly lightning: MemoryNetwork;
  readonly ordinals: Ordinals;
  readonly story: Story;
  readonly startHeight: number;
  readonly actors: Actor[] = [];
  /** sat/vB below which miners take nothing. */
  feerateFloor: number;
  /** Every transaction that was in a mempool once, oldest first: some miner may still have it. */
  readonly everSeen = new Map<string, string>();
  /** How messages travel; adversities make it worse. */
  weather: Weather['fate'] = () => [0];
  readonly #tampers: Given['tampers'];
  readonly #parties = new Map<Name, Party>();
  readonly #square: Square;
  #height: number;

  constructor({ base, scenario, chance, told, tampers }: Given) {
    this.scenario = scenario;
    this.chance = chance;
    this.#tampers = tampers;
    const { nowSeconds } = this.time;
    this.chain = base.chain.control.copy({ nowSeconds });
    this.#height = this.startHeight = base.height;
    this.story = new Story({
      told,
      stamp: () => `+${this.#height - this.startHeight} ${nowSeconds() - START_SECONDS}s`,
    });
    this.lightning = memoryNetwork({
      network: NETWORK,
      seed: 'simulated',
      height: this.#height,
      nowSeconds: nowSeconds(),
    });
    this.ordinals = localOrdinals({ chain: this.chain, blocks: this.chain, maxTransactions: MOST_TRACED });
    const fate: Weather['fate'] = (mail) => this.weather(mail);
    this.#square = new Square({ post: (delayMs, deliver) => this.time.post(patiently(delayMs), deliver), fate });
    this.chain.subscribe((event) => {
      if (event.type === 'transaction') this.everSeen.set(event.txid, event.raw);
    });
    this.feerateFloor = scenario.feerateSatVb;
    this.setFees({ floorSatVb: 1, estimateSatVb: scenario.feerateSatVb });
  }

  get height(): number {
    return this.#height;
  }

  party(name: Name): Party {
    const known = this.#parties.get(name);
    if (known !== undefined) return known;
    const party = this.#born(name);
    this.#parties.set(name, party);
    return party;
  }

  parties(): Party[] {
    return [...this.#parties.values()];
  }

  /** All parts of somebody but his store, as the world gives them. */
  partsOf(name: Name): Omit<Parts, 'store' | 'log'> & { wallet: Purse } {
    const party = this.party(name);
    return this.#parts(name, { wallet: party.wallet, node: party.node });
  }

  #parts(name: Name, own: { wallet: Purse; node: Party['node'] }): Omit<Parts, 'store' | 'log'> & { wallet: Purse } {
    return {
      network: NETWORK,
      seed: seedOf(name),
      chain: this.chain,
      wallet: own.wallet,
      lightning: own.node.lightning,
      ordinals: this.ordinals,
      market: memoryMarket(this.#square),
      clock: this.time.clock({ chance: this.chance.fork(`clock of ${name}`), skewSeconds: this.#skewOf(name) }),
      tickMilliseconds: TICK_MILLISECONDS,
    };
  }

  #skewOf(name: Name): number {
    const { seller, buyer } = this.scenario.skewSeconds;
    return name === 'seller' ? seller : buyer;
  }

  #born(name: Name): Party {
    const { scenario } = this;
    const lots = name === 'seller' ? this.lots().map(({ owner }) => owner) : [];
    const coins = name === 'seller' ? scenario.sellerCoins : scenario.buyerCoins;
    const wallet = new Purse({ chain: this.chain, owners: [name, ...coinOwners(name, coins), ...lots] });
    const node = this.lightning.addNode({ name, balanceMsat: NODE_MSAT });
    node.setHoldExpiryMargin(scenario.holdMarginBlocks);
    const tamper = this.#tampers[name];
    return new Party({
      name,
      node,
      wallet,
      startMsat: NODE_MSAT,
      parts: this.#parts(name, { wallet, node }),
      story: this.story,
      tamper: (parts) => tamper?.(parts, this) ?? parts,
    });
  }

  /** The inscriptions that are for sale. */
  lots(): Inscribed[] {
    const { lot, second } = this.scenario;
    return second === undefined ? [lot] : [lot, second.lot];
  }

  /** Every lock that somebody's store knows, and the hash it is locked by. */
  locks(): ReadonlyMap<string, string> {
    const trades = this.parties().flatMap((party) => party.trades());
    return new Map(
      trades.flatMap((trade): [string, string][] => {
        const [outpoint, hash] = [lockOutpointOf(trade), paymentHashOf(trade)];
        return outpoint === undefined || hash === undefined ? [] : [[outpoint, hash]];
      }),
    );
  }

  offer(lot: Inscribed): Omit<Offer, 'sellerId' | 'network'> {
    const { mode, priceSats, postageSats, reserveSats, confirmations, finalCltv, routeCapBlocks, maxRefundFeeSats } =
      this.scenario;
    return {
      inscriptionId: lot.inscriptionId,
      sourceOutpoint: lot.outpoint,
      sourceValueSats: lot.valueSats,
      offsetSats: lot.offsetSats,
      modes: [mode],
      priceSats,
      postageSats,
      reserveSats,
      confirmations,
      finalCltv,
      routeCapBlocks,
      maxRefundFeeSats,
      expiresAt: START_SECONDS + OFFER_SECONDS,
    };
  }

  purchase(lot: Inscribed): Purchase {
    const { mode, script, internalKey, priceSats, postageSats, maxClaimFeeSats, buyerRouteCapBlocks } = this.scenario;
    return {
      sellerId: this.party('seller').id,
      inscriptionId: lot.inscriptionId,
      priceSats,
      mode,
      internalKey,
      script,
      minPostageSats: postageSats,
      maxFeeMsat: this.maxFeeMsat,
      maxClaimFeeSats,
      routeCapBlocks: buyerRouteCapBlocks,
      expiresAt: START_SECONDS + WANT_BLOCKS * this.scenario.blockSeconds,
    };
  }

  get maxFeeMsat(): bigint {
    return 50_000n;
  }

  setFees({ floorSatVb, estimateSatVb }: { floorSatVb: number; estimateSatVb: number }): void {
    this.feerateFloor = floorSatVb;
    // Estimators believe that a spike will pass: the further the target, the less they say.
    this.chain.control.setFeerates({
      1: estimateSatVb * 1.5,
      2: estimateSatVb * 1.2,
      3: estimateSatVb,
      6: estimateSatVb,
      12: estimateSatVb * 0.8,
    });
  }

  /** Lets time pass; what falls due in it happens, and everybody acts on it. */
  async pass(seconds: number): Promise<void> {
    await this.time.advance(seconds);
    this.lightning.setTime(this.time.nowSeconds());
    await this.rest();
  }

  /** Everybody finishes what he is at; liars have the last word. */
  async rest(): Promise<void> {
    await settle();
    for (const actor of this.actors) {
      await actor.tick();
      await settle();
    }
  }

  /** One block, told to the chain first or to the nodes first, as it happens. */
  async mine(): Promise<void> {
    const before = this.chance.happens(0.5);
    if (before) this.#toNodes(this.#height + 1);
    this.chain.control.mine(1, { feerateFloor: this.feerateFloor });
    this.#height += 1;
    if (!before) this.#toNodes(this.#height);
    await this.rest();
  }

  /** Several blocks before anybody looks. */
  mineUnseen(blocks: number): void {
    for (let block = 0; block < blocks; block += 1) {
      this.chain.control.mine(1, { feerateFloor: this.feerateFloor });
      this.#height += 1;
      this.#toNodes(this.#height);
    }
  }

  /** A miner's block of his own choice. Throws `broadcast_refused` when it would break the rules. */
  mineExactly(raws: string[]): void {
    this.chain.control.mineExactly(raws);
    this.#height += 1;
    this.#toNodes(this.#height);
  }

  reorg(options: { depth: number; mempool: 'mined' | 'waiting' | 'dropped' }): void {
    this.#toNodes(this.#height - options.depth);
    this.chain.control.reorg(options);
    this.#height += 1;
    this.#toNodes(this.#height);
  }

  #toNodes(height: number): void {
    this.lightning.setHeight(height);
  }
}

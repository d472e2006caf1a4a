import { SparkleError } from '../protocol/errors.ts';
import { readOutpoint } from '../protocol/inscription.ts';
import { readHex32, readIntegerIn } from '../protocol/json.ts';
import type { BlockSource, Chain, ChainTransaction, UnspentOutput } from './chain.ts';
import { MIN_RELAY_SAT_VB } from './memory-rules.ts';
import { MemoryWorld, type AfterReorg, type MemoryWorldOptions } from './memory-world.ts';
import type { Coin } from './wallet.ts';

export type MemoryChainOptions = MemoryWorldOptions;

/** The hands of whoever directs the world. All act at once, before they return; listeners are told meanwhile. */
export type MemoryChainControl = {
  /**
   * Mines blocks with what is in the mempool and pays at least `feerateFloor` sat/vB (0 when left out), ancestors counted
   * in. Subsidy and fees go to the script `payTo`, or to the faucet.
   */
  mine(blocks: number, options?: { feerateFloor?: number; payTo?: string }): void;
  /** Mines one block with exactly these raw transactions, parents first: what a miner can do against all policy. */
  mineExactly(raws: string[]): void;
  /**
   * Replaces the last `depth` blocks by `depth + 1` others. Their transactions confirm again, wait in the mempool, or are
   * dropped; `instead` are raw transactions for the first of the new blocks, such as double spends.
   */
  reorg(options: { depth: number; mempool: AfterReorg; instead?: string[] }): void;
  /** Takes a transaction and its descendants out of the mempool, as when it is full. */
  evict(txid: string): void;
  /** Txids in the mempool, oldest first. */
  mempool(): string[];
  /** An unconfirmed payment from the faucet, at a fee that always confirms. Returns the outpoint. */
  pay(options: { script: string; sats: bigint }): string;
  /** What `feerate` answers: sat/vB by target in blocks; a target between two gets the one below it. */
  setFeerates(satVbByTarget: Record<number, number>): void;
  /** While down, every question is refused and nothing is told. */
  goDown(): void;
  comeBack(): void;
  /** Confirmed coins that pay to one of these scripts (hex) and that nothing in the mempool spends. */
  coinsOf(scripts: ReadonlySet<string>): Coin[];
  /** Another node in the same world, with feerates and outages of its own. */
  peer(): MemoryChain;
  /** Another world with the same past, on a clock of its own: cheaper by far than a new one. The mempool stays behind. */
  copy(options: { nowSeconds: () => number }): MemoryChain;
};

export type MemoryChain = Chain & BlockSource & { control: MemoryChainControl };

const DEFAULT_FEERATES: Record<number, number> = { 1: 5, 6: 3, 144: 1 };

/** The questions of the port, asked of a world that may be down. */
class MemoryView {
  readonly world: MemoryWorld;
  private feerates = DEFAULT_FEERATES;
  private readonly stops = new Set<() => void>();
  private isDown = false;

  constructor(world: MemoryWorld) {
    this.world = world;
  }

  up(): MemoryWorld {
    if (!this.isDown) return this.world;
    throw new SparkleError('chain_unavailable', 'the memory chain must answer; it is down');
  }

  setDown(isDown: boolean): void {
    this.isDown = isDown;
    if (!isDown) this.world.tell({ type: 'tip', tip: this.world.tip() });
  }

  setFeerates(satVbByTarget: Record<number, number>): void {
    this.feerates = { ...satVbByTarget };
  }

  feerate(targetBlocks: number): number {
    this.up();
    const range = { min: 1, max: Number.MAX_SAFE_INTEGER };
    const target = readIntegerIn({ value: targetBlocks, field: 'targetBlocks', ...range, code: 'bad_height' });
    const known = Object.keys(this.feerates)
      .map(Number)
      .sort((a, b) => a - b);
    const nearest = known.findLast((each) => each <= target) ?? known[0];
    return Math.max(MIN_RELAY_SAT_VB, nearest === undefined ? 0 : (this.feerates[nearest] ?? 0));
  }

  transaction(txid: string): ChainTransaction | undefined {
    readHex32(txid, 'txid');
    const { mempool, blocks } = this.up();
    const place = blocks.place(txid);
    if (place !== undefined) {
      const { height, hash } = place.block;
      return { txid, raw: place.known.raw, block: { height, hash } };
    }
    const waiting = mempool.get(txid);
    return waiting === undefined ? undefined : { txid, raw: waiting.raw };
  }

  unspent(outpoint: string): UnspentOutput | undefined {
    readOutpoint(outpoint);
    const { mempool, blocks } = this.up();
    const coin = mempool.unspent(outpoint);
    if (coin === undefined) return undefined;
    const confirmations = coin.height === undefined ? 0 : blocks.tip.height - coin.height + 1;
    return { valueSats: coin.valueSats, script: coin.script, confirmations };
  }

  spender(outpoint: string, fromHeight: number): ChainTransaction | undefined {
    readOutpoint(outpoint);
    const { mempool, blocks } = this.up();
    const txid = mempool.spenderOf(outpoint)?.transaction.txid ?? blocks.spenders.get(outpoint);
    const found = txid === undefined ? undefined : this.transaction(txid);
    return found?.block !== undefined && found.block.height < fromHeight ? undefined : found;
  }

  coinsOf(scripts: ReadonlySet<string>): Coin[] {
    const { mempool, blocks } = this.up();
    return [...blocks.coins].flatMap(([outpoint, { valueSats, script, height }]) =>
      scripts.has(script) && mempool.spenderOf(outpoint) === undefined
        ? [{ outpoint, valueSats, script, confirmations: blocks.tip.height - height + 1 }]
        : [],
    );
  }

  subscribe(listener: Parameters<Chain['subscribe']>[0]): () => void {
    const stop = this.world.subscribe((event) => {
      if (!this.isDown) listener(event);
    });
    this.stops.add(stop);
    return () => {
      this.stops.delete(stop);
      stop();
    };
  }

  close(): void {
    for (const stop of this.stops) stop();
    this.stops.clear();
  }
}

function controlOf(view: MemoryView): MemoryChainControl {
  const { world } = view;
  return {
    mine: (blocks, { feerateFloor = 0, payTo } = {}) => world.mine({ blocks, feerateFloor, payTo }),
    mineExactly: (raws) => world.mineExactly(raws),
    reorg: ({ depth, mempool, instead = [] }) => world.reorg({ depth, mempool, instead }),
    evict: (txid) => world.evict(txid),
    mempool: () => world.mempool.all().map(({ transaction }) => transaction.txid),
    pay: (payment) => world.pay(payment),
    setFeerates: (satVbByTarget) => view.setFeerates(satVbByTarget),
    goDown: () => view.setDown(true),
    comeBack: () => view.setDown(false),
    coinsOf: (scripts) => view.coinsOf(scripts),
    peer: () => chainOf(new MemoryView(world)),
    copy: (options) => chainOf(new MemoryView(world.copy(options))),
  };
}

function readBlockHeight(height: number): number {
  return readIntegerIn({ value: height, field: 'height', min: 0, max: Number.MAX_SAFE_INTEGER, code: 'bad_height' });
}

function portOf(view: MemoryView): Chain & BlockSource {
  return {
    network: async () => view.up().network,
    tip: async () => view.up().tip(),
    blockHash: async (height) => view.up().blocks.at(readBlockHeight(height))?.hash,
    transaction: async (txid) => view.transaction(txid),
    unspent: async (outpoint) => view.unspent(outpoint),
    spender: async (outpoint, fromHeight) => view.spender(outpoint, fromHeight),
    feerate: async (targetBlocks) => view.feerate(targetBlocks),
    broadcast: async (raws) => view.up().broadcast(raws),
    block: async (hash) =>
      view
        .up()
        .blocks.byHash(readHex32(hash, 'hash'))
        ?.transactions.map(({ raw }) => raw),
    subscribe: (listener) => view.subscribe(listener),
    close: async () => view.close(),
  };
}

const chainOf = (view: MemoryView): MemoryChain => ({ ...portOf(view), control: controlOf(view) });

/**
 * A whole little Bitcoin in memory, for simulations and tests: real transactions under the rules of consensus and of
 * today's mempools, mined, reorganised, evicted and priced by whoever holds `control`. Signatures, preimages and
 * locktimes of Taproot outputs are enforced for the leaves this project makes; proof of work is not done.
 * It begins 200 blocks high.
 */
export function memoryChain(options: MemoryChainOptions): MemoryChain {
  return chainOf(new MemoryView(MemoryWorld.born(options)));
}

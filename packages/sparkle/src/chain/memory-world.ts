import { schnorr } from '@noble/curves/secp256k1.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { p2tr } from '@scure/btc-signer/payment.js';
import { Transaction as SignedTransaction } from '@scure/btc-signer/transaction.js';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { ChainEvent, Tip } from './chain.ts';
import { MemoryBlocks, type Known } from './memory-blocks.ts';
import { MemoryMempool, type MempoolChange } from './memory-mempool.ts';
import type { Checked } from './memory-rules.ts';

/** `seed` makes the world's own keys and coins; the same seed and the same calls give the same transactions and hashes. */
export type MemoryWorldOptions = { network: NetworkName; seed: number; nowSeconds: () => number };

/** Where the transactions of blocks that are disconnected go. */
export type AfterReorg = 'mined' | 'waiting' | 'dropped';

/** Enough that the faucet has a hundred coinbases that are mature. */
const FIRST_BLOCKS = 200;
const BLOCK_SECONDS = 600;
/** So much that no fee market leaves the faucet's payments waiting. */
const FAUCET_FEE_SATS = 200_000n;

const faucetOf = (seed: number) => {
  const secret = sha256(new TextEncoder().encode(`faucet of memory chain ${seed}`));
  return { secret, payment: p2tr(schnorr.getPublicKey(secret)) };
};

type Faucet = ReturnType<typeof faucetOf>;
type WorldParts = { network: NetworkName; blocks: MemoryBlocks; faucet: Faucet; nowSeconds: () => number };

/** One little Bitcoin: a chain, a mempool, a miner and a faucet. Whoever holds it decides when what happens. */
export class MemoryWorld {
  readonly network: NetworkName;
  readonly blocks: MemoryBlocks;
  readonly mempool: MemoryMempool;
  private readonly nowSeconds: () => number;
  private readonly faucet: Faucet;
  private readonly listeners = new Set<(event: ChainEvent) => void>();
  private readonly untold: ChainEvent[] = [];
  private telling = false;

  constructor({ network, blocks, faucet, nowSeconds }: WorldParts) {
    this.network = network;
    this.blocks = blocks;
    this.faucet = faucet;
    this.nowSeconds = nowSeconds;
    this.mempool = new MemoryMempool(blocks);
  }

  static born({ network, seed, nowSeconds }: MemoryWorldOptions): MemoryWorld {
    const faucet = faucetOf(seed);
    const payTo = hex.encode(faucet.payment.script);
    const bornSeconds = nowSeconds() - FIRST_BLOCKS * BLOCK_SECONDS;
    const blocks = new MemoryBlocks({ network, timeSeconds: bornSeconds });
    for (let block = 1; block <= FIRST_BLOCKS; block += 1)
      blocks.connect({ transactions: [], feesSats: 0n, payTo, timeSeconds: bornSeconds + block * BLOCK_SECONDS });
    return new MemoryWorld({ network, blocks, faucet, nowSeconds });
  }

  /** Another world with the same past. What waits in the mempool stays behind, and so do the listeners. */
  copy({ nowSeconds }: { nowSeconds: () => number }): MemoryWorld {
    const { network, blocks, faucet } = this;
    return new MemoryWorld({ network, blocks: blocks.copy(), faucet, nowSeconds });
  }

  tip(): Tip {
    const { height, hash, timeSeconds } = this.blocks.tip;
    return { height, hash, timeSeconds };
  }

  subscribe(listener: (event: ChainEvent) => void): () => void {
    const own = (event: ChainEvent): void => listener(event);
    this.listeners.add(own);
    queueMicrotask(() => {
      if (this.listeners.has(own)) own({ type: 'tip', tip: this.tip() });
    });
    return () => {
      this.listeners.delete(own);
    };
  }

  /** Events are told one after the other, also when a listener causes the next one. */
  tell(...events: ChainEvent[]): void {
    this.untold.push(...events);
    if (this.telling) return;
    this.telling = true;
    try {
      for (let event = this.untold.shift(); event !== undefined; event = this.untold.shift())
        for (const listener of this.listeners) listener(event);
    } finally {
      this.telling = false;
    }
  }

  broadcast(raws: readonly string[]): void {
    this.mempool.accept(raws, ({ added, removed }: MempoolChange) => {
      this.tell(...removed.map(removal), ...added.map(arrival));
    });
  }

  /** Mines one block with `content`; the subsidy and its fees go to `payTo`. Returns the event that tells it. */
  private connect(content: readonly Checked[], payTo: string | undefined): ChainEvent[] {
    const timeSeconds = Math.max(this.nowSeconds(), this.blocks.medianTimeAt(this.blocks.tip.height) + 1);
    const feesSats = content.reduce((sum, { feeSats }) => sum + feeSats, 0n);
    const script = payTo ?? hex.encode(this.faucet.payment.script);
    const block = this.blocks.connect({ transactions: [...content], feesSats, payTo: script, timeSeconds });
    return this.mempool.confirmed(block).map(removal);
  }

  mine(wanted: { blocks: number; feerateFloor: number; payTo?: string | undefined }): void {
    for (let block = 0; block < wanted.blocks; block += 1) {
      const removals = this.connect(this.mempool.worthMining(wanted.feerateFloor), wanted.payTo);
      this.tell(...removals, { type: 'tip', tip: this.tip() });
    }
  }

  mineExactly(raws: readonly string[]): void {
    const removals = this.connect(this.mempool.checkBlock(raws), undefined);
    this.tell(...removals, { type: 'tip', tip: this.tip() });
  }

  reorg({ depth, mempool, instead }: { depth: number; mempool: AfterReorg; instead: readonly string[] }): void {
    if (depth < 1 || depth >= this.blocks.tip.height)
      throw new SparkleError('bad_height', `a reorg must be 1 to ${this.blocks.tip.height - 1} deep; got ${depth}`);
    const gone = Array.from({ length: depth }, () => this.blocks.disconnect());
    const back: Known[] = gone.reverse().flatMap(({ transactions }) => transactions.slice(1));
    const removed = this.mempool.rebuild(mempool === 'dropped' ? [] : back);
    if (mempool === 'dropped') removed.push(...back.map(({ transaction }) => transaction.txid));
    const removals = removed.map(removal);
    const first =
      instead.length > 0 || mempool !== 'mined' ? this.mempool.checkBlock(instead) : this.mempool.worthMining(0);
    removals.push(...this.connect(first, undefined));
    for (let block = 0; block < depth; block += 1)
      removals.push(...this.connect(mempool === 'mined' ? this.mempool.worthMining(0) : [], undefined));
    const disconnected = gone.reverse().map(({ height, hash }) => ({ height, hash }));
    this.tell(...removals, { type: 'reorg', disconnected, tip: this.tip() });
  }

  evict(txid: string): void {
    this.tell(...this.mempool.evict(txid).map(removal));
  }

  /** Pays from the faucet; unconfirmed. Returns the outpoint. Throws `insufficient_funds` when too many payments wait. */
  pay({ script, sats }: { script: string; sats: bigint }): string {
    const own = hex.encode(this.faucet.payment.script);
    const need = sats + FAUCET_FEE_SATS;
    const found = [...this.blocks.coins].find(
      ([outpoint, coin]) => coin.script === own && coin.valueSats > need && this.isReady(outpoint),
    );
    if (found === undefined)
      throw new SparkleError('insufficient_funds', `the faucet must have a coin above ${need} sats; it has none now`, {
        need,
      });
    const [outpoint, coin] = found;
    const tx = new SignedTransaction({ allowUnknownOutputs: true });
    const { tapInternalKey, script: outputScript } = this.faucet.payment;
    tx.addInput({
      ...{ txid: outpoint.slice(0, 64), index: Number(outpoint.slice(65)), sequence: 0xffff_fffd },
      ...{ witnessUtxo: { script: outputScript, amount: coin.valueSats }, tapInternalKey },
    });
    tx.addOutput({ script: hex.decode(script), amount: sats });
    tx.addOutput({ script: outputScript, amount: coin.valueSats - need });
    tx.sign(this.faucet.secret, undefined, new Uint8Array(32));
    tx.finalize();
    this.broadcast([hex.encode(tx.extract())]);
    return `${tx.id}:0`;
  }

  private isReady(outpoint: string): boolean {
    const coin = this.blocks.coins.get(outpoint);
    const confirmations = this.blocks.tip.height - (coin?.height ?? this.blocks.tip.height) + 1;
    return this.mempool.spenderOf(outpoint) === undefined && (coin?.isCoinbase !== true || confirmations >= 100);
  }
}

const removal = (txid: string): ChainEvent => ({ type: 'removed', txid });
const arrival = ({ raw, transaction }: Known): ChainEvent => ({ type: 'transaction', txid: transaction.txid, raw });

import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { readHeader, writeHeader } from '../protocol/header.ts';
import { merkleRootOf } from '../protocol/merkle.ts';
import { networks, type NetworkName } from '../protocol/network.ts';
import { subsidySats } from '../protocol/satflow.ts';
import { isCoinbase, readTransaction, type Transaction } from '../protocol/transaction.ts';

/** A transaction together with its bytes. */
export type Known = { raw: string; transaction: Transaction };

/** An output in the best chain that is unspent there; `script` is hex. */
type ChainCoin = { valueSats: bigint; script: string; height: number; isCoinbase: boolean };

export type MemoryBlock = {
  hash: string;
  height: number;
  timeSeconds: number;
  transactions: Known[];
  /** The coins that its transactions spent, to be put back when it is disconnected. */
  undo: [outpoint: string, coin: ChainCoin][];
};

type NewBlock = { transactions: Known[]; feesSats: bigint; payTo: string; timeSeconds: number };

const NULL_TXID = '00'.repeat(32);
const BITS = 0x207f_ffff;
const OP_RETURN = 0x6a;
const MEDIAN_OF_BLOCKS = 11;

export const known = (raw: string): Known => ({ raw, transaction: readTransaction(raw) });

const doubleHash = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

function littleEndian(value: number, length: number): number[] {
  return Array.from({ length }, (_, index) => Math.floor(value / 256 ** index) % 256);
}

function headerHash(header: { previous: string; merkleRoot: string; timeSeconds: number }): string {
  return readHeader(writeHeader({ version: 0x2000_0000, ...header, bits: BITS, nonce: 0 })).hash;
}

const hexOf = (value: number, length: number): string => hex.encode(Uint8Array.from(littleEndian(value, length)));

/**
 * BIP 34 puts the height into the coinbase; the counter keeps coinbases of rival blocks apart. Written out byte by byte,
 * because a simulator mines more blocks than anything else.
 */
function coinbase(content: { height: number; counter: number; valueSats: bigint; payTo: string }): Known {
  const { height, counter, valueSats, payTo } = content;
  const scriptSig = `04${hexOf(height, 4)}06${hexOf(counter, 6)}`;
  const input = `${NULL_TXID}ffffffff${hexOf(scriptSig.length / 2, 1)}${scriptSig}ffffffff`;
  const output = `${hexOf(Number(valueSats), 8)}${hexOf(payTo.length / 2, 1)}${payTo}`;
  const raw = `0200000001${input}01${output}00000000`;
  const transaction = {
    ...{ txid: hex.encode(doubleHash(hex.decode(raw)).reverse()), version: 2, lockTime: 0 },
    inputs: [
      { txid: NULL_TXID, vout: 0xffff_ffff, scriptSig: hex.decode(scriptSig), sequence: 0xffff_ffff, witness: [] },
    ],
    outputs: [{ valueSats, script: hex.decode(payTo) }],
  };
  return { raw, transaction };
}

/** The best chain: its blocks, its unspent outputs, and where each transaction and each spend is. No rules are checked here. */
export class MemoryBlocks {
  readonly coins = new Map<string, ChainCoin>();
  readonly spenders = new Map<string, string>();
  private readonly network: NetworkName;
  private readonly places = new Map<string, { known: Known; block: MemoryBlock }>();
  private readonly everSeen = new Map<string, MemoryBlock>();
  private readonly chain: MemoryBlock[];
  private counter = 0;

  constructor({ network, timeSeconds }: { network: NetworkName; timeSeconds: number }) {
    this.network = network;
    this.chain = [{ hash: networks[network].genesisHash, height: 0, timeSeconds, transactions: [], undo: [] }];
  }

  /** A chain of its own that begins as this one is now. */
  copy(): MemoryBlocks {
    const copy = new MemoryBlocks({ network: this.network, timeSeconds: 0 });
    copy.chain.splice(0, 1, ...this.chain);
    for (const [outpoint, coin] of this.coins) copy.coins.set(outpoint, coin);
    for (const [outpoint, txid] of this.spenders) copy.spenders.set(outpoint, txid);
    for (const [txid, place] of this.places) copy.places.set(txid, place);
    for (const [hash, block] of this.everSeen) copy.everSeen.set(hash, block);
    copy.counter = this.counter;
    return copy;
  }

  get tip(): MemoryBlock {
    const tip = this.chain.at(-1);
    if (tip === undefined) throw new RangeError('a chain without blocks');
    return tip;
  }

  at(height: number): MemoryBlock | undefined {
    return this.chain[height];
  }

  /** Also a block that was disconnected. */
  byHash(hash: string): MemoryBlock | undefined {
    return this.everSeen.get(hash);
  }

  place(txid: string): { known: Known; block: MemoryBlock } | undefined {
    return this.places.get(txid);
  }

  /** BIP 113: the median time of the last blocks, which is what locktimes in seconds are compared with. */
  medianTimeAt(height: number): number {
    const times = this.chain
      .slice(Math.max(0, height - MEDIAN_OF_BLOCKS + 1), height + 1)
      .map((block) => block.timeSeconds);
    return times.sort((a, b) => a - b)[times.length >> 1] ?? 0;
  }

  connect({ transactions, feesSats, payTo, timeSeconds }: NewBlock): MemoryBlock {
    const previous = this.tip;
    const height = previous.height + 1;
    this.counter += 1;
    const valueSats = subsidySats({ height, network: this.network }) + feesSats;
    const all = [coinbase({ height, counter: this.counter, valueSats, payTo }), ...transactions];
    const merkleRoot = merkleRootOf(all.map(({ transaction }) => transaction.txid));
    const hash = headerHash({ previous: previous.hash, merkleRoot, timeSeconds });
    const block: MemoryBlock = { hash, height, timeSeconds, transactions: all, undo: [] };
    for (const each of all) this.apply(each, block);
    this.chain.push(block);
    this.everSeen.set(hash, block);
    return block;
  }

  disconnect(): MemoryBlock {
    const block = this.tip;
    this.chain.pop();
    for (const { transaction } of block.transactions) {
      this.places.delete(transaction.txid);
      for (const vout of transaction.outputs.keys()) this.coins.delete(`${transaction.txid}:${vout}`);
    }
    for (const [outpoint, coin] of block.undo) {
      this.spenders.delete(outpoint);
      // What the block itself created is gone with it.
      if (coin.height < block.height) this.coins.set(outpoint, coin);
    }
    return block;
  }

  private apply(each: Known, block: MemoryBlock): void {
    const { txid, inputs, outputs } = each.transaction;
    const created = isCoinbase(each.transaction);
    for (const input of created ? [] : inputs) {
      const outpoint = `${input.txid}:${input.vout}`;
      const coin = this.coins.get(outpoint);
      if (coin !== undefined) block.undo.push([outpoint, coin]);
      this.coins.delete(outpoint);
      this.spenders.set(outpoint, txid);
    }
    for (const [vout, { valueSats, script }] of outputs.entries())
      // Nobody can ever spend an OP_RETURN output.
      if (script[0] !== OP_RETURN)
        this.coins.set(`${txid}:${vout}`, {
          valueSats,
          script: hex.encode(script),
          height: block.height,
          isCoinbase: created,
        });
    this.places.set(txid, { known: each, block });
  }
}

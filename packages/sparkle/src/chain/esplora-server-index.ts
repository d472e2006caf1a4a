import { sha256 } from '@noble/hashes/sha2.js';
import { hex } from '@scure/base';
import { SparkleError } from '../protocol/errors.ts';
import { isCoinbase, readTransaction } from '../protocol/transaction.ts';
import type { EsploraNode } from './esplora-server-node.ts';
import { readRawBlock, transactionsIn } from './raw-block.ts';

/** Where a script hash occurs; `block` is absent in the mempool. */
export type Mention = { txid: string; block?: { height: number; hash: string } };
export type Coin = Mention & { vout: number; valueSats: bigint };

type Output = { scripthash: string; valueSats: bigint };
type Indexed = { txid: string; touches: Set<string>; created: [string, Output][]; spent: string[] };
type IndexedBlock = { hash: string; height: number; transactions: Indexed[] };

/** How Esplora calls a script: the SHA-256 of its bytes, in their own order, where Electrum reverses them. */
export const scripthashOf = (script: Uint8Array): string => hex.encode(sha256(script));

/**
 * Which transactions touch which scripts, read block by block into memory: an index for small chains like regtest. A chain
 * longer than `mostBlocks` is refused, because it would not fit.
 */
export class ScriptIndex {
  private readonly node: EsploraNode;
  private readonly mostBlocks: number;
  private readonly outputs = new Map<string, Output>();
  private readonly blocks: IndexedBlock[] = [];
  private syncing: Promise<void> = Promise.resolve();

  constructor(node: EsploraNode, mostBlocks: number) {
    this.node = node;
    this.mostBlocks = mostBlocks;
  }

  /** Newest first: the mempool, then the chain from its end. */
  async history(scripthash: string): Promise<Mention[]> {
    const mempool = await this.upToDate();
    const confirmed = this.blocks.flatMap(({ hash, height, transactions }) =>
      transactions
        .filter(({ touches }) => touches.has(scripthash))
        .map(({ txid }) => ({ txid, block: { height, hash } })),
    );
    const waiting = mempool.filter(({ touches }) => touches.has(scripthash)).map(({ txid }) => ({ txid }));
    return [...waiting, ...confirmed.reverse()];
  }

  async coins(scripthash: string): Promise<Coin[]> {
    const mempool = await this.upToDate();
    const spent = new Set(mempool.flatMap((each) => each.spent));
    for (const { transactions } of this.blocks)
      for (const each of transactions) each.spent.forEach((at) => spent.add(at));
    const own = (each: Indexed, block?: { height: number; hash: string }): Coin[] =>
      each.created
        .filter(([outpoint, output]) => output.scripthash === scripthash && !spent.has(outpoint))
        .map(([outpoint, { valueSats }]) => ({
          ...{ txid: each.txid, vout: Number(outpoint.slice(65)), valueSats },
          ...(block === undefined ? {} : { block }),
        }));
    const confirmed = this.blocks.flatMap(({ height, hash, transactions }) =>
      transactions.flatMap((each) => own(each, { height, hash })),
    );
    return [...confirmed, ...mempool.flatMap((each) => own(each))];
  }

  /** Follows the chain to its end, and reads the mempool as it is now. */
  private async upToDate(): Promise<Indexed[]> {
    this.syncing = this.syncing.catch(() => undefined).then(() => this.follow());
    await this.syncing;
    const raws = await Promise.all((await this.node.mempool()).map((txid) => this.node.transaction(txid)));
    const waiting = raws.filter((found) => found !== undefined && found.block === undefined);
    const parsed = waiting.map((found) => readTransaction(found?.raw ?? ''));
    const created = new Map(
      parsed.flatMap(({ txid, outputs }) => outputs.map((output, vout) => [`${txid}:${vout}`, outputOf(output)])),
    );
    return parsed.map((transaction) => indexed(transaction, (at) => created.get(at) ?? this.outputs.get(at)));
  }

  private async follow(): Promise<void> {
    const tip = await this.node.lookup.tip();
    if (tip.height > this.mostBlocks)
      throw new SparkleError('not_supported', `this server keeps an index of at most ${this.mostBlocks} blocks`);
    await this.unwind();
    for (let height = this.blocks.length; height <= tip.height; height += 1) {
      const hash = await this.node.hashAt(height);
      const raw = hash === undefined ? undefined : await this.node.rawBlock(hash);
      if (hash === undefined || raw === undefined) return;
      this.connect({ hash, height, raw });
    }
  }

  private async unwind(): Promise<void> {
    for (let last = this.blocks.at(-1); last !== undefined; last = this.blocks.at(-1)) {
      if ((await this.node.hashAt(last.height)) === last.hash) return;
      for (const { created } of last.transactions) for (const [outpoint] of created) this.outputs.delete(outpoint);
      this.blocks.pop();
    }
  }

  private connect({ hash, height, raw }: { hash: string; height: number; raw: string }): void {
    const transactions = transactionsIn(readRawBlock(raw)).map((each) => {
      const entry = indexed(readTransaction(each), (at) => this.outputs.get(at));
      for (const [outpoint, output] of entry.created) this.outputs.set(outpoint, output);
      return entry;
    });
    this.blocks.push({ hash, height, transactions });
  }
}

const outputOf = ({ script, valueSats }: { script: Uint8Array; valueSats: bigint }): Output => ({
  scripthash: scripthashOf(script),
  valueSats,
});

function indexed(
  transaction: ReturnType<typeof readTransaction>,
  outputAt: (outpoint: string) => Output | undefined,
): Indexed {
  const { txid, outputs } = transaction;
  const spent = isCoinbase(transaction) ? [] : transaction.inputs.map((input) => `${input.txid}:${input.vout}`);
  const created = outputs.map((output, vout): [string, Output] => [`${txid}:${vout}`, outputOf(output)]);
  const sources = spent.flatMap((at) => outputAt(at)?.scripthash ?? []);
  return { txid, touches: new Set([...sources, ...created.map(([, { scripthash }]) => scripthash)]), created, spent };
}

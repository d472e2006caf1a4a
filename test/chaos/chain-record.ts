import { addressOf } from '../regtest/bitcoind.ts';
import type { Stage } from './stage.ts';

export type Output = { n: number; value: number; scriptPubKey: { hex: string; type: string } };
type Input = { txid: string; vout: number; prevout?: { value: number; scriptPubKey: Output['scriptPubKey'] } };
export type Transaction = { txid: string; vin: Input[]; vout: Output[] };

export const satsOf = (coins: number): bigint => BigInt(Math.round(coins * 1e8));
export const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((all, each) => all + each, 0n);
export const feeOf = ({ vin, vout }: Transaction): bigint =>
  sum(vin.map(({ prevout }) => satsOf(prevout?.value ?? 0))) - sum(vout.map(({ value }) => satsOf(value)));

/** All that came into blocks since a height, and which of it is the coordinator's. */
export class ChainRecord {
  readonly #stage: Stage;
  readonly #transactions: Transaction[] = [];
  readonly #spenders = new Map<string, Transaction>();
  readonly #ours = new Map<string, Promise<boolean>>();

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  static async since(stage: Stage, height: number): Promise<ChainRecord> {
    const record = new ChainRecord(stage);
    const { regtest } = stage;
    for (let at = height + 1; at <= (await regtest.height()); at += 1) {
      const hash = await regtest.rpc<string>('getblockhash', [at]);
      const { tx } = await regtest.rpc<{ tx: Transaction[] }>('getblock', [hash, 3]);
      for (const each of tx.slice(1)) record.#add(each);
    }
    return record;
  }

  #add(transaction: Transaction): void {
    this.#transactions.push(transaction);
    for (const { txid, vout } of transaction.vin) this.#spenders.set(`${txid}:${vout}`, transaction);
  }

  spender(outpoint: string): Transaction | undefined {
    return this.#spenders.get(outpoint);
  }

  /** Whether a script is the wallet's. */
  isOurs({ hex, type }: Output['scriptPubKey']): Promise<boolean> {
    const { node, wallet } = this.#stage.own;
    const ask = async (): Promise<boolean> => {
      if (type === 'nulldata' || type === 'anchor' || type === 'nonstandard') return false;
      return (await node.rpc<{ ismine: boolean }>('getaddressinfo', [addressOf(hex)], wallet)).ismine;
    };
    const known = this.#ours.get(hex) ?? ask();
    this.#ours.set(hex, known);
    return known;
  }

  /** What the wallet has signed besides those that are explained, and all of it that went to others. */
  async unexplained(explained: ReadonlySet<Transaction>): Promise<{ feesSats: bigint; wrong: string[] }> {
    let feesSats = 0n;
    const wrong: string[] = [];
    for (const each of this.#transactions) {
      if (explained.has(each)) continue;
      const inputs = await Promise.all(
        each.vin.map(async ({ prevout }) => prevout && this.isOurs(prevout.scriptPubKey)),
      );
      if (!inputs.includes(true)) continue;
      feesSats += feeOf(each);
      const outputs = await Promise.all(each.vout.map(({ scriptPubKey }) => this.isOurs(scriptPubKey)));
      if (outputs.includes(false)) wrong.push(`${each.txid} takes from the wallet, pays others and belongs to no sale`);
    }
    return { feesSats, wrong };
  }
}

/** A coin the wallet can sign for. `script` is hex. */
export type Coin = { outpoint: string; valueSats: bigint; script: string; confirmations: number };

/**
 * Keys that own coins: what a trade asks of a wallet. The wallet neither chooses nor builds what it signs:
 * the layout of a transaction decides where an inscription goes, so the builders in `protocol/spend` do that.
 */
export interface Wallet {
  /** A fresh address of the wallet for receiving an inscription or change. */
  address(): Promise<string>;
  /** Confirmed unspent coins. The caller must itself keep those that carry an inscription out of fees. */
  coins(): Promise<Coin[]>;
  /**
   * Signs the inputs of `raw` that belong to this wallet and returns the raw transaction, which is complete when all
   * inputs were its own. `spent` names value and script of every input, in order. Throws `bad_transaction` when an
   * input that it should sign could not be signed.
   */
  sign(raw: string, spent: { valueSats: bigint; script: string }[]): Promise<string>;
}

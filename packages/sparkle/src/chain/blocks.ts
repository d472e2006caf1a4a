/** What sources with whole blocks offer beyond the port: a node has them, an address index or a light server has not. */
export type BlockSource = {
  /** The raw transactions (hex) of a block in its order, the coinbase first; `undefined` when there is no such block. */
  block(hash: string): Promise<string[] | undefined>;
};

/**
 * What a trade sees when it looks: the whole picture at one moment, not a difference to the last one. A lost, doubled
 * or reordered notification therefore cannot mislead the machine: the next look tells the truth again, also after a reorg.
 */
export type View = {
  tip: { height: number; hash: string; timeSeconds: number };
  nowSeconds: number;
  lock?: OutputView;
  /** The output that the lock transaction spends first: the one that held the inscription before. */
  source?: OutputView;
  /** The first of a principal's own coins in the lock transaction: by spending it he takes the lock back. */
  coin?: OutputView;
  /** Absent, though looked for, while the Lightning node is away; so is `invoice`. */
  payment?: PaymentView;
  invoice?: InvoiceView;
  facts?: LockFacts;
};

/** `confirmations` 0 means mempool. */
export type OutputView =
  | { state: 'absent' }
  | { state: 'unspent'; confirmations: number }
  | { state: 'spent'; spender: { txid: string; raw: string; confirmations: number } };

export type PaymentView =
  | { state: 'unknown' }
  | { state: 'pending'; expiryHeight?: number }
  | { state: 'settled'; preimage: string; feeMsat: bigint }
  | { state: 'failed'; reason: string };

export type InvoiceView =
  | { state: 'unknown' }
  | { state: 'open' }
  | { state: 'held'; amountMsat: bigint; expiryHeight: number; parts: number }
  | { state: 'settled'; amountMsat: bigint }
  | { state: 'canceled' };

/** What the buyer fetched himself about the lock that he was told of. Fields are absent when the thing was not found. */
export type LockFacts = {
  outpoint: string;
  /** Raw lock transaction, its txid already recomputed by the reader. */
  raw?: string;
  /** 0 while unconfirmed. */
  confirmations: number;
  /** `gettxout` with the mempool counted. */
  unspent: boolean;
  /** Where the buyer's own index says the inscription is, once the lock is confirmed. */
  satpoint?: string;
  /** All inscriptions in the lock output. */
  inscriptions?: string[];
  /** Whether runes lie in it too, where the index follows runes. */
  runes?: 'none' | 'some' | 'unknown';
  /** A code when the index could not answer yet. */
  indexProblem?: string;
};

/** What the machine wants to see next, as plain data; the trader answers with a View. */
export type Look = {
  lock?: { outpoint: string; fromHeight: number };
  source?: { outpoint: string; fromHeight: number };
  coin?: { outpoint: string; fromHeight: number };
  payment?: string;
  invoice?: string;
  facts?: { outpoint: string; inscriptionId: string };
};

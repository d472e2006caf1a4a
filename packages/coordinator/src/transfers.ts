import type { Chain } from 'sparkle-protocol/chain/chain';
import type { HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import { type Seen, type Transfer, transactionsOf } from './stages.ts';

type Source = Pick<Chain, 'tip' | 'transaction'>;

/** What the chain says now about the transactions of a trade. */
export async function seenOf(chain: Source, trade: HoldSeller): Promise<Seen> {
  const { lockTxid, lockVout = 0, deliveryTxid } = transactionsOf(trade);
  return {
    lock: lockTxid === undefined ? undefined : await transfer(chain, { txid: lockTxid, vout: lockVout }),
    delivery: deliveryTxid === undefined ? undefined : await transfer(chain, { txid: deliveryTxid, vout: 0 }),
  };
}

async function transfer(chain: Source, { txid, vout }: { txid: string; vout: number }): Promise<Transfer | undefined> {
  const confirmations = await confirmationsOf(chain, txid);
  return confirmations === undefined ? undefined : { txid, vout, confirmations };
}

/** 0 in the mempool; `undefined` for a transaction that neither it nor the best chain knows. */
export async function confirmationsOf(chain: Source, txid: string): Promise<number | undefined> {
  const found = await chain.transaction(txid);
  if (found === undefined) return undefined;
  // A reorg between the two questions must not count below nothing.
  return found.block === undefined ? 0 : Math.max(0, (await chain.tip()).height - found.block.height + 1);
}

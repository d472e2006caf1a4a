import type { Chain } from 'sparkle-protocol/chain/chain';
import { readOutpoint } from 'sparkle-protocol/protocol/inscription';
import { claimTxidOf, foundLock, type Sold } from './sold.ts';
import type { Seen, Transfer } from './stages.ts';

type Source = Pick<Chain, 'tip' | 'transaction' | 'spender'>;

/** What the chain says now about the transactions of a trade: the lock while it is under way, and the buyer's claim. */
export async function seenOf(chain: Source, trade: Sold): Promise<Seen> {
  const lock = trade.state === 'ended' ? undefined : await foundLock(chain, trade);
  const claimTxid = await claimTxidOf(chain, trade);
  return {
    lock: lock === undefined ? undefined : await transfer(chain, readOutpoint(lock.outpoint)),
    delivery: claimTxid === undefined ? undefined : await transfer(chain, { txid: claimTxid, vout: 0 }),
  };
}

async function transfer(chain: Source, { txid, vout }: { txid: string; vout: number }): Promise<Transfer | undefined> {
  const confirmations = await confirmationsOf(chain, txid);
  return confirmations === undefined ? undefined : { txid, vout, confirmations };
}

/** 0 in the mempool; `undefined` for a transaction that neither it nor the best chain knows. */
export async function confirmationsOf(chain: Omit<Source, 'spender'>, txid: string): Promise<number | undefined> {
  const found = await chain.transaction(txid);
  if (found === undefined) return undefined;
  // A reorg between the two questions must not count below nothing.
  return found.block === undefined ? 0 : Math.max(0, (await chain.tip()).height - found.block.height + 1);
}

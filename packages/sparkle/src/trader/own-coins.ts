import type { Chain } from '../chain/chain.ts';
import { decodeTransaction, type Prevout } from '../protocol/draft.ts';
import type { Version } from '../protocol/trade/effect.ts';
import { outputAt } from './prevouts.ts';

/** An output that several versions of ours fight for: whoever spends it replaces what spends it now. */
type Contest = { contested: string; fromHeight: number };

const spends = (raw: string): string[] => decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint);

/**
 * Which of these a new version may spend: what nothing spends, and what is spent only by a version that waits in the mempool
 * and that the new one replaces. What any other transaction has taken is lost to it for good.
 */
export async function takeable(
  { chain }: { chain: Chain },
  { outpoints, contested, fromHeight }: Contest & { outpoints: readonly string[] },
): Promise<string[]> {
  const found = outpoints.map(async (outpoint): Promise<string[]> => {
    if ((await chain.unspent(outpoint)) !== undefined) return [outpoint];
    const spender = await chain.spender(outpoint, fromHeight);
    const isReplaced = spender !== undefined && spender.block === undefined && spends(spender.raw).includes(contested);
    return isReplaced ? [outpoint] : [];
  });
  return (await Promise.all(found)).flat();
}

/**
 * What earlier versions took from the wallet and the next may take again. The wallet calls it spent, or keeps it for this
 * very trade: a wallet of one coin could not raise a fee otherwise.
 */
export async function coinsOf(
  parts: { chain: Chain },
  { versions, ...contest }: Contest & { versions: readonly Version[] },
): Promise<Prevout[]> {
  const all = new Set(versions.flatMap(({ raw }) => spends(raw)));
  all.delete(contest.contested);
  const outpoints = await takeable(parts, { outpoints: [...all], ...contest });
  const found = await Promise.all(outpoints.map((outpoint) => outputAt(parts.chain, outpoint)));
  return found.filter((output) => output !== undefined);
}

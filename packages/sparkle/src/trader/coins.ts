import type { Coin, Wallet } from '../chain/wallet.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { decodeTransaction } from '../protocol/draft.ts';
import { SparkleError } from '../protocol/errors.ts';
import { guardFee, type OutputAssets, type RunePolicy, runePolicyFor } from '../protocol/guard.ts';
import { canPay } from '../protocol/layout.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { AssertFits, Store } from '../store/store.ts';
import { indexProblemOf } from './index-problem.ts';

/** More inputs than any transaction of ours needs: a wallet full of dust must not keep a claim from being built. */
const MOST_COINS = 40;

/** Coins that may pay fees: confirmed, of this wallet, promised to no other trade, and free of what others may value. */
export type Purse = {
  /**
   * Coins for this trade, the largest first: anyone can send us dust, and at a high feerate each such input costs more than
   * it brings. `source` is none of them, whatever the wallet says.
   */
  cardinals(of: { tradeId: string; source?: string }): Promise<Coin[]>;
  /**
   * Keeps the inputs of a transaction for the trade it was built for, as long as that trade lives; to be called before it is
   * signed. Throws `elsewhere` when another instance with the same wallet was faster: built once more, it takes others.
   * `assertFits` as in `Store.reserve`.
   */
  reserve(raw: string, tradeId: string, assertFits?: AssertFits): Promise<void>;
  /** The live trade for which a lock that spends this output was built, also one that is not written down yet. */
  holder(outpoint: string): Promise<string | undefined>;
  /** One builder at a time, so that two trades never reach for the same coin. */
  alone<T>(work: () => Promise<T>): Promise<T>;
};

type PurseParts = { wallet: Wallet; ordinals: Ordinals; store: Store; network: NetworkName; runes?: RunePolicy };

export function createPurse(parts: PurseParts): Purse {
  const { store } = parts;
  let last: Promise<unknown> = Promise.resolve();
  return {
    cardinals: (of) => cardinals(parts, of),
    reserve: async (raw, tradeId, assertFits) => {
      await store.reserve(tradeId, inputsOf(raw), assertFits).catch(outrun);
    },
    holder: async (outpoint) => {
      const { written, kept } = await holders(store);
      return written.get(outpoint) ?? kept.get(outpoint);
    },
    alone: (work) => {
      const mine = last.then(work);
      last = mine.catch(() => {});
      return mine;
    },
  };
}

/** What is written into a transaction of a live trade, and what is kept for one that is not written down yet. */
async function holders(store: Store): Promise<{ written: Map<string, string>; kept: Map<string, string> }> {
  const live = await store.committed();
  const inputs = live.flatMap((trade) => inputsFor(trade).map((outpoint) => [outpoint, trade.tradeId] as const));
  return { written: new Map(inputs), kept: await store.reserved() };
}

async function cardinals(
  parts: PurseParts,
  { tradeId, source }: { tradeId: string; source?: string },
): Promise<Coin[]> {
  const { written, kept } = await holders(parts.store);
  // Kept for this very trade and not written down: what wanted it died before it was built.
  const isFree = (outpoint: string) => !written.has(outpoint) && (kept.get(outpoint) ?? tradeId) === tradeId;
  const free = (await parts.wallet.coins())
    .filter((coin) => coin.outpoint !== source && isFree(coin.outpoint) && canPay(coin))
    .toSorted((one, other) => Number(other.valueSats - one.valueSats));
  const found: Coin[] = [];
  for (let next = 0; next < free.length && found.length < MOST_COINS; next += MOST_COINS) {
    const some = free.slice(next, next + MOST_COINS);
    const checked = await Promise.all(some.map(async (coin) => ((await mayPay(parts, coin)) ? [coin] : [])));
    found.push(...checked.flat());
  }
  return found.slice(0, MOST_COINS);
}

/** Not a trade that exists twice: two builders reached for one coin at the same moment. */
function outrun(error: unknown): never {
  if (!(error instanceof SparkleError) || error.code !== 'duplicate_trade') throw error;
  throw new SparkleError(
    'elsewhere',
    'a coin must be free to be built upon; another trade has just taken it',
    error.detail,
  );
}

async function mayPay({ ordinals, network, runes }: PurseParts, coin: Coin): Promise<boolean> {
  const { outpoint } = coin;
  const assets = await assetsOf(ordinals, outpoint);
  const runePolicy = runes ?? runePolicyFor(network);
  return guardFee({ outpoint, unspent: coin, leastConfirmations: 1, assets, runePolicy }).failures.length === 0;
}

/** Fails closed: a coin of which the index cannot speak, or two indexes speak differently, might carry anything. */
async function assetsOf(ordinals: Ordinals, outpoint: string): Promise<OutputAssets | undefined> {
  try {
    return await ordinals.assets(outpoint);
  } catch (error) {
    if (indexProblemOf(error) === undefined) throw error;
    return undefined;
  }
}

const inputsOf = (raw: string): string[] => decodeTransaction(raw).inputs.map(({ outpoint }) => outpoint);

/** Inputs of everything that was built for a trade: until it ends any of it may be sent, or sent again. */
function inputsFor(trade: Trade): string[] {
  const built: readonly { raw: string }[] = [
    ...('lock' in trade ? [trade.lock] : []),
    ...('bumps' in trade ? trade.bumps : []),
    ...('aborts' in trade ? trade.aborts : []),
    ...('refunds' in trade ? trade.refunds : []),
    ...('presigned' in trade ? [trade.presigned] : []),
    ...('versions' in trade ? trade.versions : []),
  ];
  return built.flatMap(({ raw }) => inputsOf(raw));
}

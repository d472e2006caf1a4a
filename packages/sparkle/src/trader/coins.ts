import type { Coin, Wallet } from '../chain/wallet.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import { decodeTransaction } from '../protocol/draft.ts';
import { guardFee, type OutputAssets, type RunePolicy, runePolicyFor } from '../protocol/guard.ts';
import { canPay } from '../protocol/layout.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Store } from '../store/store.ts';
import { indexProblemOf } from './index-problem.ts';

/** More inputs than any transaction of ours needs: a wallet full of dust must not keep a claim from being built. */
const MOST_COINS = 40;

/** Coins that may pay fees: confirmed, of this wallet, promised to no other trade, and free of what others may value. */
export type Purse = {
  /** The largest first. Anyone can send us dust, and at a high feerate each such input costs more than it brings. */
  cardinals(source?: string): Promise<Coin[]>;
  /** Keeps the inputs of a transaction for the trade it was built for, as long as that trade lives. */
  reserve(raw: string, tradeId: string): void;
  /** The live trade for which a lock that spends this output was built, also one that is not written down yet. */
  holder(outpoint: string): Promise<string | undefined>;
  /** One builder at a time, so that two trades never reach for the same coin. */
  alone<T>(work: () => Promise<T>): Promise<T>;
};

type PurseParts = { wallet: Wallet; ordinals: Ordinals; store: Store; network: NetworkName; runes?: RunePolicy };

export function createPurse(parts: PurseParts): Purse {
  const { wallet, store } = parts;
  const reserved = new Map<string, string>();
  let last: Promise<unknown> = Promise.resolve();

  async function holders(): Promise<Map<string, string>> {
    const live = await store.live();
    const alive = new Set(live.map(({ tradeId }) => tradeId));
    for (const [outpoint, tradeId] of reserved) if (!alive.has(tradeId)) reserved.delete(outpoint);
    const written = live.flatMap((trade) => inputsFor(trade).map((outpoint) => [outpoint, trade.tradeId] as const));
    return new Map([...reserved, ...written]);
  }

  async function cardinals(source?: string): Promise<Coin[]> {
    const taken = await holders();
    const free = (await wallet.coins())
      .filter((coin) => coin.outpoint !== source && !taken.has(coin.outpoint) && canPay(coin))
      .toSorted((one, other) => Number(other.valueSats - one.valueSats));
    const found: Coin[] = [];
    for (let next = 0; next < free.length && found.length < MOST_COINS; next += MOST_COINS) {
      const some = free.slice(next, next + MOST_COINS);
      const checked = await Promise.all(some.map(async (coin) => ((await mayPay(parts, coin)) ? [coin] : [])));
      found.push(...checked.flat());
    }
    return found.slice(0, MOST_COINS);
  }

  return {
    cardinals,
    reserve: (raw, tradeId) => inputsOf(raw).forEach((outpoint) => reserved.set(outpoint, tradeId)),
    holder: async (outpoint) => (await holders()).get(outpoint),
    alone: (work) => {
      const mine = last.then(work);
      last = mine.catch(() => {});
      return mine;
    },
  };
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

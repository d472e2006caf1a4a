import type { Chain } from '../chain/chain.ts';
import type { Wallet } from '../chain/wallet.ts';
import type { Lightning } from '../lightning/lightning.ts';
import type { Market } from '../market/market.ts';
import type { Ordinals } from '../ordinals/ordinals.ts';
import type { RunePolicy } from '../protocol/guard.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Trade } from '../protocol/trade/step.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Everything a trader is made of. The rescue seed stays in here: no port ever sees it. */
export type Parts = {
  network: NetworkName;
  seed: Uint8Array;
  chain: Chain;
  wallet: Wallet;
  lightning: Lightning;
  ordinals: Ordinals;
  market: Market;
  store: Store;
  clock: Clock;
  log: Log;
  /** What to make of coins of which no index says whether runes lie in them; by the network when absent. */
  runes?: RunePolicy;
  /** How often to look although nothing was heard, in milliseconds (R14: at least every 60 s). */
  tickMilliseconds: number;
  /** Most sats of our own that fills under way may have paid to others at one time; without it there is no such bound. */
  mostFilledSats?: bigint;
  /** Most sats that payments passed on to sellers may have in flight at one time; without it there is no such bound. */
  mostForwardedSats?: bigint;
  /** Live sales at one time, 200 unless given: a request costs its sender nothing, and each becomes an invoice of our node. */
  mostSales?: number;
  /**
   * Whether anybody reads the letters of a trade; everybody does unless it is given. What nobody reads is neither stored
   * as due nor signed.
   */
  hasReader?: (trade: Trade) => boolean;
};

import type { Chain } from '../chain/chain.ts';
import { tipIsFresh } from '../protocol/deadlines.ts';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import type { Clock } from './clock.ts';

/**
 * The best height, to act upon (R3). After a long sleep a node answers for a while with the height at which it fell asleep,
 * at which everything seems still to be in time. Throws `chain_unavailable` for a best block that is too old.
 */
export async function freshHeight(parts: {
  chain: Pick<Chain, 'tip'>;
  clock: Clock;
  network: NetworkName;
}): Promise<number> {
  const { height, timeSeconds } = await parts.chain.tip();
  const nowSeconds = parts.clock.nowSeconds();
  if (tipIsFresh({ tipTimeSeconds: timeSeconds, nowSeconds, network: parts.network })) return height;
  throw new SparkleError(
    'chain_unavailable',
    `the best block must be less than an hour old to act upon; block ${height} is of second ${timeSeconds} and it is ${nowSeconds}`,
    { height, timeSeconds, nowSeconds },
  );
}

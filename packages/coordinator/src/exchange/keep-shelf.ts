import type { Chain } from 'sparkle-protocol/chain/chain';
import type { Clock } from 'sparkle-protocol/trader/clock';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Log } from 'sparkle-protocol/trader/log';
import type { Aftermath } from './aftermath.ts';
import type { Listings } from './listings.ts';

export type ShelfParts = {
  chain: Pick<Chain, 'subscribe'>;
  clock: Pick<Clock, 'every'>;
  log: Log;
  listings: Pick<Listings, 'hear' | 'sweep'>;
  aftermath: Pick<Aftermath, 'catchUp'>;
};

const SWEEP_MILLISECONDS = 60_000;

/** Lets go of what is spent or over, as it is heard and once a minute, until `stop`; what it has begun is over when `idle` resolves. */
export function keepShelf(parts: ShelfParts): { stop(): void; idle(): Promise<void> } {
  const { chain, clock, log, listings, aftermath } = parts;
  const lanes = createLanes();
  const begin = (lane: string, work: () => Promise<void>): void => {
    void lanes
      .later(lane, work)
      .catch((error: unknown) => log.warn({ error: String(error) }, 'the shelf could not be looked through'));
  };
  const stopHearing = chain.subscribe((event) => {
    if (event.type === 'transaction') begin(event.txid, () => listings.hear(event.raw));
  });
  const sweep = async () => void (await Promise.all([listings.sweep(), aftermath.catchUp()]));
  const stopSweeping = clock.every(SWEEP_MILLISECONDS, () => begin('sweep', sweep));
  return { stop: () => (stopHearing(), stopSweeping()), idle: () => lanes.idle() };
}

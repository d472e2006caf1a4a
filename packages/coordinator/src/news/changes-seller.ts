import type { Log } from 'sparkle-protocol/trader/log';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import { uuidOf } from '../exchange/trade-id.ts';
import type { Feed } from './feed.ts';
import type { Listings } from '../exchange/listings.ts';
import type { Trades } from '../exchange/trades.ts';
import { webhookOwner, type Webhooks } from './webhooks.ts';

export type SellerChangeParts = {
  listings: Pick<Listings, 'byId' | 'onMove'>;
  trades: Pick<Trades, 'state'>;
  feed: Pick<Feed, 'record'>;
  webhooks: Pick<Webhooks, 'notify'> | undefined;
  log: Log;
};

/**
 * Tells whoever has listed an item what became of it, by the id and the token that he was given: what he is told is what
 * he is answered when he asks, and nothing of any buyer. An item that was left with us has no seller who waits.
 */
export function tellSellers(parts: SellerChangeParts): {
  changed(offerId: string): void;
  stop(): void;
  idle(): Promise<void>;
} {
  const { listings, log } = parts;
  const lanes = createLanes();
  const changed = (offerId: string): void => {
    void lanes
      .later(offerId, () => tell(parts, offerId))
      .catch((error: unknown) => log.error({ offerId, error: String(error) }, 'a seller was not told of a change'));
  };
  return { changed, stop: listings.onMove(changed), idle: () => lanes.idle() };
}

async function tell({ listings, trades, feed, webhooks }: SellerChangeParts, offerId: string): Promise<void> {
  const item = await listings.byId(offerId);
  if (item?.listing === undefined) return;
  const { status, reason } = await trades.state(offerId);
  const shownId = uuidOf(offerId);
  const owners = [webhookOwner({ tradeToken: { tradeId: offerId, role: 'seller' } })];
  const data = { trade_id: shownId, status, ...(reason === undefined ? {} : { reason }) };
  await feed.record({ tradeId: offerId, shownId, status, sides: {} }, async (session) =>
    webhooks?.notify({ event: 'trade', subject: offerId, owners, data }, session),
  );
}

import type { Log } from 'sparkle-protocol/trader/log';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Trader } from 'sparkle-protocol/trader/trader';
import type { Checkouts } from './checkouts.ts';
import { type Desk, isSale, uuidOf } from './desk.ts';
import type { Feed } from './feed.ts';
import { ownerOf } from './routes/webhooks.ts';
import type { Webhooks } from './webhooks.ts';

export type ChangeParts = {
  trader: Pick<Trader, 'trade' | 'onChange'>;
  checkouts: Pick<Checkouts, 'byTrade'>;
  desk: Pick<Desk, 'stage'>;
  feed: Pick<Feed, 'record'>;
  webhooks: Pick<Webhooks, 'notify'> | undefined;
  log: Log;
};

/**
 * Tells each change of a sale to its buyer's sockets and webhooks, by the id that he knows it by, in its order and once. A
 * trader speaks of every look at a trade, at each block and each tick: one that found nothing new is told to nobody.
 */
export function tellChanges(parts: ChangeParts): { stop(): void; idle(): Promise<void> } {
  const { trader, log } = parts;
  const lanes = createLanes();
  const stop = trader.onChange(({ tradeId }) => {
    void lanes
      .later(tradeId, () => tell(parts, tradeId))
      .catch((error: unknown) => log.error({ tradeId, error: String(error) }, 'a change was not told'));
  });
  return { stop, idle: () => lanes.idle() };
}

async function tell({ trader, checkouts, desk, feed, webhooks }: ChangeParts, tradeId: string): Promise<void> {
  const checkout = await checkouts.byTrade(tradeId);
  const trade = await trader.trade(tradeId);
  if (checkout === undefined || !isSale(trade)) return;
  const { status } = await desk.stage(checkout);
  const { buyerId: buyer } = trade.terms;
  const shownId = uuidOf(tradeId);
  const owners = [ownerOf({ tradeToken: { tradeId, role: 'buyer' } }), ownerOf({ party: buyer })];
  const notice = { event: 'trade', subject: tradeId, owners, data: { trade_id: shownId, status } };
  await feed.record({ tradeId, shownId, status, sides: { buyer } }, async (session) =>
    webhooks?.notify(notice, session),
  );
}

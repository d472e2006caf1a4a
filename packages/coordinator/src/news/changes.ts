import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Log } from 'sparkle-protocol/trader/log';
import { createLanes } from 'sparkle-protocol/trader/lanes';
import type { Trader } from 'sparkle-protocol/trader/trader';
import type { Checkouts } from '../exchange/checkouts.ts';
import type { Desk } from '../exchange/desk.ts';
import type { Feed } from './feed.ts';
import { buyerOfTrade, isSold, type Sold } from '../exchange/sold.ts';
import { uuidOf } from '../exchange/trade-id.ts';
import { webhookOwner, type Webhooks } from './webhooks.ts';

export type ChangeParts = {
  trader: Pick<Trader, 'trade' | 'onChange'>;
  checkouts: Pick<Checkouts, 'byTrade' | 'untold'>;
  desk: Pick<Desk, 'stageOf'>;
  feed: Pick<Feed, 'record'>;
  webhooks: Pick<Webhooks, 'notify'> | undefined;
  /** Who has listed what is sold hears of his item. */
  sellers: { changed(offerId: string): void };
  log: Log;
};

const isWaiting = ({ state }: Sold): boolean => ['asking', 'quoting', 'invoiced'].includes(state);

/**
 * Tells each change of a sale to its buyer's sockets and webhooks, by the id that he knows it by, in its order and once. A
 * trader speaks of every look at a trade, at each block and each tick: one that found nothing new is told to nobody.
 * `start` tells what was not told when the last process ended.
 */
export function tellChanges(parts: ChangeParts): { start(): Promise<void>; stop(): void; idle(): Promise<void> } {
  const { trader, checkouts, log } = parts;
  const lanes = createLanes();
  /** Of each sale that is still to be told, its newest state: what it was before that need not be. */
  const newest = new Map<string, Sold>();
  /** Sales that wait for their payment, and whose buyers were told so: thousands of looks would tell the same again. */
  const waiting = new Set<string>();

  const tellNewest = async (tradeId: string): Promise<void> => {
    const trade = newest.get(tradeId);
    newest.delete(tradeId);
    if (trade === undefined || (isWaiting(trade) && waiting.has(tradeId))) return;
    await tell(parts, trade);
    if (isWaiting(trade)) waiting.add(tradeId);
    else waiting.delete(tradeId);
  };
  const hear = (trade: Trade | undefined): void => {
    if (!isSold(trade) || (isWaiting(trade) && waiting.has(trade.tradeId))) return;
    const { tradeId } = trade;
    newest.set(tradeId, trade);
    void lanes
      .later(tradeId, () => tellNewest(tradeId))
      .catch((error: unknown) => log.error({ tradeId, error: String(error) }, 'a change was not told'));
  };
  const stop = trader.onChange(hear);
  const start = async (): Promise<void> => {
    for (const tradeId of await checkouts.untold()) hear(await trader.trade(tradeId));
  };
  return { start, stop, idle: () => lanes.idle() };
}

async function tell({ checkouts, desk, feed, webhooks, sellers }: ChangeParts, trade: Sold): Promise<void> {
  const { tradeId } = trade;
  const checkout = await checkouts.byTrade(tradeId);
  if (checkout === undefined) return;
  const { status } = await desk.stageOf(trade);
  const buyer = buyerOfTrade(trade);
  const shownId = uuidOf(tradeId);
  const owners = [webhookOwner({ tradeToken: { tradeId, role: 'buyer' } }), webhookOwner({ party: buyer })];
  const notice = { event: 'trade', subject: tradeId, owners, data: { trade_id: shownId, status } };
  await feed.record({ tradeId, shownId, status, sides: { buyer } }, async (session) =>
    webhooks?.notify(notice, session),
  );
  // A payment that is waited for is nothing to him yet: anybody may ask for an invoice.
  if (!isWaiting(trade)) sellers.changed(checkout.offerId);
}

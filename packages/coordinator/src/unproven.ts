import type { Market } from 'sparkle-protocol/market/market';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { isSale } from './desk.ts';

/** Whether the buyer of a sale is no more than the claim key that somebody named for him: nobody has signed for it. */
export const isUnproven = (trade: Trade | undefined): boolean =>
  isSale(trade) && 'terms' in trade && trade.terms.buyerId === trade.terms.claimKey;

/**
 * A market whose letters go to those alone who have signed their request. To a key that was only named they are not sent:
 * whoever names another's key would fill that one's mailbox with them. Such a buyer asks over HTTP.
 */
export const toProvenKeys = (market: Market, trade: (tradeId: string) => Promise<Trade | undefined>): Market => ({
  ...market,
  send: async (to, envelope) => {
    const { trade_id: tradeId } = JSON.parse(envelope.text) as { trade_id?: unknown };
    if (typeof tradeId === 'string' && isUnproven(await trade(tradeId))) return;
    await market.send(to, envelope);
  },
});

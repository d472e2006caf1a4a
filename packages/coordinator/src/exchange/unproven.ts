import type { Market } from 'sparkle-protocol/market/market';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { buyerOfTrade, isSale, isSold, type Sold } from './sold.ts';

/** Whether the buyer is no more than the claim key that somebody named for him: nobody has signed for it. */
const isNamedOnly = (trade: Sold): boolean =>
  buyerOfTrade(trade) === (trade.role === 'forwarder' ? trade.want : trade.terms).claimKey;

/** Whether nobody reads what is said in a trade. Of a sale that is passed on its seller does. */
export const isUnproven = (trade: Trade | undefined): boolean => isSale(trade) && isNamedOnly(trade);

/**
 * A market whose letters go to those alone who have signed their request. To a key that was only named they are not sent:
 * whoever names another's key would fill that one's mailbox with them. Such a buyer asks over HTTP.
 */
export const toProvenKeys = (market: Market, trade: (tradeId: string) => Promise<Trade | undefined>): Market => ({
  ...market,
  send: async (to, envelope) => {
    const { trade_id: tradeId } = JSON.parse(envelope.text) as { trade_id?: unknown };
    const known = typeof tradeId === 'string' ? await trade(tradeId) : undefined;
    if (isSold(known) && to === buyerOfTrade(known) && isNamedOnly(known)) return;
    await market.send(to, envelope);
  },
});

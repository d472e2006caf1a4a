import type { Envelope } from 'sparkle-protocol/market/market';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import type { Offer } from 'sparkle-protocol/protocol/trade/terms';
import type { Purchase } from 'sparkle-protocol/trader/trader';
import type { Name, NodeAccess } from '../../world/party.ts';

export type ForSale = Omit<Offer, 'sellerId' | 'network'>;

/** What the parent tells a trader's process. Amounts travel as bigint: the processes speak structured clone. */
export type Order =
  | { order: 'begin'; name: Name; access: NodeAccess; dir: string; offers: ForSale[] }
  | { order: 'sell'; offer: ForSale }
  | { order: 'buy'; purchase: Purchase }
  | { order: 'peer'; nodeId: string; port: number }
  | { order: 'open_channel'; nodeId: string }
  | { order: 'look' }
  | { order: 'where'; inscriptionId: string }
  | { order: 'paid'; tradeId: string }
  | { order: 'mail'; envelope: Envelope }
  /** Die at the checkpoint that is this many away. */
  | { order: 'die'; inCheckpoints: number };

export type Report =
  | { report: 'ready'; traderId: string; nodeId: string; port: number }
  | { report: 'trade'; trade: Pick<Trade, 'tradeId' | 'state' | 'mode'> & { outcome?: string } }
  | { report: 'post'; to: string; envelope: Envelope }
  | { report: 'looked'; usable: boolean }
  | { report: 'answer'; text: string }
  | { report: 'dying'; at: string; what: string };

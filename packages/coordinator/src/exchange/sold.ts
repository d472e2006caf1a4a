import type { Chain } from 'sparkle-protocol/chain/chain';
import { searchFromHeight } from 'sparkle-protocol/protocol/deadlines';
import { decodeTransaction } from 'sparkle-protocol/protocol/draft';
import { readOutpoint } from 'sparkle-protocol/protocol/inscription';
import { buildLock } from 'sparkle-protocol/protocol/lock';
import { findPreimage } from 'sparkle-protocol/protocol/spend';
import type { Forwarder, HoldSeller } from 'sparkle-protocol/protocol/trade/state';
import type { Trade } from 'sparkle-protocol/protocol/trade/step';
import { lockValueSats, type Terms } from 'sparkle-protocol/protocol/trade/terms';

/** A trade by which somebody buys from us: what we lock ourselves, or what its seller locks and we pass on. */
export type Sold = HoldSeller | Forwarder;

export const isSale = (trade: Trade | undefined): trade is HoldSeller =>
  trade?.role === 'seller' && trade.mode === 'hold-first';

export const isSold = (trade: Trade | undefined): trade is Sold => isSale(trade) || trade?.role === 'forwarder';

export const buyerOfTrade = (trade: Sold): string => (trade.role === 'forwarder' ? trade.buyerId : trade.terms.buyerId);

/** What the buyer has agreed to with us; of a sale that is passed on not before its seller has answered. */
export function agreedTerms(trade: Sold): Terms | undefined {
  if (trade.role !== 'forwarder') return trade.terms;
  return 'front' in trade ? trade.front : undefined;
}

/** Where the lock is; of a sale that is passed on only where its seller says that it is. */
export function lockPlace(trade: Sold): string | undefined {
  if ('lock' in trade) return `${trade.lock.txid}:${trade.lock.vout}`;
  if ('outpoint' in trade) return trade.outpoint;
  const accept = 'accept' in trade ? trade.accept : undefined;
  return accept === undefined ? undefined : `${accept.fundingTxid}:${accept.fundingVout}`;
}

type Source = Pick<Chain, 'transaction' | 'spender'>;

/** The transaction of a lock as the chain has it: a seller's word is none until its output is what was agreed. */
export async function foundLock(chain: Source, trade: Sold): Promise<{ outpoint: string; raw: string } | undefined> {
  if ('lock' in trade) return { outpoint: `${trade.lock.txid}:${trade.lock.vout}`, raw: trade.lock.raw };
  const [terms, outpoint] = [agreedTerms(trade), lockPlace(trade)];
  if (terms === undefined || outpoint === undefined) return undefined;
  const { txid, vout } = readOutpoint(outpoint);
  const raw = (await chain.transaction(txid))?.raw;
  const output = raw === undefined ? undefined : decodeTransaction(raw).outputs[vout];
  const isLock = output?.script === buildLock(terms).script && output.valueSats === lockValueSats(terms);
  return raw !== undefined && isLock ? { outpoint, raw } : undefined;
}

/** The claim that brought the inscription to the buyer, once we have learned its preimage. */
export async function claimTxidOf(chain: Source, trade: Sold): Promise<string | undefined> {
  const isTraded = trade.state === 'settling' || (trade.state === 'ended' && trade.outcome === 'traded');
  if (!isTraded) return undefined;
  const known = trade.state === 'settling' ? trade.claimTxid : trade.txid;
  if (known !== undefined || trade.role !== 'forwarder') return known;
  // Its node may have told the preimage before our own chain showed the claim.
  const [terms, outpoint] = [agreedTerms(trade), lockPlace(trade)];
  if (terms === undefined || outpoint === undefined) return undefined;
  const spender = await chain.spender(outpoint, searchFromHeight(terms));
  return spender !== undefined && findPreimage(spender.raw, terms.paymentHash) !== undefined ? spender.txid : undefined;
}

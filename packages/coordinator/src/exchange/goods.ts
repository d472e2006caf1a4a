import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Forward } from 'sparkle-protocol/protocol/trade/terms';
import { passedOnTo } from './checkouts.ts';
import type { Forwards } from './forwards.ts';
import type { Item, Listings } from './listings.ts';

export type Listed = Pick<Item, 'offerId' | 'inscriptionId'>;

/** What is sold: an item of our shelf, or what somebody else sells through us. */
export type Goods = { item: Item } | { item: Listed; forward: Forward };

type Sources = { listings: Pick<Listings, 'find' | 'openOf'>; forwards: Pick<Forwards, 'forwardFor'> };

/** What is on our shelf is sold from there, whoever else offers it. Throws as `Forwards.forwardFor` and `Listings.openOf`. */
export async function goodsFor(
  { listings, forwards }: Sources,
  asked: { inscriptionId: string; offerSats: bigint },
): Promise<Goods> {
  const { inscriptionId } = asked;
  const ours = await listings.find(inscriptionId);
  const forward = ours === undefined ? await forwards.forwardFor(asked) : undefined;
  if (forward === undefined) return { item: listings.openOf(inscriptionId, ours) };
  return { forward, item: { inscriptionId, offerId: passedOnTo(forward.sellerId) } };
}

/** What was listed anew since is another item, whose price, output and payee this buyer has not seen. Throws `too_late`. */
export function still<Found extends Goods>({ offerId }: Listed, goods: Found): Found {
  if (goods.item.offerId === offerId) return goods;
  throw new SparkleError('too_late', 'the listing must be the one that was asked for; it is over, and another is open');
}

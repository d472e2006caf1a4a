import * as z from 'zod/mini';
import { SparkleError } from '../protocol/errors.ts';
import type { NetworkName } from '../protocol/network.ts';
import { offerSchema, type OfferWire } from './coordinator-wire.ts';
import type { Listing } from './market.ts';

/** What a seller signs for a listing; `price_sats` is a JSON number. Throws `bad_message` naming the field. */
export function offerOf(listing: Listing, network: NetworkName): Omit<OfferWire, 'sig'> {
  const { id, sellerId: seller, inscriptionId: inscription_id, modes, expiresAt: expires_at } = listing;
  const price_sats = Number(listing.priceSats);
  const forward = listing.forward === undefined ? {} : { forward: listing.forward };
  const fields = { id, seller, network, inscription_id, price_sats, modes, expires_at, ...forward };
  const result = z.safeParse(z.omit(offerSchema, { sig: true }), fields);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = String(issue?.path[0]);
  throw new SparkleError('bad_message', `${field} of a listing ${issue?.message}; it is not`, { field });
}

/** An offer as a listing; whoever reads it has checked its signature and its network. */
export const listingOf = (offer: OfferWire): Listing => ({
  id: offer.id,
  sellerId: offer.seller,
  inscriptionId: offer.inscription_id,
  priceSats: BigInt(offer.price_sats),
  modes: offer.modes,
  expiresAt: offer.expires_at,
  ...(offer.forward === undefined ? {} : { forward: offer.forward }),
});

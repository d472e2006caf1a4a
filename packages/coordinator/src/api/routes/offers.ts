import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import {
  offerPageSchema,
  offerParamsSchema,
  offerQuerySchema,
  offerSchema,
} from 'sparkle-protocol/market/coordinator-wire';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import { needsParty, partyOf } from '../../http/auth-http.ts';
import type { Auth } from '../../access/auth.ts';
import type { Hub } from '../../hub/hub.ts';

export type OfferParts = { hub: Hub; auth: Auth };

const tags = ['offers'];
const security = [{ bearer: [] }, { nostr: [] }];
const publishing = {
  ...{ tags, security, operationId: 'publishOffer' },
  summary: "Shows an offer, signed by its seller; replaces the seller's own of the same id",
  body: offerSchema,
  response: { 201: offerSchema },
};
const listing = {
  ...{ tags, operationId: 'listOffers', summary: 'Open offers, newest first, page by page' },
  querystring: offerQuerySchema,
  response: { 200: offerPageSchema },
};
const withdrawing = {
  ...{ tags, security, operationId: 'withdrawOffer' },
  summary: "Takes the caller's offer of this id away; where there is none, there is none to take",
  params: offerParamsSchema,
  response: { 200: offerParamsSchema },
};

/** What is for sale. Anybody may look; a seller changes his own. */
export const offerRoutes =
  ({ hub, auth }: OfferParts): FastifyPluginAsyncZod =>
  async (app) => {
    const preValidation = needsParty(auth);

    app.post('/v1/offers', { preValidation, schema: publishing }, async (request, reply) => {
      const { body: offer } = request;
      if (offer.seller !== partyOf(request))
        throw new SparkleError('forbidden', 'seller must be the key the request is by; it is another', {
          field: 'seller',
        });
      await hub.offers.publish(offer);
      return reply.status(201).send(offer);
    });

    app.get('/v1/offers', { schema: listing }, async ({ query }) => hub.offers.page(query));

    app.delete('/v1/offers/:id', { preValidation, schema: withdrawing }, async (request) => {
      const { id } = request.params;
      await hub.offers.withdraw({ seller: partyOf(request), id });
      return { id };
    });
  };
